"""Decide whether a picture is in colour, or grey or of one tint, such as a sepia print, a cyanotype or a faded scan.

In a picture of one tint, the colour depends on the lightness alone: pixels of the same lightness have the same a* and
b*. So the colour of each pixel is compared with the mean colour of the pixels that are as light.
"""

import numpy as np
import torch

from colorgan.color import rgb_to_lab

SIDE = 128  # samples along the shorter side
PATCH = 4  # a sample is the mean of at most 4 x 4 pixels, because noise and JPEG blocks are not colour
LEVELS = 50  # of lightness, each 2 L* wide; fewer in small pictures, so that a level has about 64 samples
# A picture is in colour if at least this share of its samples differs by more than this distance in a* and b*. These
# numbers were chosen with 100 colour photographs, of which 3, nearly grey ones, are not taken for colour, and with the
# same photographs made grey and sepia (JPEG quality 50), cyan (JPEG quality 75), noisy grey and unevenly yellow (both
# without JPEG), of which none is taken for colour.
DISTANCE, SHARE = 10.0, 0.01


def is_coloured(values: np.ndarray) -> bool:
    """Return whether samples (H, W) or (H, W, 3) of uint8 or uint16, taken as sRGB, are a picture in colour."""
    if values.ndim == 2:
        return False
    rgb = _patches(values) / np.iinfo(values.dtype).max
    lab = rgb_to_lab(torch.from_numpy(rgb).to(torch.float32).permute(2, 0, 1)).reshape(3, -1).numpy()
    levels = min(LEVELS, max(1, lab.shape[1] // 64))
    level = (lab[0] * (levels / 100)).astype(int).clip(0, levels - 1)
    count = np.maximum(np.bincount(level, minlength=levels), 1)
    means = [np.bincount(level, channel, levels) / count for channel in lab[1:]]
    distance = np.hypot(lab[1] - means[0][level], lab[2] - means[1][level])
    return bool((distance > DISTANCE).mean() >= SHARE)


def _patches(values: np.ndarray) -> np.ndarray:
    """The means (h, w, 3) of evenly spaced patches, about `SIDE` along the shorter side."""
    height, width = values.shape[:2]
    step = max(1, min(height, width) // SIDE)
    rows, columns, patch = height // step, width // step, min(step, PATCH)
    cells = values[: rows * step, : columns * step].reshape(rows, step, columns, step, 3)
    return cells[:, :patch, :, :patch].mean(axis=(1, 3))
