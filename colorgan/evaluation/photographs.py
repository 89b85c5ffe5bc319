"""Measure colourizers on photographs of any size, made grey and colourized as users do it; one photograph at a time."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from colorgan.color import ciede2000, lightness_and_chroma, rgb_to_lab
from colorgan.data import image_name
from colorgan.evaluation.contact_sheet import Largest, thumbnail
from colorgan.evaluation.metrics import (
    Columns,
    ab_error,
    colorfulness,
    frechet_distance,
    grey_baseline,
    psnr_from,
    squared_error,
    standard_errors,
)
from colorgan.evaluation.photo_set import Photographs
from colorgan.models import Classifier
from colorgan.parallel import STRIP_PIXELS, in_order, one_core_threads
from colorgan.pictures import Changes, decode, kind, to_rgb
from colorgan.splits import DatasetError, warn_once

# name -> (decimals shown, definition); every mean is over photographs
PHOTO_METRICS = {
    "psnr": (2, "mean RGB PSNR, dB"),
    "ab_ratio": (3, "mean of the ab error (mean absolute error of a and b) divided by that of the grey photograph"),
    "ab_ratio_pooled": (
        3,
        "sum of the ab errors of all photographs divided by that of the grey photographs",
    ),
    "ciede2000_ratio": (3, "mean of the colour difference CIEDE2000 divided by that of the grey photograph"),
    "colorfulness_ratio": (
        3,
        "mean of the colourfulness (Hasler and Suesstrunk) divided by the true photograph's",
    ),
    "better": (1, "per cent of the photographs with a smaller ab error than the grey photograph"),
    "fd": (3, "Frechet distance between features of the results and of the true photographs, by `photo-evaluator`"),
}
NEARLY_GREY = 1.0  # mean of |a| and |b| in Lab units; a photograph with less counts as grey, and has no ratios
FEATURE_SIDE = 64  # pixels of the shorter side of what the evaluator sees, about the size of its training images
SAMPLES = 1000  # bootstrap samples; fd gets a twentieth of them, because one of its samples takes much longer

Colourize = Callable[[np.ndarray], np.ndarray]  # grey levels (H, W) to RGB (H, W, 3), both uint8


# the measurement of one photograph


@dataclass
class Measurement:
    """The metrics of one photograph by row (`grey` and every network), and its small pictures and features.

    The keys of `pictures` and `features` are `grey`, the networks and `truth`.
    """

    number: int
    name: str
    source: str
    mode: str | None  # of a picture that was converted to RGB
    digest: bytes = b""  # SHA-256 of the pixels
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)  # empty for a photograph that is grey
    features: dict[str, Tensor] = field(default_factory=dict, repr=False)  # (D,)
    pictures: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # small ones, for figures


@torch.inference_mode()
def measure_photograph(
    photographs: Photographs,
    colourize: dict[str, Colourize],
    evaluator: Classifier,
    item: tuple[int, dict[str, Any]],
) -> Measurement | tuple[int, str]:
    """Make a photograph grey by L, colourize it with every network, and measure the results at full size.

    Returns the row number and the name of a photograph that cannot be read.
    """
    number, row = item
    stored = row[photographs.image_column]
    name = image_name(stored, photographs.name, number)
    try:
        picture = decode(stored)
        mode = kind(picture)
        truth = np.ascontiguousarray(to_rgb(picture))
    except Exception:  # decoders raise errors of many types for damaged data
        return number, name
    digest = hashlib.sha256(np.array(truth.shape).tobytes() + truth.tobytes()).digest()
    result = Measurement(number, name, photographs.source(row), mode, digest)
    grey = make_grey(truth)
    of_grey = compare(np.stack([grey] * 3, axis=-1), truth)
    if of_grey["ab_mae"] < NEARLY_GREY:
        return result
    true_colour = colorfulness(_stack(truth)).item()
    for title, function in {"grey": lambda levels: np.stack([levels] * 3, axis=-1), **colourize}.items():
        output = function(grey)
        values = of_grey if title == "grey" else compare(output, truth)
        values["colorfulness"] = colorfulness(_stack(output)).item()
        values["ab_ratio"] = values["ab_mae"] / of_grey["ab_mae"]
        values["ciede2000_ratio"] = values["ciede2000"] / of_grey["ciede2000"]
        values["colorfulness_ratio"] = values["colorfulness"] / true_colour
        values["better"] = 100.0 * (values["ab_ratio"] < 1)
        result.metrics[title] = values
        result.features[title], result.pictures[title] = embed(evaluator, output), thumbnail(output)
    result.features["truth"], result.pictures["truth"] = embed(evaluator, truth), thumbnail(truth)
    return result


def make_grey(rgb: np.ndarray) -> np.ndarray:
    """The grey levels (H, W) that have the lightness of RGB (H, W, 3), both uint8."""
    return np.concatenate([grey_baseline(_stack(rgb[rows]))[0, 0].numpy() for rows in _strips(rgb)])


def compare(output: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The psnr, ab error and mean CIEDE2000 of RGB (H, W, 3), computed in strips so that little memory is needed."""
    sums = dict.fromkeys(("squared_error", "ab_mae", "ciede2000"), 0.0)
    for rows in _strips(truth):
        y, x = _stack(output[rows]), _stack(truth[rows])
        lab_y, lab_x = rgb_to_lab(y.float() / 255), rgb_to_lab(x.float() / 255)
        share = y.shape[2] / len(truth)
        sums["squared_error"] += share * squared_error(y, x).item()
        sums["ab_mae"] += share * ab_error(lab_y, lab_x).item()
        sums["ciede2000"] += share * ciede2000(lab_y, lab_x).mean().item()
    return {"psnr": psnr_from(torch.tensor(sums.pop("squared_error"))).item(), **sums}


