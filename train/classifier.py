"""Train a classifier: the one whose features serve NoGAN's feature loss, or the evaluation's.

accelerate launch train/classifier.py --output_dir runs/classifier
accelerate launch train/classifier.py --preset evaluator --output_dir runs/evaluator

They differ in architecture and seed, so that no network is trained on what later measures it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import lightness_and_chroma
from colorgan.data import DatasetError, ImageSet, load_images, shift
from colorgan.models import Classifier
from colorgan.training.checkpoints import TrainingError
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.launch import run_script
from colorgan.training.run import Run

PRESETS = {
    "default": {},
    "evaluator": {"architecture": "residual", "num_train_epochs": 15, "seed": 1},
}


@dataclass
class ClassifierConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/classifier"), "folder for the checkpoint and training states")
    num_train_epochs: int = option(8, "passes over the training images")
    learning_rate: float = option(3e-3, "peak learning rate")
    architecture: Literal["plain", "residual"] = option("plain", "shape of the classifier")
    width: int = option(32, "channels of the first stage")
    classifier: str | None = option(None, "checkpoint to begin from, instead of random weights")
    teacher: str | None = option(None, "checkpoint to learn from, instead of the labels")
    weight_decay: float = option(0.05, "of AdamW")
    label_smoothing: float = option(0.1, "share of the target spread over all classes", below=1)


def main(config: ClassifierConfig) -> None:
    run = Run(config, evaluate=accuracy)
    batches = run.load_data()
    if batches.images.labels is None:
        raise DatasetError(f"{config.dataset_name} has no column label, which a classifier needs.")

    classes = int(batches.images.labels.max()) + 1
    if config.classifier:
        classifier = Classifier.from_pretrained(config.classifier)
    else:
        classifier = Classifier(classes, config.width, config.architecture)
    known = classifier.head.out_features
    if known < classes:
        raise TrainingError(f"{config.classifier} tells {known} classes apart, and the images have {classes}.")
    teacher = Classifier.from_pretrained(config.teacher).to(run.device) if config.teacher else None
    if teacher and teacher.head.out_features != known:
        raise TrainingError(
            f"{config.teacher} tells {teacher.head.out_features} classes apart, and what is to learn from it {known}."
        )
    average = run.average(classifier)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    classifier, optimizer = run.prepare(classifier, optimizer)

    classifier.train()
    for rgb, labels in run.steps(batches):
        lightness, chroma = lightness_and_chroma(shift(rgb))
        target, smoothing = labels, config.label_smoothing
        if teacher:  # one look learns what the teacher sees in two, between the images as well (Beyer et al. 2022)
            share = torch.rand((), device=run.device)
            lightness, chroma = (share * x + (1 - share) * x.roll(1, 0) for x in (lightness, chroma))
            with torch.no_grad(), run.accelerator.autocast():
                logits = teacher(lightness, chroma) + teacher(lightness.flip(-1), chroma.flip(-1))
            target, smoothing = (logits.float() / 2).softmax(1), 0.0
        with run.accelerator.accumulate(classifier):
            loss = F.cross_entropy(classifier(lightness, chroma), target, label_smoothing=smoothing)
            run.accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
        run.end_step(loss=loss)

    run.finish(average, run.history[-1] | test_accuracy(average, run) if run.accelerator.is_main_process else None)


def test_accuracy(classifier: Classifier, run: Run) -> dict[str, float]:
    """Accuracy on the coloured images of the test split, if the data set has one."""
    try:
        images, _ = load_images(run.config.dataset_name, "test", run.config.resolution).without_grey()
    except DatasetError:
        return {}
    figures, _ = accuracy(classifier.eval(), images.to(run.device))
    return {f"test_{name}": value for name, value in figures.items()}


@torch.inference_mode()
def accuracy(classifier: Classifier, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Top-1 accuracy in per cent on true colours and on the same images made grey."""
    correct = {"top1": 0, "top1_grey": 0}
    for images, labels in zip(validation.images.split(500), validation.labels.split(500), strict=True):
        lightness, chroma = lightness_and_chroma(images.float() / 255)
        for name, colours in (("top1", chroma), ("top1_grey", torch.zeros_like(chroma))):
            correct[name] += (classifier(lightness, colours).argmax(1) == labels).sum().item()
    return {name: 100 * count / len(validation) for name, count in correct.items()}, {}


if __name__ == "__main__":
    run_script(main, parse_config(ClassifierConfig, PRESETS, __doc__))
