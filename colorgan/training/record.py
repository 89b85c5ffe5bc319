"""The results in the output folder of a run: the checkpoint, training.json, a sample picture and the model card."""

import json
import shutil
from pathlib import Path
from typing import Any

from colorgan.cards import write_training_card
from colorgan.files import write_whole
from colorgan.hub.checkpoint import Checkpoint


def write_checkpoint(folder: Path, model: Checkpoint, record: dict[str, Any], sheet: str) -> None:
    """Write a model as a checkpoint folder. `sheet` is the name of its picture in `samples`, which can be missing."""
    model.save_pretrained(folder)
    picture = folder / "samples" / f"{sheet}.png"
    if picture.is_file():
        shutil.copyfile(picture, folder / "sample.png")
    write_record(folder, record)


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write `training.json`, and the model card (README.md) from it."""
    with write_whole(folder / "training.json") as file:
        file.write(f"{json.dumps(record, indent=2)}\n".encode())
    write_training_card(folder, record)
