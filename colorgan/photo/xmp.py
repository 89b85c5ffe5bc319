"""XMP, the captions of a picture as XML: read it, and remove the properties that are not true of the coloured result.

The format is ISO 16684-1 (Adobe's XMP specification, parts 1 and 3).
"""

import hashlib
import io
import json
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

MAX_XMP = 2**24  # bytes; longer documents are not parsed
MAX_JPEG_XMP = 65502  # bytes of XMP in one JPEG segment (XMP specification, part 3, section 1.1.3)
EXTENSION_PART = 65400  # bytes of extended XMP in one JPEG segment

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
TIFF = "{http://ns.adobe.com/tiff/1.0/}"
EXIF = "{http://ns.adobe.com/exif/1.0/}"
EXIF_EX = "{http://cipa.jp/exif/1.0/}"
IPTC_EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
EXTENDED = "{http://ns.adobe.com/xmp/note/}HasExtendedXMP"  # the name of a JPEG's extended XMP, in its first segment
PREFIXES = {"rdf": RDF, "xmp": XMP, "Iptc4xmpExt": IPTC_EXTENSION}  # of XMP that colorgan begins
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"  # its prefix is always xml

# namespaces whose properties describe other pictures in the file, or how an editor shows the pixels of the source
OUTDATED_NAMESPACES = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/pixeldatainfo/",
    "http://ns.apple.com/adjustment-settings/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/dd/1.0/",
    "http://ns.adobe.com/camera-raw-settings/1.0/",  # such as ConvertToGrayscale
    "http://ns.adobe.com/camera-raw-saved-settings/1.0/",
)
# properties of the source's file: its orientation, size, layout, colour space, thumbnails and manifest
OUTDATED_PROPERTIES = {
    TIFF + "BitsPerSample",
    TIFF + "Compression",
    TIFF + "ImageLength",
    TIFF + "ImageWidth",
    TIFF + "NativeDigest",
    TIFF + "Orientation",
    TIFF + "PhotometricInterpretation",
    TIFF + "PlanarConfiguration",
    TIFF + "PrimaryChromaticities",
    TIFF + "ReferenceBlackWhite",
    TIFF + "ResolutionUnit",
    TIFF + "SamplesPerPixel",
    TIFF + "TransferFunction",
    TIFF + "WhitePoint",
    TIFF + "XResolution",
    TIFF + "YCbCrCoefficients",
    TIFF + "YCbCrPositioning",
    TIFF + "YCbCrSubSampling",
    TIFF + "YResolution",
    EXIF + "ColorSpace",
    EXIF + "ComponentsConfiguration",
    EXIF + "CompressedBitsPerPixel",
    EXIF + "NativeDigest",
    EXIF + "PixelXDimension",
    EXIF + "PixelYDimension",
    EXIF_EX + "Gamma",
    EXIF_EX + "InteroperabilityIndex",
    PHOTOSHOP + "ColorMode",
    PHOTOSHOP + "ICCProfile",
    PHOTOSHOP + "LegacyIPTCDigest",
    XMP + "Thumbnails",
    EXTENDED,
    "{http://purl.org/dc/elements/1.1/}format",
    "{http://purl.org/dc/terms/}provenance",
}
# marked parts of a picture, such as faces, in coordinates of the source before it was turned upright
REGIONS = {
    "{http://www.metadataworkinggroup.com/schemas/regions/}Regions",
    "{http://ns.microsoft.com/photo/1.2/}RegionInfo",
    IPTC_EXTENSION + "ImageRegion",
}


def clean_xmp(packet: bytes, extension: bytes = b"", *, turned: bool = False) -> tuple[bytes, bool]:
    """Remove the properties that are not true of the coloured result; all others keep their values.

    `extension` is the extended XMP of a JPEG, which is merged. `turned` says that the picture was turned upright.
    Returns the XMP in UTF-8, which is empty if there is no property left, and whether marked regions were removed
    because of `turned`. Raises ValueError if the XMP is damaged or not allowed.
    """
    rdf, prefixes = _parse(packet)
    if extension:
        more, more_prefixes = _parse(extension)
        prefixes = {**more_prefixes, **prefixes}
        rdf.extend(more)
    lost_regions = False
    for description in list(rdf):
        names = [*description.attrib, *(child.tag for child in description)]
        for name in names:
            is_region = turned and name in REGIONS
            lost_regions |= is_region
            if is_region or _is_outdated(name):
                description.attrib.pop(name, None)
                for child in description.findall(name):
                    description.remove(child)
        if not len(description) and not _properties(description):
            rdf.remove(description)
    return _packet(rdf, prefixes) if len(rdf) else b"", lost_regions


def property_of(xmp: bytes, name: str) -> str | None:
    """The text of a property of XMP of `clean_xmp`, which may be empty; None if it has no such text."""
    for description in _parse(xmp)[0] if xmp else ():
        text = description.attrib.get(name) or description.findtext(name)
        if text:
            return text
    return None


def set_properties(xmp: bytes, properties: dict[str, str]) -> bytes:
    """XMP of `clean_xmp`, which may be empty, with texts in place of these properties."""
    rdf, prefixes = _parse(xmp) if xmp else (Element(RDF + "RDF"), {})
    for prefix, name in PREFIXES.items():
        if name[1:-1] not in prefixes and prefix not in prefixes.values():
            prefixes[name[1:-1]] = prefix
    for description in rdf:
        for name in properties:
            description.attrib.pop(name, None)
            for child in description.findall(name):
                description.remove(child)
    rdf.append(Element(RDF + "Description", {RDF + "about": "", **properties}))
    return _packet(rdf, prefixes)


