"""Make the networks' inputs: a photograph's lightness, shrunk, with enough contrast, in random light for samples."""

import operator

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import LIGHTNESS_SCALE
from colorgan.inference.upsample import shrink
from colorgan.photo.read import Photo

RENDER_SIZE = 48  # pixels of the shorter side; the best size for the bundled networks (`bench/photographs.py --sizes`)
OVERVIEW_SIZE = (
    16  # pixels of the shorter side of a second input, in which a network sees most of the photograph at once
)
CONTRAST = 1.0  # of a faded photograph's lightness (-1 to 1) after stretching (`bench/photographs.py --faded`)
MAX_GAIN = 3.0  # upper limit of the contrast gain, so that flat pictures are not amplified
MAX_ASPECT = 16  # the longer side has at most this many times the render size; longer pictures are shrunk further
# Random light of a sample, in units of lightness (-1 to 1): standard deviations of its brightness and of its shadows,
# on a grid of 3 x 3. With these values, samples have about the same Frechet distance as the single prediction.
EXPOSURE, SHADOWS, LIGHT_GRID = 0.1, 0.2, 3


def network_inputs(photo: Photo, render_size: int | None = None, overview: bool = True) -> list[Tensor]:
    """The inputs that a network sees of a photograph: lightness (1, h, w) in [-1, 1], one tensor per size.

    The first has its shorter side at `render_size` (default: `RENDER_SIZE`); with `overview`, a second one has it at
    `OVERVIEW_SIZE`. The contrast of faded photographs is stretched. A picture with both sides at most `render_size` is
    the only input and is not changed, as in evaluation. Raises ValueError unless `render_size` is a multiple of 16.
    """
    size = RENDER_SIZE if render_size is None else operator.index(render_size)  # NumPy's integers as well
    first = network_input(photo, size)
    if max(photo.size) <= size:
        return [first]
    inputs = [first, network_input(photo, OVERVIEW_SIZE)] if overview and size > OVERVIEW_SIZE else [first]
    return stretch_contrast(inputs)


@torch.inference_mode()
def network_input(photo: Photo, render_size: int) -> Tensor:
    """Lightness (1, h, w) in [-1, 1] of a photograph, shrunk to a shorter side of `render_size` at its aspect ratio.

    A smaller photograph keeps its size, because the colours of enlarged ones are worse.
    """
    if render_size < 16 or render_size % 16:
        raise ValueError(f"The render size must be a multiple of 16, such as 32 or 64, not {render_size}.")
    width, height = photo.size
    scale = min(1, render_size / min(width, height), MAX_ASPECT * render_size / max(width, height))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return shrink(torch.from_numpy(photo.lightness)[None, None], size)[0] / LIGHTNESS_SCALE - 1


@torch.inference_mode()
def stretch_contrast(inputs: list[Tensor]) -> list[Tensor]:
    """Stretch the lightness (1, h, w) in [-1, 1] of a faded photograph, and move its middle towards medium grey.

    Contrast is the difference between the 1 % and 99 % quantiles of the largest input, without an eighth at each side,
    where old prints have borders. If it is less than `CONTRAST`, all inputs are stretched, at most `MAX_GAIN` times.
    """
    largest = max(inputs, key=Tensor.numel)
    top, left = (side // 8 for side in largest.shape[-2:])
    inner = largest[..., top : largest.shape[-2] - top, left : largest.shape[-1] - left]
    low, high = torch.quantile(inner, torch.tensor([0.01, 0.99], dtype=inner.dtype, device=inner.device)).tolist()
    if high - low >= CONTRAST:
        return inputs
    gain = min(MAX_GAIN, CONTRAST / max(high - low, 1e-6))
    middle = (low + high) / 2
    return [(gain * (lightness - middle) + middle / gain).clamp(-1, 1) for lightness in inputs]


def draw_light(generator: torch.Generator, count: int = 1) -> Tensor:
    """Random light (count, 1, 3, 3): the lightness to add to each of `count` pictures, drawn from a CPU generator."""
    options = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    exposure = EXPOSURE * torch.randn(count, 1, 1, 1, **options)
    return exposure + SHADOWS * torch.randn(count, 1, LIGHT_GRID, LIGHT_GRID, **options)


def relight(lightness: Tensor, light: Tensor) -> Tensor:
    """Lightness (N, 1, H, W) in [-1, 1] with light (1 or N, 1, 3, 3) added, enlarged to the pictures' size."""
    return (lightness + F.interpolate(light, lightness.shape[-2:], mode="bicubic")).clamp(-1, 1)
