"""Pictures of any common format in, as exact lightness; and coloured pictures out, with everything else as it came."""

import contextlib
import io
import math
import os
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from colorgan.parallel import for_strips
from colorgan.photo.decode import ORIENTATION, PhotoError, Samples, check_size, decode, decode_tiff, open_picture
from colorgan.photo.lightness import UNUSED_PROFILE, lightness_grid, luminance_tables
from colorgan.photo.write import encode, kept_exif

__all__ = ["FORMATS", "Photo", "PhotoError", "Picture", "read_photo", "write_photo"]

Picture = Image.Image | np.ndarray | str | Path | BinaryIO
MAX_PIXELS = 100_000_000
X_RESOLUTION = 0x011A  # the TIFF tag
FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF"}  # written
_opening = threading.Lock()


@dataclass(eq=False)  # arrays compared give an array
class Photo:
    """The exact lightness of a picture, upright, and what is given back beside the colours.

    `lightness` is L* from 0 to 100, (H, W) float32; `alpha` is (H, W), uint8 or uint16; `bits` are those of the file's
    channels, 8 or 16; `exif` is without the orientation, as the pixels are upright; `dpi` is horizontal, vertical.
    """

    lightness: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)  # sentences about what was not taken over

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.lightness.shape[1], self.lightness.shape[0]

    def alpha_of(self, bits: int) -> np.ndarray | None:
        """Alpha at 8 or 16 bits, rounded where it was finer."""
        if self.alpha is None or self.alpha.dtype.itemsize * 8 == bits:
            return self.alpha
        return (
            self.alpha.astype(np.uint16) * 257
            if bits == 16
            else ((self.alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)
        )


def read_photo(source: Picture, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Photo:
    """Read a picture: a path, an open binary file, a PIL image, or an array (H, W[, 1, 3 or 4]) of uint8 or uint16.

    Embedded colour profiles are applied, orientation is put right, colours are dropped. `name` is how messages call the
    picture (its file name, unless given). Raises `PhotoError` for what is no picture, is damaged, has more than
    `max_pixels` (or more than Pillow's own limit for decompression bombs), is an animated PNG, WebP or AVIF, or a
    vector drawing. Of a GIF's frames, a TIFF's pages and a HEIC's pictures the first is taken, or the one that a PIL
    image was moved to; a note says so.
    """
    if isinstance(source, np.ndarray):
        return _photo(_array_samples(source, max_pixels, name or "The array"))
    if isinstance(source, Image.Image):
        return _read_image(source, None, max_pixels, name or "The picture")
    if isinstance(source, io.TextIOBase) or not (isinstance(source, str | Path) or hasattr(source, "read")):
        raise TypeError(
            "A picture is a path, an open binary file (io.BytesIO for bytes), a PIL image or a NumPy array, "
            f"not {type(source).__name__}."
        )
    name = name or (Path(source).name if isinstance(source, str | Path) else "The picture")
    try:
        with open(source, "rb") if isinstance(source, str | Path) else contextlib.nullcontext(source) as stream:
            if not stream.seekable():
                stream = io.BytesIO(stream.read())
            return _read_stream(stream, max_pixels, name)
    except FileNotFoundError as error:
        raise PhotoError(f"There is no file {name}.") from error
    except OSError as error:
        raise PhotoError(f"{name} cannot be read: {error.strerror or 'the file is damaged'}.") from error


def write_photo(
    target: str | Path | BinaryIO,
    pixels: np.ndarray,
    photo: Photo,
    *,
    file_format: str | None = None,
    quality: int = 92,
) -> None:
    """Write pixels (H, W, 3 or 4), uint8 or uint16, with the photo's resolution and EXIF; the colours are sRGB.

    `file_format` is one of `FORMATS`; by default the path's suffix says it. A path is written whole or not at all.
    `quality` (1 to 100) is for JPEG and WebP. JPEG has no alpha: the picture is then put on white; and of EXIF that is
    longer than its 64 kB, the maker note or all but the main tags are left out. Raises `PhotoError`.
    """
    suffix = file_format or (Path(target).suffix.lstrip(".") if isinstance(target, str | Path) else "png")
    if suffix.lower() not in FORMATS:
        raise PhotoError(f"colorgan does not write {suffix or 'files without a suffix'}: choose {', '.join(FORMATS)}.")
    kind = FORMATS[suffix.lower()]
    if not isinstance(target, str | Path):
        encode(target, pixels, kind, quality, photo.exif, photo.dpi)
        return
    target = Path(target)
    unfinished = target.with_name(f".colorgan-{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(unfinished, "wb") as stream:
            encode(stream, pixels, kind, quality, photo.exif, photo.dpi)
        os.replace(unfinished, target)
    except OSError as error:
        raise PhotoError(f"{target.name} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def holds_16_bits(file_format: str) -> bool:
    """Whether this one of `FORMATS` is written with 16 bits where the photo has them."""
    return FORMATS[file_format.lower()] in ("PNG", "TIFF")


def _read_stream(stream: BinaryIO, max_pixels: int, name: str) -> Photo:
    samples = decode_tiff(stream, max_pixels, name)
    stream.seek(0)
    try:
        with _opening, warnings.catch_warnings():  # of two threads at once, one would keep the other's filters for good
            warnings.simplefilter("ignore")  # our own limits and sentences say it
            image = open_picture(stream, name)
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} is larger than {min(max_pixels, 2 * Image.MAX_IMAGE_PIXELS):,} pixels.") from error
    except PhotoError:
        if samples is None:
            raise
        return _photo(samples)
    except Exception as error:  # plugins raise whatever a damaged header leads them to
        raise PhotoError(f"{name} is damaged: its header cannot be read.") from error
    with image:
        return _read_image(image, stream, max_pixels, name, samples)


def _read_image(
    image: Image.Image, stream: BinaryIO | None, max_pixels: int, name: str, samples: Samples | None = None
) -> Photo:
    check_size(*image.size, max_pixels, name)
    try:
        dpi = _resolution(image)
        # asked before decoding: Pillow turns TIFFs itself then, and their tag is gone
        sideways = image.format == "TIFF" and image.tag_v2.get(ORIENTATION) in (5, 6, 7, 8)
        if samples is None:
            samples = decode(image, stream, name)
        sideways = sideways or samples.orientation >= 5
        return _photo(samples, _kept_exif(image), dpi[::-1] if dpi and sideways else dpi)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} needs more memory than there is.") from error
    except Exception as error:  # decoders raise whatever damaged data leads them to
        raise PhotoError(f"{name} is damaged or cut short: it cannot be read to its end.") from error


def _photo(samples: Samples, exif: bytes = b"", dpi: tuple[float, float] | None = None) -> Photo:
    bits = samples.values.dtype.itemsize * 8
    lightness = _upright(_lightness(samples), samples.orientation)
    alpha = None if samples.alpha is None else _upright(samples.alpha, samples.orientation)
    return Photo(lightness, alpha, bits, exif, dpi, samples.notes)


def _array_samples(array: np.ndarray, max_pixels: int, name: str) -> Samples:
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
    return Samples(array[..., :3], array[..., 3]) if array.shape[2:] == (4,) else Samples(array)


def _lightness(samples: Samples) -> np.ndarray:
    """L* (H, W) of the samples: each channel's table gives its share of Y, and a cube root makes it L.

    Profiles that are look-up tables themselves give L at the nodes of a grid, which is interpolated.
    """
    values = samples.values
    height, width = values.shape[:2]
    channels, levels = 1 if values.ndim == 2 else 3, 2 ** (8 * values.itemsize)
    tables = luminance_tables(samples.icc, channels, levels)
    grid = lightness_grid(samples.icc) if tables is None and channels == 3 else None
    if tables is None and grid is None:
        samples.notes.append(UNUSED_PROFILE)
        tables = luminance_tables(None, channels, levels)
    lightness = np.empty((height, width), np.float32)
    if channels == 1:
        table = _lightness_of(torch.from_numpy(tables[0])).numpy()

    @torch.inference_mode()
    def fill(top: int, bottom: int) -> None:
        if channels == 1:
            np.take(table, values[top:bottom], out=lightness[top:bottom], mode="clip")
            return
        if grid is not None:
            places = torch.from_numpy(values[top:bottom].astype(np.float32) * (2 / (levels - 1)) - 1)
            strip = F.grid_sample(grid, places[None, None], padding_mode="border", align_corners=True)
            lightness[top:bottom] = strip[0, 0, 0].numpy()
            return
        luminance = tables[0][values[top:bottom, :, 0]]
        luminance += tables[1][values[top:bottom, :, 1]]
        luminance += tables[2][values[top:bottom, :, 2]]
        lightness[top:bottom] = _lightness_of(torch.from_numpy(luminance)).numpy()

    for_strips(fill, height, width)
    return lightness


def _lightness_of(luminance: torch.Tensor) -> torch.Tensor:
    """L* of Y in [0, 1], as `colorgan.color.rgb_to_lab` has it."""
    return torch.where(luminance > 0.008856, 116 * luminance ** (1 / 3) - 16, 903.292 * luminance).clamp_(0, 100)


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """The array turned as EXIF's orientation (1 to 8) says: first columns, then rows, become what they are seen as."""
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1] if orientation in (2, 3) else array[::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1] if orientation in (3, 4) else array[:, ::-1]
    if orientation >= 5:
        array = array.T
    return np.ascontiguousarray(array)


def _kept_exif(image: Image.Image) -> bytes:
    try:
        kept = kept_exif(image.getexif())
        return kept.tobytes() if len(kept) else b""
    except Exception:  # damaged EXIF is no reason to refuse a picture
        return b""


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    if image.format == "TIFF" and X_RESOLUTION not in image.tag_v2:  # Pillow would say 1
        return None
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        dpi = tuple(float(value) for value in image.info["dpi"]) if "dpi" in image.info else ()
        if len(dpi) == 2 and all(math.isfinite(value) and 1 <= value < 65536 for value in dpi):
            return dpi
    return None
