"""Colour put onto a photograph's lightness: strip by strip on all cores, so that memory and time stay small."""

import math

import numpy as np
import torch
from torch import Tensor

from colorgan.color import gamut_scale, lab_to_linear, out_of_gamut
from colorgan.inference.upsample import GuidedChroma, guide_chroma
from colorgan.parallel import for_strips, on_one_core
from colorgan.photo import Photo

GAMUT_TOLERANCE = 1e-6  # in linear RGB: what is clipped beyond it must not show in 16 bits either
LINEAR_STEPS = 65535  # of the table that encodes 8-bit sRGB: its rounding is wrong by 0.025 of a level at most


@torch.inference_mode()
def render(photo: Photo, chroma: Tensor, *, saturation: float = 1.0, bits: int = 8) -> np.ndarray:
    """The photograph in the colours of chroma (2, h, w), in [-1, 1] as `Colorizer.predict` gives them.

    Gives sRGB (H, W, 3), or (H, W, 4) with the photo's alpha, of uint8 or, for `bits` 16, uint16. `saturation`
    multiplies the chroma; where that leaves sRGB, it shrinks at constant lightness and hue (`color.lab_to_rgb`). Raises
    ValueError for other bits, and for a saturation that is negative, infinite or not a number.
    """
    if bits not in (8, 16):
        raise ValueError(f"A picture has 8 or 16 bits, not {bits}.")
    if not 0 <= saturation < math.inf:
        raise ValueError(f"The saturation is from 0 (grey), and 1 is the network's own; not {saturation}.")
    lightness = torch.from_numpy(photo.lightness)
    guided = on_one_core(guide_chroma, chroma.cpu() * (110 * saturation), lightness)
    height, width = lightness.shape
    pixels = np.empty((height, width, 3 if photo.alpha is None else 4), np.uint8 if bits == 8 else np.uint16)
    if photo.alpha is not None:
        pixels[..., 3] = photo.alpha_of(bits)

    @torch.inference_mode()  # it holds for one thread only
    def fill(top: int, bottom: int) -> None:
        pixels[top:bottom, :, :3] = _render_strip(lightness[top:bottom], guided, top, bits)

    for_strips(fill, height, width)
    return pixels


def _render_strip(lightness: Tensor, guided: GuidedChroma, top: int, bits: int) -> np.ndarray:
    ab = guided.rows(lightness, top)
    linear = lab_to_linear(lightness[None], ab)
    outside = out_of_gamut(linear, GAMUT_TOLERANCE).flatten().nonzero().squeeze(1)
    if len(outside):
        pixel_lightness = lightness.flatten()[None, outside, None]
        pixel_ab = ab.flatten(1).index_select(1, outside)[..., None]
        scale = gamut_scale(pixel_lightness, pixel_ab, GAMUT_TOLERANCE)
        linear.view(3, -1).index_copy_(1, outside, lab_to_linear(pixel_lightness, pixel_ab * scale)[..., 0])
    linear.clamp_(0, 1)
    if bits == 8:
        index = linear.mul_(LINEAR_STEPS).add_(0.5).to(torch.int32)
        return torch.index_select(_SRGB_8BIT, 0, index.flatten()).view_as(index).permute(1, 2, 0).numpy()
    return _encode_srgb(linear).mul_(65535).round_().to(torch.int32).permute(1, 2, 0).numpy()


def _encode_srgb(linear: Tensor) -> Tensor:
    return torch.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


_SRGB_8BIT = (_encode_srgb(torch.arange(LINEAR_STEPS + 1) / LINEAR_STEPS) * 255).round().to(torch.uint8)
