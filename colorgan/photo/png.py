"""Write PNG files of 8 or 16 bits on all cores. (Pillow writes no 16-bit colour, and uses one core.)"""

import os
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from PIL.PngImagePlugin import putchunk

STRIP_BYTES = 2**20  # uncompressed bytes that one core compresses at a time
COLOR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}  # by number of channels
FILTER_SUB = 1  # each byte minus that of the pixel on the left; the other filters compress about as well


def write_png(stream: BinaryIO, pixels: np.ndarray, chunks: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Write pixels (H, W, channels), uint8 or uint16, to an open binary file.

    Channels are 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); `chunks` are (type, data), written before the pixels.
    Strips are compressed independently and end on a byte boundary, as pigz does, so that their concatenation is one
    zlib stream (RFC 1950, RFC 1951 section 3.2.4).
    """
    height, width, channels = pixels.shape
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    stream.write(b"\x89PNG\r\n\x1a\n")
    putchunk(stream, b"IHDR", header, bytes([8 * pixels.itemsize, COLOR_TYPES[channels], 0, 0, 0]))
    for name, data in chunks:
        putchunk(stream, name, data)
    checksum = zlib.adler32(b"")
    rows = max(1, STRIP_BYTES // (width * channels * pixels.itemsize))
    putchunk(stream, b"IDAT", b"\x78\x01")  # zlib header: deflate, 32 KiB window, fastest
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for data, filtered in pool.map(_compress, (pixels[top : top + rows] for top in range(0, height, rows))):
            checksum = zlib.adler32(filtered.data, checksum)
            putchunk(stream, b"IDAT", data)
    putchunk(stream, b"IDAT", b"\x03\x00" + checksum.to_bytes(4, "big"))  # an empty last block
    putchunk(stream, b"IEND", b"")


def _compress(pixels: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Compress a strip: its deflate blocks, and the filtered bytes that they contain."""
    rows, width, channels = pixels.shape
    pixel_bytes = channels * pixels.itemsize
    samples = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)).view(np.uint8)
    samples = samples.reshape(rows, width * pixel_bytes)
    filtered = np.empty((rows, 1 + width * pixel_bytes), np.uint8)
    filtered[:, 0] = FILTER_SUB
    filtered[:, 1 : 1 + pixel_bytes] = samples[:, :pixel_bytes]
    np.subtract(samples[:, pixel_bytes:], samples[:, :-pixel_bytes], out=filtered[:, 1 + pixel_bytes :])
    # Runs and Huffman codes only: photographs have few repeated strings, and the search takes most of the time.
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return deflate.compress(filtered.data) + deflate.flush(zlib.Z_SYNC_FLUSH), filtered
