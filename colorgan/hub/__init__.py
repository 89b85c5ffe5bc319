"""Checkpoint folders, and the Hugging Face Hub that they are downloaded from and published to."""

from colorgan.hub.checkpoint import BUNDLED, Checkpoint, bundled_generators, bundled_names, locate, read_config
from colorgan.hub.client import CheckpointError
from colorgan.hub.upload import create_repo

__all__ = [
    "BUNDLED",
    "Checkpoint",
    "CheckpointError",
    "bundled_generators",
    "bundled_names",
    "create_repo",
    "locate",
    "read_config",
]
