"""Coloured pixels to files: PNG, JPEG, WebP and TIFF, with resolution and EXIF."""

import math
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from colorgan.photo.decode import PhotoError
from colorgan.photo.png import write_png

# what the picture is about; the rest of a TIFF's tags describe the file that it was
KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
EXIF_FOLDER, MAKER_NOTE, COLOR_SPACE = 0x8769, 0x927C, 0xA001
KEPT_FOLDERS = {EXIF_FOLDER: "ExifTag", 0x8825: "GPSTag"}  # as tifffile calls them
STALE_TAGS = (0xA002, 0xA003, 0xA005)  # the size before turning; where a folder was that is not kept
LONGEST_EXIF = 65533  # of a JPEG
LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}


class _Stored(str):
    """EXIF's text as Pillow reads it, each byte a Latin-1 letter; it would write it in ASCII, which loses letters."""

    def encode(self, *_: str) -> bytes:
        return str.encode(self, "latin-1", "replace")


def kept_exif(exif: Image.Exif) -> Image.Exif:
    """What is kept of a picture's EXIF, to be written as it was read."""
    kept = Image.Exif()
    for tag in KEPT_TAGS:
        if tag in exif:
            kept[tag] = _as_stored(exif[tag])
    for tag in KEPT_FOLDERS:
        if folder := exif.get_ifd(tag):
            kept.get_ifd(tag).update({key: _as_stored(value) for key, value in folder.items()})
            kept[tag] = kept.get_ifd(tag)  # TIFFs want it here
    if folder := kept.get(EXIF_FOLDER):
        for tag in STALE_TAGS:
            folder.pop(tag, None)
        if COLOR_SPACE in folder:
            folder[COLOR_SPACE] = 1  # sRGB, as results are
    return kept


def _fitting(exif: bytes) -> bytes:
    """As much of the EXIF as a JPEG holds: without the maker note, else the main tags, else nothing."""
    if len(exif) <= LONGEST_EXIF:
        return exif
    shorter = _loaded(exif)
    shorter.get(EXIF_FOLDER, {}).pop(MAKER_NOTE, None)
    if len(shorter.tobytes()) > LONGEST_EXIF:
        tags, shorter = shorter, Image.Exif()
        shorter.update({tag: tags[tag] for tag in KEPT_TAGS if tag in tags})
    exif = shorter.tobytes()
    return exif if len(exif) <= LONGEST_EXIF else b""


def _as_stored(value: object) -> object:
    return _Stored(value) if isinstance(value, str) else value


def _loaded(exif: bytes) -> Image.Exif:
    loaded = Image.Exif()
    loaded.load(exif)
    return kept_exif(loaded)


def encode(
    stream: BinaryIO, pixels: np.ndarray, kind: str, quality: int, exif: bytes, dpi: tuple[float, float] | None
) -> None:
    """Write sRGB pixels (H, W, 3 or 4), uint8 or uint16, to an open file; `kind` is PNG, JPEG, WEBP or TIFF.

    Raises `PhotoError` for other pixels, and where the format cannot hold a picture of this size.
    """
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((3,), (4,)) or pixels.size == 0:
        raise PhotoError(f"Pixels must be (H, W, 3 or 4) of uint8 or uint16, not {pixels.shape} of {pixels.dtype}.")
    height, width = pixels.shape[:2]
    if max(height, width) > (longest := LONGEST_SIDE.get(kind, math.inf)):
        raise PhotoError(
            f"A picture of {width} x {height} cannot be written as {kind}, which has at most {longest:,} pixels a side."
        )
    if kind == "PNG":
        write_png(stream, pixels, _png_chunks(exif, dpi))
        return
    if kind == "TIFF" and pixels.dtype == np.uint16:
        _encode_deep_tiff(stream, pixels, exif, dpi)
        return
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(pixels)
    options: dict = {"dpi": dpi} if dpi else {}
    if kind == "JPEG":
        exif = _fitting(exif)
    if exif:
        options["exif"] = exif
    if kind == "TIFF":
        options["compression"] = "raw" if "exif" in options else "tiff_adobe_deflate"  # libtiff takes no Exif folder
        if "exif" in options:
            options["exif"] = _loaded(exif)
    else:
        options["quality"] = quality
    if kind == "JPEG" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    try:
        image.save(stream, kind, **options)
    except ValueError as error:  # whatever else an encoder refuses
        raise PhotoError(
            f"A picture of {image.width} x {image.height} cannot be written as {kind}: {error}."
        ) from error


def _png_chunks(exif: bytes, dpi: tuple[float, float] | None) -> list[tuple[bytes, bytes]]:
    chunks = [(b"sRGB", b"\0")]  # perceptual intent
    if dpi:
        metre = [round(value / 0.0254).to_bytes(4, "big") for value in dpi]
        chunks.append((b"pHYs", b"".join(metre) + b"\1"))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return chunks


def _encode_deep_tiff(stream: BinaryIO, pixels: np.ndarray, exif: bytes, dpi: tuple[float, float] | None) -> None:
    tags = _loaded(exif)
    extra = [(tag, "s", 0, _Stored(tags[tag]).encode(), True) for tag in KEPT_TAGS if tag in tags]
    resolution = {"resolution": dpi, "resolutionunit": "INCH"} if dpi else {}
    large = pixels.nbytes > 2**32 - 2**25  # beyond what offsets of 32 bits reach, with room for the tags
    start = stream.tell()  # offsets count from here
    with tifffile.TiffWriter(stream, bigtiff=large, byteorder="<") as writer:
        for tag, name in KEPT_FOLDERS.items():
            if tag in tags and not large:  # tifffile has no writer for folders: Pillow makes them, for 32 bits
                folder = ImageFileDirectory_v2(group=tag)
                for key, value in tags[tag].items():
                    folder[key] = value
                extra.append((name, "I", 1, stream.tell() - start, True))
                data = folder.tobytes(stream.tell() - start)
                stream.write(data + bytes(len(data) % 2))  # each begins at an even byte
        writer.write(
            pixels,
            photometric="rgb",
            extrasamples=["unassalpha"] if pixels.shape[-1] == 4 else None,
            compression="zlib",
            predictor=True,
            metadata=None,
            extratags=extra,
            **resolution,
        )
