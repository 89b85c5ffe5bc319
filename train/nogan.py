"""Train NoGAN: as much of a GAN's training as possible without adversarial training (Antic 2019, DeOldify).

    accelerate launch train/nogan.py --output_dir runs/nogan

1. The generator alone, with a pixel loss and a feature loss: its colours are right on average, and pale.
2. The critic alone: it learns to distinguish the colours of this generator from true ones, until it wins.
3. Both together for a short time. The quality rises and then falls; the step that is best in validation is kept.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.augmentation import augment
from colorgan.color import lightness_and_chroma
from colorgan.data import ImageSet
from colorgan.inference.upsample import enlarge
from colorgan.losses import discriminator_loss, feature_loss, generator_loss, to_cells
from colorgan.models import Classifier, Discriminator, Generator, new_gan_generator
from colorgan.training.colorfulness import finish_at_colorfulness
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.optimization import new_optimizer
from colorgan.training.run import Metrics, Run
from colorgan.training.stages import finish_stages, resume_stage, stage_config

# for photographs of 80 pixels; --generator is a network of `train/unet.py --preset photo`
PHOTO = {"resolution": 80, "architecture": "photo", "augmentation": "photo", "classifier": "photo-classifier"}


@dataclass
class NoGANConfig(TrainingConfig):
    """The options without a stage's name, such as --learning_rate, are those of stage 1 where the others differ."""

    output_dir: Path = option(Path("runs/nogan"), "folder for the checkpoint and one folder for each stage")
    stage: Literal["all", "generator", "critic", "joint"] = option("all", "which stage to run")
    generator: str | None = option(None, "checkpoint from which the first stage that is run starts")
    critic: str | None = option(None, "checkpoint from which the joint stage starts, if it is run alone")
    classifier: str = option("classifier", "checkpoint whose features the feature loss compares")
    architecture: Literal["residual", "pix2pix", "photo"] = option("residual", "architecture of the generator")
    width: int = option(48, "channels of the first stage of the generator")
    discriminator_width: int = option(32, "channels of the first stage of the critic")
    lambda_feature: float = option(0.1, "weight of the feature loss relative to L1")
    lambda_l1: float = option(10.0, "weight of L1 and feature loss relative to the adversarial loss, in stage 3")
    critic_steps: int = option(1500, "maximum number of optimizer steps of stage 2")
    critic_accuracy: float = option(95.0, "accuracy on validation images, in per cent, at which the critic has won")
    critic_learning_rate: float = option(5e-4, "peak learning rate of stage 2")
    joint_steps: int = option(1500, "number of optimizer steps of stage 3")
    joint_learning_rate: float = option(2e-4, "peak learning rate of stage 3")
    adversarial_adam_beta1: float = option(0.5, "--adam_beta1 of stages 2 and 3", below=1)
    adversarial_adam_weight_decay: float = option(0.0, "--adam_weight_decay of stages 2 and 3")
    critic_threshold: float = option(1.4, "stage 3 uses the adversarial loss only below this loss of the critic")
    colorfulness: float | None = option(
        None, "after stage 3, multiply the colours until they are this strong, relative to the true ones"
    )
    validation_steps: int = option(250, "optimizer steps between validations")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage == "all" and self.resume_from_checkpoint not in (None, "latest"):
            raise ValueError("A training state is of one stage: name that --stage as well, or resume from 'latest'.")
        if self.critic and self.stage != "joint":
            raise ValueError(f"--critic is where --stage joint starts: --stage {self.stage} has no use for it.")
        if self.push_to_hub and self.stage not in ("all", "joint"):
            raise ValueError(f"--push_to_hub publishes the result of the joint stage, not of --stage {self.stage}.")


def main(config: NoGANConfig) -> None:
    """Train one stage after the other; each starts from the checkpoints of the stages before it."""
    alone = config.stage != "all"
    start = config.generator if alone and config.generator else str(config.output_dir / "generator")
    critic = config.critic or str(config.output_dir / "critic")
    adam = {"adam_beta1": config.adversarial_adam_beta1, "adam_weight_decay": config.adversarial_adam_weight_decay}
    # the critic has no moving average: the average of a spectral norm's singular vectors is no singular vector
    critic_options = {"max_train_steps": config.critic_steps, "learning_rate": config.critic_learning_rate}
    joint_options = {"max_train_steps": config.joint_steps, "learning_rate": config.joint_learning_rate}
    stages = {"generator": {}, "critic": critic_options | adam | {"ema_decay": 0.0}, "joint": joint_options | adam}
    for stage in (config.stage,) if alone else stages:
        options = resume_stage(stage_config(config, stage, **stages[stage]), alone, again=stage == "joint")
        if options is None:
            continue
        if stage == "generator":
            run = train_generator(options, config.generator)
        elif stage == "critic":
            run = train_critic(options, start)
        else:
            run = train_jointly(options, start, critic)
        if run.stop.interrupted:
            return
    if config.stage in ("all", "joint"):
        finish_stages(config, stages, "joint")


