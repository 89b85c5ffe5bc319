"""Put colours on a photograph's lightness, in strips on all cores, so that memory and time stay small."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from colorgan.color import CHROMA_SCALE, GAMUT_TOLERANCE, lab_to_linear, lab_to_rgb, linear_to_srgb
from colorgan.inference.correction import add_hints
from colorgan.inference.hints import Hint
from colorgan.inference.upsample import guide_chroma
from colorgan.parallel import for_strips, on_one_core
from colorgan.photo.read import Photo

RENDER_TOLERANCE = 1e-6  # of `color.lab_to_rgb`: what is clipped must not show in 16 bits (1 / 65535 / 12.92)
LINEAR_STEPS = 65535  # of the table from linear RGB to 8-bit sRGB, whose error is 0.025 of a level at most


@torch.inference_mode()
def render(
    photo: Photo, chroma: Tensor, *, saturation: float = 1.0, bits: int = 8, hints: Sequence[Hint] = ()
) -> np.ndarray:
    """The photograph in the colours of chroma (2, h, w) in [-1, 1], which `Colorizer.predict` returns.

    Returns sRGB (H, W, 3), or (H, W, 4) with the photograph's alpha, of uint8, or of uint16 if `bits` is 16.
    `saturation` multiplies the chroma. Colours outside sRGB keep their lightness and hue (`color.lab_to_rgb`). Chroma
    at the photograph's own size is used as it is. The pixels of `hints` get their colours, times the saturation.
    Raises ValueError for `bits` other than 8 and 16, and for a saturation that is negative or not a finite number.
    """
    if bits not in (8, 16):
        raise ValueError(f"A picture has 8 or 16 bits, not {bits}.")
    if not 0 <= saturation < math.inf:
        raise ValueError(
            f"The saturation must be 0 (grey) or a positive number (1 keeps the network's colours), not {saturation}."
        )
    lightness = torch.from_numpy(photo.lightness)
    guided = on_one_core(guide_chroma, chroma.cpu().float() * (CHROMA_SCALE * saturation), lightness)
    if hints:
        cell = min(height / h for height, h in zip(lightness.shape, chroma.shape[-2:], strict=True))
        guided = on_one_core(add_hints, guided, lightness, hints, cell, saturation)
    render_strip = _render_exactly if chroma.shape[-2:] == lightness.shape else _render_fast
    height, width = lightness.shape
    pixels = np.empty((height, width, 3 if photo.alpha is None else 4), np.uint8 if bits == 8 else np.uint16)
    alpha = photo.alpha_of(bits)
    if alpha is not None:
        pixels[..., 3] = alpha

    @torch.inference_mode()  # in each thread
    def fill(top: int, bottom: int) -> None:
        strip = lightness[top:bottom]
        ab = guided.rows(strip, top)
        if photo.missing is not None:
            ab[:, torch.from_numpy(photo.missing[top:bottom])] = 0
        levels = render_strip(strip[None], ab, bits)
        pixels[top:bottom, :, :3] = levels.permute(1, 2, 0).numpy()

    for_strips(fill, height, width)
    return pixels


def _render_exactly(lightness: Tensor, ab: Tensor, bits: int) -> Tensor:
    """Levels (3, H, W) of L (1, H, W) and ab (2, H, W), the same as those of `Colorizer.colorize_batch`."""
    rgb = lab_to_rgb(torch.cat([lightness, ab]), GAMUT_TOLERANCE if bits == 8 else RENDER_TOLERANCE)
    return (rgb * (2**bits - 1)).round().to(torch.int32)


def _render_fast(lightness: Tensor, ab: Tensor, bits: int) -> Tensor:
    """Levels (3, H, W) of L (1, H, W) and ab (2, H, W); with 8 bits, a table replaces the power function."""
    linear = lab_to_linear(lightness, ab, RENDER_TOLERANCE).clamp_(0, 1)
    if bits == 16:
        return linear_to_srgb(linear).mul_(65535).round_().to(torch.int32)
    index = linear.mul_(LINEAR_STEPS).add_(0.5).to(torch.int32)
    return torch.index_select(_SRGB_8BIT, 0, index.flatten()).view_as(index)


_SRGB_8BIT = linear_to_srgb(torch.arange(LINEAR_STEPS + 1, dtype=torch.float32, device="cpu") / LINEAR_STEPS)
_SRGB_8BIT = (_SRGB_8BIT * 255).round().to(torch.uint8)
