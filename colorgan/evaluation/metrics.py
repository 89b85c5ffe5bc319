"""Metrics of 8-bit outputs: most functions take uint8 images (N, 3, H, W) and return one value per image, (N,)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import ciede2000, lab_to_rgb, rgb_to_lab, to_uint8

# name -> (decimals shown, definition)
METRICS = {
    "psnr": (2, "mean RGB PSNR, dB"),
    "psnr_pooled": (2, "PSNR of the mean squared error over all images, dB"),
    "ssim": (3, "structural similarity of RGB, Gaussian window of sigma 1.5"),
    "ab_mae": (2, "mean absolute error of a and b, Lab units"),
    "ciede2000": (2, "mean colour difference CIEDE2000"),
    "acc@2": (1, "per cent of pixels with |dL| <= 2 and |da|, |db| <= 4.4"),
    "acc@5": (1, "per cent of pixels with |dL| <= 5 and |da|, |db| <= 11"),
    "auc_rebalanced": (
        1,
        "per cent of pixels within t of the true ab, mean over t = 0..150, rare colours weighted more",
    ),
    "colorfulness": (2, "colourfulness by Hasler and Suesstrunk 2003"),
    "delta_colorfulness": (2, "mean absolute difference of colorfulness to the truth"),
    "fd": (3, "Frechet distance between the evaluator's features of outputs and truth"),
    "top1": (1, "the evaluator's accuracy on the outputs, per cent"),
    "ab_bias": (2, "distance between the mean ab of the outputs and of the truth in each class, Lab units"),
    "fid": (2, "Frechet distance of Inception features; the user provides the network"),
}

Columns = dict[str, Tensor]  # metrics of each image (N,), by name

# baselines


def grey_baseline(images: Tensor) -> Tensor:
    """Return uint8 images (N, 3, H, W) without chroma. A model below this baseline has learned nothing."""
    return constant_baseline(images, torch.zeros(2))


def constant_baseline(images: Tensor, ab: Tensor) -> Tensor:
    """Return uint8 images (N, 3, H, W) with their own lightness and the same `ab` (2,), Lab units, in every pixel."""
    lab = rgb_to_lab(images.float() / 255)
    return to_uint8(lab_to_rgb(torch.cat([lab[:, :1], ab.to(lab)[None, :, None, None].expand_as(lab[:, 1:])], dim=1)))


# metrics of one image


def squared_error(output: Tensor, truth: Tensor) -> Tensor:
    """Return the mean squared RGB error of each image, with RGB in [0, 1]."""
    return ((output.float() - truth.float()) / 255).square().flatten(1).mean(1)


def psnr_from(squared_error: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of mean squared errors (any shape) of RGB in [0, 1]."""
    return -10 * torch.log10(squared_error.clamp(min=1e-10))  # an exact copy has 100 dB instead of infinity


def ssim(output: Tensor, truth: Tensor) -> Tensor:
    """Return the structural similarity (Wang et al. 2004) of images of at least 11 x 11 pixels.

    It is the mean over the RGB channels and over all windows that lie completely inside the image. Windows are
    Gaussian with sigma 1.5, cut at 11 x 11 pixels.
    """
    offsets = torch.arange(-5.0, 6.0, device=output.device)
    window = torch.exp(-offsets.square() / (2 * 1.5**2))
    window = window / window.sum()

    def local_mean(x: Tensor) -> Tensor:
        x = F.conv2d(x.flatten(0, 1)[:, None], window[None, None, :, None])
        return F.conv2d(x, window[None, None, None])

    x, y = output.float() / 255, truth.float() / 255
    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x, variance_y = local_mean(x * x) - mean_x**2, local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).reshape(len(x), -1).mean(1)


def ab_error(lab1: Tensor, lab2: Tensor) -> Tensor:
    """Return the mean absolute error of a and b of each image, from Lab tensors (N, 3, H, W)."""
    return (lab1 - lab2)[:, 1:].abs().flatten(1).mean(1)


def colorfulness(images: Tensor) -> Tensor:
    """Return the colourfulness of each image (Hasler and Suesstrunk 2003, eq. 9: signed rg and yb, RGB in 0..255)."""
    red, green, blue = images.float().flatten(2).unbind(1)
    rg, yb = red - green, (red + green) / 2 - blue
    deviation = (rg.var(1, correction=0) + yb.var(1, correction=0)).sqrt()
    return deviation + 0.3 * (rg.mean(1).square() + yb.mean(1).square()).sqrt()


def accuracy(lab1: Tensor, lab2: Tensor, e: int) -> Tensor:
    """Return the share of pixels with rounded |dL| <= e and |da|, |db| <= 2.2 e of each image, from Lab tensors.

    Definition: the published code of Nazeri et al. 2018.
    """
    limit = torch.tensor([e, 2.2 * e, 2.2 * e], device=lab1.device)[:, None, None]
    return ((lab1.round() - lab2.round()).abs() <= limit).all(1).flatten(1).float().mean(1)


def rarity(images: Tensor) -> Tensor:
    """Return 1 / p(ab) of bins of 10 x 10 Lab units, (27, 27) with ab = 0 in the middle.

    p is the share of the pixels of all `images`, uint8 (N, 3, H, W), in that bin; an empty bin counts as one pixel.
    """
    parts = [
        torch.bincount(_ab_bin(rgb_to_lab(part.float() / 255)).flatten(), minlength=27 * 27)
        for part in images.split(1000)
    ]
    counts = torch.stack(parts).sum(0)
    return (counts.sum() / counts.clamp(min=1)).float().reshape(27, 27)