def embed(evaluator: Classifier, rgb: np.ndarray) -> Tensor:
    """The evaluator's features (D,) of RGB (H, W, 3), scaled to `FEATURE_SIDE` pixels of the shorter side."""
    height, width, _ = rgb.shape
    scale = FEATURE_SIDE / min(height, width)
    size = round(width * scale), round(height * scale)
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
    device = evaluator.head.weight.device
    return evaluator.embed(*lightness_and_chroma(_stack(small).to(device).float() / 255))[0].cpu()


def _strips(rgb: np.ndarray) -> list[slice]:
    """Slices of rows that cover a picture (H, W, 3)."""
    height, width, _ = rgb.shape
    rows = max(1, STRIP_PIXELS // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _stack(rgb: np.ndarray) -> Tensor:
    """RGB (H, W, 3) as a tensor (1, 3, H, W)."""
    return torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy())


# the measurement of all photographs


@dataclass
class Results:
    """What was measured: the photographs in colour, without their small pictures, and what was left out.

    `checksum` is the SHA-256 of the digests of all photographs that could be read. `sheet` has photographs chosen at
    random, `best` and `worst` those with the lowest and the highest ab_ratio of each network: pictures as in
    `Measurement`.
    """

    measurements: list[Measurement]
    grey: list[str]  # names of the photographs that are grey or nearly so
    changes: Changes
    checksum: str
    sheet: list[Measurement]
    best: dict[str, list[Measurement]]
    worst: dict[str, list[Measurement]]


