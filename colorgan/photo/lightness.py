"""Convert samples to lightness L*, with the colour profile that is embedded in the file.

ICC profiles that consist of tone curves and a matrix, which nearly all photographs have, become tables from a sample's
value to its share of luminance. Tables keep 16 bits; Pillow's colour management does not. Profiles of other types (CMYK
and look-up tables) are applied by Pillow at 8 bits; 16-bit RGB is interpolated between colours that Pillow converted.
"""

import io
import struct

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms
from torch import Tensor

from colorgan.color import luminance_to_lightness, rgb_to_lab, srgb_luminance_tables
from colorgan.parallel import for_strips
from colorgan.photo.samples import Samples

# Y under D65 from XYZ under D50, which profiles contain: a row of the inverse Bradford matrix (ICC.1:2022, annex E)
LUMINANCE_FROM_D50 = np.array([-0.0282895, 1.0099416, 0.0210077])
# the white of profiles, to which the colours of a matrix sum; some old profiles contain the white of their device
D50, WHITE_TOLERANCE = np.array([0.9642, 1.0, 0.8249]), np.array([0.1, 0.1, 0.3])
UNUSED_PROFILE = "Its colour profile could not be used and was left out."
GRID = 33  # nodes along each side of the colour cube, as in most look-up-table profiles


def to_lightness(samples: Samples) -> np.ndarray:
    """L* (H, W) in [0, 100], float32. A profile that cannot be used is left out, and `samples.notes` says so."""
    values = samples.values
    height, width = values.shape[:2]
    channels, levels = 1 if values.ndim == 2 else 3, 2 ** (8 * values.itemsize)
    tables = luminance_tables(samples.icc, channels, levels)
    grid = _lightness_grid(samples.icc) if tables is None and channels == 3 and samples.icc else None
    if tables is None and grid is None:
        samples.notes.append(UNUSED_PROFILE)
    if tables is None:
        tables = srgb_luminance_tables(channels, levels).numpy()
    encoding = samples.encoding if samples.icc is None else None
    if encoding:
        tables = encoding.tables(channels, levels)
    tone = encoding.tone if encoding and encoding.tone else lambda luminance: luminance
    grey = luminance_to_lightness(torch.from_numpy(tone(tables[0]))).numpy() if channels == 1 else None
    if samples.is_lightness:
        grey = np.linspace(0, 100, levels, dtype=np.float32)
    lightness = np.empty((height, width), np.float32)

    @torch.inference_mode()  # in each thread
    def fill(top: int, bottom: int) -> None:
        strip = values[top:bottom]
        if grey is not None:
            np.take(grey, strip, out=lightness[top:bottom], mode="clip")
        elif grid is not None:
            places = torch.from_numpy(strip.astype(np.float32) * (2 / (levels - 1)) - 1)  # [-1, 1]
            sampled = F.grid_sample(grid, places[None, None], padding_mode="border", align_corners=True)
            lightness[top:bottom] = sampled[0, 0, 0].numpy()
        else:
            luminance = tables[0][strip[..., 0]]
            luminance += tables[1][strip[..., 1]]
            luminance += tables[2][strip[..., 2]]
            lightness[top:bottom] = luminance_to_lightness(torch.from_numpy(tone(luminance))).numpy()

    for_strips(fill, height, width)
    return lightness


def luminance_tables(profile: bytes | None, channels: int, levels: int) -> np.ndarray | None:
    """The share of luminance Y that each level of each channel adds: (channels, levels) float32.

    `channels` is 1 (grey) or 3 (RGB); no profile means sRGB. The highest levels of all channels sum to 1. Returns None
    for a profile of another type and for a broken one.
    """
    if profile is None:
        return srgb_luminance_tables(channels, levels).numpy()
    values = np.linspace(0, 1, levels)
    try:
        tags = _tags(profile)
        if profile[20:24] != b"XYZ ":  # the curves lead to Lab
            return None
        if channels == 1 and profile[16:20] == b"GRAY":
            curves, weights = [_curve(tags[b"kTRC"], values)], np.ones(1)
        elif channels == 3 and profile[16:20] == b"RGB ":
            curves = [_curve(tags[name], values) for name in (b"rTRC", b"gTRC", b"bTRC")]
            weights = _colorants(tags) @ LUMINANCE_FROM_D50
        else:
            return None
        tables = np.array(curves) * (weights / weights.sum())[:, None]
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    return tables.astype(np.float32) if np.isfinite(tables).all() and abs(tables[:, -1].sum() - 1) < 0.01 else None


def _lightness_grid(profile: bytes) -> Tensor | None:
    """L* of evenly spaced RGB colours (1, 1, blue, green, red) under an RGB profile of any type, each exact to 8 bits.

    Returns None for a profile of another colour space and for a broken one.
    """
    nodes = np.linspace(0, 255, GRID).round().astype(np.uint8)
    blue, green, red = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    colours = Image.fromarray(np.stack([red, green, blue], axis=-1).reshape(GRID, GRID * GRID, 3))
    converted = convert_to_srgb(colours, profile)
    if converted is None:
        return None
    lab = rgb_to_lab(torch.from_numpy(np.array(converted)).permute(2, 0, 1).float() / 255)
    return lab[0].reshape(1, 1, GRID, GRID, GRID)


def convert_to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """An image (mode L, RGB, CMYK or LAB) in 8-bit sRGB; None if the profile is of another space or broken."""
    try:
        tags = _tags(profile)
        if b"rXYZ" in tags and b"A2B0" not in tags:
            _colorants(tags)
        embedded, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, embedded, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, struct.error):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _colorants(tags: dict[bytes, bytes]) -> np.ndarray:
    """XYZ of a profile's red, green and blue, as rows. Raises ValueError if they do not sum to a white."""
    colorants = np.array([_s15f16(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")])
    if (abs(colorants.sum(0) - D50) > WHITE_TOLERANCE).any():
        raise ValueError("the colours of the profile do not sum to white")
    return colorants


def _s15f16(data: bytes) -> np.ndarray:
    """Fixed-point numbers with 15 bits before the point and 16 after it."""
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
