"""Train NoGAN: as much of a GAN's training as possible without the GAN (Antic 2019, DeOldify).

    accelerate launch train/nogan.py --output_dir runs/nogan

1. The generator alone, with a pixel and a feature loss: right, but pale.
2. The critic alone, telling the first generator's colours from true ones, until it wins.
3. Both together, for a short while. Quality rises, then falls: validation says where, and the best step is kept.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorgan.cards import write_training_card
from colorgan.color import lightness_and_chroma
from colorgan.data import ImageSet
from colorgan.evaluation.evaluate import colorize_all
from colorgan.losses import discriminator_loss, feature_loss, generator_loss
from colorgan.models import Classifier, Discriminator, Generator, new_generator
from colorgan.training.checkpoints import is_finished, last_state
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import process, publish, run_script
from colorgan.training.run import Run


@dataclass
class NoGANConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/nogan"), "folder for the checkpoint and one folder for each stage")
    stage: Literal["all", "generator", "critic", "joint"] = option("all", "which stage to run")
    generator: str | None = option(None, "checkpoint the first stage that is run begins from")
    critic: str | None = option(None, "checkpoint the joint stage begins from, when that is run alone")
    classifier: str = option("classifier", "checkpoint whose features the first stage compares")
    architecture: Literal["residual", "pix2pix"] = option("residual", "shape of the generator")
    width: int = option(48, "channels of the generator's first stage")
    discriminator_width: int = option(32, "channels of the critic's first stage")
    lambda_feature: float = option(0.1, "weight of the feature loss beside L1")
    lambda_l1: float = option(10.0, "weight of L1 and the feature loss beside the adversarial one in the joint stage")
    # stage 1 obeys --num_train_epochs and --learning_rate
    critic_steps: int = option(1500, "most optimizer steps of stage 2")
    critic_accuracy: float = option(95.0, "per cent on validation images at which the critic has won")
    critic_learning_rate: float = option(5e-4, "peak learning rate of stage 2")
    joint_steps: int = option(1500, "optimizer steps of stage 3")
    joint_learning_rate: float = option(2e-4, "peak learning rate of stage 3")
    critic_threshold: float = option(1.4, "stage 3 heeds the critic only while its loss is below this (guessing: 1.39)")
    colorfulness: float | None = option(
        None, "share of the truth's that is enough: weights move back towards stage 1's as far as that allows"
    )
    validation_steps: int = option(250, "optimizer steps between validations, one of which the joint stage keeps")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage == "all" and self.resume_from_checkpoint not in (None, "latest"):
            raise ValueError("A training state is of one stage: name that --stage as well, or resume from 'latest'.")
        if self.critic and self.stage != "joint":
            raise ValueError(f"--critic is what --stage joint begins from: --stage {self.stage} has no use for it.")
        if self.push_to_hub and self.stage not in ("all", "joint"):
            raise ValueError(f"--push_to_hub publishes the result of the joint stage, not of --stage {self.stage}.")


def main(config: NoGANConfig) -> None:
    folders = {stage: config.output_dir / stage for stage in ("generator", "critic", "joint")}
    for stage in folders if config.stage == "all" else (config.stage,):
        more = stage == "joint" and last_state(folders[stage])  # it may have more steps now, or less colour
        if config.resume_from_checkpoint == "latest" and is_finished(folders[stage]) and not more:
            if process().is_main_process:
                print(f"The {stage} stage was finished before.")
            continue
        if stage == "generator":
            run = train_generator(stage_config(config, stage), config.generator)
        elif stage == "critic":
            run = train_critic(stage_config(config, stage), first_generator(config))
        else:
            run = train_jointly(
                stage_config(config, stage), first_generator(config), config.critic or str(folders["critic"])
            )
        if run.stop.interrupted:
            return
    if config.stage in ("all", "joint") and process().is_main_process:
        collect(config, folders)
        if config.push_to_hub:
            publish(config)


def stage_config(config: NoGANConfig, stage: str) -> NoGANConfig:
    """The options of one stage: a folder of its own, and for the stages that count in steps their number."""
    folder = config.output_dir / stage
    steps, rate, ema_decay = {
        "generator": (config.max_train_steps, config.learning_rate, config.ema_decay),
        # no average: the mean of a spectral norm's singular vectors is no singular vector
        "critic": (config.critic_steps, config.critic_learning_rate, 0.0),
        "joint": (config.joint_steps, config.joint_learning_rate, config.ema_decay),
    }[stage]
    if steps and config.max_train_steps:
        steps = min(steps, config.max_train_steps)
    resume = config.resume_from_checkpoint
    if config.stage == "all" and resume == "latest" and not last_state(folder):
        resume = None  # stopped in an earlier stage
    return replace(
        config,
        output_dir=folder,
        max_train_steps=steps,
        learning_rate=rate,
        ema_decay=ema_decay,
        resume_from_checkpoint=resume,
        push_to_hub=False,
    )


def collect(config: NoGANConfig, folders: dict[str, Path]) -> None:
    """The joint stage's checkpoint is the result; its record counts the time of all stages that lie beside it."""
    for file in ("config.json", "model.safetensors", "sample.png"):
        if (folders["joint"] / file).is_file():
            shutil.copy(folders["joint"] / file, config.output_dir / file)
    records = {
        stage: json.loads(path.read_text()) for stage, f in folders.items() if (path := f / "training.json").exists()
    }
    record = records["joint"] | {"seconds": sum(r["seconds"] for r in records.values())}
    (config.output_dir / "training.json").write_text(json.dumps(record | {"stages": records}, indent=2) + "\n")
    write_training_card(config.output_dir, record)