def measure_photographs(
    photographs: Photographs,
    colourize: dict[str, Colourize],
    evaluator: Classifier,
    *,
    sheet: int = 40,
    extremes: int = 8,
    seed: int = 0,
) -> Results:
    """Measure all photographs, several at once, with a progress bar. `sheet` and `extremes` are numbers of pictures.

    Only a few photographs are in memory at a time. Raises `DatasetError` if fewer than 2 are in colour.
    """
    draw, chosen = random.Random(seed), Largest[Measurement](sheet)
    best, worst = ({name: Largest[Measurement](extremes) for name in colourize} for _ in range(2))
    measurements, grey, changes, digest = [], [], Changes(), hashlib.sha256()
    function = partial(measure_photograph, photographs, colourize, evaluator)
    bar = tqdm(total=len(photographs), desc="Measuring", unit="photograph")
    with bar, one_core_threads(torch.get_num_threads()) as pool:
        for result in in_order(pool, function, photographs):
            bar.update()
            if isinstance(result, tuple):
                number, changes.left_out[number] = result
                continue
            digest.update(result.digest)
            if result.mode:
                changes.converted[result.mode] += 1
            if not result.metrics:
                grey.append(result.name)
                continue
            chosen.offer(draw.random(), result)
            for name in colourize:
                best[name].offer(-result.metrics[name]["ab_ratio"], result)
                worst[name].offer(result.metrics[name]["ab_ratio"], result)
            measurements.append(replace(result, pictures={}))
    for sentence in changes.sentences(photographs.title, 0):
        warn_once(sentence)
    if len(measurements) < 2:
        reasons = f"{len(grey)} are grey, and {len(changes.left_out)} cannot be read"
        raise DatasetError(
            f"{photographs.title} has {len(measurements)} photographs in colour ({reasons}); metrics need at least 2."
        )
    return Results(
        measurements,
        grey,
        changes,
        digest.hexdigest(),
        sorted(chosen.items(), key=lambda each: each.number),
        {name: kept.items() for name, kept in best.items()},
        {name: kept.items() for name, kept in worst.items()},
    )


def columns_of(measurements: list[Measurement], row: str) -> Columns:
    """The metrics of each photograph in one row of the table, (N,) by name; `grey_ab_mae` is the grey photograph's."""
    first = measurements[0].metrics[row]
    columns = {name: torch.tensor([each.metrics[row][name] for each in measurements]).double() for name in first}
    return columns | {"grey_ab_mae": torch.tensor([each.metrics["grey"]["ab_mae"] for each in measurements]).double()}


def summarize_photographs(columns: Columns, counts: Tensor | None = None) -> dict[str, float]:
    """All metrics of `PHOTO_METRICS` but fd, of the `columns_of` a row.

    `counts` (N,) say how often each photograph is used (default: once), for bootstraps.
    """
    values = torch.stack(list(columns.values()))
    counts = torch.ones_like(values[0]) if counts is None else counts.to(values)
    means = dict(zip(columns, (values @ counts / counts.sum()).tolist(), strict=True))
    means["ab_ratio_pooled"] = means["ab_mae"] / means["grey_ab_mae"]
    return {name: means[name] for name in PHOTO_METRICS if name in means}


Summary = dict[str, dict[str, float]]  # metrics by row and name


def summarize_rows(measurements: list[Measurement], features: bool = True) -> tuple[Summary, Summary]:
    """The metrics of every row of the table, and half the width of their 95 % intervals.

    An interval is 1.96 bootstrap standard errors over photographs. Without `features` there is no fd.
    """
    metrics, intervals = {}, {}
    for row in measurements[0].metrics:
        columns = columns_of(measurements, row)
        metrics[row] = summarize_photographs(columns)
        errors = standard_errors(partial(summarize_photographs, columns), len(measurements), SAMPLES)
        if features:
            distance = partial(_distance, *(features_of(measurements, name) for name in (row, "truth")))
            metrics[row] |= distance()
            errors |= standard_errors(distance, len(measurements), SAMPLES // 20)
        intervals[row] = {name: 1.96 * error for name, error in errors.items()}
    return metrics, intervals


def features_of(measurements: list[Measurement], title: str) -> Tensor:
    """The evaluator's features (N, D) of a row of the table, or of the `truth`."""
    return torch.stack([each.features[title] for each in measurements])


def _distance(a: Tensor, b: Tensor, counts: Tensor | None = None) -> dict[str, float]:
    return {"fd": frechet_distance(a, b, counts)}
