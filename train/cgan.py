"""Train the conditional DCGAN: a generator with an adversarial loss and an L1 loss.

    accelerate launch train/cgan.py --output_dir runs/cgan

The discriminator sees lightness and chroma together, so it can learn which colours are plausible for which things.
The L1 loss keeps the colours near the truth: with a small weight the pictures are vivid, with a large one (100 in the
pix2pix recipe) pale. `--generator runs/unet` starts from a U-Net, which is where the bundled GANs started.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch.nn.functional as F

from colorgan.augmentation import augment
from colorgan.losses import discriminator_loss, generator_loss, to_cells
from colorgan.models import Discriminator, new_gan_generator
from colorgan.training.colorfulness import finish_at_colorfulness
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.optimization import new_optimizer
from colorgan.training.run import Run

PRESETS = {
    "default": {},
    # Nazeri et al. 2018: BatchNorm in both networks, cross-entropy, Adam(0.5, 0.999), L1 with a weight of 100
    "pix2pix": {
        "architecture": "pix2pix",
        "width": 64,
        "discriminator_architecture": "pix2pix",
        "discriminator_width": 64,
        "adversarial_loss": "bce",
        "lambda_l1": 100.0,
        "adam_beta1": 0.5,
        "adam_beta2": 0.999,
        "learning_rate": 2e-4,
        "discriminator_learning_rate": 2e-4,
        "train_batch_size": 64,
    },
    # for photographs of 80 pixels, from a network of `train/unet.py --preset photo`
    "photo": {
        "resolution": 80,
        "architecture": "photo",
        "augmentation": "photo",
        "train_batch_size": 64,
        "learning_rate": 1e-4,
        "discriminator_learning_rate": 4e-4,
    },
}


@dataclass
class CGANConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/cgan"), "folder for the checkpoint, the sample pictures and the states")
    architecture: Literal["residual", "pix2pix", "photo"] = option("residual", "architecture of the generator")
    width: int = option(48, "channels of the first stage of the generator")
    generator: str | None = option(None, "checkpoint of the generator to start from; default: random weights")
    discriminator_architecture: Literal["spectral", "pix2pix"] = option("spectral", "architecture of the discriminator")
    discriminator_width: int = option(32, "channels of the first stage of the discriminator")
    adversarial_loss: Literal["hinge", "bce"] = option("hinge", "adversarial loss")
    lambda_l1: float = option(15.0, "weight of the L1 loss relative to the adversarial loss")
    learning_rate: float = option(5e-4, "peak learning rate of the generator")
    discriminator_learning_rate: float = option(5e-4, "peak learning rate of the discriminator")
    adam_beta1: float = option(0.5, "decay rate of Adam's average of the gradient, for both networks", below=1)
    adam_weight_decay: float = option(0.0, "weight decay of both networks, as in AdamW")
    colorfulness: float | None = option(
        None,
        "after training, multiply the colours until they are this strong, relative to the true ones",
    )


def main(config: CGANConfig) -> None:
    run = Run(config)
    batches = run.load_data()

    generator = new_gan_generator(config.generator, config.architecture, config.width, config.colorfulness)
    discriminator = Discriminator(config.discriminator_architecture, config.discriminator_width)
    average = run.average(generator)
    optimizer_g = new_optimizer(config, generator, config.learning_rate)
    optimizer_d = new_optimizer(config, discriminator, config.discriminator_learning_rate)
    generator, discriminator, optimizer_g, optimizer_d = run.prepare(generator, discriminator, optimizer_g, optimizer_d)

    generator.train()
    discriminator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = augment(rgb, config.augmentation, config.crop, batches.generator)
        with run.accelerator.accumulate(generator, discriminator):
            generated = generator(lightness)
            seen, true = to_cells(lightness, generated), to_cells(chroma, generated)

            # the discriminator learns to distinguish true colours from generated ones
            real_logits = discriminator(seen, true)
            generated_logits = discriminator(seen, generated.detach())
            loss_d = discriminator_loss(config.adversarial_loss, real_logits, generated_logits)
            run.update(optimizer_d, loss_d)

            # the generator learns to make colours that the discriminator takes for true, and that are near the truth
            with run.frozen(discriminator) as judge:
                loss_adversarial = generator_loss(config.adversarial_loss, judge(seen, generated))
            loss_l1 = F.l1_loss(generated, true)
            run.update(optimizer_g, loss_adversarial + config.lambda_l1 * loss_l1)
        run.end_step(discriminator=loss_d, adversarial=loss_adversarial, l1=loss_l1)

    finish_at_colorfulness(run, average, config.colorfulness)


if __name__ == "__main__":
    run_script(main, parse_config(CGANConfig, PRESETS, __doc__))