def first_generator(config: NoGANConfig) -> str:
    """What stages 2 and 3 begin from: stage 1's result, unless that stage is not run and another one is named."""
    if config.stage != "all" and config.generator:
        return config.generator
    return str(config.output_dir / "generator")


def train_generator(config: NoGANConfig, start: str | None) -> Run:
    """Stage 1: L1 on chroma, and on the features a classifier sees in it."""
    run = Run(config)
    batches = run.load_data()
    generator = new_generator(start, config.architecture, config.width)
    classifier = Classifier.from_pretrained(config.classifier).requires_grad_(False).to(run.device)
    average = run.average(generator)
    optimizer = torch.optim.AdamW(generator.parameters(), config.learning_rate, betas=(0.9, 0.99), fused=True)
    generator, optimizer = run.prepare(generator, optimizer)

    generator.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = lightness_and_chroma(rgb)
        with run.accelerator.accumulate(generator):
            predicted = generator(lightness)
            loss_l1 = F.l1_loss(predicted, chroma)
            with run.accelerator.autocast():
                loss_feature = feature_loss(classifier, lightness, predicted, chroma)
            run.accelerator.backward(loss_l1 + config.lambda_feature * loss_feature)
            optimizer.step()
            optimizer.zero_grad()
        run.end_step(l1=loss_l1, feature=loss_feature)
    run.finish(average)
    return run


