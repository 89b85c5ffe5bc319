"""ICC profiles of matrix and grey type, which nearly all photographs have, as tables from sample value to luminance.

Tables keep 16 bits, which colour management in Pillow does not. Everything else (CMYK, look-up tables) is left to it;
16-bit samples with a look-up table are interpolated between colours that it converted.
"""

import io
import struct

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from colorgan.color import XYZ_FROM_RGB, rgb_to_lab

# Y under D65 from the XYZ under D50 that profiles hold: a row of the inverse Bradford matrix (ICC.1:2022, annex E)
LUMINANCE_FROM_D50 = np.array([-0.0282895, 1.0099416, 0.0210077])
UNUSED_PROFILE = "Its colour profile could not be used and was left out."
GRID = 33  # nodes a side, as many as such profiles usually have themselves


def lightness_grid(profile: bytes) -> Tensor | None:
    """L* of evenly spaced RGB colours (1, 1, blue, green, red) under an RGB profile of any type, each exact to 8 bits.

    Gives None for a profile of another space or a broken one.
    """
    nodes = np.linspace(0, 255, GRID).round().astype(np.uint8)
    blue, green, red = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    colours = Image.fromarray(np.stack([red, green, blue], axis=-1).reshape(GRID, GRID * GRID, 3))
    try:
        embedded, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = np.array(ImageCms.profileToProfile(colours, embedded, srgb, outputMode="RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    lab = rgb_to_lab(torch.from_numpy(converted).permute(2, 0, 1) / 255)
    return lab[0].reshape(1, 1, GRID, GRID, GRID)


def luminance_tables(profile: bytes | None, channels: int, levels: int) -> np.ndarray | None:
    """What every value of every channel adds to Y: (channels, levels) float32, whose last column sums to one.

    `channels` is 1 (grey) or 3 (RGB), and no profile means sRGB. Gives None for a profile of another type or a broken
    one.
    """
    values = np.linspace(0, 1, levels)
    if profile is None:
        weights = XYZ_FROM_RGB[1].numpy() if channels == 3 else np.ones(1)
        linear = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
        return np.outer(weights / weights.sum(), linear).astype(np.float32)
    try:
        tags = _tags(profile)
        if profile[20:24] != b"XYZ ":  # the curves would lead to Lab
            return None
        if channels == 1 and profile[16:20] == b"GRAY":
            curves, weights = [_curve(tags[b"kTRC"], values)], np.ones(1)
        elif channels == 3 and profile[16:20] == b"RGB ":
            curves = [_curve(tags[name], values) for name in (b"rTRC", b"gTRC", b"bTRC")]
            colorants = [_s15f16(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
            weights = np.array(colorants) @ LUMINANCE_FROM_D50
        else:
            return None
        tables = np.array(curves) * (weights / weights.sum())[:, None]
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    return tables.astype(np.float32) if np.isfinite(tables).all() and abs(tables[:, -1].sum() - 1) < 0.01 else None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _s15f16(data: bytes) -> np.ndarray:
    return np.frombuffer(data, ">i4") / 65536


def _curve(tag: bytes, x: np.ndarray) -> np.ndarray:
    """A tone curve at x in [0, 1] (ICC.1:2022, sections 10.6 and 10.18)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        table = np.frombuffer(tag, ">u2", count, 12)
        if count <= 1:
            return x ** (table[0] / 256) if count else x
        return np.interp(x, np.linspace(0, 1, count), table / 65535)
    kind, parameters = struct.unpack_from(">H", tag, 8)[0], _s15f16(tag[12 : 12 + 4 * ((len(tag) - 12) // 4)])
    count = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}[kind]
    g, a, b, c, d, e, f = [*parameters[:count], *(1, 0, 0, 0, 0, 0)[count - 1 :]]
    if kind == 0:
        return x**g
    if kind in (1, 2):
        c, d, e, f = 0.0, -b / a, c, c
    with np.errstate(invalid="ignore"):
        return np.where(x >= d, (a * x + b).clip(0) ** g + e, c * x + f).clip(0, 1)
