"""Train the U-Net: regression of chroma from lightness.

    accelerate launch train/unet.py --output_dir runs/unet

A squared error is smallest for the mean of all plausible colours. The results are therefore right on average, and pale.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from colorgan.color import lightness_and_chroma
from colorgan.data import shift
from colorgan.losses import RECONSTRUCTION
from colorgan.models import Generator, new_generator
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.optimization import new_optimizer
from colorgan.training.run import Run

PRESETS = {
    "default": {},
    # Isola et al. 2017 for 32x32, as Nazeri et al. 2018 built it
    "pix2pix": {
        "architecture": "pix2pix",
        "width": 64,
        "loss": "mse",
        "learning_rate": 2e-4,
        "adam_weight_decay": 0.0,
    },
    # the size of M4mbo's auto encoder (2023), on our lightness and chroma instead of mean grey and RGB
    "m4mbo-ae": {
        "architecture": "classic",
        "width": 64,
        "loss": "mse",
        "learning_rate": 1e-3,
        "adam_weight_decay": 0.0,
    },
}


@dataclass
class UNetConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/unet"), "folder for the checkpoint, the sample pictures and the states")
    architecture: Literal["residual", "pix2pix", "classic"] = option("residual", "architecture of the generator")
    width: int = option(48, "channels of the first stage of the generator")
    generator: str | None = option(None, "checkpoint to start from; default: random weights")
    teachers: str | None = option(
        None, "checkpoints, separated by commas: the target is the mean of the truth and of their mean prediction"
    )
    loss: Literal["mse", "l1", "huber"] = option("mse", "loss function of the chroma")
    augmentation: Literal["none", "shift"] = option("none", "augmentation of the training images besides flips")


def main(config: UNetConfig) -> None:
    run = Run(config)
    batches = run.load_data()
    reconstruction = RECONSTRUCTION[config.loss]

    names = [name.strip() for name in (config.teachers or "").split(",")]
    teachers = [Generator.from_pretrained(name).to(run.device) for name in names if name]
    generator = new_generator(config.generator, config.architecture, config.width)
    average = run.average(generator)
    optimizer = new_optimizer(config, generator, config.learning_rate)
    generator, optimizer = run.prepare(generator, optimizer)

    generator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = lightness_and_chroma(shift(rgb) if config.augmentation == "shift" else rgb)
        if teachers:  # the mean of several networks has less noise than the truth (Hinton et al. 2015)
            with torch.no_grad(), run.accelerator.autocast():
                chroma = (chroma + sum(teacher(lightness) for teacher in teachers) / len(teachers)) / 2
        with run.accelerator.accumulate(generator):
            loss = reconstruction(generator(lightness), chroma)
            run.update(optimizer, loss)
        run.end_step(loss=loss)

    run.finish(average)


if __name__ == "__main__":
    run_script(main, parse_config(UNetConfig, PRESETS, __doc__))
