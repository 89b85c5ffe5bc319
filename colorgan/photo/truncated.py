"""Complete JPEG and PNG files that were cut short, for example by an interrupted download, with grey rows."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

WHOLE_SHARE = 0.5  # of the rows: with fewer, the network would see more grey than picture, and the file is refused
BLOCK = 8  # pixels: the side of a JPEG's blocks
END_OF_JPEG = b"\xff\xd9"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its colour type
GREY = {1: 0, 2: 0xAA, 4: 0x88, 8: 0x80, 16: 0x80}  # a byte of grey samples, by their bits


def complete(stream: BinaryIO, file_format: str | None) -> tuple[bytes, np.ndarray, str] | None:
    """A whole file with the rows that can be read; which pixels are missing and grey, (H, W) bool; and a sentence.

    Returns None unless the file is a JPEG or a PNG that is not interlaced, and has `WHOLE_SHARE` of its rows.
    """
    stream.seek(0)
    if file_format in ("JPEG", "MPO"):
        data = stream.read() + END_OF_JPEG
        missing = _missing_from_jpeg(data)
    elif file_format == "PNG":
        data, missing = _complete_png(stream)
    else:
        return None
    if missing is None or missing.all(1).mean() > 1 - WHOLE_SHARE:
        return None
    rows, incomplete = len(missing), int(missing.any(1).sum())
    if not incomplete:
        return data, missing, "It is cut short, but none of its rows is missing."
    are = "are missing" if missing.all(1).sum() == incomplete else "are missing or incomplete"
    return data, missing, f"It is cut short: {incomplete} of its {rows} rows {are} and were filled with grey."


def _missing_from_jpeg(data: bytes) -> np.ndarray | None:
    """Which pixels (H, W) at the end of a JPEG are missing; None if it cannot be decoded.

    libjpeg fills blocks whose data are missing with medium grey, which is 127 or 128 in all channels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image)
    except Exception:  # damaged data can raise anything
        return None
    height, width = pixels.shape[:2]
    is_grey = ((pixels == 127) | (pixels == 128)).reshape(height, width, -1).all(2)
    missing = np.logical_and.accumulate(is_grey[::-1])[::-1]  # and everything below it
    # blocks are stored from left to right, and are at least this high
    incomplete = missing[:, -BLOCK:].all(1).sum()
    return missing if incomplete >= (height - 1) % BLOCK + 1 else np.zeros_like(missing)


def _complete_png(stream: BinaryIO) -> tuple[bytes, np.ndarray | None]:
    """A PNG with its missing rows added, and which pixels (H, W) these are; None if it cannot be completed."""
    head, header, inflated = stream.read(8), b"", bytearray()
    decompress, size, most = zlib.decompressobj(), 0, 0
    for name, data, chunk in _chunks(stream):
        if name == b"IHDR":
            header = data
            width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
            size = 1 + -(-width * CHANNELS[kind] * bits // 8)
            most = height * size
            if interlaced:
                return b"", None
        if name != b"IDAT":
            head += b"" if name == b"IEND" else chunk
            continue
        for start in range(0, len(data), 2**16):
            try:
                inflated += decompress.decompress(data[start : start + 2**16], most - len(inflated) or 1)
            except zlib.error:
                break
    if not header:
        return b"", None
    rows = min(len(inflated) // size, height)
    grey = bytes([GREY[bits]]) * max(1, bits // 8)
    opaque = b"\xff" * len(grey)
    pixel = {3: b"\0", 4: grey + opaque, 6: 3 * grey + opaque}.get(kind, grey)
    row = (b"\0" + pixel * size)[:size]  # not filtered
    pixels = zlib.compress(bytes(inflated[: rows * size]) + row * (height - rows), 1)
    missing = np.repeat(np.arange(height)[:, None] >= rows, width, axis=1)
    return head + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b""), missing


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The name, the data and all bytes of each chunk of a PNG; the last one can be shorter than it says."""
    while len(start := stream.read(8)) == 8:
        data = stream.read(int.from_bytes(start[:4], "big"))
        yield start[4:], data, start + data + stream.read(4)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
