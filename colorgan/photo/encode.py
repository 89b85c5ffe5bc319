"""Coloured pixels to files: PNG, JPEG, WebP and TIFF, with resolution and EXIF."""

from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from colorgan.photo.decode import PhotoError
from colorgan.photo.png import write_png

# what the picture is about; the rest of a TIFF's tags describe the file that it was
KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)


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
    tags = Image.Exif()
    tags.load(exif)
    # the Exif and GPS folders have no writer here
    extra = [(tag, "s", 0, str(tags[tag]), True) for tag in KEPT_TAGS if tag in tags]
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
