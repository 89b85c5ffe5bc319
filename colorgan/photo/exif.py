"""The parts of a picture's EXIF data and resolution that are kept, and written again beside the colours."""

import contextlib
import math

from PIL import Image, TiffImagePlugin

# The tags that are about the picture: description, maker, model, software, date, artist, copyright. The other tags
# describe the pixels of the original file.
KEPT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
ORIENTATION, X_RESOLUTION = 0x0112, 0x011A
EXIF_FOLDER, MAKER_NOTE, COLOR_SPACE = 0x8769, 0x927C, 0xA001
KEPT_FOLDERS = {EXIF_FOLDER: "ExifTag", 0x8825: "GPSTag"}  # the names are tifffile's
OUTDATED_TAGS = (0xA002, 0xA003, 0xA005)  # width and height before turning, and the address of a folder not kept
MAX_JPEG_EXIF = 65533  # bytes of EXIF in a JPEG
SRGB = 1  # a value of the tag COLOR_SPACE


class StoredText(str):
    """A text of EXIF as Pillow reads it: each byte is a Latin-1 letter. Pillow itself would write it in ASCII."""

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return str.encode(self, "latin-1", "replace")


def read_exif(image: Image.Image) -> bytes:
    """The EXIF data to keep of an opened picture, without its orientation; empty if it has none or it is damaged."""
    try:
        kept = _kept(image.getexif())
        return kept.tobytes() if len(kept) else b""
    except Exception:  # damaged EXIF is no reason to refuse a picture
        return b""


def read_orientation(image: Image.Image) -> int:
    """The orientation of an opened picture, 1 to 8 as EXIF counts; 1 is upright."""
    with contextlib.suppress(Exception):  # damaged EXIF is no reason to refuse a picture
        orientation = image.getexif().get(ORIENTATION, 1)
        return orientation if orientation in range(1, 9) else 1
    return 1


def read_resolution(image: Image.Image) -> tuple[float, float] | None:
    """The horizontal and vertical resolution of an opened picture in dots per inch; None if the file has none."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and X_RESOLUTION not in image.tag_v2:
        return None  # Pillow would say 1
    with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        horizontal, vertical = (float(value) for value in image.info["dpi"])
        if all(math.isfinite(value) and 1 <= value < 65536 for value in (horizontal, vertical)):
            return horizontal, vertical
    return None


def parse_exif(exif: bytes) -> Image.Exif:
    """The tags of EXIF data that `read_exif` returned."""
    parsed = Image.Exif()
    parsed.load(exif)
    return _kept(parsed)


def fit_into_jpeg(exif: bytes) -> bytes:
    """The EXIF data if a JPEG can hold it; else without the maker note; else the main tags only; else nothing."""
    if len(exif) <= MAX_JPEG_EXIF:
        return exif
    shorter = parse_exif(exif)
    shorter.get(EXIF_FOLDER, {}).pop(MAKER_NOTE, None)
    if len(shorter.tobytes()) > MAX_JPEG_EXIF:
        tags, shorter = shorter, Image.Exif()
        shorter.update({tag: tags[tag] for tag in KEPT_TAGS if tag in tags})
    exif = shorter.tobytes()
    return exif if len(exif) <= MAX_JPEG_EXIF else b""


def _kept(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in KEPT_TAGS:
        if tag in exif:
            kept[tag] = _stored(exif[tag])
    for tag in KEPT_FOLDERS:
        if folder := exif.get_ifd(tag):
            kept.get_ifd(tag).update({key: _stored(value) for key, value in folder.items()})
            kept[tag] = kept.get_ifd(tag)  # Pillow's TIFF writer looks here
    if folder := kept.get(EXIF_FOLDER):
        for tag in OUTDATED_TAGS:
            folder.pop(tag, None)
        if COLOR_SPACE in folder:
            folder[COLOR_SPACE] = SRGB  # results are sRGB
    return kept


def _stored(value: object) -> object:
    return StoredText(value) if isinstance(value, str) else value
