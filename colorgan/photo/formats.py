"""The picture formats that are read, and those that are written."""

import functools
import importlib.util

from PIL import Image

# formats that are written: the file's suffix without the dot, and Pillow's name of the format
FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF"}
# formats that are read through Pillow, by Pillow's names, in the order in which Pillow tries them
READ_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000", "PPM", "DIB")
HEIC_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")  # read through pillow-heif, where it is installed
READABLE = "JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF, HEIC (with pillow-heif), JPEG 2000 and PPM"  # for messages


def holds_16_bits(file_format: str) -> bool:
    """Return whether a file of this format, a key of `FORMATS`, can have 16 bits per channel."""
    return FORMATS[file_format.lower()] in ("PNG", "TIFF")


@functools.cache
def pillow_formats() -> tuple[str, ...]:
    """Return the formats of `READ_FORMATS` that the installed Pillow can read."""
    Image.init()
    return tuple(name for name in READ_FORMATS if name in Image.OPEN)


@functools.cache
def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of the files that can be read, in lower case and with the dot, such as `.jpg`."""
    suffixes = {suffix for suffix, name in Image.registered_extensions().items() if name in pillow_formats()}
    if importlib.util.find_spec("pillow_heif"):
        suffixes.update(HEIC_SUFFIXES)
    return frozenset(suffixes)
