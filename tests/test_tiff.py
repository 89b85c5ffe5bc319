"""TIFF: every layout is read rightly or refused; the picture is the first full page; raw files are refused."""

import io
import itertools
import struct
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from pictures import ALPHA, DEEP, GREY, HEIGHT, RGB, WIDTH, saved, tiff, tiff_lzw
from PIL import Image, TiffImagePlugin
from test_photo import lightness_of

from colorgan.photo import Photo, PhotoError, read_photo

TYPES = [np.uint8, np.uint16, np.uint32, np.int8, np.int16, np.int32, np.float16, np.float32, np.float64]
Order = Literal["<", ">"]
ORDERS: list[tuple[Order, bool]] = [("<", False), ("<", True), (">", False), (">", True)]  # byte order, BigTIFF
COMPRESSIONS: list[dict[str, Any]] = [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}]
INKS = np.dstack([255 - RGB, GREY // 3])  # cyan, magenta, yellow, black


def in_range(pixels: np.ndarray, dtype: type) -> np.ndarray:
    """8-bit or 16-bit pixels in the whole range of a type that a TIFF can have; floats are in [0, 1]."""
    share = pixels / np.iinfo(pixels.dtype).max
    if np.dtype(dtype).kind == "f":
        return share.astype(dtype)
    most = {np.uint32: 65535, np.int32: 65535}.get(dtype, np.iinfo(dtype).max)
    return (share * most).round().astype(dtype)


def read(data: bytes) -> Photo | None:
    """The photograph; None if it is refused with a sentence about its layout."""
    try:
        return read_photo(io.BytesIO(data))
    except PhotoError as error:
        if "of a kind that is not read" not in str(error):
            raise
        return None


def planes(pixels: np.ndarray) -> np.ndarray:
    return np.moveaxis(pixels, -1, 0).copy()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb", "rgb planes"])
def test_grey_and_rgb_of_every_layout(dtype: type, photometric: str) -> None:
    source = DEEP if photometric.startswith("rgb") else DEEP[..., 0]
    pixels = in_range(source, dtype)
    white = in_range(np.array([255], np.uint8), dtype).astype(float)
    share = pixels / white
    options: dict[str, Any] = {"photometric": photometric.split()[0]}
    if photometric == "miniswhite":
        pixels = in_range(65535 - source, dtype)
        share = 1 - pixels / white
    if photometric == "rgb planes":
        pixels, options["planarconfig"] = planes(pixels), "separate"
    expected = lightness_of((share * 65535).round().astype(np.uint16))
    for (order, big), compression in itertools.product(ORDERS, COMPRESSIONS):
        if np.dtype(dtype).kind == "f" and "predictor" in compression:
            continue  # tifffile writes floating-point predictors only with imagecodecs
        data = tiff(pixels, byteorder=order, bigtiff=big, **options, **compression)
        photo = read_photo(io.BytesIO(data))
        tolerance = 0.4 if dtype == np.int8 else 0.15 if dtype == np.float16 else 0.02  # of their steps
        assert np.abs(photo.lightness - expected).max() < tolerance
        assert photo.bits == (8 if np.dtype(dtype).itemsize == 1 else 16)
        assert bool(photo.notes) == (dtype in (np.int8, np.int16))


def test_signed_values_below_zero_are_scaled_and_said_so() -> None:
    for dtype in (np.int8, np.int16):
        pixels = np.linspace(-100, 90, HEIGHT * WIDTH).round().astype(dtype).reshape(HEIGHT, WIDTH)
        photo = read_photo(io.BytesIO(tiff(pixels, photometric="minisblack")))
        assert photo.notes == ["Its values were scaled so that -100 is black and 90 is white."]
        share = (pixels.astype(float) + 100) / 190
        assert np.abs(photo.lightness - lightness_of((share * 65535).round().astype(np.uint16))).max() < 0.4


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("scale", [257, 1])  # of the colour map: as specified, and as some programs write it
@pytest.mark.parametrize("compression", [1, 8, 32773, 5])
def test_palettes(bits: int, scale: int, compression: int) -> None:
    table = np.random.default_rng(0).integers(0, 256, (2**bits, 3))
    index = (GREY >> (8 - bits)).astype(np.uint8)
    if compression in (1, 8) and bits == 8:
        data = tiff(index, photometric="palette", colormap=(table.T * scale).astype(np.uint16), compression=compression)
    else:
        image = Image.fromarray(index)
        image = image.convert("P")
        image.putpalette(table.flatten().tolist() + [0] * (768 - table.size))
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        names = {1: None, 8: "tiff_adobe_deflate", 32773: "packbits", 5: "tiff_lzw"}
        data = bytearray(saved(image, "TIFF", compression=names[compression], tiffinfo=tags))
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tag = file.pages.first.tags[320]
        full = np.zeros((3, 256), "<u2")
        full[:, : len(table)] = table.T * scale
        data[tag.valueoffset : tag.valueoffset + 1536] = full.tobytes()
    photo = read_photo(io.BytesIO(bytes(data)))
    assert np.abs(photo.lightness - lightness_of(table[index].astype(np.uint8))).max() < 3e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
def test_cmyk(dtype: type, planar: bool) -> None:
    inks = in_range(INKS, dtype)
    light = (255 - INKS.astype(float)) / 255
    expected = lightness_of((light[..., :3] * light[..., 3:] * 255).round().astype(np.uint8))
    options: dict[str, Any] = {"photometric": "separated", "planarconfig": "separate" if planar else "contig"}
    for (order, big), compression in itertools.product(ORDERS, COMPRESSIONS):
        data = tiff(planes(inks) if planar else inks, byteorder=order, bigtiff=big, **options, **compression)
        photo = read_photo(io.BytesIO(data))
        assert np.abs(photo.lightness - expected).max() < 0.5  # Pillow rounds to 8 bits twice
        assert photo.notes == (["Its 16 bits were read as 8."] if dtype == np.uint16 else [])
    lzw = read(tiff_lzw(inks, planes=planar, photometric=5))
    assert (lzw is None) == planar
    assert lzw is None or np.abs(lzw.lightness - expected).max() < 0.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
def test_lab_has_its_lightness(dtype: type, planar: bool) -> None:
    lab = in_range(RGB, dtype)
    options: dict[str, Any] = {"photometric": "cielab", "planarconfig": "separate" if planar else "contig"}
    for (order, big), compression in itertools.product(ORDERS, COMPRESSIONS):
        data = tiff(planes(lab) if planar else lab, byteorder=order, bigtiff=big, **options, **compression)
        photo = read_photo(io.BytesIO(data))
        assert np.abs(photo.lightness - RGB[..., 0] / 2.55).max() < 1e-4
    lzw = read(tiff_lzw(lab, planes=planar, photometric=8))
    assert (lzw is None) == (planar or dtype == np.uint16)
    assert lzw is None or np.abs(lzw.lightness - RGB[..., 0] / 2.55).max() < 1e-4


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("studio", [False, True])  # black is 16 and white 235, and a tag says so
def test_ycbcr(planar: bool, studio: bool) -> None:
    ycbcr = np.array(Image.fromarray(RGB).convert("YCbCr")).astype(float)
    tags = []
    if studio:
        ycbcr = (ycbcr - [0, 128, 128]) * [219 / 255, 112 / 127, 112 / 127] + [16, 128, 128]
        tags = [(532, "2I", 6, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1), True)]
    stored = ycbcr.round().astype(np.uint8)
    for (order, big), compression in itertools.product(ORDERS, COMPRESSIONS[:2]):
        stream = io.BytesIO()
        tifffile.imwrite(
            stream,
            planes(stored) if planar else stored,
            photometric="ycbcr",
            planarconfig="separate" if planar else "contig",
            byteorder=order,
            bigtiff=big,
            extratags=tags,
            **compression,
        )
        assert np.abs(read_photo(stream).lightness - lightness_of(RGB)).max() < 1.5  # both have 8 bits
    assert read(tiff_lzw(stored, planes=True, photometric=6)) is None


@pytest.mark.parametrize("packed", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", ["<", ">"])
def test_packed_bits_are_read_or_refused(packed: int, channels: int, order: Order) -> None:
    pixels = (DEEP >> (16 - packed))[..., :channels]
    for data in (
        tiff_lzw(pixels, order, packed=packed),
        tiff_lzw(pixels, order, packed=packed, planes=True),
        tiff_uncompressed(pixels, order, packed),
    ):
        photo = read(data)
        if photo:
            expected = (pixels / (2**packed - 1) * 65535).round().astype(np.uint16)
            assert np.abs(photo.lightness - lightness_of(np.squeeze(expected))).max() < 0.05


@pytest.mark.parametrize("compression", ["packbits", "tiff_lzw", "tiff_deflate", "lzma", "zstd", "group3", "group4"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_compression_of_pillow(compression: str, mode: str) -> None:
    if compression.startswith("group") and mode != "1":
        pytest.skip("compresses black and white only")
    pixels: dict[str, np.ndarray] = {"RGB": RGB, "RGBA": np.dstack([RGB, ALPHA]), "I;16": DEEP[..., 0], "L": GREY}
    pixels |= {"LA": np.dstack([GREY, ALPHA]), "1": GREY > 99}
    if mode == "CMYK":
        image = Image.merge("CMYK", [Image.fromarray(INKS[..., i]) for i in range(4)])
        light = (255 - INKS.astype(float)) / 255
        expected = (light[..., :3] * light[..., 3:] * 255).round().astype(np.uint8)
    else:
        image = Image.fromarray(pixels[mode])
        expected = {"1": (GREY > 99) * np.uint8(255), "I;16": DEEP[..., 0], "L": GREY, "LA": GREY}.get(mode, RGB)
    assert image.mode == mode
    photo = read_photo(io.BytesIO(saved(image, "TIFF", compression=compression)))
    assert np.abs(photo.lightness - lightness_of(expected)).max() < (0.5 if mode == "CMYK" else 3e-4)
    assert mode not in ("LA", "RGBA") or (photo.alpha == ALPHA).all()


def tiff_uncompressed(pixels: np.ndarray, order: Order, packed: int) -> bytes:
    """A TIFF of samples that are packed into so many bits, from the specification."""
    height, width, channels = pixels.shape
    bits = [f"{value:0{packed}b}" for value in pixels.flat]
    rows = ["".join(bits[y * width * channels : (y + 1) * width * channels]) for y in range(height)]
    size = -(-len(rows[0]) // 8)
    data = b"".join(int(row.ljust(size * 8, "0"), 2).to_bytes(size, "big") for row in rows)
    tags = {256: width, 257: height, 258: packed, 259: 1, 262: 2 if channels == 3 else 1, 273: 8, 277: channels}
    tags |= {278: height, 279: len(data)}
    after = 8 + len(data) + 6 + 12 * len(tags)
    entries = b""
    for tag, number in tags.items():
        if tag == 258 and channels == 3:
            entries += struct.pack(f"{order}HHII", tag, 3, 3, after)
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, number)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    end = struct.pack(f"{order}I3H", 0, *[packed] * 3)
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + end


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_extra_channels(kind: str, dtype: type, planar: bool, channels: int) -> None:
    alpha = in_range(np.maximum(ALPHA, 60), dtype)
    colours = in_range(RGB[..., :channels], dtype)
    stored = colours
    if kind == "assocalpha":
        stored = (colours.astype(float) * alpha[..., None] / np.iinfo(dtype).max).round().astype(dtype)
    pixels = np.dstack([stored, alpha])
    options: dict[str, Any] = {"photometric": "rgb" if channels == 3 else "minisblack", "extrasamples": [kind]}
    for order, big in ORDERS:
        data = tiff(
            planes(pixels) if planar else pixels,
            planarconfig="separate" if planar else "contig",
            byteorder=order,
            bigtiff=big,
            **options,
        )
        photo = read_photo(io.BytesIO(data))
        assert np.abs(photo.lightness - lightness_of(np.squeeze(colours))).max() < (2 if kind == "assocalpha" else 3e-4)
        if kind == "unspecified":
            assert photo.alpha is None
        else:
            assert photo.alpha is not None
            assert (photo.alpha == alpha).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_lzw_of_every_layout_is_read_or_refused(dtype: type, channels: int, planar: bool, order: Order) -> None:
    pixels = in_range(DEEP[..., :channels], dtype)
    data = bytearray(tiff_lzw(pixels, order, planes=planar))
    if np.dtype(dtype).kind == "i":
        data = bytearray(with_sample_format(bytes(data), 2))
    photo = read(bytes(data))
    white = in_range(np.array([255], np.uint8), dtype).astype(float)
    expected = (np.squeeze(pixels).astype(float) / white * 65535).round().astype(np.uint16)
    assert photo is None or np.abs(photo.lightness - lightness_of(expected)).max() < 0.5
    assert photo or dtype not in (np.uint8, np.uint16)


def with_sample_format(data: bytes, kind: int) -> bytes:
    stream = io.BytesIO(data)
    with tifffile.TiffFile(stream) as file:
        tag = file.pages.first.tags[339]
        tag.overwrite(tag.count * [kind])
    return stream.getvalue()


def pages(*arrays: np.ndarray, marks: tuple[int, ...], inside: bool = False, **options) -> bytes:
    """A TIFF of pages that are marked with these values of NewSubfileType; or the first, with the others inside it."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for i, (array, mark) in enumerate(zip(arrays, marks, strict=True)):
            subifds = len(arrays) - 1 if inside and i == 0 else None
            file.write(array, subfiletype=mark, subifds=subifds, metadata=None, **options)
    return stream.getvalue()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_picture_is_the_first_full_page(inside: bool, compression: str | None) -> None:
    small = RGB[::4, ::4].copy()
    options = {"photometric": "rgb", "compression": compression, "inside": inside}
    expected = lightness_of(RGB)
    for arrays, marks in (((small, RGB), (1, 0)), ((small, RGB, small), (1, 0, 1)), ((RGB, small), (0, 1))):
        photo = read_photo(io.BytesIO(pages(*arrays, marks=marks, **options)))
        assert photo.size == (WIDTH, HEIGHT)
        assert np.abs(photo.lightness - expected).max() < 3e-4
        assert not photo.notes
    both = read_photo(io.BytesIO(pages(small, RGB, 255 - RGB, marks=(1, 0, 0), **options)))
    assert np.abs(both.lightness - expected).max() < 3e-4
    assert both.notes == ["Only the first of its 2 pages was taken."]
    only = read_photo(io.BytesIO(pages(small, marks=(1,), **options)))  # all there is
    assert only.size == (small.shape[1], small.shape[0])


def test_a_full_page_that_pillow_decodes() -> None:
    frames = [Image.fromarray(RGB[::4, ::4].copy()), Image.fromarray(RGB)]
    for frame, mark in zip(frames, (1, 0), strict=True):
        frame.encoderinfo = {"tiffinfo": {254: mark, 0x010F: f"camera {mark}"}}
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:], compression="tiff_lzw")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert [page.aspage().subfiletype for page in file.pages] == [1, 0]
    photo = read_photo(io.BytesIO(data))
    assert np.abs(photo.lightness - lightness_of(RGB)).max() < 3e-4
    assert not photo.notes
    assert b"camera 0" in photo.exif


@pytest.mark.parametrize(
    ("photometric", "tags"),
    [(32803, []), (34892, []), ("rgb", [(50706, "B", 4, b"\1\4\0\0", True)])],  # a colour filter array, linear, a DNG
)
@pytest.mark.parametrize("inside", [False, True])
def test_raw_files_are_refused(photometric: int | str, tags: list, inside: bool) -> None:
    stream = io.BytesIO()
    sensor = DEEP[..., 0] if photometric == 32803 else DEEP
    with tifffile.TiffWriter(stream) as file:
        file.write(RGB[::4, ::4].copy(), photometric="rgb", subfiletype=1, subifds=int(inside), extratags=tags)
        file.write(sensor, photometric=photometric, metadata=None)
    with pytest.raises(PhotoError, match=r"^the\.dng is a camera's raw file: develop it first"):
        read_photo(stream, name="the.dng")


@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\2\0",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FUJIFILMCCD-RAW 0201",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
        b"FOVb\0\0",
    ],
)
def test_raw_files_of_other_formats_are_refused(head: bytes) -> None:
    with pytest.raises(PhotoError, match="is a camera's raw file"):
        read_photo(io.BytesIO(head.ljust(2000, b"\0")))


def test_a_tiff_that_is_cut_short_is_not_black_at_its_end() -> None:
    for compression in (None, "zlib"):
        data = tiff(RGB, photometric="rgb", compression=compression, rowsperstrip=8)
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            end = page.dataoffsets[-1] + page.databytecounts[-1]
        with pytest.raises(PhotoError, match="damaged or cut short"):
            read_photo(io.BytesIO(data[: end - 5]))
