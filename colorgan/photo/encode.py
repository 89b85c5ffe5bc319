"""Coloured pixels to files: PNG, JPEG, WebP and TIFF, with resolution and EXIF."""

from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from colorgan.photo.decode import PhotoError
from colorgan.photo.png import write_png

# what the picture is about; the rest of a TIFF's tags describe the file that it was
KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
KEPT_FOLDERS = (0x8769, 0x8825)  # Exif and GPS


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
    return kept


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

    Raises `PhotoError` where the format cannot hold a picture of this size.
    """
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
    if exif and not (kind == "JPEG" and len(exif) > 65533):  # a JPEG segment's limit
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
    except ValueError as error:  # such as a WebP of more than 16383 pixels a side
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
    # the Exif and GPS folders have no writer here
    extra = [(tag, "s", 0, _Stored(tags[tag]).encode(), True) for tag in KEPT_TAGS if tag in tags]
    resolution = {"resolution": dpi, "resolutionunit": "INCH"} if dpi else {}
    tifffile.imwrite(
        stream,
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"] if pixels.shape[-1] == 4 else None,
        compression="zlib",
        predictor=True,
        metadata=None,
        extratags=extra,
        **resolution,
    )
