"""Picture files of every kind, with what their pixels are: saved by libraries, or put together by hand."""

import base64
import io
import struct
import zlib
from typing import Literal

import numpy as np
import skimage.data
import tifffile
from PIL import Image

HEIGHT, WIDTH = 33, 47
ORIENTATION = 0x0112
RGB = skimage.data.chelsea()[50 : 50 + HEIGHT, 120 : 120 + WIDTH]
GREY = RGB[..., 1].copy()
ALPHA = np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
DEEP = RGB.astype(np.uint16) * 257 - np.minimum(RGB, 1) * np.uint16(100)  # 16 bits that are no multiples of 257
DEEP_ALPHA = ALPHA.astype(np.uint16) * 200 + 77

UPRIGHT = Image.Exif()
UPRIGHT[ORIENTATION] = 1


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, extratags=[(ORIENTATION, "H", 1, 1, True)], **options)
    return stream.getvalue()


def tiff_lzw(
    pixels: np.ndarray,
    byteorder: Literal["<", ">"] = "<",
    predictor: int = 1,
    planes: bool = False,
    photometric: int | None = None,
    packed: int = 0,
) -> bytes:
    """A TIFF with LZW compression of 16-bit samples or floats, from the specification: literal codes of 9 bits only.

    Samples are `packed` into so many bits, if it is said.
    """

    def strip(samples: np.ndarray) -> bytes:
        if predictor == 2:
            samples = np.diff(samples, axis=1, prepend=np.zeros_like(samples[:, :1]))
        data = samples.astype(samples.dtype.newbyteorder(byteorder)).tobytes()
        if packed:
            rows = ["".join(f"{value:0{packed}b}" for value in row.flat) for row in samples]
            data = b"".join(int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8)) for row in rows)
        codes = [code for i in range(0, len(data), 200) for code in (256, *data[i : i + 200])]  # 256 empties the table
        bits = "".join(f"{code:09b}" for code in [*codes, 257])
        return int(bits.ljust(-(-len(bits) // 16) * 16, "0"), 2).to_bytes(-(-len(bits) // 16) * 2, "big")

    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, width, -1)
    channels = pixels.shape[2]
    strips = [strip(pixels[..., [i]]) for i in range(channels)] if planes else [strip(pixels)]
    starts = [8 + sum(map(len, strips[:i])) for i in range(len(strips) + 1)]
    tags = {
        256: [width],
        257: [height],
        258: [packed or 8 * pixels.itemsize] * channels,
        259: [5],
        262: [(2 if channels > 2 else 1) if photometric is None else photometric],
    }
    tags |= {273: starts[:-1], ORIENTATION: [1], 277: [channels], 278: [height], 279: [len(data) for data in strips]}
    tags |= {284: [2 if planes else 1], 317: [predictor]}
    if channels in (2, 4) and photometric != 5:  # CMYK has four without alpha
        tags[338] = [2]
    tags[339] = [3 if pixels.dtype.kind == "f" else 1] * channels
    after, entries, values = starts[-1] + 6 + 12 * len(tags), b"", b""
    for tag, numbers in tags.items():
        data = struct.pack(f"{byteorder}{len(numbers)}I", *numbers)
        if len(data) > 4:
            data, values = struct.pack(f"{byteorder}I", after + len(values)), values + data
        entries += struct.pack(f"{byteorder}HHI", tag, 4, len(numbers)) + data
    head = (b"II*\0" if byteorder == "<" else b"MM\0*") + struct.pack(f"{byteorder}I", starts[-1])
    return head + b"".join(strips) + struct.pack(f"{byteorder}H", len(tags)) + entries + bytes(4) + values


def png(pixels: np.ndarray, bits: int, color_type: int, extra: bytes = b"") -> bytes:
    """A PNG written from the specification alone, rows unfiltered; pixels (H, W, channels) or (H, W)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    if bits < 8:
        per_byte = 8 // bits
        padded = np.pad(pixels, ((0, 0), (0, -width % per_byte))).reshape(height, -1, per_byte)
        rows = (padded << np.arange(8 - bits, -1, -bits)).sum(-1).astype(np.uint8)
    else:
        rows = pixels.reshape(height, -1).astype(">u2" if bits == 16 else np.uint8).view(np.uint8)
    data = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def key_chunk(*values: int) -> bytes:
    data = struct.pack(f">{len(values)}H", *values)
    return struct.pack(">I", len(data)) + b"tRNS" + data + struct.pack(">I", zlib.crc32(b"tRNS" + data))


# 10 bits, 3 by 2 pixels, from libavif
DEEP_AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQ"
    "AAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAJwAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAA"
    "AEtpcGNvAAAAFGlzcGUAAAAAAAAAAwAAAAIAAAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAA"
    "AAAAEAAQQBAoMEAAAAL21kYXQSAAoIOAQrWBAQNIAyGReCYwTDDDDPIIQAkD2Pt+6Mdh9USdXieOA="
)


def palette_picture() -> Image.Image:
    return Image.fromarray(RGB).quantize(40)


# name: (file, what its pixels are, alpha, bits); lossy files are compared with what Pillow decodes
EXACT = {
    "png rgb": (saved(Image.fromarray(RGB), "PNG"), RGB, None, 8),
    "png grey": (saved(Image.fromarray(GREY), "PNG"), GREY, None, 8),
    "png rgba": (saved(Image.fromarray(RGBA), "PNG"), RGB, ALPHA, 8),
    "png la": (saved(Image.fromarray(np.dstack([GREY, ALPHA])), "PNG"), GREY, ALPHA, 8),
    "png 1 bit": (saved(Image.fromarray(GREY > 99), "PNG"), (GREY > 99) * np.uint8(255), None, 8),
    "png 1 bit with key": (
        png((GREY > 99).astype(np.uint8), 1, 0, key_chunk(1)),
        (GREY > 99) * np.uint8(255),
        np.where(GREY > 99, 0, 255).astype(np.uint8),
        8,
    ),
    "png 2 bits": (png(GREY >> 6, 2, 0), (GREY >> 6) * np.uint8(85), None, 8),
    "png 4 bits": (png(GREY >> 4, 4, 0), (GREY >> 4) * np.uint8(17), None, 8),
    "png 4 bits with key": (
        png(GREY >> 4, 4, 0, key_chunk(7)),
        (GREY >> 4) * np.uint8(17),
        np.where(GREY >> 4 == 7, 0, 255).astype(np.uint8),
        8,
    ),
    "png rgb with key": (
        saved(Image.fromarray(RGB), "PNG", transparency=tuple(int(v) for v in RGB[4, 5])),
        RGB,
        np.where((RGB[4, 5] == RGB).all(-1), 0, 255).astype(np.uint8),
        8,
    ),
    "png palette": (saved(palette_picture(), "PNG"), np.array(palette_picture().convert("RGB")), None, 8),
    "png palette with key": (
        saved(palette_picture(), "PNG", transparency=3),
        np.array(palette_picture().convert("RGB")),
        np.where(np.array(palette_picture()) == 3, 0, 255).astype(np.uint8),
        8,
    ),
    "png 16-bit grey": (png(DEEP[..., 0], 16, 0), DEEP[..., 0], None, 16),
    "png 16-bit rgb": (png(DEEP, 16, 2), DEEP, None, 16),
    "png 16-bit la": (png(np.dstack([DEEP[..., 0], DEEP_ALPHA]), 16, 4), DEEP[..., 0], DEEP_ALPHA, 16),
    "png 16-bit rgba": (png(np.dstack([DEEP, DEEP_ALPHA]), 16, 6), DEEP, DEEP_ALPHA, 16),
    "png 16-bit rgb with key": (
        png(DEEP, 16, 2, key_chunk(*DEEP[4, 5].tolist())),
        DEEP,
        np.where((DEEP[4, 5] == DEEP).all(-1), 0, 65535).astype(np.uint16),
        16,
    ),
    "tiff rgb": (saved(Image.fromarray(RGB), "TIFF", exif=UPRIGHT), RGB, None, 8),
    "tiff lzw": (saved(Image.fromarray(RGB), "TIFF", compression="tiff_lzw", exif=UPRIGHT), RGB, None, 8),
    "tiff grey 1 bit": (saved(Image.fromarray(GREY > 99), "TIFF", exif=UPRIGHT), (GREY > 99) * np.uint8(255), None, 8),
    "tiff rgba": (tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), RGB, ALPHA, 8),
    "tiff 16-bit rgb": (tiff(DEEP, photometric="rgb"), DEEP, None, 16),
    "tiff 16-bit big-endian": (tiff(DEEP, photometric="rgb", byteorder=">"), DEEP, None, 16),
    "tiff 16-bit deflate": (tiff(DEEP, photometric="rgb", compression="zlib", predictor=True), DEEP, None, 16),
    "tiff 16-bit lzw": (tiff_lzw(DEEP), DEEP, None, 16),
    "tiff 16-bit lzw big-endian": (tiff_lzw(DEEP, ">", predictor=2), DEEP, None, 16),
    "tiff 16-bit lzw rgba": (tiff_lzw(np.dstack([DEEP, DEEP_ALPHA]), predictor=2), DEEP, DEEP_ALPHA, 16),
    "tiff 16-bit lzw grey": (tiff_lzw(DEEP[..., 0], predictor=2), DEEP[..., 0], None, 16),
    "tiff 16-bit lzw negative": (tiff_lzw(65535 - DEEP[..., 0], photometric=0), DEEP[..., 0], None, 16),
    "tiff 12-bit": (
        tiff_lzw(DEEP[..., 0] >> 4, packed=12),
        (DEEP[..., 0] >> 4) * np.uint16(16) + (DEEP[..., 0] >> 12),
        None,
        16,
    ),
    "tiff float lzw": (tiff_lzw((DEEP[..., 0] / 65535).astype(np.float32)), DEEP[..., 0], None, 16),
    "tiff 16-bit planes": (
        tiff(np.moveaxis(DEEP, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        DEEP,
        None,
        16,
    ),
    "tiff 16-bit tiles": (tiff(DEEP, photometric="rgb", tile=(16, 16)), DEEP, None, 16),
    "tiff 16-bit rgba": (
        tiff(np.dstack([DEEP, DEEP_ALPHA]), photometric="rgb", extrasamples=["unassalpha"]),
        DEEP,
        DEEP_ALPHA,
        16,
    ),
    "tiff 32-bit rgba": (
        tiff(
            np.dstack([DEEP, np.full(ALPHA.shape, 2**32 - 1, np.uint32)]),
            photometric="rgb",
            extrasamples=["unassalpha"],
        ),
        DEEP,
        np.full(ALPHA.shape, 65535, np.uint16),
        16,
    ),
    "tiff 16-bit grey": (tiff(DEEP[..., 0], photometric="minisblack"), DEEP[..., 0], None, 16),
    "tiff 16-bit negative": (tiff(65535 - DEEP[..., 0], photometric="miniswhite"), DEEP[..., 0], None, 16),
    "tiff float": (tiff((DEEP[..., 0] / 65535).astype(np.float32)), DEEP[..., 0], None, 16),
    "tiff float rgb": (tiff((DEEP / 65535).astype(np.float32), photometric="rgb"), DEEP, None, 16),
    "dib": (saved(Image.fromarray(RGB), "DIB"), RGB, None, 8),
    "bmp": (saved(Image.fromarray(RGB), "BMP"), RGB, None, 8),
    "bmp palette": (saved(palette_picture(), "BMP"), np.array(palette_picture().convert("RGB")), None, 8),
    "gif": (saved(palette_picture(), "GIF"), np.array(palette_picture().convert("RGB")), None, 8),
    "webp lossless": (saved(Image.fromarray(RGBA), "WEBP", lossless=True, exact=True), RGB, ALPHA, 8),
    "ppm": (saved(Image.fromarray(RGB), "PPM"), RGB, None, 8),
    "jpeg 2000 16-bit grey": (saved(Image.fromarray(DEEP[..., 0]), "JPEG2000"), DEEP[..., 0], None, 16),
}
LOSSY = {
    "jpeg": saved(Image.fromarray(RGB), "JPEG"),
    "jpeg grey": saved(Image.fromarray(GREY), "JPEG"),
    "jpeg progressive": saved(Image.fromarray(RGB), "JPEG", progressive=True),
    "jpeg cmyk": saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "webp": saved(Image.fromarray(RGB), "WEBP"),
    "avif": saved(Image.fromarray(RGB), "AVIF"),
    "jpeg 2000": saved(Image.fromarray(RGB), "JPEG2000"),
}
