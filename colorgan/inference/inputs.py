"""Make the networks' inputs: a photograph's lightness, shrunk, with enough contrast, in random light for samples."""

import operator

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import LIGHTNESS_SCALE
from colorgan.inference.upsample import shrink
from colorgan.models import Generator
from colorgan.photo.read import Photo

# Networks that were made for images of 32x32 pixels see a photograph a second time, with a shorter side of so many
# pixels, and so most of it at once. Together with 48 pixels, this was the best size on Kodak's photographs 1 to 12.
OVERVIEW_SIZE = 16
CONTRAST = 1.0  # of a faded photograph's lightness (-1 to 1) after stretching (`evaluate_photographs.py --faded`)
MAX_GAIN = 3.0  # upper limit of the contrast gain, so that flat pictures are not amplified
MAX_ASPECT = 16  # the longer side of an input has at most this many times the render size
# Random light of a sample, in units of lightness (-1 to 1): standard deviations of its brightness and of its shadows,
# on a grid of 3 x 3. With these values, samples have about the same Frechet distance as the single prediction.
EXPOSURE, SHADOWS, LIGHT_GRID = 0.1, 0.2, 3


def network_inputs(photo: Photo, network: Generator, render_size: int | None = None) -> list[Tensor]:
    """The inputs in which a network sees a photograph: lightness (1, h, w) in [-1, 1], one tensor per size.

    A network for photographs has one input, with the shorter side at `render_size` (default: the network's own). Other
    networks have a second one with the shorter side at `OVERVIEW_SIZE`; but a picture with both sides at most
    `render_size` is their only input and is not changed, as in evaluation. The contrast of faded photographs is
    stretched. Raises ValueError unless `render_size` is a multiple of the network's `multiple`.
    """
    size = network.render_size if render_size is None else operator.index(render_size)  # NumPy's integers as well
    network.check_render_size(size)
    if network.is_for_photographs:
        return stretch_contrast([fitted_input(photo, size, network.multiple)])
    first = shrunk_input(photo, size)
    if max(photo.size) <= size:
        return [first]
    return stretch_contrast([first, shrunk_input(photo, OVERVIEW_SIZE)] if size > OVERVIEW_SIZE else [first])


@torch.inference_mode()
def fitted_input(photo: Photo, render_size: int, multiple: int) -> Tensor:
    """Lightness (1, h, w) in [-1, 1] of a photograph at a shorter side of `render_size`, which is a multiple.

    The longer side is the nearest multiple as well, so that nothing is padded and every cell of the network's output is
    the same part of the photograph. At 64 pixels, this stretches photographs by a quarter at most, which is less than
    in training. Smaller photographs are enlarged, because the network has seen nothing smaller than 64 pixels.
    """
    width, height = photo.size
    longer = min(MAX_ASPECT * render_size, render_size * max(width, height) / min(width, height))
    longer = round(longer / multiple) * multiple
    size = (render_size, longer) if height < width else (longer, render_size)
    return _resize(photo, size)


@torch.inference_mode()
def shrunk_input(photo: Photo, render_size: int) -> Tensor:
    """Lightness (1, h, w) in [-1, 1] of a photograph, shrunk to a shorter side of `render_size` at its aspect ratio.

    A smaller photograph keeps its size, because the colours of enlarged ones are worse. The longer side has at most
    `MAX_ASPECT` times the render size; longer photographs are shrunk further.
    """
    width, height = photo.size
    scale = min(1, render_size / min(width, height), MAX_ASPECT * render_size / max(width, height))
    return _resize(photo, (max(1, round(height * scale)), max(1, round(width * scale))))


def _resize(photo: Photo, size: tuple[int, int]) -> Tensor:
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
