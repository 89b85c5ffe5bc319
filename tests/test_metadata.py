"""Captions that are not EXIF: XMP, IPTC, comments and PNG texts, from every format into every format.

Results are read back with Pillow, tifffile, ElementTree, and parsers of a few lines.
"""

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from pictures import GREY, ORIENTATION, RGB, saved
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from colorgan import cli
from colorgan.photo import Photo, Text, read_photo, write_photo
from colorgan.photo.texts import png_texts as stored_texts

TITLE, KEYWORDS = "Zoë & <Müller>", ["Straße", "1912", "horse"]
RDF, DC = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
XMP, TIFF = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/tiff/1.0/"


def xmp(attributes: str = "", properties: str = "") -> bytes:
    """An XMP packet as Lightroom writes it: title, keywords, rating and place, and more properties."""
    bag = "".join(f"<rdf:li>{word}</rdf:li>" for word in KEYWORDS)
    title = TITLE.replace("&", "&amp;").replace("<", "&lt;")
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0"><rdf:RDF xmlns:rdf="{RDF}">
<rdf:Description rdf:about="" xmlns:dc="{DC}" xmlns:xmp="{XMP}" xmlns:tiff="{TIFF}"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmp:Rating="4" photoshop:City="K&#xF6;ln" tiff:Make="Leica" {attributes}>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag>{bag}</rdf:Bag></dc:subject><lr:hierarchicalSubject>family|horse</lr:hierarchicalSubject>
{properties}</rdf:Description></rdf:RDF></x:xmpmeta>{" " * 2000}<?xpacket end="w"?>""".encode()


def dataset(record: int, number: int, data: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data


IPTC = dataset(1, 90, b"\x1b%G") + b"".join(  # the character set is UTF-8
    [dataset(2, 0, b"\0\4"), dataset(2, 120, TITLE.encode()), *(dataset(2, 25, word.encode()) for word in KEYWORDS)]
)


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    """A Photoshop image resource."""
    name = bytes([len(name)]) + name
    padded = name + bytes(len(name) & 1)
    return b"8BIM" + struct.pack(">H", number) + padded + struct.pack(">I", len(data)) + data + bytes(len(data) & 1)


# with a thumbnail (0x040C), a path (0x07D0), a copyright flag and a resource of another program
RESOURCES = b"".join(
    [
        resource(0x040C, b"thumbnail"),
        resource(0x07D0, b"path!", b"a name"),
        resource(0x0404, IPTC),
        resource(0x0425, hashlib.md5(IPTC).digest()),
        resource(0x040A, b"\1"),
        resource(0x0BB7, b"other").replace(b"8BIM", b"MeSa"),
    ]
)


def segment(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


def jpeg(*segments: bytes, image: Image.Image | None = None, **options: Any) -> bytes:
    """A JPEG with more segments behind its first two bytes."""
    data = saved(image or Image.fromarray(RGB), "JPEG", **options)
    return data[:2] + b"".join(segments) + data[2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    """A PNG with more chunks: half of them before its pixels and half behind them."""
    data = saved(Image.fromarray(RGB), "PNG")
    half = len(chunks) // 2
    return data[:33] + b"".join(chunks[:half]) + data[33:-12] + b"".join(chunks[half:]) + data[-12:]


def tiff(pixels: np.ndarray = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    tags = [(700, "B", len(xmp()), xmp(), True), (33723, "B", len(IPTC), IPTC, True)]
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, extratags=tags, **options)
    return file.getvalue()


def raw_profile(kind: str, data: bytes) -> bytes:
    """A PNG chunk with a profile as ImageMagick writes it."""
    return chunk(
        b"zTXt",
        f"Raw profile type {kind}\0\0".encode() + zlib.compress(f"\n{kind}\n{len(data):8}\n{data.hex()}\n".encode()),
    )


XMP_SEGMENT = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp())
PHOTOSHOP_SEGMENT = segment(0xED, b"Photoshop 3.0\0" + RESOURCES)
# files with the same XMP and, where it is possible, the same IPTC; with and without IPTC
WITH_IPTC = {
    "jpeg": jpeg(XMP_SEGMENT, PHOTOSHOP_SEGMENT),
    "jpeg in two parts": jpeg(
        XMP_SEGMENT, *(segment(0xED, b"Photoshop 3.0\0" + part) for part in (RESOURCES[:50], RESOURCES[50:]))
    ),
    "tiff": tiff(),
    "tiff big-endian": tiff(byteorder=">"),
    "tiff 16-bit": tiff(RGB.astype(np.uint16) * 257),
    "tiff float": tiff(RGB.astype(np.float32) / 255),  # which Pillow does not open
    "bigtiff": tiff(bigtiff=True),
    "png": png(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp()), raw_profile("iptc", RESOURCES)),
    "png 8bim": png(raw_profile("8bim", RESOURCES), raw_profile("xmp", xmp())),
}
WITHOUT_IPTC = {
    "webp": saved(Image.fromarray(RGB), "WEBP", xmp=xmp()),
    "avif": saved(Image.fromarray(RGB), "AVIF", xmp=xmp()),
    "gif": saved(Image.fromarray(GREY), "GIF")[:-1]
    + b"\x21\xff\x0bXMP DataXMP" + xmp() + b"\1" + bytes(range(255, -1, -1)) + b"\0;",
    "jpeg 2000": saved(Image.fromarray(RGB), "JPEG2000")
    + struct.pack(">I", 24 + len(xmp())) + b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp(),
}  # fmt: skip


def png_texts(data: bytes) -> dict[str, Any]:
    """The texts of a PNG as Pillow reads them."""
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return image.text


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += 12 + size


def segments_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The kinds and data of a JPEG's segments before its pixels."""
    position = 2
    while data[position + 1] != 0xDA:
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : position + 2 + size]
        position += 2 + size