def train_generator(config: NoGANConfig, start: str | None) -> Run:
    """Stage 1: L1 on the chroma, and on the features that a classifier computes from it."""
    run = Run(config)
    batches = run.load_data()
    generator = new_gan_generator(start, config.architecture, config.width, config.colorfulness)
    classifier = Classifier.from_pretrained(config.classifier).requires_grad_(False).to(run.device)
    average = run.average(generator)
    optimizer = new_optimizer(config, generator, config.learning_rate)
    generator, optimizer = run.prepare(generator, optimizer)

    generator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = augment(rgb, config.augmentation, config.crop, batches.generator)
        with run.accelerator.accumulate(generator):
            near = near_losses(run, classifier, lightness, generator(lightness), chroma)
            run.update(optimizer, near["l1"] + config.lambda_feature * near["feature"])
        run.end_step(**near)
    run.finish(average)
    return run


def near_losses(run: Run, judge: Classifier, lightness: Tensor, generated: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """How far the generated chroma is from the true chroma: the L1 loss, and the feature loss."""
    l1 = F.l1_loss(generated, to_cells(truth, generated))
    with run.accelerator.autocast():
        return {"l1": l1, "feature": feature_loss(judge, lightness, enlarge(generated, lightness), truth)}


def train_critic(config: NoGANConfig, start: str) -> Run:
    """Stage 2: a binary classifier learns to tell the colours of this generator, which does not change, from true ones.

    A critic that has won in its history is finished: one of its validations has reached `--critic_accuracy`.
    """

    @torch.no_grad()
    def accuracy(critic: Discriminator, validation: ImageSet) -> tuple[Metrics, dict[str, Tensor]]:
        right = 0
        for images in validation.images.split(500):
            lightness, chroma = lightness_and_chroma(images.float() / 255)
            generated = generator(lightness)
            seen, true = to_cells(lightness, generated), to_cells(chroma, generated)
            right += (critic(seen, true).mean((1, 2, 3)) > 0).sum().item()
            right += (critic(seen, generated).mean((1, 2, 3)) <= 0).sum().item()
        return {"accuracy": 50 * right / len(validation)}, {}

    run = Run(config, accuracy)
    batches = run.load_data()
    generator = Generator.from_pretrained(start).to(run.device)
    critic = Discriminator(width=config.discriminator_width)
    average = run.average(critic)
    optimizer = new_optimizer(config, critic, config.learning_rate)
    critic, optimizer = run.prepare(critic, optimizer)

    critic.train()
    for rgb, _ in run.steps(batches, until=lambda metrics: metrics["accuracy"] >= config.critic_accuracy):
        lightness, chroma = augment(rgb, config.augmentation, config.crop, batches.generator)
        with run.accelerator.accumulate(critic):
            with torch.no_grad():
                generated = generator(lightness)
            seen, true = to_cells(lightness, generated), to_cells(chroma, generated)
            loss = discriminator_loss("bce", critic(seen, true), critic(seen, generated))
            run.update(optimizer, loss)
        run.end_step(critic=loss)
    run.finish(average)
    return run


def train_jointly(config: NoGANConfig, start: str, critic_start: str) -> Run:
    """Stage 3: both together; the step whose colours are closest in distribution to the true ones is kept."""
    run = Run(config)
    batches = run.load_data()
    generator = new_gan_generator(start, config.architecture, config.width, config.colorfulness)
    critic = Discriminator.from_pretrained(critic_start)
    classifier = Classifier.from_pretrained(config.classifier).requires_grad_(False).to(run.device)
    average = run.average(generator)
    best = run.keep_best(average, "fd_ab")
    optimizer_g = new_optimizer(config, generator, config.learning_rate)
    optimizer_c = new_optimizer(config, critic, config.learning_rate)
    generator, critic, optimizer_g, optimizer_c = run.prepare(generator, critic, optimizer_g, optimizer_c)

    generator.train()
    critic.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = augment(rgb, config.augmentation, config.crop, batches.generator)
        with run.accelerator.accumulate(generator, critic):
            generated = generator(lightness)
            seen, true = to_cells(lightness, generated), to_cells(chroma, generated)
            loss_c = discriminator_loss("bce", critic(seen, true), critic(seen, generated.detach()))
            run.update(optimizer_c, loss_c)
            with run.frozen(critic) as judge:
                loss_adversarial = generator_loss("bce", judge(seen, generated))
            critic_is_good = loss_c.detach() < config.critic_threshold  # a worse one would teach the wrong colours
            near = near_losses(run, classifier, lightness, generated, chroma)
            loss_near = near["l1"] + config.lambda_feature * near["feature"]
            run.update(optimizer_g, critic_is_good * loss_adversarial + config.lambda_l1 * loss_near)
        run.end_step(critic=loss_c, adversarial=loss_adversarial, **near)
    result = best if run.best else average  # a run that was stopped before its first validation has no best step
    finish_at_colorfulness(run, result, config.colorfulness, run.best)
    return run


if __name__ == "__main__":
    run_script(main, parse_config(NoGANConfig, {"default": {}, "photo": PHOTO}, __doc__))
