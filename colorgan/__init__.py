"""colorgan: colourize photographs with small networks."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colorgan.film.errors import FilmError
    from colorgan.film.look import FilmHint
    from colorgan.hub.client import CheckpointError
    from colorgan.inference.colorizer import Colorizer
    from colorgan.inference.hints import Hint, HintError, read_hints
    from colorgan.inference.render import render
    from colorgan.inference.tone import Tone
    from colorgan.models import Generator
    from colorgan.photo.errors import PhotoError, PhotoWarning
    from colorgan.photo.read import Photo, read_photo
    from colorgan.photo.write import write_photo

__version__ = "0.1.0"  # read by setuptools, so a literal
DEFAULT_MODEL = "photo"  # the bundled checkpoint that colourizes photographs unless another one is named
__all__ = [
    "CheckpointError",
    "Colorizer",
    "FilmError",
    "FilmHint",
    "Generator",
    "Hint",
    "HintError",
    "Photo",
    "PhotoError",
    "PhotoWarning",
    "Tone",
    "__version__",
    "read_hints",
    "read_photo",
    "render",
    "write_photo",
]

# Each public name is imported when it is first used, so that `colorgan --help` does not wait for PyTorch.
_MODULES = {
    "CheckpointError": "colorgan.hub.client",
    "Colorizer": "colorgan.inference.colorizer",
    "FilmError": "colorgan.film.errors",
    "FilmHint": "colorgan.film.look",
    "Generator": "colorgan.models",
    "Hint": "colorgan.inference.hints",
    "HintError": "colorgan.inference.hints",
    "Photo": "colorgan.photo.read",
    "PhotoError": "colorgan.photo.errors",
    "PhotoWarning": "colorgan.photo.errors",
    "Tone": "colorgan.inference.tone",
    "read_hints": "colorgan.inference.hints",
    "read_photo": "colorgan.photo.read",
    "render": "colorgan.inference.render",
    "write_photo": "colorgan.photo.write",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'colorgan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