def written(photo: Photo, kind: str, dtype: type = np.uint8) -> tuple[bytes, list[str]]:
    """A picture with the photograph's captions as a file of this format, and what was left out."""
    file = io.BytesIO()
    notes = write_photo(file, RGB.astype(dtype), photo, file_format=kind)
    return file.getvalue(), notes


def xmp_of(data: bytes) -> bytes:
    """The XMP of a file as Pillow and tifffile read it."""
    if data[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return file.pages.first.tags[700].value
    return Image.open(io.BytesIO(data)).info["xmp"]


def iptc_of(data: bytes) -> bytes:
    """The IPTC of a file."""
    if data[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return file.pages.first.tags[33723].value
    if data[:4] == b"\x89PNG":
        text = png_texts(data)["Raw profile type iptc"]
        name, size, digits = text[1:].split("\n", 2)
        profile = bytes.fromhex(digits)
        assert (name, int(size)) == ("iptc", len(profile))
        start = profile.index(b"8BIM\4\4\0\0") + 12
        return profile[start : start + int.from_bytes(profile[start - 4 : start], "big")]
    return Image.open(io.BytesIO(data)).info["photoshop"][0x0404]


def check_xmp(data: bytes) -> None:
    """Check that the XMP of a file has the values of `xmp()`."""
    packet = xmp_of(data)
    rdf = ElementTree.fromstring(packet)[0]
    assert rdf.findtext(f".//{{{DC}}}title/{{{RDF}}}Alt/{{{RDF}}}li") == TITLE
    assert [item.text for item in rdf.iterfind(f".//{{{DC}}}subject/{{{RDF}}}Bag/{{{RDF}}}li")] == KEYWORDS
    (description,) = (each for each in rdf if each.get(f"{{{XMP}}}Rating") == "4")  # another one says the provenance
    assert description.get("{http://ns.adobe.com/photoshop/1.0/}City") == "Köln"
    assert b"<lr:hierarchicalSubject>family|horse</lr:hierarchicalSubject>" in packet  # and the usual prefixes
    assert b'xml:lang="x-default"' in packet
    assert packet.startswith(b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>')


TARGETS = [("png", np.uint8), ("png", np.uint16), ("jpg", np.uint8), ("tiff", np.uint8), ("tiff", np.uint16)]


@pytest.mark.parametrize(("kind", "dtype"), [*TARGETS, ("webp", np.uint8)])
@pytest.mark.parametrize("source", [*WITH_IPTC, *WITHOUT_IPTC])
def test_xmp_and_iptc_go_from_every_format_into_every_format(source: str, kind: str, dtype: type) -> None:
    photo = read_photo(io.BytesIO((WITH_IPTC | WITHOUT_IPTC)[source]))
    assert not photo.notes
    data, notes = written(photo, kind, dtype)
    check_xmp(data)
    if source in WITHOUT_IPTC:
        assert not notes
    elif kind == "webp":
        assert notes == ["Its IPTC captions were left out, because a WebP cannot hold them."]
    else:
        assert iptc_of(data) == IPTC
        assert not notes
        again = read_photo(io.BytesIO(data))
        assert (again.metadata, again.notes) == (photo.metadata, [])


def test_other_photoshop_resources_than_captions_are_left_out() -> None:
    data, _ = written(read_photo(io.BytesIO(WITH_IPTC["jpeg"])), "jpg")
    resources = Image.open(io.BytesIO(data)).info["photoshop"]
    assert resources == {0x0404: IPTC, 0x040A: b"\1", 0x0425: hashlib.md5(IPTC).digest()}


def test_iptc_without_its_previews() -> None:
    preview = dataset(2, 200, b"\0\1") + struct.pack(">BBBHI", 0x1C, 2, 202, 0x8004, 70000) + bytes(70000)
    block = IPTC + preview + dataset(2, 131, b"P") + dataset(3, 20, b"\2\0") + dataset(2, 80, b"the author")
    digest = resource(0x0425, hashlib.md5(block).digest())
    parts = resource(0x0404, block) + digest
    segments = [segment(0xED, b"Photoshop 3.0\0" + part) for part in (parts[:60000], parts[60000:])]
    photo = read_photo(io.BytesIO(jpeg(*segments)))
    assert photo.metadata.resources[0x0404] == (kept := IPTC + dataset(2, 80, b"the author"))
    assert photo.metadata.resources[0x0425] == hashlib.md5(kept).digest()


def test_iptc_that_was_written_as_integers() -> None:
    padded = IPTC + bytes(-len(IPTC) % 4)
    for order in "<>":
        integers = struct.unpack(f"{order}{len(padded) // 4}I", padded)
        file = io.BytesIO()
        tags = [(33723, "I", len(integers), integers, True)]
        tifffile.imwrite(file, RGB, photometric="rgb", metadata=None, extratags=tags, byteorder="<")
        photo = read_photo(file)
        assert photo.metadata.resources == {0x0404: IPTC}
        assert not photo.notes


def test_long_iptc_is_written_into_two_segments_of_a_jpeg() -> None:
    block = IPTC + b"".join(dataset(2, 120, bytes([65 + i]) * 30000) for i in range(4))
    file = io.BytesIO()
    tifffile.imwrite(file, RGB, photometric="rgb", metadata=None, extratags=[(33723, "B", len(block), block, True)])
    data, notes = written(read_photo(file), "jpg")
    parts = [part for kind, part in segments_of(data) if kind == 0xED]
    assert len(parts) == 2
    assert b"".join(part.removeprefix(b"Photoshop 3.0\0") for part in parts) == resource(0x0404, block)
    assert not notes


OUTDATED = """tiff:Orientation="6" tiff:ImageWidth="47" exif:PixelXDimension="47" exif:ColorSpace="65535"
 photoshop:ICCProfile="Adobe RGB (1998)" photoshop:ColorMode="1" dc:format="image/jpeg"
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"
 xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/"
 HDRGainMap:HDRGainMapVersion="65536"
 xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:ConvertToGrayscale="True" """
OUTDATED_ELEMENTS = """<tiff:ImageLength>33</tiff:ImageLength><exif:PixelYDimension>33</exif:PixelYDimension>
<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><g:image
 xmlns:g="http://ns.adobe.com/xap/1.0/g/img/">/9j/4AAQ</g:image>
</rdf:li></rdf:Alt></xmp:Thumbnails><c:Directory xmlns:c="http://ns.google.com/photos/1.0/container/"><rdf:Seq>
<rdf:li rdf:parseType="Resource"><c:Item xmlns:i="http://ns.google.com/photos/1.0/container/item/" i:Mime="image/jpeg"
 i:Semantic="GainMap" i:Length="1234"/></rdf:li></rdf:Seq></c:Directory>"""


@pytest.mark.parametrize("kind", ["png", "jpg", "tiff", "webp"])
def test_xmp_without_what_is_not_true_of_the_result(kind: str) -> None:
    packet = xmp(OUTDATED, OUTDATED_ELEMENTS)
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "PNG", pnginfo=xmp_chunk(packet))))
    assert photo.size == (33, 47)  # turned
    file = io.BytesIO()
    upright = np.ascontiguousarray(RGB.swapaxes(0, 1))
    write_photo(file, upright, photo, file_format=kind)
    data = file.getvalue()
    check_xmp(data)
    description = ElementTree.fromstring(xmp_of(data))[0][0]
    names = {name.rpartition("}")[2] for name in description.attrib} | {
        child.tag.rpartition("}")[2] for child in description
    }
    assert names == {"about", "Rating", "City", "Make", "title", "subject", "hierarchicalSubject"}
    image = Image.open(file)
    assert image.getexif().get(ORIENTATION, 1) == 1
    assert ImageOps.exif_transpose(image).size == (33, 47)


