"""Open picture files with Pillow without decoding them, and say why a file is not read."""

import contextlib
import functools
import struct
from typing import Any, BinaryIO

from PIL import Image

from colorgan.photo.errors import PhotoError
from colorgan.photo.formats import READABLE, pillow_formats
from colorgan.photo.tiff import SIGNATURES as TIFF_SIGNATURES
from colorgan.photo.tiff import UNREAD_TIFF

HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheif", b"ftypmsf1")  # bytes 4 to 12 of these files


def open_picture(stream: BinaryIO, name: str) -> Image.Image:
    """Open a picture without decoding it. Raises `PhotoError` for a file that is not a picture of a known format."""
    with contextlib.suppress(Image.UnidentifiedImageError):
        return Image.open(stream, formats=pillow_formats())
    stream.seek(0)
    head = stream.read(1024)
    stream.seek(0)
    if head[4:8] == b"ftyp" and (image := _open_heic(stream)):
        return image
    raise PhotoError(_refusal(head, name))


@functools.cache
def _pillow_heif() -> Any | None:
    """The module pillow_heif if it is installed. It is not registered with Pillow, which is the host program's."""
    try:
        import pillow_heif
    except ImportError:
        return None
    return pillow_heif


def _open_heic(stream: BinaryIO) -> Image.Image | None:
    """Open a HEIC picture; None if pillow-heif is not installed or cannot read the file."""
    heif = _pillow_heif()
    if heif is None or not heif.is_supported(stream):
        return None
    stream.seek(0)
    try:
        image = heif.HeifImageFile(stream)
    except (SyntaxError, IndexError, TypeError, struct.error):  # as Image.open does
        return None
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    return image


def variant_message(head: bytes, name: str) -> str | None:
    """The message about a file that Pillow refuses though it begins as a BMP or WebP, which have many variants."""
    kind = "BMP" if head[:2] == b"BM" else "WebP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None
    return f"{name} is a {kind} of a kind that is not read, or is damaged: save it as PNG." if kind else None


def _refusal(head: bytes, name: str) -> str:
    """Why a file that begins with these bytes is not read."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return f"{name} is empty."
    if text.startswith((b"<svg", b"%pdf", b"%!ps")) or (text.startswith(b"<?xml") and b"<svg" in text):
        return f"{name} is a vector drawing (SVG, PDF or PostScript), which has no pixels: export it as PNG first."
    if message := variant_message(head, name):
        return message
    if head[:4] in TIFF_SIGNATURES:
        return UNREAD_TIFF.format(name)
    if head[4:12] in HEIC and _pillow_heif() is None:
        return f"{name} is a HEIC picture: install pillow-heif to read it, or save it as JPEG."
    if (
        (head[4:8] == b"ftyp" and head[4:12] not in HEIC)
        or head[:4] in (b"\x1a\x45\xdf\xa3", b"OggS")
        or head[8:12] == b"AVI "
    ):
        return f"{name} is a film or a picture that this Pillow cannot read: colorgan reads {READABLE}."
    return f"{name} is not a picture, or is damaged: colorgan reads {READABLE}."
