"""Correct predicted colours where the user gave hints: first on the network's grid, then at the photograph's size.

1. On the grid, the errors at the hints are spread as in a Gaussian process: everywhere a little, because the tone of a
   photograph is what lightness does not say, and more where a place is near and of similar lightness, where the network
   finds the same colours plausible, and where it is unsure.
2. At full size, what is still missing at the hints is added around them. It fades out with the distance and with the
   difference of lightness, so that it ends at edges. The pixel of a hint then has the colour asked for.

Hints with a region take part in the second step only, inside their region, where the spreading of the first is done.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from colorgan.color import CHROMA_SCALE
from colorgan.inference.distribution import ColorDistribution
from colorgan.inference.hints import Hint, coverage
from colorgan.inference.upsample import GuidedChroma, shrink
from colorgan.parallel import on_one_core
from colorgan.photo.read import Photo

# The covariance of the network's errors at two places: EVERYWHERE, and for each of KERNELS its weight *
# exp(-distance^2 / (2 near^2)) * exp(-difference of L^2 / (2 alike^2)); a hint has a noise of variance NOISE. If the
# network gives a distribution of colours, all that is multiplied by exp(-OVERLAP * the squared Hellinger distance of
# the two distributions, from 0 to 1) and by their standard deviations, each divided by DEVIATION. An error of more than
# TONE is hardly that of the whole picture: what is beyond it is spread with the last kernel only. These values were
# chosen with the network `photo` on its validation photographs (`bench/hints.py` measures them).
EVERYWHERE = 0.15
KERNELS = (0.25, math.inf, 25.0), (0.3, 0.55, 30.0), (0.3, 0.15, 25.0)  # weight, near (shorter sides), alike (L units)
NOISE = 0.1
OVERLAP = 3.0
DEVIATION = 15.0  # Lab units
TONE = 40.0  # Lab units
REGION = 0.3, 0.2, 15.0  # inside a region, there is one kernel: everywhere, near and alike
EDGE = 7.5  # L units, of the second step: smaller, so that no colour crosses an edge of lightness
REACH = 3.5  # standard deviations, beyond which the second step adds nothing


@dataclass
class _Sites:
    """What the covariance of the errors at n places depends on."""

    places: Tensor  # (n, 2), y and x in shorter sides
    lightness: Tensor  # (n,), L
    roots: Tensor | None = None  # (n, bins): the square roots of the probabilities of colours
    scale: Tensor | None = None  # (n,): the standard deviation of the colours, in units of DEVIATION


def correct_chroma(
    chroma: Tensor, photo: Photo, hints: Sequence[Hint], distribution: ColorDistribution | None = None
) -> Tensor:
    """The first step: chroma (2, h, w) in [-1, 1] of a photograph, corrected by the hints that have no region.

    With the `distribution` of the network's colours, on the same grid, corrections go to places of the same kind, and
    less to those of whose colour the network is sure.
    """
    lightness = torch.from_numpy(photo.lightness)
    hints = [hint for hint in _last_of_each_pixel(hints, lightness) if hint.region is None]
    return on_one_core(_correct, chroma, lightness, hints, distribution) if hints else chroma


def _correct(chroma: Tensor, lightness: Tensor, hints: list[Hint], distribution: ColorDistribution | None) -> Tensor:
    """Chroma (2, h, w) of a picture whose L is `lightness` (H, W), corrected by at least one hint without a region."""
    height, width = lightness.shape
    h, w = chroma.shape[-2:]
    grid = shrink(lightness[None, None], (h, w)).flatten()
    sides = _numbers([height, width]) / min(height, width)  # in units of the shorter one
    centres = torch.cartesian_prod((_count(h) + 0.5) / h, (_count(w) + 0.5) / w) * sides
    places = _numbers([[hint.y, hint.x] for hint in hints]) * sides
    seen = _numbers([_lightness_around(hint, lightness) for hint in hints])
    wanted = _numbers([hint.ab for hint in hints]) / CHROMA_SCALE
    under = torch.tensor([row * w + column for row, column in (hint.pixel(h, w) for hint in hints)], device="cpu")
    cells, known = _Sites(centres, grid), _Sites(places, seen)
    deviation = distribution.deviation() if distribution is not None else None
    if distribution is not None and distribution.probability is not None and deviation is not None:
        cells.roots, cells.scale = distribution.probability.flatten(1).T.sqrt(), deviation.flatten() / DEVIATION
        known.roots, known.scale = cells.roots[under], cells.scale[under]
    missing = wanted - chroma.flatten(1).T.cpu().float()[under]
    noise = NOISE * torch.eye(len(hints), dtype=torch.float32, device="cpu")
    tone = missing * (TONE / CHROMA_SCALE / missing.norm(dim=1, keepdim=True).clamp(min=1e-6)).clamp(max=1)
    correction = torch.zeros(h * w, 2, device="cpu")
    for errors, everywhere, kernels in ((tone, EVERYWHERE, KERNELS), (missing - tone, 0.0, KERNELS[-1:])):
        strength = torch.linalg.solve(_covariance(everywhere, kernels, known, known) + noise, errors)
        correction += _covariance(everywhere, kernels, cells, known) @ strength
    return (chroma + correction.T.reshape(2, h, w).to(chroma)).clamp(-1, 1)


@dataclass
class HintedChroma:
    """The chroma of a photograph with corrections at its hints; `rows` is that of `GuidedChroma`."""

    guided: GuidedChroma
    corrections: "list[_Correction]"

    def rows(self, lightness: Tensor, top: int) -> Tensor:
        """Chroma (2, n, W) of the n rows from `top` on, whose L in [0, 100] is `lightness` (n, W)."""
        ab = self.guided.rows(lightness, top)
        for correction in self.corrections:
            correction.add_to(ab, lightness, top)
        return ab


@torch.inference_mode()
def add_hints(
    guided: GuidedChroma, lightness: Tensor, hints: Sequence[Hint], cell: float, factor: float = 1
) -> "HintedChroma | GuidedChroma":
    """The second step: ab of a picture whose L in [0, 100] is `lightness` (H, W), corrected by all hints.

    `cell` is the side of a cell of the network's grid in pixels; `factor` multiplies the colours that are asked for.
    """
    hints = _last_of_each_pixel(hints, lightness)
    if not hints:
        return guided
    result = HintedChroma(guided, [])
    for region in dict.fromkeys(hint.region for hint in hints if hint.region):
        inside = _mask(region, hints, lightness)
        here = [hint for hint in hints if inside[hint.pixel(*lightness.shape)] and hint.region in (region, None)]
        everywhere, near, alike = REGION
        spread = _Correction(lightness, here, near * min(lightness.shape), alike, everywhere, [inside] * len(here))
        spread.fit(result, factor, NOISE)
        result.corrections.append(spread)
    short = min(lightness.shape)
    pixels = _numbers([hint.pixel(*lightness.shape) for hint in hints])
    apart = torch.cdist(pixels, pixels).fill_diagonal_(torch.inf).amin(1)
    # half the distance to the next hint: then the system of equations is dominated by its diagonal
    sigma = _numbers([max(hint.radius * short, cell, 1.0) for hint in hints]).minimum(apart / 2)
    masks = [_mask(hint.region, hints, lightness) if hint.region else None for hint in hints]
    exact = _Correction(lightness, hints, sigma, EDGE, 0.0, masks)
    exact.fit(result, factor, 0.0)
    result.corrections.append(exact)
    return result


class _Correction:
    """What is added to ab around hints: the sum of their kernels, times strengths (n, 2)."""

    def __init__(
        self,
        lightness: Tensor,
        hints: Sequence[Hint],
        sigma: Tensor | float,
        alike: float,
        everywhere: float,
        masks: list[Tensor | None],
    ):
        self.pixels = [hint.pixel(*lightness.shape) for hint in hints]
        self.lightness = [lightness[pixel].item() for pixel in self.pixels]
        self.picture, self.wanted = lightness, _numbers([hint.ab for hint in hints])
        self.sigma = sigma.tolist() if isinstance(sigma, Tensor) else [sigma] * len(hints)
        self.alike, self.everywhere, self.masks = alike, everywhere, masks
        self.strength = torch.zeros_like(self.wanted)  # until `fit`

    def fit(self, before: HintedChroma, factor: float, noise: float) -> None:
        """Choose the strengths so that the hints' pixels get their colours, but for the noise."""
        missing = [
            wanted * factor - before.rows(self.picture[row : row + 1], row)[:, 0, column]
            for (row, column), wanted in zip(self.pixels, self.wanted, strict=True)
        ]
        places, seen = _numbers(self.pixels), _numbers(self.lightness)
        exponent = torch.cdist(places, places).square_() * (-0.5 / _numbers(self.sigma) ** 2)
        exponent += (seen[:, None] - seen).square_() * (-0.5 / self.alike**2)
        kernel = self.everywhere + (1 - self.everywhere) * exponent.exp_()
        for j, mask in enumerate(self.masks):
            if mask is not None:
                kernel[:, j] *= torch.stack([mask[pixel] for pixel in self.pixels])
        self.strength = torch.linalg.solve(
            kernel + noise * torch.eye(len(kernel), dtype=torch.float32, device="cpu"), torch.stack(missing)
        )

    def add_to(self, ab: Tensor, lightness: Tensor, top: int) -> None:
        """Add the correction to ab (2, n, W) of the rows from `top` on, with this lightness (n, W)."""
        for i, (row, column) in enumerate(self.pixels):
            reach = int(REACH * self.sigma[i]) + 1 if not self.everywhere else max(self.picture.shape)
            rows = slice(max(0, row - reach - top), max(0, row + reach + 1 - top))
            columns = slice(max(0, column - reach), column + reach + 1)
            if lightness[rows].numel():
                kernel = self._kernel(i, lightness[rows], top + rows.start, columns)
                ab[:, rows, columns] += self.strength[i].view(2, 1, 1) * kernel

    def _kernel(self, i: int, lightness: Tensor, top: int, columns: slice) -> Tensor:
        """The kernel of hint `i` in rows from `top` on, with this lightness (n, W), and columns of them."""
        (row, column), scale = self.pixels[i], -0.5 / self.sigma[i] ** 2
        lightness = lightness[:, columns]
        y = (_count(len(lightness)) + (top - row)) ** 2 * scale
        x = (_count(lightness.shape[1]) + (columns.start - column)) ** 2 * scale
        exponent = (lightness - self.lightness[i]).square_().mul_(-0.5 / self.alike**2).add_(y[:, None]).add_(x)
        kernel = exponent.exp_().mul_(1 - self.everywhere).add_(self.everywhere)
        mask = self.masks[i]
        return kernel if mask is None else kernel * mask[top : top + len(lightness), columns]


