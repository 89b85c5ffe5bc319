"""Measuring colourizers on a data set: every figure of every image, of every class and of the whole, with intervals."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorgan.color import lightness_and_chroma, rgb_to_lab
from colorgan.colorizer import Colorizer
from colorgan.data import DatasetError, ImageSet
from colorgan.metrics import (
    FIGURES,
    Columns,
    constant_baseline,
    frechet_distance,
    grey_baseline,
    measure,
    rarity,
    standard_errors,
    summarize,
)
from colorgan.models import Classifier, Generator
from colorgan.strips import one_core_threads

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]  # of CIFAR-10
PART = 100  # images at a time, which the caches hold best
SAMPLES = 1000  # of the bootstrap; a twentieth of them for fd, which takes as much longer


@dataclass
class Row:
    """One row of the table: what was measured of each image, its features, and the outputs themselves."""

    columns: Columns
    features: dict[str, Tensor] = field(repr=False)  # by the figure they serve: `fd`, `fid`
    outputs: Tensor = field(repr=False)  # uint8 (N, 3, H, W)


class Evaluator:
    """The networks that look at outputs: the bundled evaluator, and Inception if the user has its weights.

    The evaluator's architecture and seed are not those of the network whose features NoGAN is trained with.
    """

    def __init__(self, device: torch.device | str = "cpu", inception_weights: Path | None = None):
        self.classifier = Classifier.from_pretrained("evaluator").to(device, memory_format=torch.channels_last)
        self.inception = load_inception(inception_weights).to(device) if inception_weights else None

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Features (N, D) by the figure they serve, and the classes seen (N,), of uint8 images (N, 3, H, W)."""
        embedded = self.classifier.embed(*lightness_and_chroma(images.float() / 255))
        features = {"fd": embedded}
        if self.inception is not None:
            features["fid"] = self.inception(images, return_features=True)
        return features, self.classifier.head(embedded).argmax(1)


def load_inception(path: Path) -> nn.Module:
    """Inception v3 as the TorchScript file `inception-2015-12-05.pt` that StyleGAN and clean-fid use (2,048 features).

    Raises `ValueError` if the file is no such network.
    """
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
        features = network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), return_features=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not the TorchScript Inception network: get inception-2015-12-05.pt, as StyleGAN uses it."
        ) from error
    if features.ndim != 2:
        raise ValueError(f"{path} gives features of shape {tuple(features.shape)}, not one row an image.")
    return network


def evaluate(images: ImageSet, generators: dict[str, Generator], evaluator: Evaluator) -> dict[str, Row]:
    """Measure the generators on coloured images, with the rows `grey`, `mean` (the images' mean ab) and `truth`."""
    truth = images.images
    if min(truth.shape[-2:]) < 11:
        raise DatasetError(f"Images of {truth.shape[-1]} pixels are smaller than ssim's window of 11.")
    mean = mean_ab(truth)
    colourize: dict[str, Callable[[Tensor], Tensor]] = {
        "grey": grey_baseline,
        "mean": lambda part: constant_baseline(part, mean),
        **{name: Colorizer(generator, truth.device).colorize_batch for name, generator in generators.items()},
        "truth": lambda part: part,
    }
    weights, rows = rarity(truth), {}

    @torch.inference_mode()
    def look(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple:
        y = function(x)
        bar.update(len(x))
        return y, measure(y, x, weights), *evaluator(y)

    with (
        tqdm(total=len(colourize) * len(images), unit="image") as bar,
        one_core_threads(torch.get_num_threads()) as pool,
    ):
        for name, function in colourize.items():
            bar.set_description(name)
            parts = pool.map(partial(look, function), truth.split(PART))
            outputs, columns, features, seen = zip(*parts, strict=True)
            row = Row(_join(columns), _join(features), torch.cat(outputs))
            if images.class_names == CLASSES:
                row.columns["top1"] = 100.0 * (torch.cat(seen) == images.labels)
            rows[name] = row
    return rows


def _join(parts: tuple[dict[str, Tensor], ...]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def figures(row: Row, truth: Row) -> dict[str, float]:
    """All figures of one row."""
    distances = {name: frechet_distance(features, truth.features[name]) for name, features in row.features.items()}
    values = summarize(row.columns) | distances
    return {name: values[name] for name in FIGURES if name in values}


def intervals(row: Row, truth: Row, samples: int = SAMPLES) -> dict[str, float]:
    """Half the width of each figure's 95 % interval: 1.96 bootstrap standard errors, over images. Not for fid."""
    size = len(row.outputs)
    errors = standard_errors(lambda counts: summarize(row.columns, counts), size, samples)
    features = row.features["fd"], truth.features["fd"]
    errors |= standard_errors(lambda counts: {"fd": frechet_distance(*features, counts)}, size, samples // 20)
    return {name: 1.96 * error for name, error in errors.items()}


def by_class(row: Row, images: ImageSet) -> dict[str, dict[str, float]]:
    """The figures of each class, with the mean a and b of its pixels; empty without labels."""
    if images.labels is None:
        return {}
    result = {}
    for label in images.labels.unique().tolist():
        members = images.labels == label
        a, b = mean_ab(row.outputs[members]).tolist()
        name = images.class_names[label] if images.class_names else str(label)
        result[name] = summarize(row.columns, members) | {"mean_a": a, "mean_b": b}
    return result


def mean_ab(images: Tensor) -> Tensor:
    """Mean a and b (2,) over all pixels of uint8 images (N, 3, H, W), Lab units."""
    parts = [rgb_to_lab(part.float() / 255)[:, 1:].sum((0, 2, 3), dtype=torch.float64) for part in images.split(1000)]
    return (torch.stack(parts).sum(0) / (images[:, 0].numel())).float()
