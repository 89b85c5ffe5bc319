"""Measure colourizers on a data set: every metric of each image, of each class and of the whole set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from colorgan.bins import annealed_mean
from colorgan.color import inputs_to_lab, lab_to_rgb, lightness_and_chroma, rgb_to_lab, to_uint8
from colorgan.data import DatasetError, ImageSet
from colorgan.evaluation.metrics import (
    METRICS,
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
from colorgan.inference.upsample import enlarge
from colorgan.models import Classifier, Generator
from colorgan.parallel import one_core_threads
from colorgan.unets import PhotoUNet

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]  # of CIFAR-10
BATCH = 100  # images at a time; larger batches do not fit the processor's caches and are slower
SAMPLES = 1000  # bootstrap samples; fd gets a twentieth of them, because one of its samples takes much longer

TEMPERATURES = (0.38, 0.6, 0.8, 1.0)  # of the annealed means that `evaluate_heads` measures

# networks that look at the outputs


class Evaluator:
    """The networks that judge outputs: the bundled evaluator, and Inception v3 if the user has its weights.

    The evaluator's architecture and random seed differ from those of the classifier that NoGAN is trained with.
    """

    def __init__(self, device: torch.device | str = "cpu", inception_weights: Path | None = None):
        device = torch.device(device)
        self.classifier = Classifier.from_pretrained("evaluator").to(device)
        self.classifier.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing in torch's stubs
        self.inception = load_inception(inception_weights).to(device) if inception_weights else None

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return features (N, D) by the metric that uses them (`fd`, `fid`), and predicted classes (N,).

        `images` are uint8 (N, 3, H, W).
        """
        embedded = self.classifier.embed(*lightness_and_chroma(images.float() / 255))
        features = {"fd": embedded}
        if self.inception is not None:
            features["fid"] = self.inception(images, return_features=True)
        return features, self.classifier.head(embedded).argmax(1)


def load_inception(path: Path) -> nn.Module:
    """Load Inception v3 from the TorchScript file `inception-2015-12-05.pt` of StyleGAN and clean-fid.

    The network takes uint8 images and returns 2,048 features of each. Raises `ValueError` if the file holds another
    network or none.
    """
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
        features = network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), return_features=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is not the TorchScript Inception network: give the file inception-2015-12-05.pt of StyleGAN."
        ) from error
    if features.ndim != 2:
        raise ValueError(f"{path} returns features of shape {tuple(features.shape)}; expected (images, features).")
    return network


# the rows of the table


@dataclass
class Row:
    """One row of the table: the metrics of each image, the features of the outputs, and the outputs."""

    columns: Columns
    features: dict[str, Tensor] = field(repr=False)  # (N, D) by the metric that uses them: `fd`, `fid`
    outputs: Tensor = field(repr=False)  # uint8 (N, 3, H, W)


