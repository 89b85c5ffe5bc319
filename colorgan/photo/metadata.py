"""Captions of a picture file that are not EXIF: XMP, IPTC, comments and PNG texts."""

import contextlib
import hashlib
import itertools
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import tifffile
from PIL import Image

from colorgan.photo.iptc import IPTC, clean_resources, read_resources, write_resources
from colorgan.photo.texts import COMMENT, Text, png_texts, raw_profile, text_chunk, text_of
from colorgan.photo.xmp import EXTENSION_PART, clean_xmp, extension_name, split_xmp

XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG = CAPTION_TAGS = 0x02BC, 0x83BB, 0x8649  # of TIFF
MAX_PAGES = 10  # of a TIFF, of which captions are read
REDUCED = 1  # a bit of the tag NewSubfileType: the page is a thumbnail
# the first bytes of the segments of a JPEG
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP_HEAD = b"Photoshop 3.0\0"
MAX_SEGMENT = 65533  # bytes of data in a JPEG segment
JP2_XMP = b"uuid\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac"  # the box of a JPEG 2000 with XMP
GIF_XMP = b"\x21\xff\x0bXMP DataXMP"  # the extension of a GIF with XMP
XMP_KEYWORD = "XML:com.adobe.xmp"
# PNG texts in which programs store other parts of a file, or describe the source's file
OTHER_KEYWORDS = re.compile(r"XML:com\.adobe\.xmp|Raw profile type |(exif|icc|jpeg|photoshop|png|tiff|xmp|Thumb):")


@dataclass
class Metadata:
    """Captions of a picture that are not EXIF, without fields that are not true of the coloured result.

    `xmp` is an XML document in UTF-8, or empty. `resources` are Photoshop image resources by number, such as 0x0404,
    which is IPTC. `texts` are the comments and PNG texts.
    """

    xmp: bytes = b""
    resources: dict[int, bytes] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)


def read_metadata(image: Image.Image | None, stream: BinaryIO | None, turned: bool, notes: list[str]) -> Metadata:
    """The captions of an image that Pillow decoded, and of the file that it was decoded from.

    `image` is None for a TIFF that Pillow does not open; `stream` is None for an image without a file. `turned` says
    that the picture is turned upright. Sentences about captions that are left out, because they are damaged, are added
    to `notes`.
    """
    source = _Source()
    if image is None or image.format == "TIFF":
        source.add_tags(_read_tags(stream) if stream else dict(getattr(image, "tag_v2", {})))
    if image is not None:
        source.add_image(image, stream)
    metadata = Metadata(texts=list(dict.fromkeys(source.texts)))
    notes += source.notes
    try:
        if source.xmp.strip(b"\0 \t\r\n"):
            metadata.xmp, lost_regions = clean_xmp(source.xmp, source.extension, turned=turned)
            if lost_regions:
                notes.append("The marked regions in its XMP, such as faces, were left out, because it was turned.")
    except (ValueError, RecursionError):
        notes.append("Its XMP is damaged and was left out.")
    resources, is_whole = read_resources(source.photoshop)
    if source.iptc:
        resources.setdefault(IPTC, source.iptc)
    metadata.resources, iptc_is_whole = clean_resources(resources)
    if not (is_whole and iptc_is_whole):
        notes.append("Its IPTC captions are damaged: only those before the damage were kept.")
    return metadata


@dataclass
class _Source:
    """The captions of a file as they are stored."""

    xmp: bytes = b""
    extension: bytes = b""  # the extended XMP of a JPEG
    iptc: bytes = b""
    photoshop: bytes = b""  # image resources
    texts: list[Text] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_tags(self, tags: Mapping[int, object]) -> None:
        """Read the tags of a TIFF."""
        self.xmp, self.iptc, self.photoshop = (_tag_bytes(tags.get(tag)) for tag in (XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG))

    def add_image(self, image: Image.Image, stream: BinaryIO | None) -> None:
        """Read what Pillow keeps of a file, and the parts of the file that it does not read."""
        info, segments = image.info, getattr(image, "applist", None)
        if segments is not None:
            self._add_segments(segments)
        elif isinstance(resources := info.get("photoshop"), dict):  # a copy of a JPEG has no segments
            self.photoshop = write_resources({key: data for key, data in resources.items() if isinstance(data, bytes)})
        if not any(text.keyword == COMMENT for text in self.texts) and image.format != "PNG":
            self._add_comment(info.get("comment"))
        if image.format == "PNG":
            texts = getattr(image, "text", {})
            for text in png_texts(stream, self.notes) if stream else (text_of(*pair) for pair in texts.items()):
                self._add_text(text)
        self.xmp = self.xmp or _tag_bytes(info.get("xmp")) or _xmp_of_file(image.format, stream)

    def _add_segments(self, segments: list[tuple[str, bytes]]) -> None:
        """Read the segments of a JPEG, of which Pillow's `info` has only the last of a kind."""
        packets = [data.removeprefix(XMP_HEAD) for kind, data in segments if kind == "APP1" and data[:29] == XMP_HEAD]
        self.xmp = packets[0] if packets else b""
        parts = {}
        for kind, data in segments:
            if kind == "APP13" and data.startswith(PHOTOSHOP_HEAD):
                self.photoshop += data.removeprefix(PHOTOSHOP_HEAD)
            elif kind == "COM":
                self._add_comment(data)
            elif kind == "APP1" and data.startswith(EXTENSION_HEAD):
                data = data.removeprefix(EXTENSION_HEAD)
                if data[:32].decode("latin-1") == extension_name(self.xmp) and len(data) > 40:
                    parts[int.from_bytes(data[36:40], "big")] = data[40:]  # by their places in the whole
        name, whole = extension_name(self.xmp), b"".join(parts[place] for place in sorted(parts))
        if name and hashlib.md5(whole, usedforsecurity=False).hexdigest().upper() == name.upper():
            self.extension = whole
        elif name:
            self.notes.append("The extended part of its XMP is damaged and was left out.")

    def _add_comment(self, comment: object) -> None:
        text = _decode(comment).strip("\0") if isinstance(comment, bytes) else comment
        # JPEG 2000 encoders sign with a comment
        if isinstance(text, str) and text.strip() and not text.startswith(("Created by OpenJPEG", "Kakadu")):
            self.texts.append(Text(COMMENT, text))

    def _add_text(self, text: Text) -> None:
        """Add a PNG text, or what ImageMagick and ExifTool store as one."""
        keyword = text.keyword
        if keyword == XMP_KEYWORD or keyword == "Raw profile type xmp":
            self.xmp = self.xmp or (text.text.encode() if keyword == XMP_KEYWORD else raw_profile(text.text))
        elif keyword in ("Raw profile type iptc", "Raw profile type 8bim"):
            data = raw_profile(text.text).removeprefix(PHOTOSHOP_HEAD)
            if data.startswith(b"\x1c"):
                self.iptc = data
            else:
                self.photoshop = self.photoshop or data
        elif keyword and text.text and not OTHER_KEYWORDS.match(keyword):
            self.texts.append(text)