def _ab_bin(lab: Tensor) -> Tensor:
    a, b = (lab[:, 1:] / 10).round().long().clamp(-13, 13).unbind(1)
    return (a + 13) * 27 + b + 13


def rebalanced_hits(lab1: Tensor, lab2: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numerator and the denominator of auc_rebalanced of each image (Zhang et al. 2016).

    A pixel adds to the numerator the share of the thresholds t = 0..150 that its ab error does not exceed, times the
    weight of its true colour; it adds that weight to the denominator. `weights` is the `rarity` of the whole set.
    """
    error = (lab1[:, 1:] - lab2[:, 1:]).norm(dim=1)
    weight = weights.flatten()[_ab_bin(lab2)]
    hits = ((151 - error.ceil()) / 151).clamp(min=0)
    return (hits * weight).flatten(1).sum(1), weight.flatten(1).sum(1)


def coarse_ab(images: Tensor) -> Tensor:
    """Return the mean a and b of each cell of a 4x4 grid, Lab units, (N, 32): features for fd_ab, without a network."""
    parts = [F.adaptive_avg_pool2d(rgb_to_lab(part.float() / 255)[:, 1:], 4).flatten(1) for part in images.split(1000)]
    return torch.cat(parts)


# metrics of a set


def frechet_distance(a: Tensor, b: Tensor, weights: Tensor | None = None) -> float:
    """Return the Frechet distance of Gaussians fitted to features (N, D) and (M, D) (Heusel et al. 2017, eq. 6).

    `weights` (N,) count how often each row is used in both sets, for a bootstrap; this needs N = M.
    """
    (mean_a, cov_a), (mean_b, cov_b) = _moments(a, weights), _moments(b, weights)
    root = _matrix_root(cov_a)
    squares = torch.linalg.eigvalsh(root @ cov_b @ root)  # of the eigenvalues of the root of cov_a @ cov_b
    trace = cov_a.trace() + cov_b.trace() - 2 * squares.clamp(min=0).sqrt().sum()
    return ((mean_a - mean_b).square().sum() + trace).clamp(min=0).item()  # rounding errors can make it about -1e-6


def _moments(features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    if weights is None:
        weights = features.new_ones(len(features))
    total = weights.sum()
    mean = (weights.to(features) @ features / total).double()
    centred = features - mean.to(features)
    scatter = (centred * weights.to(features)[:, None]).T @ centred
    return mean, scatter.double() / (total - 1)


def _matrix_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def measure(output: Tensor, truth: Tensor, weights: Tensor | None = None, batch_size: int = 500) -> Columns:
    """Measure each image of a set; `summarize` makes the set's metrics of the result.

    `weights` is the `rarity` of the set; by default it is computed from `truth`.
    """
    weights = rarity(truth) if weights is None else weights
    parts = []
    for y, x in zip(output.split(batch_size), truth.split(batch_size), strict=True):
        lab_y, lab_x = rgb_to_lab(y.float() / 255), rgb_to_lab(x.float() / 255)
        mse, colour, hits = squared_error(y, x), colorfulness(y), rebalanced_hits(lab_y, lab_x, weights)
        parts.append(
            {
                "squared_error": mse,
                "psnr": psnr_from(mse),
                "ssim": ssim(y, x),
                "ab_mae": ab_error(lab_y, lab_x),
                "ciede2000": ciede2000(lab_y, lab_x).flatten(1).mean(1),
                "acc@2": 100 * accuracy(lab_y, lab_x, 2),
                "acc@5": 100 * accuracy(lab_y, lab_x, 5),
                "auc_hits": hits[0],
                "auc_weight": hits[1],
                "colorfulness": colour,
                "delta_colorfulness": (colour - colorfulness(x)).abs(),
            }
        )
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def summarize(columns: Columns, counts: Tensor | None = None) -> dict[str, float]:
    """Return those metrics of a set that follow from the metrics of each image (all but fd and fid).

    `counts` (N,) say how often each image is used (default: once), for bootstraps and for subsets.
    """
    values = torch.stack(list(columns.values())).double()
    counts = torch.ones_like(values[0]) if counts is None else counts.to(values)
    means = dict(zip(columns, (values @ counts / counts.sum()).tolist(), strict=True))
    means["psnr_pooled"] = psnr_from(torch.tensor(means["squared_error"])).item()
    means["auc_rebalanced"] = 100 * means["auc_hits"] / means["auc_weight"]
    return {name: means[name] for name in METRICS if name in means}


def standard_errors(statistic: Callable[[Tensor], dict[str, float]], size: int, samples: int) -> dict[str, float]:
    """Return bootstrap standard errors (Efron 1979) of metrics of `size` images.

    `statistic` returns the metrics for given counts (size,): how often each image is used.
    """
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randint(size, (size,), generator=generator).bincount(minlength=size) for _ in range(samples)]
    results = [statistic(counts) for counts in draws]
    return {name: torch.tensor([each[name] for each in results]).std().item() for name in results[0]}


def markdown_table(
    rows: dict[str, dict[str, float]],
    intervals: dict[str, dict[str, float]] | None = None,
    definitions: dict[str, tuple[int, str]] = METRICS,
) -> str:
    """Return a Markdown table: one row per model, one column per metric, and ± half of the interval if given.

    `definitions` has the names of the metrics in the order of the columns, and their decimals.
    """
    names = [name for name in definitions if name in next(iter(rows.values()))]
    lines = ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    for row, values in rows.items():
        cells = [f"{values[name]:.{definitions[name][0]}f}" for name in names]
        for i, name in enumerate(names):
            if intervals and name in intervals[row]:
                cells[i] += f" ± {intervals[row][name]:.{definitions[name][0]}f}"
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