def _covariance(
    everywhere: float, kernels: Sequence[tuple[float, float, float]], sites: _Sites, others: _Sites
) -> Tensor:
    """The covariance (n, m) of the errors at n sites and at m others."""
    distance = torch.cdist(sites.places, others.places).square_()
    difference = (sites.lightness[:, None] - others.lightness).square_()
    covariance = torch.full_like(distance, everywhere)
    for weight, near, alike in kernels:
        covariance += weight * torch.exp(-0.5 * (distance / near**2 + difference / alike**2))
    if sites.roots is not None and others.roots is not None:
        covariance *= torch.exp(OVERLAP * (sites.roots @ others.roots.T - 1))
    if sites.scale is not None and others.scale is not None:
        covariance *= sites.scale[:, None] * others.scale
    return covariance


def _lightness_around(hint: Hint, lightness: Tensor) -> float:
    """The median of the lightness within a hint's radius, which grain and highlights do not change."""
    (row, column), reach = hint.pixel(*lightness.shape), int(hint.radius * min(lightness.shape))
    rows, columns = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
    return lightness[rows, columns].median().item()


def _last_of_each_pixel(hints: Sequence[Hint], lightness: Tensor) -> list[Hint]:
    """The hints without those whose pixel gets another hint later."""
    return list({hint.pixel(*lightness.shape): hint for hint in hints}.values())


def _mask(region: tuple[tuple[float, float], ...], hints: Sequence[Hint], lightness: Tensor) -> Tensor:
    """The pixels inside a region (H, W) bool, with those of its hints, which may lie on its border."""
    inside = coverage(region, *lightness.shape)
    for hint in hints:
        if hint.region == region:
            inside[hint.pixel(*lightness.shape)] = True
    return inside


def _numbers(values: Sequence) -> Tensor:
    """Numbers as float32 on the CPU, whatever the defaults of PyTorch are."""
    return torch.tensor(values, dtype=torch.float32, device="cpu")


def _count(end: int) -> Tensor:
    return torch.arange(end, dtype=torch.float32, device="cpu")
