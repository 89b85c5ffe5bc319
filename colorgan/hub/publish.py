"""Publish checkpoint folders on the Hub, after loading them as a user would."""

from pathlib import Path
from typing import Any

from colorgan.hub.checkpoint import Checkpoint, bundled_names, locate, read_config
from colorgan.hub.client import CheckpointError
from colorgan.hub.upload import publish
from colorgan.models import Classifier, Discriminator, Generator

CLASSES = {each.__name__: each for each in (Generator, Discriminator, Classifier)}  # by `_class_name` of config.json


def push(source: str | Path | Checkpoint, repo_id: str, **options: Any) -> str:
    """Publish a checkpoint folder (or a model) on the Hub in one commit, and return the page's address.

    The checkpoint must load without an error. The files published are config.json, model.safetensors, README.md and
    sample.png. The options are those of `colorgan.hub.upload.publish`. Raises `CheckpointError`.
    """
    if isinstance(source, Checkpoint):
        return source.push_to_hub(repo_id, **options)
    if str(source) not in bundled_names() and not Path(source).is_dir():
        raise CheckpointError(f"There is no folder {source}: give a checkpoint folder, such as runs/unet.")
    folder = locate(Path(source) if Path(source).is_dir() else source)
    class_name = str(read_config(folder).get("_class_name", ""))
    if class_name not in CLASSES:
        raise CheckpointError(f"{folder} is a checkpoint of {class_name or 'another program'}, not of colorgan.")
    return publish(CLASSES[class_name].files_to_publish(folder), repo_id, **options)