def xmp_chunk(packet: bytes) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", packet.decode())
    return texts


@pytest.mark.parametrize("orientation", [1, 3])
def test_faces_are_kept_unless_the_picture_is_turned(orientation: int) -> None:
    faces = '<mwg-rs:Regions xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/">Anna</mwg-rs:Regions>'
    packet = xmp(f'tiff:Orientation="{orientation}"', faces)
    photo = read_photo(io.BytesIO(jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))))
    said = ["The marked regions in its XMP, such as faces, were left out, because it was turned."]
    assert photo.notes == (said if orientation == 3 else [])
    assert (b"Anna" in photo.metadata.xmp) == (orientation == 1)


def test_xmp_that_says_nothing_else_is_left_out() -> None:
    packet = f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" xmlns:t="{TIFF}" t:Orientation="6"/></rdf:RDF>'
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "WEBP", xmp=packet.encode())))
    assert photo.metadata.xmp == b""
    assert not photo.notes


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be", "utf-16"])
def test_xmp_in_every_encoding(encoding: str) -> None:
    packet = '<?xml version="1.0" encoding="UTF-16"?>' + xmp().decode().replace("\ufeff", "") + "\0\0"
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "WEBP", xmp=packet.encode(encoding))))
    assert not photo.notes
    check_xmp(written(photo, "webp")[0])


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "packet",
    [
        b"not XML",
        xmp()[:700],
        xmp().replace(b"<rdf:RDF", b"<rdf:XXX").replace(b"/rdf:RDF", b"/rdf:XXX"),
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b"\xff\xfe\xff",
        f'<rdf:RDF xmlns:rdf="{RDF}">{"<a>" * 5000}{"</a>" * 5000}</rdf:RDF>'.encode(),
        b" " * 2**24 + xmp(),
    ],
    ids=["text", "cut", "no rdf", "entities", "entities in UTF-16", "not text", "deep", "long"],
)
def test_damaged_xmp_is_said_and_no_reason_to_refuse_a_picture(packet: bytes) -> None:
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "WEBP", xmp=packet)))
    assert photo.notes == ["Its XMP is damaged and was left out."]
    assert photo.metadata.xmp == b""


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (resource(0x0404, IPTC + b"\x1c\2\x05\0\x20cut"), IPTC),
        (resource(0x0404, b"no dataset"), None),
        (resource(0x0404, IPTC)[:-5], IPTC[: IPTC.index(b"\x1c\2\x19\0\x05horse")]),
        (resource(0x040A, b"\1") + b"8BIM\4", None),
        (resource(0x0404, IPTC) + b"rubbish", IPTC),
    ],
)
def test_damaged_iptc_is_kept_up_to_the_damage_and_said(data: bytes, kept: bytes | None) -> None:
    photo = read_photo(io.BytesIO(jpeg(segment(0xED, b"Photoshop 3.0\0" + data))))
    assert photo.metadata.resources.get(0x0404) == kept
    assert photo.notes == ["Its IPTC captions are damaged: only those before the damage were kept."]


