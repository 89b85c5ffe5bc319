"""Figures of merit, always on 8-bit outputs: each function takes uint8 (N, 3, H, W) and gives one value per image."""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import lab_to_rgb, rgb_to_lab, to_uint8

# name -> (digits shown, what it is)
FIGURES = {
    "psnr": (2, "mean RGB PSNR, dB"),
    "psnr_pooled": (2, "PSNR of the mean squared error over all images, dB"),
    "ab_mae": (2, "mean absolute error of a and b, Lab units"),
    "acc@2": (1, "per cent of pixels with |dL| <= 2 and |da|, |db| <= 4.4"),
    "acc@5": (1, "per cent of pixels with |dL| <= 5 and |da|, |db| <= 11"),
    "colorfulness": (2, "Hasler and Suesstrunk 2003"),
    "delta_colorfulness": (2, "mean absolute difference of colorfulness to the truth"),
}


def grey_baseline(images: Tensor) -> Tensor:
    """Uint8 images (N, 3, H, W) with all their chroma gone: what no model may fall below."""
    return constant_baseline(images, torch.zeros(2))


def constant_baseline(images: Tensor, ab: Tensor) -> Tensor:
    """Uint8 images (N, 3, H, W) with the same ab (2,), Lab units, in every pixel and their own lightness."""
    lab = rgb_to_lab(images.float() / 255)
    return to_uint8(lab_to_rgb(torch.cat([lab[:, :1], ab.to(lab)[None, :, None, None].expand_as(lab[:, 1:])], dim=1)))


def squared_error(output: Tensor, truth: Tensor) -> Tensor:
    """Mean squared RGB error of each image, with RGB in [0, 1]. Gives (N,)."""
    return ((output.float() - truth.float()) / 255).square().flatten(1).mean(1)


def psnr_from(squared_error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB from mean squared errors of RGB in [0, 1], of any shape."""
    return -10 * torch.log10(squared_error.clamp(min=1e-10))  # 100 dB for an exact copy


def ab_error(output: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of a and b in each image, Lab units. Gives (N,)."""
    difference = rgb_to_lab(output.float() / 255) - rgb_to_lab(truth.float() / 255)
    return difference[:, 1:].abs().flatten(1).mean(1)


def colorfulness(images: Tensor) -> Tensor:
    """Colourfulness of each image (Hasler and Suesstrunk 2003, eq. 9: signed rg and yb, RGB in 0..255). Gives (N,)."""
    red, green, blue = images.float().flatten(2).unbind(1)
    rg, yb = red - green, (red + green) / 2 - blue
    deviation = (rg.var(1, correction=0) + yb.var(1, correction=0)).sqrt()
    return deviation + 0.3 * (rg.mean(1).square() + yb.mean(1).square()).sqrt()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Frechet distance of Gaussians fitted to two sets of features (N, D) and (M, D) (Heusel et al. 2017, eq. 6)."""
    a, b = a.double(), b.double()
    root = _matrix_root(a.T.cov())
    cross = _matrix_root(root @ b.T.cov() @ root)
    trace = a.T.cov().trace() + b.T.cov().trace() - 2 * cross.trace()
    return ((a.mean(0) - b.mean(0)).square().sum() + trace).item()


def _matrix_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def coarse_ab(images: Tensor) -> Tensor:
    """The mean a and b of each cell of a 4x4 grid, Lab units, (N, 32): features that need no network."""
    parts = [F.adaptive_avg_pool2d(rgb_to_lab(part.float() / 255)[:, 1:], 4).flatten(1) for part in images.split(1000)]
    return torch.cat(parts)


def accuracy(output: Tensor, truth: Tensor, e: int) -> Tensor:
    """Share of each image's pixels with rounded |dL| <= e and |da|, |db| <= 2.2 e (Nazeri et al. 2018, as coded)."""
    difference = (rgb_to_lab(output.float() / 255).round() - rgb_to_lab(truth.float() / 255).round()).abs()
    limit = torch.tensor([e, 2.2 * e, 2.2 * e], device=output.device)[:, None, None]
    return (difference <= limit).all(1).flatten(1).float().mean(1)


def summarize(output: Tensor, truth: Tensor, batch_size: int = 1000) -> dict[str, float]:
    """The figures of `FIGURES` over a set of outputs and truths."""
    columns = []
    for y, x in zip(output.split(batch_size), truth.split(batch_size), strict=True):
        colour = colorfulness(y)
        colour_error = (colour - colorfulness(x)).abs()
        right = [accuracy(y, x, 2), accuracy(y, x, 5)]
        columns.append(torch.stack([squared_error(y, x), ab_error(y, x), *right, colour, colour_error]))
    mse, ab, right2, right5, colour, colour_error = torch.cat(columns, dim=1)
    return {
        "psnr": psnr_from(mse).mean().item(),
        "psnr_pooled": psnr_from(mse.mean()).item(),
        "ab_mae": ab.mean().item(),
        "acc@2": 100 * right2.mean().item(),
        "acc@5": 100 * right5.mean().item(),
        "colorfulness": colour.mean().item(),
        "delta_colorfulness": colour_error.mean().item(),
    }


def markdown_table(rows: dict[str, dict[str, float]]) -> str:
    """A table with a row for each model and a column for each figure they have."""
    names = [name for name in FIGURES if name in next(iter(rows.values()))]
    lines = ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    for row, values in rows.items():
        lines.append(f"| {row} | " + " | ".join(f"{values[name]:.{FIGURES[name][0]}f}" for name in names) + " |")
    return "\n".join(lines)
