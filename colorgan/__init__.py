"""colorgan: colourize photographs with small networks trained on CIFAR-10."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colorgan.hub.client import CheckpointError
    from colorgan.inference.colorizer import Colorizer
    from colorgan.models import Generator
    from colorgan.photo import PhotoError

__version__ = "0.1.0"  # read by setuptools, so a literal
__all__ = ["CheckpointError", "Colorizer", "Generator", "PhotoError", "__version__"]

# Each public name is imported when it is first used, so that `colorgan --help` does not wait for PyTorch.
_MODULES = {
    "CheckpointError": "colorgan.hub.client",
    "Colorizer": "colorgan.inference.colorizer",
    "Generator": "colorgan.models",
    "PhotoError": "colorgan.photo",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'colorgan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