def evaluate(images: ImageSet, generators: dict[str, Generator], evaluator: Evaluator) -> dict[str, Row]:
    """Measure generators on coloured images, beside the rows `grey`, `mean` (the set's mean ab) and `truth`.

    Raises `DatasetError` if the images are smaller than the 11 pixels that SSIM needs.
    """
    truth = images.images
    if min(truth.shape[-2:]) < 11:
        raise DatasetError(f"Images of {truth.shape[-1]} pixels are too small: ssim needs at least 11 x 11 pixels.")
    mean = mean_ab(truth)
    colourize: dict[str, Callable[[Tensor], Tensor]] = {
        "grey": grey_baseline,
        "mean": lambda part: constant_baseline(part, mean),
        **{name: Colorizer(generator, truth.device).colorize_batch for name, generator in generators.items()},
        "truth": lambda part: part,
    }
    weights, rows = rarity(truth), {}

    @torch.inference_mode()
    def measure_batch(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple:
        y = function(x)
        bar.update(len(x))
        return y, measure(y, x, weights), *evaluator(y)

    with (
        tqdm(total=len(colourize) * len(images), unit="image") as bar,
        one_core_threads(torch.get_num_threads()) as pool,
    ):
        for name, function in colourize.items():
            bar.set_description(name)
            parts = pool.map(partial(measure_batch, function), truth.split(BATCH))
            outputs, columns, features, classes = zip(*parts, strict=True)
            row = Row(_concatenate(columns), _concatenate(features), torch.cat(outputs))
            if images.class_names == CLASSES:
                row.columns["top1"] = 100.0 * (torch.cat(classes) == images.labels)
            rows[name] = row
    return rows


def _concatenate(parts: tuple[dict[str, Tensor], ...]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def row_metrics(row: Row, truth: Row) -> dict[str, float]:
    """Return all metrics of one row, in the order of `METRICS`; `truth` is the row of the true images."""
    distances = {name: frechet_distance(features, truth.features[name]) for name, features in row.features.items()}
    values = summarize(row.columns) | distances
    return {name: values[name] for name in METRICS if name in values}


def intervals(row: Row, truth: Row, samples: int = SAMPLES) -> dict[str, float]:
    """Return half the width of each metric's 95 % interval: 1.96 bootstrap standard errors over images.

    `fid` has no interval.
    """
    size = len(row.outputs)
    errors = standard_errors(lambda counts: summarize(row.columns, counts), size, samples)
    features = row.features["fd"], truth.features["fd"]
    errors |= standard_errors(lambda counts: {"fd": frechet_distance(*features, counts)}, size, samples // 20)
    return {name: 1.96 * error for name, error in errors.items()}


def class_metrics(row: Row, images: ImageSet) -> dict[str, dict[str, float]]:
    """Return the metrics of each class, and `mean_a` and `mean_b` of its pixels; empty if the set has no labels."""
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
    """Return the mean a and b (2,) over all pixels of uint8 images (N, 3, H, W), in Lab units."""
    parts = [rgb_to_lab(part.float() / 255)[:, 1:].sum((0, 2, 3), dtype=torch.float64) for part in images.split(1000)]
    return (torch.stack(parts).sum(0) / images[:, 0].numel()).float()


# validation during training


def evaluate_generator(generator: Generator, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Measure a generator on the validation images.

    Returns the metrics, with `grey_psnr_pooled` and `grey_ab_mae` of the grey images, and the first 8 images as
    columns of a figure.
    """
    truth = validation.images
    outputs = colorize_all(generator, truth)
    with torch.autocast(truth.device.type, enabled=False):  # metrics are computed in float32 whatever the training uses
        grey = grey_baseline(truth)
        metrics = summarize(measure(outputs, truth)) | {"fd_ab": frechet_distance(coarse_ab(outputs), coarse_ab(truth))}
        metrics["grey_psnr_pooled"] = psnr_from(squared_error(grey, truth).mean()).item()
        metrics["grey_ab_mae"] = ab_error(rgb_to_lab(grey.float() / 255), rgb_to_lab(truth.float() / 255)).mean().item()
    return metrics, {"grey": grey[:8], "output": outputs[:8], "truth": truth[:8]}


@torch.inference_mode()
def evaluate_heads(generator: Generator, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Measure both heads of a `photo` network on at most 1,000 validation images.

    The metrics begin with the name of the output: `regression` is the chroma of the first head, `T0.38` the annealed
    mean of the second at that temperature. `ab_ratio` is the mean over images of the ab error relative to the error of
    grey, `ab_ratio_pooled` the ratio of the sums, and `relative_colorfulness` is relative to the truth. The images are
    shrunk to a multiple of 32 pixels, which the network sees without padding, as in training. Returns the metrics, and
    8 images as columns of a figure.
    """
    truth = validation.images[:: max(1, len(validation) // 1000)][:1000]
    multiple, size = PhotoUNet.multiple, truth.shape[-1]
    if size > multiple and size % multiple:
        side = size // multiple * multiple
        truth = to_uint8(F.interpolate(truth.float() / 255, (side, side), mode="bicubic", antialias=True))
    parts = [_outputs_of_heads(generator, part) for part in truth.split(BATCH)]
    outputs = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    grey = grey_baseline(truth)
    grey_errors = _ab_errors(grey, truth)
    metrics = {"grey_psnr_pooled": psnr_from(squared_error(grey, truth).mean()), "grey_ab_mae": grey_errors.mean()}
    for name, images in outputs.items():
        errors = _ab_errors(images, truth)
        metrics |= {
            f"{name}_psnr_pooled": psnr_from(squared_error(images, truth).mean()),
            f"{name}_ab_mae": errors.mean(),
            f"{name}_ab_ratio": (errors / grey_errors.clamp(min=0.1)).mean(),
            f"{name}_ab_ratio_pooled": errors.sum() / grey_errors.sum(),
            f"{name}_relative_colorfulness": colorfulness(images).mean() / colorfulness(truth).mean(),
        }
    columns = {"grey": grey, **{name: outputs[name] for name in ("regression", "T0.6", "T0.38")}, "truth": truth}
    every = max(1, len(truth) // 8)
    return {k: value.item() for k, value in metrics.items()}, {k: x[::every][:8] for k, x in columns.items()}


def _outputs_of_heads(generator: Generator, images: Tensor) -> dict[str, Tensor]:
    """Colourize uint8 images (N, 3, H, W) by the regression and by annealed means; uint8 of the same shape by name."""
    assert isinstance(generator.network, PhotoUNet)
    lightness, _ = lightness_and_chroma(images.float() / 255)
    chroma, logits = generator(lightness, heads=True)
    outputs = {}
    with torch.autocast(images.device.type, enabled=False):
        means = {f"T{t:g}": annealed_mean(logits, generator.network.centres, t) for t in TEMPERATURES}
        for name, each in {"regression": chroma.float(), **means}.items():
            outputs[name] = to_uint8(lab_to_rgb(inputs_to_lab(lightness, enlarge(each, lightness))))
    return outputs


def _ab_errors(outputs: Tensor, truth: Tensor) -> Tensor:
    """The ab error of each image, (N,), computed in batches to limit memory."""
    pairs = zip(outputs.split(BATCH), truth.split(BATCH), strict=True)
    return torch.cat([ab_error(rgb_to_lab(a.float() / 255), rgb_to_lab(b.float() / 255)) for a, b in pairs])


def colorize_all(generator: Generator, images: Tensor) -> Tensor:
    """Colourize uint8 images (N, 3, H, W) in batches; the network sees only their lightness."""
    colorizer = Colorizer(generator, images.device)
    return torch.cat([colorizer.colorize_batch(part) for part in images.split(500)])