def extension_name(packet: bytes) -> str | None:
    """The name of the extended XMP that belongs to this XMP of a JPEG; None if there is none."""
    match = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", packet)
    return match[1].decode() if match else None


def split_xmp(xmp: bytes) -> tuple[bytes, bytes]:
    """Split XMP of `clean_xmp` into what fits into one JPEG segment, and the extended XMP.

    The longest properties are moved. Both results are empty if that is not enough.
    """
    if len(xmp) <= MAX_JPEG_XMP:
        return xmp, b""
    rdf, prefixes = _parse(xmp)
    moved = Element(RDF + "Description", {RDF + "about": ""})
    children = [(len(_xml(child, prefixes).encode()), parent, child) for parent in rdf for child in parent]
    excess = len(xmp) + 200 - MAX_JPEG_XMP  # with space for the name of the extended XMP
    for size, parent, child in sorted(children, key=lambda item: -item[0]):
        if excess <= 0:
            break
        parent.remove(child)
        moved.append(child)
        excess -= size
    extended_rdf = Element(rdf.tag)
    extended_rdf.append(moved)
    extended = _document(extended_rdf, prefixes).encode()
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    rdf.append(Element(RDF + "Description", {RDF + "about": "", EXTENDED: name}))
    standard = _packet(rdf, prefixes)
    return (standard, extended) if len(standard) <= MAX_JPEG_XMP else (b"", b"")


def _is_outdated(name: str) -> bool:
    return name in OUTDATED_PROPERTIES or name.startswith(tuple("{" + space for space in OUTDATED_NAMESPACES))


def _properties(description: Element) -> list[str]:
    """The attributes of a description that are properties."""
    return [name for name in description.attrib if name not in (RDF + "about", "about", RDF + "nodeID", RDF + "ID")]


def _parse(packet: bytes) -> tuple[Element, dict[str, str]]:
    """The element rdf:RDF of an XMP document, and the prefixes of its namespaces by their addresses.

    Raises ValueError if it is damaged, too long, or has a document type, whose entities could expand without a limit.
    """
    if len(packet) > MAX_XMP:
        raise ValueError(f"XMP has more than {MAX_XMP:,} bytes")
    # UTF-8, 16 or 32: as for JSON, the first characters are ASCII. A decoding error is a ValueError.
    text = packet.decode(json.detect_encoding(packet)).strip("\0 \t\r\n\ufeff")
    text = re.sub(r"^(<\?xpacket[^>]*>)?\s*<\?xml\s[^>]*>", "", text)  # it may name another encoding
    if "<!DOCTYPE" in text:
        raise ValueError("XMP has a document type")
    prefixes: dict[str, str] = {}
    try:
        reader = ElementTree.iterparse(io.BytesIO(text.encode()), ["start-ns"])
        for _, (prefix, address) in reader:
            if prefix and address not in prefixes and prefix not in prefixes.values():
                prefixes[address] = prefix
        root: Element = reader.root  # pyright: ignore[reportAttributeAccessIssue]  # missing in the stubs
    except ElementTree.ParseError as error:
        raise ValueError("XMP is not XML") from error
    rdf = root if root.tag == RDF + "RDF" else root.find(f".//{RDF}RDF")
    if rdf is None:
        raise ValueError("XMP has no RDF")
    return rdf, prefixes


def _packet(rdf: Element, prefixes: dict[str, str]) -> bytes:
    """An XMP packet in UTF-8."""
    document = _document(rdf, prefixes)
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{document}\n<?xpacket end="w"?>'.encode()


def _document(rdf: Element, prefixes: dict[str, str]) -> str:
    """XML with the prefixes of the source, because some programs look for them. ElementTree would write ns0, ns1."""
    used = {
        name[1:].partition("}")[0]
        for element in rdf.iter()
        for name in (element.tag, *element.attrib)
        if name.startswith("{")
    }
    for address in used - {*prefixes, XML_NAMESPACE}:
        number = len(prefixes)
        while f"ns{number}" in prefixes.values():
            number += 1
        prefixes[address] = f"ns{number}"
    declared = "".join(f" xmlns:{prefixes[address]}={quoteattr(address)}" for address in sorted(used - {XML_NAMESPACE}))
    content = _xml(rdf, prefixes, declared).strip()
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n{content}\n</x:xmpmeta>'


def _xml(element: Element, prefixes: dict[str, str], declared: str = "") -> str:
    """An element and the text behind it as XML. Raises RecursionError for elements within hundreds of others."""
    tag = _qualified(element.tag, prefixes)
    attributes = "".join(f" {_qualified(name, prefixes)}={quoteattr(value)}" for name, value in element.items())
    content = _escape(element.text) + "".join(_xml(child, prefixes) for child in element)
    return f"<{tag}{declared}{attributes}>{content}</{tag}>{_escape(element.tail)}"


def _escape(text: str | None) -> str:
    return escape(text or "", {"\r": "&#13;"})


def _qualified(name: str, prefixes: dict[str, str]) -> str:
    address, _, local = name.rpartition("}")
    if not address:
        return local
    return f"{'xml' if address[1:] == XML_NAMESPACE else prefixes[address[1:]]}:{local}"
