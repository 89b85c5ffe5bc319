"""Train the U-Net: regression of chroma from lightness.

    accelerate launch train/unet.py --output_dir runs/unet

A squared error is smallest for the mean of all plausible colours. The results are therefore right on average, and pale.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F

from colorgan.augmentation import augment, simulate_hints
from colorgan.evaluation.evaluate import evaluate_generator, evaluate_heads
from colorgan.losses import RECONSTRUCTION, heads_loss
from colorgan.models import Generator, new_generator, new_photo_generator, with_hint_channels
from colorgan.training.checkpoints import TrainingError
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.optimization import new_optimizer
from colorgan.training.run import Run
from colorgan.unets import PhotoUNet

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
    # for photographs of 80 pixels: two heads, regression and the classification of Zhang et al. 2016
    "photo": {
        "resolution": 80,
        "architecture": "photo",
        "augmentation": "photo",
        "loss": "huber",
        "hint_share": 0.5,
        "train_batch_size": 64,
        "max_train_steps": 45_000,
        "lr_warmup_steps": 500,
        "lr_decay_steps": 9_000,
        "ema_decay": 0.9995,
        "validation_steps": 1200,
        "checkpointing_steps": 600,
    },
}


@dataclass
class UNetConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/unet"), "folder for the checkpoint, the sample pictures and the states")
    architecture: Literal["residual", "pix2pix", "classic", "photo"] = option(
        "residual", "architecture of the generator"
    )
    width: int = option(48, "channels of the first stage of the generator")
    generator: str | None = option(None, "checkpoint to start from; default: random weights")
    teachers: str | None = option(
        None, "checkpoints, separated by commas: the target is the mean of the truth and of their mean prediction"
    )
    loss: Literal["mse", "l1", "huber"] = option("mse", "loss function of the chroma")
    lambda_chroma: float = option(10.0, "weight of the regression of --architecture photo; the classification has 1")
    hint_share: float = option(
        0.0, "share of the training images that show hints to a network of --architecture photo", below=1
    )
    uniform_share: float = option(
        0.9, "share of a uniform distribution in the colour frequencies that set the weights of colours; 1: all equal"
    )


def main(config: UNetConfig) -> None:
    photo = config.architecture == "photo"
    if config.hint_share and not photo:
        raise TrainingError("Only networks of --architecture photo take hints: omit --hint_share.")
    run = Run(config, evaluate=evaluate_heads if photo else evaluate_generator)
    batches = run.load_data()
    reconstruction = RECONSTRUCTION[config.loss]

    names = [name.strip() for name in (config.teachers or "").split(",")]
    teachers = [Generator.from_pretrained(name).to(run.device) for name in names if name]
    if photo and not config.generator:
        generator = new_photo_generator(batches.images.images, config.width, config.uniform_share)
    else:
        generator = new_generator(config.generator, config.architecture, config.width)
    if config.hint_share:
        generator = with_hint_channels(generator)
    average = run.average(generator)
    optimizer = new_optimizer(config, generator, config.learning_rate)
    generator, optimizer = run.prepare(generator, optimizer)

    generator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = augment(rgb, config.augmentation, config.crop, batches.generator)
        if teachers:  # the mean of several networks has less noise than the truth (Hinton et al. 2015)
            with torch.no_grad(), run.accelerator.autocast():
                chroma = (chroma + sum(teacher(lightness) for teacher in teachers) / len(teachers)) / 2
        with run.accelerator.accumulate(generator):
            if photo:
                cells = F.avg_pool2d(chroma, PhotoUNet.stride)
                hints = simulate_hints(cells, config.hint_share, batches.generator) if config.hint_share else None
                heads = generator(lightness, hints, heads=True)
                losses = heads_loss(reconstruction, average.network, heads, chroma, config.lambda_chroma)
            else:
                losses = {"loss": reconstruction(generator(lightness), chroma)}
            run.update(optimizer, losses["loss"])
        run.end_step(**losses)

    run.finish(average)


if __name__ == "__main__":
    run_script(main, parse_config(UNetConfig, PRESETS, __doc__))
