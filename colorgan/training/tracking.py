"""Experiment trackers through Accelerate: TensorBoard, trackio and Weights & Biases."""

from pathlib import Path

import numpy as np
from accelerate import Accelerator
from PIL import Image

from colorgan.training.config import TrainingConfig


def start_trackers(accelerator: Accelerator, config: TrainingConfig) -> None:
    """Start the tracker of `--report_to`, if there is one, with the options of the run."""
    if config.report_to != "none":
        options = {name: str(value) if value is None else value for name, value in config.record().items()}
        accelerator.init_trackers("colorgan", config=options)  # trackers do not take None


def log_picture(accelerator: Accelerator, path: Path, step: int) -> None:
    """Send a picture file to the tracker, under the name `samples`."""
    for tracker in accelerator.trackers:
        if tracker.name == "trackio":
            import trackio  # here, because the import creates folders in the user's home

            tracker.log({"samples": trackio.Image(str(path))}, step=step)
            continue
        pictures = np.asarray(Image.open(path))[None]  # (1, H, W, 3)
        options = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
        tracker.log_images({"samples": pictures}, step=step, **options)
