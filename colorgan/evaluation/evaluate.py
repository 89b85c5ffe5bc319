"""Measuring colourizers on a data set: every figure of every image, of every class and of the whole, with intervals."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorgan.color import lightness_and_chroma, rgb_to_lab
from colorgan.data import DatasetError, ImageSet
from colorgan.evaluation.metrics import (
    FIGURES,
    Columns,
    ab_error,
    coarse_ab,
    colorfulness,
    constant_baseline,
    frechet_distance,
    grey_baseline,
    measure,
    psnr_from,
    rarity,
    squared_error,
    standard_errors,
    summarize,
)
from colorgan.inference.colorizer import Colorizer
from colorgan.models import Classifier, Generator
from colorgan.parallel import one_core_threads

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


SHARE_STEP = 1 / 64  # how exactly `interpolate` finds its share


def evaluate_generator(generator: nn.Module, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Colourize the validation images: figures, grey's beside the model's, and some pictures to look at."""
    truth = validation.images
    outputs = colorize_all(generator, truth)
    with torch.autocast(truth.device.type, enabled=False):  # figures are exact, whatever the network runs in
        grey = grey_baseline(truth)
        figures = summarize(measure(outputs, truth)) | {"fd_ab": frechet_distance(coarse_ab(outputs), coarse_ab(truth))}
        figures["grey_psnr_pooled"] = psnr_from(squared_error(grey, truth).mean()).item()
        figures["grey_ab_mae"] = ab_error(rgb_to_lab(grey.float() / 255), rgb_to_lab(truth.float() / 255)).mean().item()
    return figures, {"grey": grey[:8], "output": outputs[:8], "truth": truth[:8]}


def colorize_all(generator: Generator, images: Tensor) -> Tensor:
    """Colourize uint8 images (N, 3, H, W) in batches; only their lightness is used."""
    colorizer = Colorizer(generator, images.device)
    return torch.cat([colorizer.colorize_batch(part) for part in images.split(500)])


@torch.no_grad()
def interpolate(start: nn.Module, trained: nn.Module, validation: ImageSet, wanted: float) -> float:
    """Move trained weights back towards those they began from, until colours have `wanted` times the truth's strength.

    Network interpolation (Wang et al. 2018): the networks between a regression and the GAN that began from it are
    paler than the GAN and err less (bench/recipes.md). Gives the share of the trained weights in what `trained` now
    holds; 1, and nothing changed, if its colours are no stronger than wanted.
    """
    begin = start.to(next(trained.parameters()).device).state_dict()
    end = {name: value.clone() for name, value in trained.state_dict().items()}
    enough = wanted * colorfulness(validation.images).mean()
    low, high = 0.0, 1.0
    while high - low > SHARE_STEP:
        share = (low + high) / 2
        _mix(trained, begin, end, share)
        if colorfulness(colorize_all(trained, validation.images)).mean() < enough:
            low = share
        else:
            high = share
    _mix(trained, begin, end, high)
    return high


def _mix(model: nn.Module, begin: dict[str, Tensor], end: dict[str, Tensor], share: float) -> None:
    model.load_state_dict({name: begin[name].lerp(v, share) if v.is_floating_point() else v for name, v in end.items()})
