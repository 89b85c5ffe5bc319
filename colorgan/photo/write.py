"""Write coloured pixels as PNG, JPEG, WebP or TIFF, with the resolution and the captions of the photograph."""

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
from colorgan.photo.exif import KEPT_FOLDERS, KEPT_TAGS, add_texts, fit_into_jpeg, parse_exif, tiff_value
from colorgan.photo.formats import FORMATS
from colorgan.photo.metadata import Metadata, jpeg_segments, png_chunks, tiff_tags
from colorgan.photo.png import write_png
from colorgan.photo.settings import file_settings
from colorgan.photo.texts import COMMENT

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
) -> list[str]:
    """Write pixels (H, W, 3 or 4), uint8 or uint16, with the photograph's resolution, EXIF and other captions.

    The colours are sRGB. `file_format` is one of `FORMATS`; by default it is the path's suffix, and PNG for an open
    file. A path is written completely or not at all. `quality` (1 to 100) is for JPEG and WebP, which have 8 bits. A
    JPEG has no alpha: the picture is put on white; and it holds at most 64 kB of EXIF: of longer EXIF, the maker note
    or all but the main tags are left out.

    Returns sentences about what was left out because the format cannot hold it. Raises `PhotoError` if the pixels, the
    format or the file do not allow it.
    """
    suffix = file_format or (Path(target).suffix.lstrip(".") if isinstance(target, str | Path) else "png")
    if suffix.lower() not in FORMATS:
        raise PhotoError(f"colorgan does not write {suffix or 'files without a suffix'}: choose {', '.join(FORMATS)}.")
    is_path = isinstance(target, str | Path)
    try:
        with write_whole(target) if is_path else contextlib.nullcontext(target) as stream:
            return _encode(stream, pixels, FORMATS[suffix.lower()], quality, photo)
    except OSError as error:
        if not is_path:
            raise
        raise PhotoError(f"{Path(target).name} cannot be written: {error.strerror or error}.") from error


def _encode(stream: BinaryIO, pixels: np.ndarray, kind: str, quality: int, photo: "Photo") -> list[str]:
    """Write sRGB pixels to an open file and return sentences about what is left out.

    `kind` is PNG, JPEG, WEBP or TIFF.
    """
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((3,), (4,)) or pixels.size == 0:
        raise PhotoError(f"Pixels must be (H, W, 3 or 4) of uint8 or uint16, not {pixels.shape} of {pixels.dtype}.")
    height, width = pixels.shape[:2]
    if max(height, width) > (limit := MAX_SIDE.get(kind, math.inf)):
        raise PhotoError(
            f"A picture of {width} x {height} cannot be written as {kind}, which has at most {limit:,} pixels a side."
        )
    exif, metadata, notes = photo.exif, photo.metadata, []
    if kind != "PNG":  # the only format with texts
        texts = [text for text in metadata.texts if text.keyword != COMMENT or kind != "JPEG"]
        exif, left_out = add_texts(exif, texts)
        if left_out:
            notes.append(f"Its texts {', '.join(left_out)} were left out, because only a PNG can hold them.")
    if kind == "PNG":
        write_png(stream, pixels, _png_chunks(exif, photo.dpi) + png_chunks(metadata))
    elif kind == "TIFF":
        _encode_tiff(stream, pixels, exif, photo.dpi, metadata, notes)
    else:
        if kind == "WEBP" and metadata.resources:
            notes.append("Its IPTC captions were left out, because a WebP cannot hold them.")
        _encode_with_pillow(stream, pixels, kind, quality, exif, photo.dpi, metadata, notes)
    return notes


def _encode_with_pillow(
    stream: BinaryIO,
    pixels: np.ndarray,
    kind: str,
    quality: int,
    exif: bytes,
    dpi: tuple[float, float] | None,
    metadata: Metadata,
    notes: list[str],
) -> None:
    """Write a JPEG or WebP; sentences about what is left out are added to `notes`."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(pixels)
    options: dict[str, Any] = {"quality": quality}
    if dpi:
        options["dpi"] = dpi
    if kind == "JPEG":
        exif, left_out = fit_into_jpeg(exif)
        if left_out:
            notes.append(f"{left_out} left out, because a JPEG holds at most 64 kB of EXIF.")
        options["extra"] = jpeg_segments(metadata, notes)
        if image.mode == "RGBA":
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image.getchannel("A"))
            image = white
    elif metadata.xmp:
        options["xmp"] = metadata.xmp
    if exif:
        options["exif"] = exif
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


def _encode_tiff(
    stream: BinaryIO,
    pixels: np.ndarray,
    exif: bytes,
    dpi: tuple[float, float] | None,
    metadata: Metadata,
    notes: list[str],
) -> None:
    """Write a TIFF with tifffile: Pillow writes no 16-bit colour, and compresses nothing that has an EXIF folder."""
    tags = parse_exif(exif)
    extra: list[tuple[int | str, str, int, bytes | int, bool]] = [
        (tag, *tiff_value(tags[tag]), True) for tag in KEPT_TAGS if tag in tags
    ]
    extra += [(tag, "B", len(data), data, True) for tag, data in tiff_tags(metadata)]
    is_large = pixels.nbytes > 2**32 - 2**25  # more than 32-bit offsets reach, with space for the tags
    start = stream.tell()  # offsets count from here
    byteorder = ">" if tags.endian == ">" else "<"  # that of EXIF: notes of cameras and UTF-16 texts depend on it
    with file_settings(), tifffile.TiffWriter(stream, bigtiff=is_large, byteorder=byteorder) as writer:
        for tag, name in KEPT_FOLDERS.items():
            if tag not in tags:
                continue
            if is_large:  # tifffile cannot write folders, and Pillow makes them for 32 bits only
                notes.append(f"Its {name[:-3]} folder of EXIF was left out, because the TIFF is larger than 4 GB.")
                continue
            folder = ImageFileDirectory_v2(b"MM\0*\0\0\0\0" if byteorder == ">" else b"II*\0\0\0\0\0", group=tag)
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
            compressionargs={"level": 1},  # the default, 6, takes twice the time for 2 % fewer bytes
            predictor=True,
            metadata=None,
            software=False,  # the name of tifffile; that of the photograph or of colorgan is in `extra`
            extratags=extra,
            resolution=dpi,
            resolutionunit="INCH" if dpi else None,
        )
