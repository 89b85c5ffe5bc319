"""Colour encodings that a file names without an ICC profile: PNG's gAMA, cHRM and cICP, and nclx in AVIF and HEIC.

Numbers of primaries and transfer functions are those of ITU-T H.273, tables 2 and 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from colorgan.color import WHITE, srgb_luminance_tables

D65 = (0.3127, 0.3290)
# x and y of red, green, blue and white
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)
NTSC = (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *D65)
P3 = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
PRIMARIES = {
    1: SRGB,
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: NTSC,
    7: NTSC,
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (*P3, 0.314, 0.351),
    12: (*P3, *D65),
}
SRGB_LIKE = (1, 2, 6, 13, 14, 15)  # transfer functions that browsers show as sRGB; 2 is "not specified"
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
PQ, HLG = 16, 18
SDR_WHITE = 203.0  # cd/m2: the luminance of white paper in HDR pictures (ITU-R BT.2408, section 2.2)
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2  # cd/m2, and the exponent of the system (ITU-R BT.2100, table 5)
KNEE = 0.5  # luminance above which HDR pictures are compressed
SRGB_GAMMA, GAMMA_TOLERANCE = 0.45455, 0.0005  # of gAMA: programs write it beside sRGB pixels
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
GAIN_MAP = "Its gain map, which brightens it on HDR screens, was not used."


@dataclass
class Encoding:
    """How samples become luminance: each channel's `curve` at [0, 1], the `weights` (3,), then `tone` of the sum.

    `curve` is None for sRGB's curve, and `tone` for pictures that are not HDR.
    """

    weights: np.ndarray
    curve: Callable[[np.ndarray], np.ndarray] | None = None
    tone: Callable[[np.ndarray], np.ndarray] | None = None

    def tables(self, channels: int, levels: int) -> np.ndarray:
        """The share of each level of each channel in the luminance before `tone`: (1 or 3 channels, levels) float32."""
        if self.curve is None:
            values = srgb_luminance_tables(1, levels).numpy()[0]
        else:
            values = self.curve(np.linspace(0, 1, levels))
        return np.outer(self.weights if channels == 3 else [1], values).astype(np.float32)


def read_encoding(image: Image.Image, stream: BinaryIO | None, notes: list[str]) -> Encoding | None:
    """The encoding that an opened picture without an ICC profile names; None means sRGB.

    A sentence about an HDR picture, or an encoding that is not known, is added to `notes`.
    """
    codes = None
    if image.format == "PNG" and stream:
        codes = _cicp(stream)
    elif image.format in ("AVIF", "HEIF") and stream:
        stream.seek(0)
        nclx = stream.read(2**16).partition(b"colrnclx")[2]
        codes = (nclx[1], nclx[3]) if len(nclx) > 3 else None
    if codes:
        return _from_codes(*codes, notes)
    if image.format != "PNG" or "srgb" in image.info:
        return None
    gamma, places = image.info.get("gamma"), image.info.get("chromaticity", ())
    places = (*places[2:], *places[:2])  # the chunk begins with white
    is_srgb = len(places) != 8 or np.allclose(places, SRGB, atol=0.001)
    curve = (lambda x: x ** (1 / gamma)) if gamma and abs(gamma - SRGB_GAMMA) > GAMMA_TOLERANCE else None
    return None if is_srgb and curve is None else Encoding(_weights(SRGB if is_srgb else places), curve)


def read_gain_map(image: Image.Image, stream: BinaryIO | None, notes: list[str]) -> None:
    """Add a sentence to `notes` if the file has a gain map: Ultra HDR, ISO 21496-1 or Apple's."""
    if image.format in ("JPEG", "MPO"):
        segments = [content for _, content in getattr(image, "applist", [])]
        marks = (b"hdrgm:Version", b"urn:iso:std:iso:ts:21496:-1", b"HDRGainMap")
    elif image.format in ("AVIF", "HEIF") and stream:
        stream.seek(0)
        segments, marks = [stream.read(2**16)], (b"tmap", b"hdrgainmap")
    else:
        return
    if any(mark in segment for segment in segments for mark in marks):
        notes.append(GAIN_MAP)


def _cicp(stream: BinaryIO) -> tuple[int, int] | None:
    """The primaries and the transfer function in the cICP chunk of a PNG (PNG, third edition, section 11.3.2.6)."""
    stream.seek(8)
    while len(start := stream.read(8)) == 8 and start[4:] != b"IDAT":
        size = int.from_bytes(start[:4], "big")
        if start[4:] == b"cICP" and size == 4:
            data = stream.read(4)
            return data[0], data[1]
        stream.seek(size + 4, 1)
    return None


def _from_codes(primaries: int, transfer: int, notes: list[str]) -> Encoding | None:
    weights = _weights(PRIMARIES.get(primaries, SRGB))
    if transfer in (PQ, HLG):
        name = "PQ" if transfer == PQ else "HLG"
        notes.append(f"It is an HDR picture ({name}): its highlights were compressed into the range of sRGB.")
        return Encoding(weights, _pq if transfer == PQ else _hlg, _compress if transfer == PQ else _show_hlg)
    if transfer in GAMMAS:
        return Encoding(weights, lambda x: x ** GAMMAS[transfer])
    if transfer not in SRGB_LIKE:
        notes.append(f"Its transfer function, number {transfer} of ITU-T H.273, is not known and was taken as sRGB.")
    return None if primaries in (1, 2) else Encoding(weights)


def _weights(places: tuple[float, ...]) -> np.ndarray:
    """The luminance of red, green and blue under D65, from x and y of red, green, blue and white.

    Other whites are adapted to D65 with the Bradford matrix. The result is sRGB's for colours that are impossible.
    """
    if min(places[1::2]) <= 0:
        return _weights(SRGB)
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(places[::2], places[1::2], strict=True)]).T
    colours, white = xyz[:, :3], xyz[:, 3]
    if abs(np.linalg.det(colours)) < 1e-6:
        return _weights(SRGB)
    scaled = colours * np.linalg.solve(colours, white)
    cones = (BRADFORD @ WHITE.numpy()) / (BRADFORD @ white)
    weights = (np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ scaled)[1]
    return weights / weights.sum()


def _pq(x: np.ndarray) -> np.ndarray:
    """PQ to luminance, where `SDR_WHITE` is 1 (ITU-R BT.2100, table 4)."""
    root = x ** (32 / 2523)
    return 10000 / SDR_WHITE * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)


def _hlg(x: np.ndarray) -> np.ndarray:
    """HLG to the light of the scene in [0, 1] (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)


def _show_hlg(scene: np.ndarray) -> np.ndarray:
    """The compressed luminance of a screen of `HLG_PEAK` that shows the light of a scene."""
    return _compress(HLG_PEAK / SDR_WHITE * np.maximum(scene, 0) ** HLG_GAMMA)


def _compress(luminance: np.ndarray) -> np.ndarray:
    """Luminance in [0, 1): unchanged up to `KNEE`, above it ever flatter, with no step in value or slope."""
    above = np.maximum(luminance - KNEE, 0) / (1 - KNEE)
    return np.minimum(luminance, KNEE) + (1 - KNEE) * above / (1 + above)
