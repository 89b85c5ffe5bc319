"""What a network sees of a photograph: its lightness, made small, with the contrast of a fresh print, in some light."""

import operator
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.inference.upsample import shrink
from colorgan.photo import Photo

OVERVIEW = 16  # shorter side at which a network takes in most of a photograph at once
RENDER_SIZE = 48  # shorter side it sees besides, for where the colours are; chosen by `bench/photographs.py --sizes`
CONTRAST = 1.0  # of lightness (-1 to 1) a faded photograph is seen with, measured by `bench/photographs.py --faded`
MOST_GAIN = 3.0  # of contrast: a wall stays a wall
LONGEST = 16  # times the render size, the longer side at most: a strip of 48 x 100,000 pixels is seen smaller
LIGHT_GRID, SHADOWS, EXPOSURE = 3, 0.2, 0.1  # of the light that a sample is seen in: as much as leaves fd alone

RenderSize = int | Sequence[int]


def network_inputs(photo: Photo, render_size: RenderSize | None = None) -> list[Tensor]:
    """Lightness (1, h, w) in [-1, 1] of a photograph at each size the network is to see it: one number goes with 16.

    A faded one is seen with more contrast than it has.
    """
    sizes = RENDER_SIZE if render_size is None else render_size
    if not isinstance(sizes, Sequence):
        sizes = operator.index(sizes)  # of numpy as well
        sizes = (OVERVIEW, sizes) if sizes > OVERVIEW else (sizes,)
    if not sizes:
        raise ValueError("There is no render size: give a multiple of 16, such as 32, or several.")
    return unfade([network_input(photo, size) for size in sizes])


@torch.inference_mode()
def network_input(photo: Photo, render_size: int) -> Tensor:
    """Lightness (1, h, w) in [-1, 1] of a photograph with its shorter side at `render_size`, its aspect ratio kept.

    A smaller one stays as it is: enlarged, its colours come out worse.
    """
    if render_size < 16 or render_size % 16:
        raise ValueError(f"The render size is a multiple of 16, such as 32 or 64, not {render_size}.")
    width, height = photo.size
    scale = min(1, render_size / min(width, height), LONGEST * render_size / max(width, height))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return shrink(torch.from_numpy(photo.lightness)[None, None], size)[0] / 50 - 1


@torch.inference_mode()
def unfade(inputs: list[Tensor]) -> list[Tensor]:
    """The same lightness (1, h, w) in [-1, 1] with a contrast of `CONTRAST` at least, and then nearer to middle grey.

    Contrast is that of the finest, between its darkest and its lightest hundredth, without an old print's border; it
    becomes at most `MOST_GAIN` times what it was.
    """
    finest = max(inputs, key=Tensor.numel)
    top, left = (side // 8 for side in finest.shape[-2:])
    inner = finest[..., top : finest.shape[-2] - top, left : finest.shape[-1] - left]
    low, high = torch.quantile(inner, torch.tensor([0.01, 0.99], dtype=inner.dtype)).tolist()
    if high - low >= CONTRAST:
        return inputs
    gain = min(MOST_GAIN, CONTRAST / max(high - low, 1e-6))
    middle = (low + high) / 2
    return [(gain * (lightness - middle) + middle / gain).clamp(-1, 1) for lightness in inputs]


def draw_light(generator: torch.Generator, count: int = 1) -> Tensor:
    """Random light for so many pictures, (count, 1, 3, 3): lightness to be added, the same over all and in shadows."""
    exposure = EXPOSURE * torch.randn(count, 1, 1, 1, generator=generator)
    return exposure + SHADOWS * torch.randn(count, 1, LIGHT_GRID, LIGHT_GRID, generator=generator)


def relight(lightness: Tensor, light: Tensor) -> Tensor:
    """Lightness (N, 1, H, W) in [-1, 1] as it would be in this light, of one picture or of each."""
    return (lightness + F.interpolate(light, lightness.shape[-2:], mode="bicubic")).clamp(-1, 1)