def long_xmp(count: int) -> bytes:
    """XMP with a history of this many letters."""
    return xmp("", f"<photoshop:History>{'h' * count}</photoshop:History>")


def extended(data: bytes) -> tuple[str, bytes]:
    """The name and text of a JPEG's extended XMP, by the specification's part 3, section 1.1.3.1."""
    head = b"http://ns.adobe.com/xmp/extension/\0"
    parts = [part.removeprefix(head) for kind, part in segments_of(data) if kind == 0xE1 and part.startswith(head)]
    assert len({(part[:32], part[32:36]) for part in parts}) == 1
    whole = b""
    for part in parts:
        assert int.from_bytes(part[36:40], "big") == len(whole)
        whole += part[40:]
    assert int.from_bytes(parts[0][32:36], "big") == len(whole)
    return parts[0][:32].decode(), whole


def test_long_xmp_becomes_extended_xmp_in_a_jpeg() -> None:
    source = saved(Image.fromarray(RGB), "WEBP", xmp=long_xmp(200_000))
    photo = read_photo(io.BytesIO(source))
    data, notes = written(photo, "jpg")
    assert not notes
    rdf = ElementTree.fromstring(xmp_of(data))[0]
    assert rdf.findtext(f".//{{{DC}}}title/{{{RDF}}}Alt/{{{RDF}}}li") == TITLE  # short ones stay in the first segment
    name, whole = extended(data)
    assert len(rdf.findall(f"*[@{{http://ns.adobe.com/xmp/note/}}HasExtendedXMP='{name}']")) == 1
    assert hashlib.md5(whole).hexdigest().upper() == name
    description = ElementTree.fromstring(whole)[0][0]
    assert description.findtext("{http://ns.adobe.com/photoshop/1.0/}History") == "h" * 200_000
    # and back again
    again = read_photo(io.BytesIO(data))
    assert not again.notes
    assert b"h" * 200_000 in again.metadata.xmp
    assert b"HasExtendedXMP" not in again.metadata.xmp
    assert b"h" * 200_000 in xmp_of(written(again, "png")[0])
    # damage in it
    damaged = read_photo(io.BytesIO(data.replace(b"hhhhhhhh", b"hhhhhhhg", 1)))
    assert damaged.notes == ["The extended part of its XMP is damaged and was left out."]
    check = written(damaged, "webp")[0]
    assert b"horse" in xmp_of(check)


