"""Train the conditional DCGAN: a generator that must please a discriminator and stay near the truth.

    accelerate launch train/cgan.py --output_dir runs/cgan

The discriminator sees lightness and colour together, so it can say "grass is not that brown"; the L1 term keeps the
colours where they belong. A small weight on L1 gives vivid pictures, a large one (100 in the pix2pix recipe) pale ones.
A GAN that began from a regression (`--generator runs/unet`) errs less when its weights are moved back part of the way
(`--colorfulness 0.75`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F

from colorgan.color import lightness_and_chroma
from colorgan.losses import discriminator_loss, generator_loss
from colorgan.models import Discriminator, new_generator
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.run import Run

PRESETS = {
    "default": {},
    # Nazeri et al. 2018: BatchNorm everywhere, cross-entropy, Adam(0.5, 0.999), a hundred times L1
    "pix2pix": {
        "architecture": "pix2pix",
        "width": 64,
        "discriminator_architecture": "pix2pix",
        "discriminator_width": 64,
        "adversarial_loss": "bce",
        "lambda_l1": 100.0,
        "beta1": 0.5,
        "beta2": 0.999,
        "learning_rate": 2e-4,
        "discriminator_learning_rate": 2e-4,
        "train_batch_size": 64,
    },
}


@dataclass
class CGANConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/cgan"), "folder for the checkpoint, samples and training states")
    architecture: Literal["residual", "pix2pix"] = option("residual", "shape of the generator")
    width: int = option(48, "channels of its first stage")
    generator: str | None = option(None, "checkpoint to begin from, instead of random weights")
    discriminator_architecture: Literal["spectral", "pix2pix"] = option("spectral", "shape of the discriminator")
    discriminator_width: int = option(32, "channels of its first stage")
    adversarial_loss: Literal["hinge", "bce"] = option("hinge", "what the two play for")
    lambda_l1: float = option(15.0, "weight of the L1 term beside the adversarial one")
    learning_rate: float = option(5e-4, "peak learning rate of the generator")
    discriminator_learning_rate: float = option(5e-4, "peak learning rate of the discriminator")
    beta1: float = option(0.5, "of both Adam optimizers", below=1)
    beta2: float = option(0.99, "of both Adam optimizers", below=1)
    colorfulness: float | None = option(
        None, "share of the truth's that is enough: weights move back towards --generator's as far as that allows"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.colorfulness is not None and not self.generator:
            raise ValueError("--colorfulness moves weights back towards those of --generator: name that checkpoint.")


def main(config: CGANConfig) -> None:
    run = Run(config)
    batches = run.load_data()

    generator = new_generator(config.generator, config.architecture, config.width)
    discriminator = Discriminator(config.discriminator_architecture, config.discriminator_width)
    average = run.average(generator)
    betas = (config.beta1, config.beta2)
    optimizer_g = torch.optim.Adam(generator.parameters(), config.learning_rate, betas, fused=True)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), config.discriminator_learning_rate, betas, fused=True)
    generator, discriminator, optimizer_g, optimizer_d = run.prepare(generator, discriminator, optimizer_g, optimizer_d)

    generator.train()
    discriminator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = lightness_and_chroma(rgb)
        with run.accelerator.accumulate(generator, discriminator):
            generated = generator(lightness)

            # the discriminator learns to tell true colours from generated ones
            real_logits = discriminator(lightness, chroma)
            generated_logits = discriminator(lightness, generated.detach())
            loss_d = discriminator_loss(config.adversarial_loss, real_logits, generated_logits)
            run.accelerator.backward(loss_d)
            optimizer_d.step()
            optimizer_d.zero_grad()

            # the generator learns to be taken for true, and to stay near the truth
            with run.frozen(discriminator) as judge:
                loss_adversarial = generator_loss(config.adversarial_loss, judge(lightness, generated))
            loss_l1 = F.l1_loss(generated, chroma)
            run.accelerator.backward(loss_adversarial + config.lambda_l1 * loss_l1)
            optimizer_g.step()
            optimizer_g.zero_grad()
        run.end_step(discriminator=loss_d, adversarial=loss_adversarial, l1=loss_l1)

    run.finish(average, run.interpolate(average, config.generator, config.colorfulness))


if __name__ == "__main__":
    run_script(main, parse_config(CGANConfig, PRESETS, __doc__))