def train_critic(config: NoGANConfig, start: str) -> Run:
    """Stage 2: the generator's colours are made once, and a binary classifier learns to tell them from true ones."""

    @torch.no_grad()  # of telling the validation images from what stage 1 made of them, which is made below
    def accuracy(critic: nn.Module, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
        right = 0
        for truth, generated in zip(validation.images.split(500), validation_generated.split(500), strict=True):
            right += (critic(*lightness_and_chroma(truth.float() / 255)).mean((1, 2, 3)) > 0).sum().item()
            right += (critic(*lightness_and_chroma(generated.float() / 255)).mean((1, 2, 3)) <= 0).sum().item()
        return {"accuracy": 50 * right / len(validation)}, {}

    run = Run(config, evaluate=accuracy)
    batches = run.load_data()
    generator = Generator.from_pretrained(start)
    training_generated = colorize_all(generator, batches.images.images)
    validation_generated = colorize_all(generator, run.validation.images)
    batches.images.images = torch.cat([batches.images.images, training_generated], dim=1)  # truth and output together

    critic = Discriminator(width=config.discriminator_width)
    average = run.average(critic)
    optimizer = torch.optim.Adam(critic.parameters(), config.critic_learning_rate, (0.5, 0.99), fused=True)
    critic, optimizer = run.prepare(critic, optimizer)

    def won(figures: dict[str, float] | None) -> bool:
        regular = figures and figures["step"] % config.validation_steps == 0  # not measured because it was stopped
        return bool(regular) and figures["accuracy"] >= config.critic_accuracy

    if victories := [figures["step"] for figures in run.history if won(figures)]:  # it was killed or stopped meanwhile
        run.stop.early()
        every = config.logging_steps if run.accelerator.num_processes > 1 else 1  # steps between agreements
        if run.step // every > victories[0] // every:  # its last step is done
            run.stop.agree(ask=True)
    critic.train()
    for pair, _ in run.steps(batches):
        truth, generated = pair.chunk(2, dim=1)
        with run.accelerator.accumulate(critic):
            real_logits = critic(*lightness_and_chroma(truth))
            generated_logits = critic(*lightness_and_chroma(generated))
            loss = discriminator_loss("bce", real_logits, generated_logits)
            run.accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        if won(run.end_step(critic=loss)):
            run.stop.early()
    run.finish(average)
    return run


def train_jointly(config: NoGANConfig, start: str, critic_start: str) -> Run:
    """Stage 3: both together; the step with the smallest distance between the colours of outputs and truth is kept."""
    run = Run(config)
    batches = run.load_data()
    generator = Generator.from_pretrained(start)
    critic = Discriminator.from_pretrained(critic_start)
    classifier = Classifier.from_pretrained(config.classifier).requires_grad_(False).to(run.device)
    average, best = run.average(generator), run.keep_best("fd_ab")
    optimizer_g = torch.optim.Adam(generator.parameters(), config.joint_learning_rate, (0.5, 0.99), fused=True)
    optimizer_c = torch.optim.Adam(critic.parameters(), config.joint_learning_rate, (0.5, 0.99), fused=True)
    generator, critic, optimizer_g, optimizer_c = run.prepare(generator, critic, optimizer_g, optimizer_c)

    generator.train()
    critic.train()
    for rgb, _ in run.steps(batches):
        lightness, chroma = lightness_and_chroma(rgb)
        with run.accelerator.accumulate(generator, critic):
            generated = generator(lightness)
            loss_c = discriminator_loss("bce", critic(lightness, chroma), critic(lightness, generated.detach()))
            run.accelerator.backward(loss_c)
            optimizer_c.step()
            optimizer_c.zero_grad()

            with run.frozen(critic) as judge:
                loss_adversarial = generator_loss("bce", judge(lightness, generated))
            heeded = loss_c.detach() < config.critic_threshold  # a critic that was fooled must learn before it teaches
            loss_l1 = F.l1_loss(generated, chroma)
            with run.accelerator.autocast():
                loss_feature = feature_loss(classifier, lightness, generated, chroma)
            near = loss_l1 + config.lambda_feature * loss_feature
            run.accelerator.backward(heeded * loss_adversarial + config.lambda_l1 * near)
            optimizer_g.step()
            optimizer_g.zero_grad()
        run.end_step(critic=loss_c, adversarial=loss_adversarial, l1=loss_l1, feature=loss_feature)
    result = best if run.best else average  # stopped before it was validated, it has no best step yet
    paler = run.interpolate(result, start, config.colorfulness, run.best and run.best["step"])
    run.finish(result, paler or run.best)
    return run


if __name__ == "__main__":
    run_script(main, parse_config(NoGANConfig, {"default": {}}, __doc__))
