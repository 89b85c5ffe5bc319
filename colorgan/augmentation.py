"""Augmentation of training images: shifts, crops of random size, the damage of old prints, and a user's hints.

Everything for photographs is drawn from a random generator of the CPU, for the whole batch at once.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import lightness_and_chroma

SCALE = 0.6, 1.0  # range of the side of a crop, relative to the side of the image
STRETCH = 4 / 3  # largest change of the ratio of width to height
BLUR = 0.4, 1.2  # range of the sigma of the blur, pixels
GRAIN = 0.06  # largest standard deviation of the grain, in units of lightness: 3 units of L
PAPER = 0.6, 1.0  # range of the lightness of borders
END_OF_HINTS = 1 / 8  # probability that a hint is the last one
MAX_SIMULATED = 32  # hints of one image
ALL_HINTS = 0.01  # share of the batches in which every cell is a hint


def augment(rgb: Tensor, kind: str, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return lightness and chroma of sRGB images (N, 3, H, W) in [0, 1], augmented as the option `kind` says.

    `none` changes nothing, `shift` moves the batch, and `photo` makes crops of `crop` x `crop` pixels that look like
    photographs of any age.
    """
    if kind == "photo":
        lightness, chroma = lightness_and_chroma(random_crops(rgb, crop, generator))
        return add_borders(age(lightness, generator), chroma, generator)
    return lightness_and_chroma(shift(rgb) if kind == "shift" else rgb)


def shift(rgb: Tensor) -> Tensor:
    """Move the whole batch (N, 3, H, W) by up to an eighth of its size; the border is filled by reflection."""
    margin = rgb.shape[-1] // 8
    top, left = torch.randint(0, 2 * margin + 1, (2,)).tolist()
    padded = F.pad(rgb, (margin,) * 4, mode="reflect")
    return padded[..., top : top + rgb.shape[-2], left : left + rgb.shape[-1]]


