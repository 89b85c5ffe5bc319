"""colorgan: colourize photographs with small networks trained on CIFAR-10."""

from colorgan.hub.checkpoint import CheckpointError
from colorgan.inference.colorizer import Colorizer
from colorgan.models import Generator
from colorgan.photo import PhotoError

__version__ = "0.1.0"
__all__ = ["CheckpointError", "Colorizer", "Generator", "PhotoError", "__version__"]
