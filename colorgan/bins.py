"""Colours as classes (Zhang et al. 2016): bins of the ab plane, their shares of a colour, and their mean colour.

`centres` are the (a, b) of the bins in Lab units, (bins, 2); `chroma` is ab / 110, as the networks use it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import CHROMA_SCALE, lightness_and_chroma

SIDE = 10  # width of a bin in a and in b, Lab units
NEAREST, SIGMA = 5, 5.0  # a colour is shared by so many bins, with shares from a Gaussian of this sigma in Lab units
RAREST = 1e-5  # least share of the training images' cells in a bin; rarer colours belong to the nearest bin
ENOUGH = 5000  # about so many images suffice to count the bins and their shares


def count_bins(images: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return the bins that occur in uint8 images (N, 3, H, W): their centres (bins, 2), and their shares (bins,).

    The shares are means of the soft targets of all cells; the colour of a cell is the mean of `stride` x `stride`
    pixels.
    """
    every = max(1, len(images) // ENOUGH)
    chroma = [F.avg_pool2d(lightness_and_chroma(part.float() / 255)[1], stride) for part in images[::every].split(500)]
    rounded = torch.cat([(_in_rows(part) * (CHROMA_SCALE / SIDE)).round() for part in chroma])
    centres, counts = rounded.unique(dim=0, return_counts=True)
    centres = centres[counts >= RAREST * len(rounded)] * SIDE
    shares = torch.zeros(len(centres), device=images.device)
    for part in chroma:
        targets, bins = soft_targets(part, centres)
        shares.index_add_(0, bins.flatten(), targets.flatten())
    return centres, shares / shares.sum()


def balancing_weights(shares: Tensor, uniform_share: float) -> Tensor:
    """Weights of the bins in the loss, (bins,): 1 / ((1 - uniform_share) * shares + uniform_share / bins), scaled.

    They are scaled so that the mean weight of the cells is 1. With a `uniform_share` of 1, all weights are 1; with a
    smaller one, rare colours have larger weights. Zhang et al. 2016 (section 2.2) use 0.5.
    """
    weights = 1 / ((1 - uniform_share) * shares + uniform_share / len(shares))
    return weights / (shares * weights).sum()


def soft_targets(chroma: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shares of each colour of chroma (N, 2, H, W) in its nearest bins, and the indices of these bins.

    Both are (N * H * W, 5), or fewer columns if there are fewer bins. The shares of a colour sum to 1.
    """
    ab = _in_rows(chroma) * CHROMA_SCALE
    distance = torch.addmm(centres.square().sum(1), ab, centres.T, alpha=-2)  # squared, without the constant |ab|^2
    nearest, bins = distance.topk(min(NEAREST, len(centres)), dim=1, largest=False, sorted=False)
    return (-nearest / (2 * SIGMA**2)).softmax(1), bins


def bins_loss(logits: Tensor, chroma: Tensor, centres: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy between logits (N, bins, H, W) and the soft targets of chroma (N, 2, H, W).

    `weights` are the weights of the bins, (bins,). The best logits are log(weights * probability) plus a constant, so
    logits - log(weights) are those of the unweighted probabilities.
    """
    targets, bins = soft_targets(chroma, centres)
    log_probability = _in_rows(logits).float().log_softmax(1).gather(1, bins)
    return -(weights[bins] * targets * log_probability).sum(1).mean()


def annealed_mean(logits: Tensor, centres: Tensor, temperature: float) -> Tensor:
    """Return chroma (N, 2, H, W): the mean of the bins by the softmax of logits (N, bins, H, W) / temperature.

    At temperature 1 it is the mean of the predicted distribution, which is pale; towards 0 it becomes the most
    probable bin (Zhang et al. 2016, equation 5).
    """
    return torch.einsum("nbhw,bc->nchw", (logits.float() / temperature).softmax(1), centres / CHROMA_SCALE)


def _in_rows(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) as (N * H * W, C); a view if their channels are last in memory."""
    return maps.movedim(1, -1).flatten(0, -2)
