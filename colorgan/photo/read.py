"""Read a picture of any common format as exact lightness, with everything that is written again beside the colours."""

import contextlib
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from colorgan.photo.coloured import is_coloured
from colorgan.photo.decode import decode_file, decode_image
from colorgan.photo.errors import PhotoError
from colorgan.photo.lightness import to_lightness
from colorgan.photo.metadata import Metadata
from colorgan.photo.samples import Samples, from_array
from colorgan.photo.settings import no_pixel_limit

Picture = Image.Image | np.ndarray | str | os.PathLike[str] | BinaryIO
MAX_PIXELS = 100_000_000  # a larger limit of the caller also takes the place of Pillow's, which is about 179 million


@dataclass(eq=False)  # the comparison of arrays is an array, not a truth value
class Photo:
    """The exact lightness of an upright picture, and what is written again beside the colours.

    `lightness` is L* in [0, 100], (H, W) float32. `alpha` is (H, W) uint8 or uint16, or None. `bits` is 8 or 16, as in
    the file's channels. `exif` has no orientation, because the pixels are upright. `dpi` is horizontal, vertical.
    `notes` are sentences about parts of the file that were not used. `metadata` are XMP, IPTC, comments and PNG texts.
    `format` is the format that the file was decoded as, by Pillow's name such as JPEG, or empty. `is_coloured` says
    that the picture was in colour, not grey or of one tint such as sepia. `missing` (H, W), bool, or None says
    which pixels the file lacks because it was cut short: they are grey, and stay so.
    """

    lightness: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    is_coloured: bool = False
    missing: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.lightness.shape[1], self.lightness.shape[0]

    def alpha_of(self, bits: int) -> np.ndarray | None:
        """Alpha at 8 or 16 bits, rounded if the file has more; None if the picture has no alpha."""
        if self.alpha is None or self.alpha.dtype.itemsize * 8 == bits:
            return self.alpha
        if bits == 16:
            return self.alpha.astype(np.uint16) * 257
        return ((self.alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read_photo(source: Picture, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Photo:
    """Read a picture: a path, an open binary file, a PIL image, or an array (H, W[, 1, 3 or 4]) of uint8 or uint16.

    Embedded colour profiles are applied, the picture is turned upright, and its colours are dropped. Of the frames of a
    GIF, the pages of a TIFF and the pictures of a HEIC, the first is read, or the frame at which a PIL image is; a
    sentence in `Photo.notes` says so. `name` is the picture's name in messages (default: its file name).

    Raises `PhotoError` for a file that is not a picture or is damaged, for more than `max_pixels` or (unless that is
    larger than the default) Pillow's own limit against decompression bombs, for an animated PNG, WebP or AVIF, for a
    vector drawing and for a web address. Raises `TypeError` for other types.
    """
    name = name or picture_name(source)
    try:
        with no_pixel_limit if max_pixels > MAX_PIXELS else contextlib.nullcontext():
            samples = decode(source, max_pixels, name)
        lightness = _upright(to_lightness(samples), samples.orientation)
        alpha = None if samples.alpha is None else _upright(samples.alpha, samples.orientation)
    except MemoryError as error:
        raise PhotoError(f"{name} needs more memory than there is.") from error
    return Photo(
        lightness,
        alpha,
        samples.values.itemsize * 8,
        samples.exif,
        samples.dpi,
        samples.notes,
        samples.metadata,
        samples.format,
        is_coloured(samples.values),
        None if samples.missing is None else _upright(samples.missing, samples.orientation),
    )


def picture_name(source: Picture) -> str:
    """A picture's name in messages: its file name, or "The array" or "The picture" if it has none."""
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return "The array" if isinstance(source, np.ndarray) else "The picture"


def decode(source: Picture, max_pixels: int, name: str) -> Samples:
    if isinstance(source, np.ndarray):
        return from_array(source, max_pixels, name)
    if isinstance(source, Image.Image):
        return decode_image(source, None, max_pixels, name)
    if isinstance(source, io.TextIOBase) or not (isinstance(source, str | os.PathLike) or hasattr(source, "read")):
        raise TypeError(
            "A picture is a path, an open binary file (io.BytesIO for bytes), a PIL image or a NumPy array, "
            f"not {type(source).__name__}."
        )
    if isinstance(source, str) and re.match("https?://", source, re.IGNORECASE):
        raise PhotoError(
            f"{source} is a web address: download it first, or open it with urllib.request.urlopen and give the open "
            "file."
        )
    try:
        with open(source, "rb") if isinstance(source, str | os.PathLike) else contextlib.nullcontext(source) as stream:
            return decode_file(stream if stream.seekable() else io.BytesIO(stream.read()), max_pixels, name)
    except FileNotFoundError as error:
        raise PhotoError(f"There is no file {name}.") from error
    except OSError as error:
        raise PhotoError(f"{name} cannot be read: {error.strerror or 'the file is damaged'}.") from error


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array (H, W) as EXIF's orientation (1 to 8) says: mirror columns or rows, and transpose for 5 to 8."""
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1] if orientation in (2, 3) else array[::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1] if orientation in (3, 4) else array[:, ::-1]
    if orientation >= 5:
        array = array.T
    return np.ascontiguousarray(array)
