"""Read a picture of any common format as exact lightness, and write coloured pictures with its captions and resolution.

Each name is imported when it is first used: reading a photograph does not load the encoders.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colorgan.photo.errors import PhotoError, PhotoWarning
    from colorgan.photo.formats import FORMATS, holds_16_bits
    from colorgan.photo.metadata import Metadata
    from colorgan.photo.read import Photo, Picture, read_photo
    from colorgan.photo.texts import Text
    from colorgan.photo.write import write_photo

__all__ = [
    "FORMATS",
    "Metadata",
    "Photo",
    "PhotoError",
    "PhotoWarning",
    "Picture",
    "Text",
    "holds_16_bits",
    "read_photo",
    "write_photo",
]

_MODULES = {
    "FORMATS": "formats",
    "Metadata": "metadata",
    "Photo": "read",
    "PhotoError": "errors",
    "PhotoWarning": "errors",
    "Picture": "read",
    "Text": "texts",
    "holds_16_bits": "formats",
    "read_photo": "read",
    "write_photo": "write",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
