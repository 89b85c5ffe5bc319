"""The parts of a picture's EXIF data and resolution that are kept, and written again beside the colours."""

import contextlib
import math
from collections.abc import Iterable
from typing import BinaryIO

from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from colorgan.photo.texts import COMMENT, Text

# The tags that are about the picture. The other tags describe the pixels of the original file.
TEXT_TAGS = (
    0x010D,  # name of the document
    0x010E,  # description
    0x010F,  # maker
    0x0110,  # model
    0x011D,  # name of the page
    0x0131,  # software
    0x0132,  # date
    0x013B,  # artist
    0x013C,  # host computer
    0x8298,  # copyright
)
RATING_TAGS = (0x4746, 0x4749)  # of Windows: stars, 0 to 5, and percent
WINDOWS_TAGS = (0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)  # title, comment, author, keywords, subject, in UTF-16
KEPT_TAGS = TEXT_TAGS + RATING_TAGS + WINDOWS_TAGS
# the tags for those PNG texts (PNG specification, section 11.3.3.1) that have one
TAGS_OF_TEXTS = {"Title": 0x010D, "Description": 0x010E, "Software": 0x0131, "Author": 0x013B, "Copyright": 0x8298}
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
EXIF_FOLDER, MAKER_NOTE, USER_COMMENT, COLOR_SPACE = 0x8769, 0x927C, 0x9286, 0xA001
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
        return _checked_dpi(float(value) for value in image.info["dpi"])
    return None


def _checked_dpi(values: Iterable[float]) -> tuple[float, float] | None:
    """The horizontal and vertical resolution if both are possible."""
    horizontal, vertical = values
    is_possible = all(math.isfinite(value) and 1 <= value < 65536 for value in (horizontal, vertical))
    return (horizontal, vertical) if is_possible else None


def read_tiff(stream: BinaryIO) -> tuple[bytes, tuple[float, float] | None]:
    """The EXIF data to keep of the first page of a TIFF, and its resolution as it is stored.

    This is for files that Pillow does not open. Of damaged files there is neither.
    """
    with contextlib.suppress(Exception):  # damaged tags are no reason to refuse a picture
        stream.seek(0)
        head = stream.read(8)
        exif = Image.Exif()
        exif.bigtiff = 43 in head[2:4]
        exif.endian = "<" if head[:2] == b"II" else ">"
        tags = ImageFileDirectory_v2(head + stream.read(8) if exif.bigtiff else head)
        exif.load_from_fp(stream, tags.next)
        stream.seek(tags.next)
        tags.load(stream)
        kept = _kept(exif)
        dpi = None
        with contextlib.suppress(Exception):
            factor = {2: 1, 3: 2.54}[tags[RESOLUTION_UNIT]]  # inch, centimetre
            dpi = _checked_dpi(float(tags[tag]) * factor for tag in (X_RESOLUTION, Y_RESOLUTION))
        return kept.tobytes() if len(kept) else b"", dpi
    return b"", None


def add_texts(exif: bytes, texts: Iterable[Text]) -> tuple[bytes, list[str]]:
    """Add PNG texts and comments to EXIF data where they have a tag, and no other text is in it.

    Returns the EXIF data and the keywords of the texts that were not added.
    """
    tags, left_out, has_changed = parse_exif(exif), [], False
    tags.endian = tags.endian or "<"
    for keyword, text, *_ in texts:
        folder = tags if keyword in TAGS_OF_TEXTS else tags.get_ifd(EXIF_FOLDER)
        tag = USER_COMMENT if keyword == COMMENT else TAGS_OF_TEXTS.get(keyword)
        value = _user_comment(text, tags.endian) if keyword == COMMENT else StoredText(text.encode().decode("latin-1"))
        if tag is None or folder.get(tag, value) != value:
            left_out.append(keyword)
        else:
            has_changed |= tag not in folder
            folder[tag] = value
    if tags.get_ifd(EXIF_FOLDER):
        tags[EXIF_FOLDER] = tags.get_ifd(EXIF_FOLDER)
    return tags.tobytes() if has_changed else exif, left_out


def _user_comment(text: str, endian: str | None) -> bytes:
    """The value of the tag USER_COMMENT: the name of an encoding in eight bytes, and the text."""
    if text.isascii():
        return b"ASCII\0\0\0" + text.encode()
    return b"UNICODE\0" + text.encode("utf-16-le" if endian == "<" else "utf-16-be", "surrogatepass")


def parse_exif(exif: bytes) -> Image.Exif:
    """The tags of EXIF data that `read_exif` returned."""
    parsed = Image.Exif()
    parsed.load(exif)
    return _kept(parsed)


def fit_into_jpeg(exif: bytes) -> tuple[bytes, str]:
    """The EXIF data if a JPEG can hold it; else without the maker note; else the main tags only; else nothing.

    The second result is the beginning of a sentence about what was left out, or empty.
    """
    if len(exif) <= MAX_JPEG_EXIF:
        return exif, ""
    shorter = parse_exif(exif)
    shorter.get(EXIF_FOLDER, {}).pop(MAKER_NOTE, None)
    if len(data := shorter.tobytes()) <= MAX_JPEG_EXIF:
        return data, "Its camera maker's note was"
    tags, shorter = shorter, Image.Exif()
    shorter.update({tag: tags[tag] for tag in KEPT_TAGS if tag in tags})
    if len(data := shorter.tobytes()) <= MAX_JPEG_EXIF:
        return data, "All of its EXIF but the main tags, such as author and description, was"
    return b"", "Its EXIF was"


def tiff_value(value: object) -> tuple[str, int, bytes | int]:
    """The value of one of `KEPT_TAGS` as tifffile writes it: type, count and value."""
    if isinstance(value, int):
        return "H", 1, value
    data = value if isinstance(value, bytes) else StoredText(value).encode()
    return ("B", len(data), data) if isinstance(value, bytes) else ("s", 0, data)


def _kept(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    kept.endian = exif.endian
    for tag in KEPT_TAGS:
        if tag in exif and isinstance(value := _tag_value(tag, exif[tag]), int | str | bytes):
            kept[tag] = value
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


def _tag_value(tag: int, value: object) -> object:
    """The value of one of `KEPT_TAGS`, with the type that it has in the standard; None if it cannot have it."""
    if tag in RATING_TAGS:
        return value if isinstance(value, int) and 0 <= value < 65536 else None
    if tag in WINDOWS_TAGS and isinstance(value, tuple):
        return bytes(item & 0xFF for item in value)
    if tag in WINDOWS_TAGS:
        return value if isinstance(value, bytes) else None
    return StoredText(value) if isinstance(value, str) else None


def _stored(value: object) -> object:
    return StoredText(value) if isinstance(value, str) else value