def test_xmp_that_cannot_be_split_is_left_out_of_a_jpeg_and_said() -> None:
    source = saved(Image.fromarray(RGB), "WEBP", xmp=xmp(f'photoshop:History="{"h" * 70_000}"'))
    data, notes = written(read_photo(io.BytesIO(source)), "jpg")
    assert "xmp" not in Image.open(io.BytesIO(data)).info
    assert len(notes) == 1
    assert re.fullmatch(r"Its XMP of 7\d,\d{3} bytes is too long for a JPEG and was left out\.", notes[0])


def test_captions_of_a_thumbnail_before_the_photograph_are_those_of_the_photograph() -> None:
    for first, second in ((xmp(), b""), (b"", xmp())):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for pixels, packet, kind in ((RGB[::4, ::4], first, 1), (RGB, second, 0)):
                tags = [(700, "B", len(packet), packet, True)] if packet else []
                writer.write(pixels, photometric="rgb", metadata=None, subfiletype=kind, extratags=tags)
        photo = read_photo(file)
        assert photo.size == (47, 33)
        check_xmp(written(photo, "png")[0])


def test_the_command_says_what_a_format_cannot_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, result = tmp_path / "a.jpg", tmp_path / "a.webp"
    source.write_bytes(WITH_IPTC["jpeg"])
    assert cli.main([str(source), "--output", str(result)]) == 0
    said = f"{source}: Its IPTC captions were left out, because a WebP cannot hold them."
    assert capsys.readouterr().err.strip() == said
    check_xmp(result.read_bytes())


# comments and texts


def text_chunks() -> list[bytes]:
    """PNG texts of every kind: two of one keyword, with a language, long ones, and some that are no captions."""
    long = "lang " * 500
    return [
        chunk(b"tEXt", b"Title\0" + "Köln".encode("latin-1")),
        chunk(b"tEXt", b"Comment\0first"),
        chunk(b"tEXt", b"Comment\0second"),
        chunk(b"zTXt", b"parameters\0\0" + zlib.compress(long.encode())),
        chunk(b"iTXt", b"Author\0\0\0de\0Autor\0" + "Łukasz".encode()),
        chunk(b"iTXt", b"Source\0\1\0\0\0" + zlib.compress("写真".encode())),
        chunk(b"tEXt", b"exif:Orientation\0006"),
        chunk(b"tEXt", b"Thumb::URI\0file:///a.jpg"),
    ]


TEXTS = [
    Text("Title", "Köln"),
    Text("Comment", "first"),
    Text("Comment", "second"),
    Text("parameters", "lang " * 500),
    Text("Author", "Łukasz", "de", "Autor"),
    Text("Source", "写真"),
]


