"""Checkpoint folders, and the Hugging Face Hub that they are loaded from and published to."""

from colorgan.hub.checkpoint import (
    BUNDLED,
    Checkpoint,
    bundled_generators,
    bundled_names,
    create_repo,
    locate,
    push,
    read_config,
)
from colorgan.hub.client import CheckpointError, pull

__all__ = [
    "BUNDLED",
    "Checkpoint",
    "CheckpointError",
    "bundled_generators",
    "bundled_names",
    "create_repo",
    "locate",
    "pull",
    "push",
    "read_config",
]
