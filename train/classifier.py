"""Train a classifier of images, for NoGAN's feature loss or for the evaluation.

accelerate launch train/classifier.py --output_dir runs/classifier
accelerate launch train/classifier.py --preset evaluator --output_dir runs/evaluator
accelerate launch train/classifier.py --preset photo --dataset_name FOLDER --output_dir runs/photo-classifier

The two differ in architecture and seed, so that NoGAN is not trained with the network that later measures it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.augmentation import random_crops, shift
from colorgan.color import lightness_and_chroma
from colorgan.data import DatasetError, ImageSet
from colorgan.models import Classifier
from colorgan.training.checkpoints import TrainingError
from colorgan.training.config import TrainingConfig, option, parse_config
from colorgan.training.images import load_split
from colorgan.training.launch import run_script
from colorgan.training.optimization import new_optimizer
from colorgan.training.run import Metrics, Run

PHOTO = {"resolution": 80, "augmentation": "photo", "train_batch_size": 64, "num_train_epochs": 20}
PRESETS = {
    "default": {},
    "evaluator": {"architecture": "residual", "num_train_epochs": 15, "seed": 1},
    # the same two networks for photographs of 80 pixels
    "photo": PHOTO,
    "photo-evaluator": PHOTO | {"architecture": "residual", "seed": 1},
}


@dataclass
class ClassifierConfig(TrainingConfig):
    output_dir: Path = option(Path("runs/classifier"), "folder for the checkpoint and the training states")
    num_train_epochs: int = option(8, "passes over the training images")
    learning_rate: float = option(3e-3, "peak learning rate")
    architecture: Literal["plain", "residual"] = option("plain", "architecture of the classifier")
    width: int = option(32, "channels of the first stage")
    classifier: str | None = option(None, "checkpoint to start from; default: random weights")
    teacher: str | None = option(None, "checkpoint of a classifier whose predictions replace the labels")
    augmentation: Literal["shift", "photo"] = option(
        "shift", "augmentation of the training images besides flips; photo: crops of random place, size and stretch"
    )
    adam_beta2: float = option(0.999, "decay rate of Adam's average of the squared gradient", below=1)
    adam_weight_decay: float = option(0.05, "weight decay, as in AdamW")
    label_smoothing: float = option(0.1, "share of the target that is spread over all classes", below=1)


def main(config: ClassifierConfig) -> None:
    run = Run(config, evaluate=accuracy)
    batches = run.load_data()
    if batches.images.labels is None:
        raise DatasetError(
            f"{config.dataset_name} has no labels, which a classifier needs: --label_column must name a column of "
            "integers from 0 on."
        )

    classes = int(batches.images.labels.max()) + 1
    if config.classifier:
        classifier = Classifier.from_pretrained(config.classifier)
    else:
        classifier = Classifier(classes, config.width, config.architecture)
    known = classifier.head.out_features
    if known < classes:
        raise TrainingError(f"{config.classifier} distinguishes {known} classes, but the images have {classes}.")
    teacher = Classifier.from_pretrained(config.teacher).to(run.device) if config.teacher else None
    if teacher and teacher.head.out_features != known:
        raise TrainingError(
            f"{config.teacher} distinguishes {teacher.head.out_features} classes, but the classifier to train {known}."
        )
    average = run.average(classifier)
    optimizer = new_optimizer(config, classifier, config.learning_rate)
    classifier, optimizer = run.prepare(classifier, optimizer)

    classifier.train()
    for rgb, labels in run.steps(batches):
        assert labels is not None
        rgb = random_crops(rgb, config.crop, batches.generator) if config.augmentation == "photo" else shift(rgb)
        lightness, chroma = lightness_and_chroma(rgb)
        target, smoothing = labels, config.label_smoothing
        if teacher:  # of each image and its mirror image, and of mixtures of two images (Beyer et al. 2022)
            share = torch.rand((), device=run.device)
            lightness, chroma = (share * x + (1 - share) * x.roll(1, 0) for x in (lightness, chroma))
            with torch.no_grad(), run.accelerator.autocast():
                logits = teacher(lightness, chroma) + teacher(lightness.flip(-1), chroma.flip(-1))
            target, smoothing = (logits.float() / 2).softmax(1), 0.0
        with run.accelerator.accumulate(classifier):
            loss = F.cross_entropy(classifier(lightness, chroma), target, label_smoothing=smoothing)
            run.update(optimizer, loss)
        run.end_step(loss=loss)

    metrics = run.history[-1] if run.history else run.validate()  # of a state from before the first validation
    run.finish(average, metrics | test_accuracy(average, run))


def test_accuracy(classifier: Classifier, run: Run) -> Metrics:
    """Accuracy on the coloured images of the test split, if the data set has one."""
    if Path(run.config.dataset_name).is_file():  # it has no splits, so its images are those of the training
        return {}
    try:
        images, _ = load_split(run.config, "test").without_grey()
    except DatasetError:
        return {}
    if images.labels is None or images.labels.max() >= classifier.head.out_features:
        return {}
    metrics, _ = accuracy(classifier.eval(), images.to(run.device))
    return {f"test_{name}": value for name, value in metrics.items()}


@torch.inference_mode()
def accuracy(classifier: Classifier, validation: ImageSet) -> tuple[Metrics, dict[str, Tensor]]:
    """Top-1 accuracy in per cent on true colours and on the same images made grey."""
    assert validation.labels is not None
    correct = {"top1": 0, "top1_grey": 0}
    for images, labels in zip(validation.images.split(500), validation.labels.split(500), strict=True):
        lightness, chroma = lightness_and_chroma(images.float() / 255)
        for name, colours in (("top1", chroma), ("top1_grey", torch.zeros_like(chroma))):
            correct[name] += (classifier(lightness, colours).argmax(1) == labels).sum().item()
    return {name: 100 * count / len(validation) for name, count in correct.items()}, {}


if __name__ == "__main__":
    run_script(main, parse_config(ClassifierConfig, PRESETS, __doc__))
