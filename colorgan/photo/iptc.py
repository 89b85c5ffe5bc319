"""IPTC captions, which lie among the image resources that Photoshop stores in JPEG, TIFF and PNG files.

Sources: Adobe Photoshop File Formats Specification, "Image Resources Section"; IPTC-NAA Information Interchange Model,
version 4.2, chapter 1.5.
"""

import hashlib
import struct
from collections.abc import Mapping

IPTC, DIGEST = 0x0404, 0x0425  # numbers of resources; the digest is the MD5 of IPTC
KEPT_RESOURCES = (IPTC, 0x040A, 0x040B, DIGEST)  # 0x040A says that there is a copyright, 0x040B is a web address
SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")  # at the beginning of each resource
# Datasets that are kept have the records 1 (the character set) to 2 (captions) and 240 (of programs). The others
# describe the pixels of the source or have a copy of them.
KEPT_RECORDS = (1, 2, 240)
OUTDATED_DATASETS = ((2, 131), (2, 200), (2, 201), (2, 202))  # orientation and preview


def read_resources(data: bytes) -> tuple[dict[int, bytes], bool]:
    """The resources to keep by number, and whether the data are whole."""
    kept: dict[int, bytes] = {}
    position = 0
    while data[position : position + 4] in SIGNATURES:
        is_photoshop = data[position : position + 4] == b"8BIM"
        start = position + 7 + data[position + 6] if position + 6 < len(data) else len(data)  # behind the name
        start += start - position & 1  # the name is padded to an even length
        if start + 4 > len(data):
            return kept, False
        number, size = (
            int.from_bytes(data[position + 4 : position + 6], "big"),
            int.from_bytes(data[start : start + 4], "big"),
        )
        start += 4
        if number in KEPT_RESOURCES and is_photoshop and number not in kept:
            kept[number] = data[start : start + size]
        if start + size > len(data):
            return kept, False
        position = start + size + (size & 1)
    return kept, not data[position:].strip(b"\0")


def write_resources(resources: Mapping[int, bytes]) -> bytes:
    """The data of which `read_resources` returns these resources."""
    blocks = (
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) & 1)
        for number, data in sorted(resources.items())
    )
    return b"".join(blocks)


def clean_resources(resources: dict[int, bytes]) -> tuple[dict[int, bytes], bool]:
    """The resources with IPTC datasets that are true of the coloured result, and whether IPTC is whole."""
    if IPTC not in resources:
        return {number: data for number, data in resources.items() if number != DIGEST}, True
    iptc, is_whole = clean_iptc(resources[IPTC])
    cleaned = {**resources, IPTC: iptc}
    if DIGEST in cleaned and cleaned[DIGEST] == _md5(resources[IPTC]):
        cleaned[DIGEST] = _md5(iptc)
    if not iptc:
        del cleaned[IPTC]
        cleaned.pop(DIGEST, None)
    return cleaned, is_whole


def clean_iptc(data: bytes) -> tuple[bytes, bool]:
    """The IPTC datasets to keep, and whether the data are whole. Those before a damaged one are kept."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":  # some programs write the tag of a TIFF as integers
        data = data[: len(data) & ~3]
        data = struct.pack(f"<{len(data) // 4}I", *struct.unpack(f">{len(data) // 4}I", data))
    kept, has_caption, position = [], False, 0
    while data[position : position + 1] == b"\x1c" and position + 5 <= len(data):
        record, number, size = struct.unpack(">BBH", data[position + 1 : position + 5])
        start = position + 5
        if size & 0x8000:  # an extended dataset: this is the length of the number that follows
            length, start = size & 0x7FFF, start + (size & 0x7FFF)
            size = int.from_bytes(data[start - length : start], "big")
        if start + size > len(data):
            break
        if record in KEPT_RECORDS and (record, number) not in OUTDATED_DATASETS:
            kept.append(data[position : start + size])
            has_caption |= record != 1 and number != 0  # record 1 and the version number alone say nothing
        position = start + size
    return b"".join(kept) if has_caption else b"", not data[position:].strip(b"\0")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