def random_crops(rgb: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Crop each image (N, 3, H, W) at a random place and scale it to (N, 3, size, size).

    The side of a crop is 0.6 to 1 times that of the image, and its ratio of width to height is 3:4 to 4:3, so that
    the content is stretched.
    """
    scale, stretch, *place = torch.rand(4, len(rgb), generator=generator)
    scale = SCALE[0] + (SCALE[1] - SCALE[0]) * scale
    ratio = STRETCH ** (stretch - 0.5)  # square root of the ratio of width to height
    sides = torch.stack([scale * ratio, scale / ratio]).clamp(max=1)
    theta = torch.zeros(len(rgb), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = sides
    theta[:, :, 2] = ((1 - sides) * (2 * torch.stack(place) - 1)).T
    grid = F.affine_grid(theta.to(rgb.device), [len(rgb), 1, size, size], align_corners=False)
    return F.grid_sample(rgb, grid, padding_mode="border", align_corners=False)


def age(lightness: Tensor, generator: torch.Generator) -> Tensor:
    """Change lightness (N, 1, H, W) in [-1, 1] as old prints and their scans do.

    Each image independently gets other tones (30 % of the images), less contrast (30 %), blur (20 %) and grain (30 %).
    """

    def draw(low: float, high: float, probability: float, neutral: float) -> Tensor:
        """Values (N, 1, 1, 1) in [low, high], or `neutral` in the images that are not changed."""
        value, chance = torch.rand(2, len(lightness), 1, 1, 1, generator=generator)
        return torch.where(chance < probability, low + (high - low) * value, neutral).to(lightness.device)

    gamma = draw(math.log(0.6), math.log(1.6), 0.3, 0).exp()
    aged = 2 * ((lightness + 1) / 2).clamp(min=1e-4) ** gamma - 1
    contrast, towards = draw(0.5, 1, 0.3, 1), draw(-1, 1, 1, 0)
    aged = contrast * aged + (1 - contrast) * towards  # fades towards black, white or a grey
    aged = _blur(aged, draw(*BLUR, 0.2, 0.01))
    noise = torch.randn(lightness.shape, generator=generator).to(lightness.device)
    return (aged + draw(0, GRAIN, 0.3, 0) * noise).clamp(-1, 1)


def add_borders(lightness: Tensor, chroma: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cover the margins of a tenth of the images with paper, which is light and has no colour.

    Each of the four borders is there in 70 % of these images, and is at most a tenth of the picture wide.
    """
    n, _, height, width = lightness.shape
    sides = 0.1 * torch.rand(n, 4, generator=generator) * (torch.rand(n, 4, generator=generator) < 0.7)
    paper, chance = torch.rand(2, n, 1, 1, 1, generator=generator)
    left, right, top, bottom = (sides * (chance.view(n, 1) < 0.1)).to(lightness.device).T[:, :, None]
    paper = (PAPER[0] + (PAPER[1] - PAPER[0]) * paper).to(lightness.device)
    x = (torch.arange(width, device=lightness.device) + 0.5) / width
    y = (torch.arange(height, device=lightness.device) + 0.5) / height
    covered = ((x < left) | (x > 1 - right))[:, None, None, :] | ((y < top) | (y > 1 - bottom))[:, None, :, None]
    return torch.where(covered, paper, lightness), torch.where(covered, 0, chroma)


def simulate_hints(chroma: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Hints such as a user gives, drawn from the true chroma of cells (N, 2, h, w), for a `share` of the images.

    Returns (N, 3, h, w): chroma and a mask, as the `photo` network takes them. The number of an image's hints is
    geometric, with a mean of 8. A hint is a square of 1 to 3 cells in their mean colour; half of them are anywhere, and
    half near the middle. In 1 % of the batches, every cell is a hint (after Zhang et al. 2017).
    """
    n, _, height, width = chroma.shape
    if torch.rand((), generator=generator) < ALL_HINTS:
        return torch.cat([chroma, torch.ones_like(chroma[:, :1])], dim=1)
    counts = torch.empty(n).geometric_(END_OF_HINTS, generator=generator).clamp(max=MAX_SIMULATED)
    counts[torch.rand(n, generator=generator) >= share] = 0
    most = int(counts.max())
    side = torch.randint(1, 4, (n, most), generator=generator)
    anywhere, chance = torch.rand(n, most, 3, generator=generator).split([2, 1], dim=2)
    central = (0.5 + torch.randn(n, most, 2, generator=generator) / 4).clamp(0, 0.999)
    y, x = torch.where(chance < 0.5, anywhere, central).unbind(2)
    in_rows = _are_in(torch.arange(height), (y * (height - side + 1)).long(), side)
    in_columns = _are_in(torch.arange(width), (x * (width - side + 1)).long(), side)
    covered = in_rows[..., :, None] & in_columns[..., None, :]
    covered &= (torch.arange(most) < counts[:, None])[..., None, None]
    covered = covered.to(chroma.device)
    share_of_cell = covered / covered.sum((2, 3), keepdim=True).clamp(min=1)
    colours = torch.einsum("nkhw,nchw->nck", share_of_cell, chroma)
    numbers = torch.arange(1, most + 1, device=chroma.device)[:, None, None]
    last = F.pad(covered * numbers, (0, 0, 0, 0, 1, 0)).amax(1)  # the last hint that covers a cell; 0: none
    colours = F.pad(colours, (1, 0)).gather(2, last.flatten(1)[:, None].expand(-1, 2, -1))
    return torch.cat([colours.view(n, 2, height, width), (last > 0)[:, None].to(chroma.dtype)], dim=1)


def _are_in(positions: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """Whether positions (P,) are in ranges with starts and lengths (N, K): (N, K, P) bool."""
    return (positions >= start[..., None]) & (positions < (start + length)[..., None])


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image (N, 1, H, W) with a Gaussian of its own sigma (N, 1, 1, 1) in pixels, cut at 7x7 pixels."""
    offsets = torch.arange(-3.0, 4.0, device=images.device)
    window = torch.exp(-offsets.square() / (2 * sigma.view(-1, 1).square()))
    window = (window / window.sum(1, keepdim=True))[:, None]
    kernels = window.transpose(1, 2) @ window
    padded = F.pad(images, (3, 3, 3, 3), mode="reflect").transpose(0, 1)
    return F.conv2d(padded, kernels[:, None], groups=len(images)).transpose(0, 1)
