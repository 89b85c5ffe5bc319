"""Write coloured pixels as PNG, JPEG, WebP or TIFF, with the resolution and EXIF data of the photograph."""

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from colorgan.files import write_whole
from colorgan.photo.errors import PhotoError
from colorgan.photo.exif import KEPT_FOLDERS, KEPT_TAGS, StoredText, fit_into_jpeg, parse_exif
from colorgan.photo.formats import FORMATS
from colorgan.photo.png import write_png
from colorgan.photo.settings import file_settings

if TYPE_CHECKING:
    from colorgan.photo.read import Photo

MAX_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels; the other formats hold any picture that fits into memory


def write_photo(
    target: str | Path | BinaryIO,
    pixels: np.ndarray,
    photo: "Photo",
    *,
    file_format: str | None = None,
    quality: int = 92,
) -> None:
    """Write pixels (H, W, 3 or 4), uint8 or uint16, with the photograph's resolution and EXIF; the colours are sRGB.

    `file_format` is one of `FORMATS`; by default it is the path's suffix, and PNG for an open file. A path is written
    completely or not at all. `quality` (1 to 100) is for JPEG and WebP, which have 8 bits. A JPEG has no alpha: the
    picture is put on white; and it holds at most 64 kB of EXIF: of longer EXIF, the maker note or all but the main tags
    are left out. Raises `PhotoError` if the pixels, the format or the file do not allow it.
    """
    suffix = file_format or (Path(target).suffix.lstrip(".") if isinstance(target, str | Path) else "png")
    if suffix.lower() not in FORMATS:
        raise PhotoError(f"colorgan does not write {suffix or 'files without a suffix'}: choose {', '.join(FORMATS)}.")
    is_path = isinstance(target, str | Path)
    try:
        with write_whole(target) if is_path else contextlib.nullcontext(target) as stream:
            _encode(stream, pixels, FORMATS[suffix.lower()], quality, photo.exif, photo.dpi)
    except OSError as error:
        if not is_path:
            raise
        raise PhotoError(f"{Path(target).name} cannot be written: {error.strerror or error}.") from error


def _encode(
    stream: BinaryIO, pixels: np.ndarray, kind: str, quality: int, exif: bytes, dpi: tuple[float, float] | None
) -> None:
    """Write sRGB pixels to an open file; `kind` is PNG, JPEG, WEBP or TIFF."""
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((3,), (4,)) or pixels.size == 0:
        raise PhotoError(f"Pixels must be (H, W, 3 or 4) of uint8 or uint16, not {pixels.shape} of {pixels.dtype}.")
    height, width = pixels.shape[:2]
    if max(height, width) > (limit := MAX_SIDE.get(kind, math.inf)):
        raise PhotoError(
            f"A picture of {width} x {height} cannot be written as {kind}, which has at most {limit:,} pixels a side."
        )
    if kind == "PNG":
        write_png(stream, pixels, _png_chunks(exif, dpi))
    elif kind == "TIFF" and pixels.dtype == np.uint16:
        _encode_deep_tiff(stream, pixels, exif, dpi)
    else:
        _encode_with_pillow(stream, pixels, kind, quality, exif, dpi)


def _encode_with_pillow(
    stream: BinaryIO, pixels: np.ndarray, kind: str, quality: int, exif: bytes, dpi: tuple[float, float] | None
) -> None:
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(pixels)
    options: dict[str, Any] = {"dpi": dpi} if dpi else {}
    if kind == "TIFF":
        options["compression"] = "raw" if exif else "tiff_adobe_deflate"  # libtiff cannot write an EXIF folder
    else:
        options["quality"] = quality
    if kind == "JPEG":
        exif = fit_into_jpeg(exif)
        if image.mode == "RGBA":
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image.getchannel("A"))
            image = white
    if exif:
        options["exif"] = parse_exif(exif) if kind == "TIFF" else exif
    try:
        image.save(stream, kind, **options)
    except ValueError as error:  # anything else that an encoder refuses
        raise PhotoError(
            f"A picture of {image.width} x {image.height} cannot be written as {kind}: {error}."
        ) from error


def _png_chunks(exif: bytes, dpi: tuple[float, float] | None) -> list[tuple[bytes, bytes]]:
    chunks = [(b"sRGB", b"\0")]  # perceptual intent
    if dpi:
        per_metre = [round(value / 0.0254).to_bytes(4, "big") for value in dpi]
        chunks.append((b"pHYs", b"".join(per_metre) + b"\1"))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return chunks


def _encode_deep_tiff(stream: BinaryIO, pixels: np.ndarray, exif: bytes, dpi: tuple[float, float] | None) -> None:
    """Write 16-bit pixels, which Pillow cannot write, with tifffile."""
    tags = parse_exif(exif)
    extra: list[tuple[int | str, str, int, bytes | int, bool]] = [
        (tag, "s", 0, StoredText(tags[tag]).encode(), True) for tag in KEPT_TAGS if tag in tags
    ]
    is_large = pixels.nbytes > 2**32 - 2**25  # more than 32-bit offsets reach, with space for the tags
    start = stream.tell()  # offsets count from here
    with file_settings(), tifffile.TiffWriter(stream, bigtiff=is_large, byteorder="<") as writer:
        for tag, name in KEPT_FOLDERS.items():
            if tag in tags and not is_large:  # tifffile cannot write folders, and Pillow makes them for 32 bits only
                folder = ImageFileDirectory_v2(group=tag)
                for key, value in tags[tag].items():
                    folder[key] = value
                extra.append((name, "I", 1, stream.tell() - start, True))
                data = folder.tobytes(stream.tell() - start)
                stream.write(data + bytes(len(data) % 2))  # a folder begins at an even byte
        writer.write(
            pixels,
            photometric="rgb",
            extrasamples=["unassalpha"] if pixels.shape[-1] == 4 else None,
            compression="zlib",
            predictor=True,
            metadata=None,
            extratags=extra,
            resolution=dpi,
            resolutionunit="INCH" if dpi else None,
        )