def test_png_texts_stay_in_a_png() -> None:
    photo = read_photo(io.BytesIO(png(*text_chunks())))
    assert photo.metadata.texts == TEXTS
    data, notes = written(photo, "png")
    assert not notes
    texts = png_texts(data)
    assert texts == {text.keyword: text.text for text in TEXTS}
    assert (texts["Author"].lang, texts["Author"].tkey) == ("de", "Autor")
    kinds = [
        (kind, text.partition(b"\0")[0]) for kind, text in chunks_of(data) if kind[1:] == b"TXt" or kind == b"tEXt"
    ]
    assert kinds == [
        (b"tEXt", b"Title"),
        (b"tEXt", b"Comment"),
        (b"tEXt", b"Comment"),
        (b"zTXt", b"parameters"),
        (b"iTXt", b"Author"),
        (b"iTXt", b"Source"),
    ]


@pytest.mark.parametrize("kind", ["jpg", "tiff", "webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_texts_become_exif_and_comments(kind: str, dtype: type) -> None:
    data, notes = written(read_photo(io.BytesIO(png(*text_chunks()))), kind, dtype)
    exif = Image.open(io.BytesIO(data)).getexif()
    assert [exif[tag].encode("latin-1").decode() for tag in (0x010D, 0x013B)] == ["Köln", "Łukasz"]
    if kind == "jpg":
        assert [text for number, text in segments_of(data) if number == 0xFE] == [b"first", b"second"]
        lost = "parameters, Source"
    else:
        assert exif.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0first"
        lost = "Comment, parameters, Source"
    assert notes == [f"Its texts {lost} were left out, because only a PNG can hold them."]


@pytest.mark.parametrize("source", ["jpg", "gif"])
@pytest.mark.parametrize("kind", ["png", "jpg", "tiff", "webp"])
def test_comments_go_into_every_format(source: str, kind: str) -> None:
    comment = "Großmutter, 1912"
    data = jpeg(segment(0xFE, comment.encode("latin-1")))  # of unknown encoding
    if source == "gif":
        data = saved(Image.fromarray(GREY), "GIF", comment=comment.encode())
    data, notes = written(read_photo(io.BytesIO(data)), kind)
    assert not notes
    image = Image.open(io.BytesIO(data))
    if kind == "png":
        assert png_texts(data) == {"Comment": comment}
    elif kind == "jpg":
        assert image.info["comment"] == comment.encode()
    else:
        stored = image.getexif().get_ifd(0x8769)[0x9286]
        assert stored == b"UNICODE\0" + comment.encode("utf-16-le")


def test_texts_replace_no_exif() -> None:
    exif = Image.Exif()
    exif[0x013B] = "another author"
    data = saved(Image.fromarray(RGB), "PNG", exif=exif, pnginfo=png_info(Author="the author", Title="a title"))
    data, notes = written(read_photo(io.BytesIO(data)), "jpg")
    assert notes == ["Its texts Author were left out, because only a PNG can hold them."]
    kept = Image.open(io.BytesIO(data)).getexif()
    assert (kept[0x013B], kept[0x010D]) == ("another author", "a title")


def png_info(**texts: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    return info


def test_a_comment_that_is_too_long_for_a_jpeg_is_said() -> None:
    photo = read_photo(io.BytesIO(png(chunk(b"tEXt", b"Comment\0" + b"a" * 65534))))
    data, notes = written(photo, "jpg")
    assert notes == ["Its comment of 65,534 bytes is too long for a JPEG and was left out."]
    assert "comment" not in Image.open(io.BytesIO(data)).info


@pytest.mark.parametrize(
    "data", [b"Title\0\0not compressed", b"Title\0\0" + zlib.compress(bytes(70 * 2**20))], ids=["damaged", "a bomb"]
)
def test_a_damaged_text_is_said(data: bytes) -> None:
    notes: list[str] = []
    assert list(stored_texts(io.BytesIO(png(chunk(b"zTXt", data))), notes)) == []
    assert notes == ["Its PNG text Title is damaged and was left out."]


# what Windows, scanners and cameras write into EXIF


@pytest.mark.parametrize(("kind", "dtype"), [*TARGETS, ("webp", np.uint8)])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_windows_properties_and_names_of_documents(source: str, kind: str, dtype: type) -> None:
    exif = Image.Exif()
    windows = {0x9C9B: "title", 0x9C9C: "comment", 0x9C9D: "Łukasz", 0x9C9E: "horse;Straße", 0x9C9F: "subject"}
    for tag, text in windows.items():
        exif[tag] = text.encode("utf-16-le") + b"\0\0"
    exif[0x4746], exif[0x4749], exif[0x010D], exif[0x011D] = 4, 75, "box 12", "page 3"
    data, notes = written(read_photo(io.BytesIO(saved(Image.fromarray(RGB), source, exif=exif))), kind, dtype)
    assert not notes
    kept = Image.open(io.BytesIO(data)).getexif()
    assert {tag: bytes(kept[tag]).decode("utf-16-le") for tag in windows} == {
        tag: text + "\0" for tag, text in windows.items()
    }
    assert [kept[tag] for tag in (0x4746, 0x4749, 0x010D, 0x011D)] == [4, 75, "box 12", "page 3"]
    assert stored_type(data, 0x9C9B) == 1  # bytes
    assert stored_type(data, 0x4746) == 3  # 16-bit integer


def stored_type(data: bytes, tag: int) -> int:
    """The type of a tag of the first folder of a file's EXIF data, by arithmetic."""
    start = 0 if data[:2] in (b"II", b"MM") else max(data.find(b"II*\0"), data.find(b"MM\0*"))
    order = "<" if data[start : start + 2] == b"II" else ">"
    (folder,) = struct.unpack_from(f"{order}I", data, start + 4)
    (count,) = struct.unpack_from(f"{order}H", data, start + folder)
    entries = (struct.unpack_from(f"{order}HH", data, start + folder + 2 + 12 * i) for i in range(count))
    return dict(entries)[tag]


def test_long_exif_that_is_shortened_for_a_jpeg_is_said() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8769] = "a camera", {0x829A: 0.01, 0x927C: bytes(66000)}
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "PNG", exif=exif)))
    _, notes = written(photo, "jpg")
    assert notes == ["Its camera maker's note was left out, because a JPEG holds at most 64 kB of EXIF."]
    assert written(photo, "png")[1] == []