def jpeg_segments(metadata: Metadata, notes: list[str]) -> bytes:
    """XMP, IPTC and comments as the segments of a JPEG; sentences about what is too long are added to `notes`."""
    segments = []
    standard, extended = split_xmp(metadata.xmp)
    if standard:
        segments.append((0xE1, XMP_HEAD + standard))
    elif metadata.xmp:
        notes.append(f"Its XMP of {len(metadata.xmp):,} bytes is too long for a JPEG and was left out.")
    head = EXTENSION_HEAD + hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    for place in range(0, len(extended), EXTENSION_PART):
        counts = struct.pack(">II", len(extended), place)
        segments.append((0xE1, head + counts + extended[place : place + EXTENSION_PART]))
    resources, most = write_resources(metadata.resources), MAX_SEGMENT - len(PHOTOSHOP_HEAD)
    segments += [(0xED, PHOTOSHOP_HEAD + resources[place : place + most]) for place in range(0, len(resources), most)]
    for comment in [text.text.encode() for text in metadata.texts if text.keyword == COMMENT]:
        if len(comment) <= MAX_SEGMENT:
            segments.append((0xFE, comment))
        else:
            notes.append(f"Its comment of {len(comment):,} bytes is too long for a JPEG and was left out.")
    return b"".join(struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments)


def png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """All captions as the chunks of a PNG, types and data."""
    chunks = [text_chunk(text) for text in metadata.texts]
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEYWORD.encode() + bytes(5) + metadata.xmp))
    if metadata.resources:  # there is no standard; ExifTool, Exiv2 and ImageMagick read this
        data = write_resources(metadata.resources)
        profile = f"\niptc\n{len(data):8}\n" + re.sub(r"(.{72})", r"\1\n", data.hex()) + "\n"
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(profile.encode())))
    return chunks


def tiff_tags(metadata: Metadata) -> list[tuple[int, bytes]]:
    """XMP and IPTC as the tags of a TIFF and their bytes."""
    tags = []
    if metadata.xmp:
        tags.append((XMP_TAG, metadata.xmp))
    if IPTC in metadata.resources:
        tags.append((IPTC_TAG, metadata.resources[IPTC]))
    if metadata.resources:
        tags.append((PHOTOSHOP_TAG, write_resources(metadata.resources)))
    return tags


def _xmp_of_file(kind: str | None, stream: BinaryIO | None) -> bytes:
    """The XMP of formats whose XMP Pillow does not read."""
    if stream is None or kind not in ("GIF", "JPEG2000"):
        return b""
    stream.seek(0)
    data = stream.read()
    if kind == "GIF":  # the packet is followed by the bytes 1, 255, 254, ... 0
        return data.partition(GIF_XMP)[2].partition(b"\x01\xff\xfe\xfd")[0]
    before, found, after = data.partition(JP2_XMP)
    size = int.from_bytes(before[-4:], "big")  # of the box with its head; 0 if it is the last one
    return (after[: size - 24] if size else after) if found else b""


def _read_tags(stream: BinaryIO) -> dict[int, object]:
    """The tags with captions of the first page of a TIFF; if that is a thumbnail, also of the first full page.

    (Of several integers in a tag, Pillow may return only one.)
    """
    tags: dict[int, object] = {}
    with contextlib.suppress(Exception):  # damaged tags are no reason to refuse a picture
        stream.seek(0)
        with tifffile.TiffFile(stream) as file:
            for page in itertools.islice(file.pages, MAX_PAGES):
                tags = {tag.code: tag.value for tag in page.aspage().tags if tag.code in CAPTION_TAGS} | tags
                if not page.aspage().subfiletype & REDUCED:
                    break
    return tags


def _tag_bytes(value: object) -> bytes:
    """The bytes of a tag or of an entry of Pillow's `info`. A tag of integers (4 bytes) has bytes, too."""
    if isinstance(value, tuple) and value and all(isinstance(item, int) for item in value):
        if max(value) < 256 and min(value) >= -128:
            return bytes(item & 0xFF for item in value)
        return struct.pack(f">{len(value)}I", *(item & 0xFFFFFFFF for item in value))
    if isinstance(value, tuple) and value:
        value = value[0]
    return value.encode("latin-1", "replace") if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
