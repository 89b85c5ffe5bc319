"""Between luma and colour: the lightness of a frame's luma, and the U and V planes of its colours."""

import numpy as np
import torch
from torch import Tensor

from colorgan.color import CHROMA_SCALE, lab_to_linear, linear_to_srgb, luminance_to_lightness, srgb_to_linear
from colorgan.inference.upsample import guide_chroma, shrink

# The shares of red and blue in luma (ITU-R BT.601, BT.709 and BT.2020)
LUMA_SHARES = {"BT.601": (0.299, 0.114), "BT.709": (0.2126, 0.0722), "BT.2020": (0.2627, 0.0593)}
BLACK, LUMA_RANGE, CHROMA_RANGE = 16, 219, 224  # of 8-bit levels in limited range; 0, 255 and 255 in full range
DIFFUSION_ROUNDS = 1  # more are slower, and follow the grain of each frame: colours are less steady
GAMUT_STEPS = 7  # colours outside sRGB lose at most 1/128 too much of their ab
LINEAR_STEPS = 4095  # of the table from linear RGB to sRGB, whose error in dark colours is half an 8-bit step


class Colours:
    """Converts the luma of a film to lightness, and chroma to U and V, with the film's matrix and range."""

    def __init__(self, matrix: str, is_full_range: bool, saturation: float = 1.0):
        self.red, self.blue = LUMA_SHARES[matrix]
        self.saturation = saturation
        self.levels = 255 if is_full_range else CHROMA_RANGE
        # four times as many steps as levels, because the mean of 2 x 2 pixels has quarters
        grey = torch.arange(4 * 255 + 1, dtype=torch.float32, device="cpu") / 4
        grey = grey / 255 if is_full_range else (grey - BLACK) / LUMA_RANGE
        self.lightness_table = luminance_to_lightness(srgb_to_linear(grey.clamp(0, 1)))

    def lightness(self, luma: np.ndarray) -> np.ndarray:
        """L* (H, W) in [0, 100], float32, of luma (H, W) uint8, shown as sRGB."""
        return self.lightness_table[::4].numpy()[luma]

    def planes(self, luma: np.ndarray, chroma: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """U and V, each (H / 2, W / 2) uint8, of luma (H, W) with even sides and chroma (2, h, w) in [-1, 1].

        Colours outside sRGB keep their lightness and hue.
        """
        lightness, ab = self.place(luma, chroma)
        linear = lab_to_linear(lightness[None], ab, steps=GAMUT_STEPS).clamp_(0, 1)
        red, green, blue = _SRGB[linear.mul_(LINEAR_STEPS).add_(0.5).to(torch.int32)]
        y = self.red * red + (1 - self.red - self.blue) * green + self.blue * blue
        u, v = (blue - y) / (2 * (1 - self.blue)), (red - y) / (2 * (1 - self.red))
        u, v = ((plane * self.levels + 128).round_().clamp_(1, 254).to(torch.uint8).numpy() for plane in (u, v))
        return u, v

    def place(self, luma: np.ndarray, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """L* (H / 2, W / 2) of luma (H, W), and a and b (2, H / 2, W / 2): the chroma along the edges of L*."""
        rows = luma[0::2].astype(np.int32) + luma[1::2]
        lightness = self.lightness_table[torch.from_numpy(rows[:, 0::2] + rows[:, 1::2])]
        ab, (h, w) = chroma * (CHROMA_SCALE * self.saturation), lightness.shape
        if ab.shape[-2] > h or ab.shape[-1] > w:  # a very small film
            ab = shrink(ab[None], (min(ab.shape[-2], h), min(ab.shape[-1], w)))[0]
        return lightness, guide_chroma(ab, lightness, DIFFUSION_ROUNDS).rows(lightness, 0)


_SRGB = linear_to_srgb(torch.arange(LINEAR_STEPS + 1, dtype=torch.float32, device="cpu") / LINEAR_STEPS)