def test_a_tiff_that_pillow_does_not_open_keeps_exif_and_resolution() -> None:
    orders: list[tuple[Literal["<", ">"], bool]] = [("<", False), (">", False), ("<", True)]
    for byteorder, bigtiff in orders:
        file = io.BytesIO()
        tags = [(0x013B, "s", 0, "the author", True), (ORIENTATION, "H", 1, 6, True)]
        with tifffile.TiffWriter(file, byteorder=byteorder, bigtiff=bigtiff) as writer:
            pixels = RGB.astype(np.float32) / 255
            resolution: dict[str, Any] = {"resolution": (300, 150), "resolutionunit": "INCH"}
            writer.write(pixels, photometric="rgb", metadata=None, extratags=tags, **resolution)
        with pytest.raises(UnidentifiedImageError):
            Image.open(file)
        photo = read_photo(file)
        assert photo.dpi == (150, 300)
        assert Image.open(io.BytesIO(written(photo, "jpg")[0])).getexif()[0x013B] == "the author"


def test_a_picture_with_everything_keeps_it_in_every_format() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x9C9E], exif[0x8825] = "a description", "horse".encode("utf-16-le"), {1: "N"}
    source = jpeg(XMP_SEGMENT, PHOTOSHOP_SEGMENT, segment(0xFE, b"a comment"), exif=exif, dpi=(300, 300))
    photo = read_photo(io.BytesIO(source))
    assert photo.format == "JPEG"
    for kind in ("png", "jpg", "tiff"):
        data, notes = written(photo, kind)
        assert not notes
        check_xmp(data)
        assert iptc_of(data) == IPTC
        image = Image.open(io.BytesIO(data))
        assert image.getexif()[0x010E] == "a description"
        assert image.getexif().get_ifd(0x8825)[1] == "N"
        assert b"a comment" in data
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        image.load()
        assert image.size == photo.size


def test_captions_of_pil_images() -> None:
    opened = Image.open(io.BytesIO(jpeg(XMP_SEGMENT, PHOTOSHOP_SEGMENT, segment(0xFE, b"a comment"))))
    for image in (opened, opened.copy()):
        metadata = read_photo(image).metadata
        assert metadata.resources[0x0404] == IPTC
        assert metadata.texts == [Text("Comment", "a comment")]
        assert b"horse" in metadata.xmp
    texts = Image.open(io.BytesIO(png(*text_chunks())))
    assert Text("Author", "Łukasz", "de", "Autor") in read_photo(texts).metadata.texts
