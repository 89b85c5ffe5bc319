"""Samples: the values of a picture's channels at 8 or 16 bits, before they are turned into lightness."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from colorgan.photo.encoding import Encoding
from colorgan.photo.errors import PhotoError, TooLargeError
from colorgan.photo.metadata import Metadata

# Called with the number of pixels of a picture before it is decoded. `inference/stream.py` waits in it, so that all
# pictures that are read at once do not need too much memory together.
before_decoding: ContextVar[Callable[[int], None]] = ContextVar("before_decoding", default=lambda pixels: None)
STRIP = 64  # rows that are converted at once in double precision, to bound memory


@dataclass
class Samples:
    """The decoded channels of a picture, and what is kept of its file.

    `values` (H, W) or (H, W, 3) and `alpha` (H, W) or None are uint8 or uint16, in the order in which they are stored:
    `orientation` (1 to 8, as in EXIF) says how to turn them. `icc` is a colour profile that still has to be applied.
    `encoding` is used where there is no profile; without both, the values are sRGB.
    `is_lightness` says that `values` (H, W) are L*, from 0 to 100 over all levels. `notes` are sentences about parts of
    the file that were not used. `exif`, `dpi` and `metadata` are those of the upright picture. `format` is Pillow's
    name of the file's format, such as JPEG, or empty.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list)
    orientation: int = 1
    exif: bytes = b""
    dpi: tuple[float, float] | None = None  # horizontal, vertical
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    is_lightness: bool = False
    encoding: Encoding | None = None
    missing: np.ndarray | None = None  # (H, W), bool: pixels that a file lacks which was cut short; they are grey


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Raise `PhotoError` if the picture has no pixels, or more than `max_pixels`; then call `before_decoding`."""
    if width < 1 or height < 1:
        raise PhotoError(f"{name} has no pixels: it is {width} by {height}.")
    if width * height > max_pixels:
        raise TooLargeError(
            f"{name} is larger than {max_pixels:,} pixels: it has {width} x {height} = {width * height:,}"
        )
    before_decoding.get()(width * height)


def from_array(array: np.ndarray, max_pixels: int, name: str) -> Samples:
    """The samples of an array (H, W) or (H, W, 1, 3 or 4) of uint8 or uint16. Raises `PhotoError` for other arrays."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if (
        array.dtype not in (np.uint8, np.uint16)
        or array.ndim not in (2, 3)
        or array.shape[2:] not in ((), (1,), (3,), (4,))
    ):
        raise PhotoError(
            f"An array must be (H, W) or (H, W, 1, 3 or 4) of uint8 or uint16, not {array.shape} of {array.dtype}."
        )
    check_size(array.shape[1], array.shape[0], max_pixels, name)
    if array.shape[2:] == (1,):
        array = array[..., 0]
    return Samples(*split_alpha(array)) if array.ndim == 3 else Samples(array)


def split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split pixels (H, W, 1 to 4) into colours and alpha; alpha is None for 1 and 3 channels."""
    return (pixels[..., :-1], pixels[..., -1]) if pixels.shape[-1] in (2, 4) else (pixels, None)


def to_integers(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Convert integers or floats of any size to uint16, and integers of 8 bits to uint8.

    Unsigned integers of 8 and 16 bits and floats in [0, 1] keep their meaning. Integers of other types have no range
    that a file states, so white is guessed: 127 for int8, 32767 for int16; for larger ones, and for floats that are all
    integers and not all 0 or 1, 255 if no value is higher, else 65535. Values outside the range are scaled so that the
    lowest becomes black and the highest white. A sentence about a guess or scaling is added to `notes`.
    """
    if values.dtype in (np.uint8, np.uint16):
        return values
    strips = [slice(top, top + STRIP) for top in range(0, len(values), STRIP)]
    lowest = min(float(_finite(values[strip]).min()) for strip in strips)
    highest = max(float(_finite(values[strip]).max()) for strip in strips)
    white = 1.0
    if values.dtype.kind in "iu" or (highest > 1 and all(_are_whole(values[strip]) for strip in strips)):
        white = {"int8": 127.0, "int16": 32767.0}.get(values.dtype.name, 255.0 if highest <= 255 else 65535.0)
    if lowest < 0 or highest > white:
        notes.append(f"Its values were scaled so that {lowest:g} is black and {highest:g} is white.")
        white = max(highest - lowest, 1e-30)
    else:
        lowest = 0.0
        if white not in (1.0, 65535.0):
            notes.append(f"Its values were scaled so that 0 is black and {white:g} is white.")
    most = 255 if values.dtype == np.int8 else 65535
    result = np.empty(values.shape, np.uint8 if values.dtype == np.int8 else np.uint16)
    for strip in strips:
        result[strip] = ((_finite(values[strip]) - lowest) * (most / white)).round()
    return result


def alpha_to_integers(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert alpha to uint8 or uint16: floats from [0, 1], integers from 0 to the largest number of their type."""
    if values.dtype == dtype:
        return values
    most = 1.0 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    return (_finite(values).clip(0, most) * (np.iinfo(dtype).max / most)).round().astype(dtype)


def _are_whole(values: np.ndarray) -> bool:
    return bool((np.trunc(_finite(values)) == _finite(values)).all())


def _finite(values: np.ndarray) -> np.ndarray:
    """The values in double precision, with 0 in place of NaN and infinity."""
    return np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0)
