"""Reading and writing pictures: every mode, format and orientation against a reference; damage; what is kept."""

import contextlib
import io
import os
import random
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from pictures import (
    ALPHA,
    DEEP,
    DEEP_AVIF,
    EXACT,
    GREY,
    HEIGHT,
    LOSSY,
    ORIENTATION,
    RGB,
    RGBA,
    UPRIGHT,
    WIDTH,
    png,
    saved,
    tiff,
    tiff_lzw,
)
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from colorgan.color import rgb_to_lab
from colorgan.photo import Photo, PhotoError, read_photo, write_photo
from colorgan.photo.opening import open_picture


def lightness_of(rgb: np.ndarray) -> np.ndarray:
    """The reference: L* of 8-bit or 16-bit RGB (H, W, 3), or grey (H, W)."""
    if rgb.ndim == 2:
        rgb = np.dstack([rgb] * 3)
    scaled = torch.from_numpy(rgb / np.iinfo(rgb.dtype).max).permute(2, 0, 1)[None]
    return rgb_to_lab(scaled)[0, 0].numpy()


@pytest.mark.parametrize("name", EXACT)
def test_lightness_and_alpha_are_exact(name: str) -> None:
    data, pixels, alpha, bits = EXACT[name]
    photo = read_photo(io.BytesIO(data))
    assert photo.bits == bits
    assert np.abs(photo.lightness - lightness_of(pixels)).max() < 3e-4  # half a 16-bit step at its darkest is 5e-4
    if alpha is None or photo.alpha is None:
        assert alpha is photo.alpha
    else:
        assert photo.alpha.dtype == alpha.dtype
        assert (photo.alpha == alpha).all()


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_agree_with_pillow(name: str) -> None:
    reference = np.array(Image.open(io.BytesIO(LOSSY[name])).convert("RGB"))
    assert np.abs(read_photo(io.BytesIO(LOSSY[name])).lightness - lightness_of(reference)).max() < 3e-4


def with_orientation(data: bytes, orientation: int) -> bytes:
    """The same JPEG, PNG or TIFF with that orientation in its EXIF data or, for a TIFF, in its own tag."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    block = exif.tobytes()
    if data[:2] == b"\xff\xd8":
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    if data[:4] == b"\x89PNG":
        block = b"eXIf" + block.removeprefix(b"Exif\0\0")
        return data[:33] + struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block)) + data[33:]
    stream = io.BytesIO(data)
    with tifffile.TiffFile(stream) as file:  # every TIFF here was written with the tag
        file.pages.first.tags[ORIENTATION].overwrite(orientation)
    return stream.getvalue()


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """The reference, from the table of the EXIF standard: which side the stored first row and first column are on."""
    sides = "top left,top right,bottom right,bottom left,left top,right top,right bottom,left bottom"
    row, column = sides.split(",")[orientation - 1].split()
    if row in ("left", "right"):  # the first row stands upright
        array = array.swapaxes(0, 1)
        row, column = column, row
    return array[:: -1 if row == "bottom" else 1, :: -1 if column == "right" else 1]


@pytest.mark.parametrize("name", [name for name in EXACT if name.startswith(("png", "tiff"))])
def test_every_mode_in_every_orientation(name: str) -> None:
    data, pixels, alpha, _ = EXACT[name]
    for orientation in range(1, 9):
        photo = read_photo(io.BytesIO(with_orientation(data, orientation)))
        assert np.abs(photo.lightness - upright(lightness_of(pixels), orientation)).max() < 3e-4
        assert alpha is None or (photo.alpha == upright(alpha, orientation)).all()


@pytest.mark.parametrize(
    "name", [name for name in LOSSY if name in ("jpeg", "jpeg grey", "jpeg progressive", "jpeg cmyk")]
)
def test_every_jpeg_in_every_orientation(name: str) -> None:
    stored = read_photo(io.BytesIO(LOSSY[name])).lightness
    for orientation in range(1, 9):
        photo = read_photo(io.BytesIO(with_orientation(LOSSY[name], orientation)))
        assert (photo.lightness == upright(stored, orientation)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_orientation_agrees_with_pillow_and_is_not_written(kind: str, orientation: int, tmp_path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = orientation, "a camera"
    data = saved(Image.fromarray(RGB), kind, exif=exif)
    reference = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    photo = read_photo(io.BytesIO(data))
    assert photo.size == (reference.shape[1], reference.shape[0])
    assert np.abs(photo.lightness - lightness_of(reference)).max() < 3e-4
    write_photo(tmp_path / "out.png", reference, photo)
    written = Image.open(tmp_path / "out.png")
    assert written.size == photo.size
    assert written.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_written_pictures_keep_what_their_format_can_hold(kind: str, dtype: type, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "a camera", {0x829A: 0.01, 0x9286: b"odd"}, {1: "N"}
    source = saved(Image.fromarray(RGBA), "PNG", dpi=(300, 150), exif=exif)
    photo = read_photo(io.BytesIO(source))
    pixels = RGBA.astype(dtype) * dtype(1 if dtype is np.uint8 else 257)
    write_photo(tmp_path / f"out.{kind}", pixels, photo)
    again = read_photo(tmp_path / f"out.{kind}")
    image = Image.open(tmp_path / f"out.{kind}")
    assert again.bits == (16 if dtype is np.uint16 and kind in ("png", "tiff") else 8)
    assert image.getexif()[0x010F] == "a camera"
    assert image.getexif().get_ifd(0x8769)[0x829A] == pytest.approx(0.01)
    assert image.getexif().get_ifd(0x8825)[1] == "N"
    if kind != "webp":  # which has no place for it
        assert again.dpi == pytest.approx((300, 150), abs=0.1)
    if kind != "jpg":
        assert (again.alpha_of(8) == ALPHA).all()
    if kind in ("png", "tiff"):  # both lossless
        assert np.abs(again.lightness - photo.lightness).max() < 1e-4
    assert list(tmp_path.iterdir()) == [tmp_path / f"out.{kind}"]
    if kind != "tiff" or dtype is np.uint16:  # Pillow writes TIFFs to the beginning
        archive = io.BytesIO(b"x" * 101)  # what is written after other things is the same
        archive.seek(101)
        write_photo(archive, pixels, photo, file_format=kind)
        assert archive.getvalue()[101:] == (tmp_path / f"out.{kind}").read_bytes()


def test_exif_says_nothing_that_is_not_true_of_the_result(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x829A: 0.01, 0xA001: 65535, 0xA002: WIDTH, 0xA003: HEIGHT, 0xA005: 700}  # 0xA005 is a place
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "JPEG", exif=exif)))
    write_photo(tmp_path / "out.jpg", RGB, photo)
    folder = Image.open(tmp_path / "out.jpg").getexif().get_ifd(0x8769)
    assert folder == {0x829A: pytest.approx(0.01), 0xA001: 1}  # sRGB


@pytest.mark.parametrize(("tag", "folder_is_kept"), [(0x927C, True), (0x9286, False)])  # the maker's and user's notes
def test_exif_that_is_too_long_for_a_jpeg_keeps_the_main_tags(tag: int, folder_is_kept: bool, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8769] = "a camera", {0x829A: 0.01, tag: bytes(66000)}
    write_photo(tmp_path / "out.jpg", RGB, read_photo(io.BytesIO(saved(Image.fromarray(RGB), "PNG", exif=exif))))
    kept = Image.open(tmp_path / "out.jpg").getexif()
    assert kept[0x010F] == "a camera"
    assert (0x829A in kept.get_ifd(0x8769)) == folder_is_kept


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_resolution_turns_with_the_picture_and_is_not_made_up(kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = saved(Image.fromarray(RGB), kind, exif=exif, dpi=(300, 150))
    assert read_photo(io.BytesIO(turned)).dpi == pytest.approx((150, 300), abs=0.1)
    assert read_photo(io.BytesIO(saved(Image.fromarray(RGB), kind))).dpi is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 4), (900, 700, 3), (3, 2, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_pixels_come_back_bit_for_bit(shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    stream = io.BytesIO()
    write_photo(stream, pixels, Photo(np.zeros(shape[:2], np.float32)), file_format="png")
    high = Image.open(stream)
    high.verify()  # checksums
    again = read_photo(stream)
    assert np.abs(again.lightness - lightness_of(pixels[..., :3])).max() < 3e-4
    assert shape[2] == 3 or (again.alpha == pixels[..., 3]).all()
    assert (np.array(Image.open(stream)) == (pixels if dtype is np.uint8 else pixels >> 8)).all()


def test_a_matrix_profile_is_applied_at_16_bits() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = read_photo(io.BytesIO(tiff(DEEP, photometric="rgb")))
    tagged = read_photo(io.BytesIO(tiff(DEEP, photometric="rgb", iccprofile=srgb)))
    assert np.abs(tagged.lightness - plain.lightness).max() < 0.02  # its matrix has 16 bits, its white is D50
    # the same profile with green and red exchanged: a green picture becomes as dark as a red one
    exchanged = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    green = Image.new("RGB", (2, 2), (0, 255, 0))
    assert read_photo(io.BytesIO(saved(green, "PNG"))).lightness[0, 0] == pytest.approx(87.74, abs=0.05)
    wrong = read_photo(io.BytesIO(saved(green, "PNG", icc_profile=exchanged))).lightness[0, 0]
    assert wrong == pytest.approx(53.24, abs=0.05)


def table_profile(gamma: float) -> bytes:
    """An RGB input profile (ICC.1:2001-04, section 6.5.7) that is a look-up table: curves, then 2x2x2 nodes of XYZ."""
    primaries = np.array([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7139]])  # sRGB at D50
    nodes = [primaries[[bool(i & 4), bool(i & 2), bool(i & 1)]].sum(0) if i else np.zeros(3) for i in range(8)]
    curve = (np.linspace(0, 1, 256) ** gamma * 65535).round().astype(">u2").tobytes()
    table = b"mft2" + bytes(4) + bytes([3, 3, 2, 0]) + struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).flat)
    table += struct.pack(">HH", 256, 2) + 3 * curve + (np.array(nodes) * 32768).round().astype(">u2").tobytes()
    table += 3 * struct.pack(">HH", 0, 65535)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"t\0" + bytes(78)
    text += bytes(-len(text) % 4)
    tags, start = b"", 128 + 4 + 12 * 3
    for name, data in ((b"A2B0", table), (b"desc", text), (b"wtpt", white)):
        tags, start = tags + struct.pack(">4sII", name, start, len(data)), start + len(data)
    head = struct.pack(">I4sI4s4s4s", start, b"lcms", 0x02400000, b"scnr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    head = (head + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    return head + struct.pack(">I", 3) + tags + table + text + white


@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_a_look_up_table_profile_keeps_16_bits(kind: str) -> None:
    ramp = np.dstack([np.arange(16384, 17384, dtype=np.uint16).reshape(20, 50)] * 3)
    for pixels in (DEEP, ramp):
        profile = table_profile(1.8)
        chunk = b"iCCP" + b"t\0\0" + zlib.compress(profile)
        chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        data = tiff(pixels, photometric="rgb", iccprofile=profile) if kind == "tiff" else png(pixels, 16, 2, chunk)
        photo = read_photo(io.BytesIO(data))
        assert photo.bits == 16
        assert not photo.notes
        luminance = (pixels / 65535) ** 1.8 @ np.array([0.2126, 0.7152, 0.0722])
        reference = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
        assert np.abs(photo.lightness - reference).max() < 0.5  # the nodes have 8 bits
    assert len(np.unique(photo.lightness)) > 900  # of 1000 levels; 8 bits have 4


def test_other_profiles_go_through_colour_management() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # of another space than the pixels
    for pixels, data in (
        (RGB, saved(Image.fromarray(RGB), "PNG", icc_profile=lab)),
        (DEEP, tiff(DEEP, photometric="rgb", iccprofile=lab)),
    ):
        photo = read_photo(io.BytesIO(data))
        assert photo.notes == ["Its colour profile could not be used and was left out."]
        assert np.abs(photo.lightness - lightness_of(pixels)).max() < 3e-4


@pytest.mark.parametrize("name", [b"rXYZ", b"gXYZ", b"bXYZ"])
@pytest.mark.parametrize("axis", range(3))
def test_a_matrix_profile_whose_colours_do_not_sum_to_white_is_left_out(name: bytes, axis: int) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    entry = srgb.index(name)  # in the table of tags: name, start, size
    start = struct.unpack_from(">I", srgb, entry + 4)[0] + 8 + 4 * axis
    damaged = srgb[:start] + struct.pack(">i", 98 * 65536) + srgb[start + 4 :]
    for data in (
        saved(Image.fromarray(RGB), "PNG", icc_profile=damaged),
        tiff(RGB, photometric="rgb", iccprofile=damaged),
    ):
        photo = read_photo(io.BytesIO(data))
        assert photo.notes == ["Its colour profile could not be used and was left out."]
        assert np.abs(photo.lightness - lightness_of(RGB)).max() < 3e-4


def test_a_grey_profile_that_leads_to_lab_is_left_to_colour_management() -> None:
    curve, white = b"curv" + bytes(8), b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">4sII", b"kTRC", 156, 12) + struct.pack(">4sII", b"wtpt", 168, 20)
    head = struct.pack(">I4sI4s4s4s", 188, b"lcms", 0x02400000, b"scnr", b"GRAY", b"Lab ") + bytes(12) + b"acsp"
    head = (head + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    profile = head + struct.pack(">I", 2) + tags + curve + white
    photo = read_photo(io.BytesIO(saved(Image.fromarray(GREY), "PNG", icc_profile=profile)))
    assert not photo.notes
    assert np.abs(photo.lightness - GREY / 2.55).max() < 0.5  # the values are L


def test_planes_with_lzw_are_read_at_8_bits_and_said_so() -> None:
    photo = read_photo(io.BytesIO(tiff_lzw(DEEP, planes=True)))
    assert (photo.bits, photo.notes) == (8, ["Its 16 bits were read as 8."])
    assert np.abs(photo.lightness - lightness_of(DEEP)).max() < 0.5


def test_values_of_any_range_are_scaled_and_said_so() -> None:
    values = np.linspace(-3, 7, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    values[3, 4] = np.nan  # counts as 0
    photo = read_photo(io.BytesIO(tiff(values)))
    assert photo.notes == ["Its values were scaled so that -3 is black and 7 is white."]
    expected = ((np.nan_to_num(values) + 3) * 6553.5).round().astype(np.uint16)
    assert np.abs(photo.lightness - lightness_of(expected)).max() < 0.01


def test_a_tiff_of_many_channels_is_refused() -> None:
    channels = {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unspecified"] * 6}
    data = tiff(np.zeros((HEIGHT, WIDTH, 9), np.uint16), **channels)
    with pytest.raises(PhotoError, match="has 9 channels: save it as grey or RGB, with alpha"):
        read_photo(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_letters_of_other_alphabets_stay(kind: str, dtype: type, encoding: str, tmp_path) -> None:
    artist = "Zoë Müller".encode(encoding)
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x013B, 2, len(artist) + 1, 26, 0) + artist + b"\0"
    photo = read_photo(io.BytesIO(saved(Image.fromarray(RGB), "JPEG", exif=exif)))
    write_photo(tmp_path / f"out.{kind}", RGB.astype(dtype), photo)
    assert artist in (tmp_path / f"out.{kind}").read_bytes()


def test_only_the_first_of_several_pictures_is_taken_and_said_so() -> None:
    pages = tiff(np.stack([GREY, 255 - GREY]), photometric="minisblack")
    assert read_photo(io.BytesIO(pages)).notes == ["Only the first of its 2 pages was taken."]
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
    gif = read_photo(io.BytesIO(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    assert gif.notes == ["Only the first of its 3 frames was taken."]
    assert np.abs(gif.lightness - lightness_of(GREY)).max() < 3e-4
    opened = Image.open(io.BytesIO(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    opened.seek(1)
    second = read_photo(opened)
    assert second.notes == ["Only number 2 of its 3 frames was taken."]
    assert np.abs(second.lightness - lightness_of(255 - GREY)).max() < 3e-4


def test_lost_bits_are_said() -> None:
    values = b" ".join(str(value).encode() for value in DEEP.flat)
    for data in (b"P6 47 33 65535\n" + DEEP.astype(">u2").tobytes(), b"P3 47 33 65535\n" + values):
        assert read_photo(io.BytesIO(data)).notes == ["Its 16 bits were read as 8."]
    assert read_photo(io.BytesIO(DEEP_AVIF)).notes == ["Its 10 bits were read as 8."]
    assert read_photo(io.BytesIO(LOSSY["avif"])).notes == []


def test_colour_jpeg_2000_of_more_than_8_bits_is_refused(tmp_path) -> None:
    data = bytearray(LOSSY["jpeg 2000"])
    start = data.index(b"\xff\x4f\xff\x51") + 42
    data[start : start + 9 : 3] = bytes([11] * 3)
    (tmp_path / "deep.jp2").write_bytes(data)
    for source in (tmp_path / "deep.jp2", io.BytesIO(data), Image.open(tmp_path / "deep.jp2")):
        with pytest.raises(PhotoError, match=r"a JPEG 2000 of 12 bits, .*: save it as PNG or TIFF\.$"):
            read_photo(source)


def test_a_png_with_a_long_text_is_read() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("history", "a" * 2_000_000, zip=True)
    data = saved(Image.fromarray(RGB), "PNG", pnginfo=text)
    assert np.abs(read_photo(io.BytesIO(data)).lightness - lightness_of(RGB)).max() < 3e-4


def test_threads_leave_warnings_as_they_were(monkeypatch) -> None:
    before = list(warnings.filters)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def slow(stream: io.BytesIO, name: str) -> Image.Image:
        (first_is_in if name == "first" else second_is_in).set()
        (second_is_in if name == "first" else first_is_out).wait(0.3)
        return open_picture(stream, name)

    def first() -> None:
        read_photo(io.BytesIO(LOSSY["jpeg"]), name="first")
        first_is_out.set()

    monkeypatch.setattr("colorgan.photo.decode.open_picture", slow)
    thread = threading.Thread(target=first)
    thread.start()
    first_is_in.wait(5)
    read_photo(io.BytesIO(LOSSY["jpeg"]), name="second")
    thread.join()
    assert list(warnings.filters) == before


HOST = """
import logging, sys
from PIL import Image, PngImagePlugin

Image.init()
logger = logging.getLogger("tifffile")
state = lambda: (
    PngImagePlugin.MAX_TEXT_CHUNK, logger.handlers[:], logger.propagate, logger.disabled,
    logger.level, logger.filters[:],
    sorted(Image.OPEN), sorted(Image.SAVE), sorted(Image.EXTENSION), Image.MAX_IMAGE_PIXELS,
)
before = state()
import colorgan
from colorgan.photo import read_photo, write_photo

assert state() == before, "after the import"
for path in sys.argv[1:]:
    photo = read_photo(path)
    assert photo.size == (47, 33)
    assert state() == before, path
    write_photo(path + ".tif", __import__("numpy").zeros((33, 47, 3), "uint16"), photo)
    assert state() == before, "written: " + path
"""


def test_the_host_programs_settings_stay_as_they_are(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    text = PngImagePlugin.PngInfo()
    text.add_text("history", "a" * 2_000_000, zip=True)
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(RGB), "PNG", pnginfo=text))
    (tmp_path / "b.tif").write_bytes(EXACT["tiff 16-bit rgb"][0])
    heif.from_pillow(Image.fromarray(RGB)).save(tmp_path / "c.heic")
    command = [sys.executable, "-c", HOST, *map(str, sorted(tmp_path.iterdir()))]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_reading_does_not_load_the_encoders() -> None:
    code = "import sys, colorgan.photo.read; print([name for name in sys.modules if name.startswith('colorgan.photo')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "colorgan.photo.decode" in loaded
    assert "colorgan.photo.write" not in loaded
    assert "colorgan.photo.png" not in loaded


def test_a_web_address_is_told_so() -> None:
    with pytest.raises(PhotoError, match=r"^https://example.org/a.jpg is a web address: download it first, or open it"):
        read_photo("https://example.org/a.jpg")


def test_heic_is_read_upright_with_alpha_and_what_is_lost_is_said() -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION], exif[0x010F] = orientation, "a camera"
        file = io.BytesIO()
        heif.from_pillow(Image.fromarray(RGBA)).save(file, quality=-1, exif=exif.tobytes())
        photo = read_photo(file)
        assert np.abs(photo.lightness - upright(lightness_of(RGB), orientation)).max() < 0.5  # its colours are YCbCr
        assert (photo.alpha == upright(ALPHA, orientation)).all()
        assert b"a camera" in photo.exif
        assert not photo.notes
    deep, two = io.BytesIO(), io.BytesIO()
    heif.from_bytes("RGB;16", (WIDTH, HEIGHT), DEEP.tobytes()).save(deep, quality=-1)
    assert read_photo(deep).notes == ["Its 10 bits were read as 8."]
    pictures = heif.from_pillow(Image.fromarray(RGB))
    pictures.add_from_pillow(Image.fromarray(255 - RGB))
    pictures.save(two, quality=-1)
    assert read_photo(two).notes == ["Only the first of its 2 pictures was taken."]
    with pytest.raises(PhotoError, match=r"^The picture is .*damaged"):
        read_photo(io.BytesIO(two.getvalue()[:400]))


def test_arrays_and_pil_images_are_pictures_too() -> None:
    for picture in (RGB, DEEP, DEEP.astype(">u2"), Image.fromarray(RGB), Image.fromarray(GREY)):
        reference = picture if isinstance(picture, np.ndarray) else np.array(picture)
        assert np.abs(read_photo(picture).lightness - lightness_of(reference)).max() < 3e-4
    assert (read_photo(RGBA).alpha == ALPHA).all()
    assert (read_photo(GREY[..., None]).lightness == read_photo(GREY).lightness).all()
    with pytest.raises(PhotoError, match=r"must be \(H, W\) or \(H, W, 1, 3 or 4\) .*float64"):
        read_photo(RGB / 255)
    with pytest.raises(PhotoError, match="The array is larger than 1,000 pixels"):
        read_photo(RGB, max_pixels=1000)
    for other, name in ((saved(Image.fromarray(RGB), "PNG"), "bytes"), (None, "NoneType"), (torch.zeros(3), "Tensor")):
        with pytest.raises(TypeError, match=rf"a PIL image or a NumPy array, not {name}\.$"):
            read_photo(other)  # pyright: ignore[reportArgumentType]
    assert read_photo(RGB) != read_photo(RGB)  # and not an error, which comparing their arrays would be


def test_mode_i_of_8_bits_is_not_black() -> None:
    for picture in (Image.fromarray(GREY).convert("I"), Image.fromarray(GREY.astype(np.int32))):
        photo = read_photo(picture)
        assert np.abs(photo.lightness - lightness_of(GREY)).max() < 3e-4
        assert photo.notes == ["Its values were scaled so that 0 is black and 255 is white."]
    deep = read_photo(Image.fromarray(DEEP[..., 0].astype(np.int32)))
    assert np.abs(deep.lightness - lightness_of(DEEP[..., 0])).max() < 3e-4
    dark = read_photo(io.BytesIO(b"P5 47 33 65535\n" + GREY.astype(">u2").tobytes()))  # the file says what white is
    assert np.abs(dark.lightness - lightness_of(GREY.astype(np.uint16))).max() < 3e-4


def test_paths_of_every_type(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(RGB), "PNG"))

    class Other:
        def __fspath__(self) -> str:
            return str(tmp_path / "a.png")

    for path in (str(tmp_path / "a.png"), tmp_path / "a.png", next(os.scandir(tmp_path)), Other()):
        assert np.abs(read_photo(path).lightness - lightness_of(RGB)).max() < 3e-4
    with pytest.raises(PhotoError, match=r"^a.png is larger than 9 pixels"):
        read_photo(Other(), max_pixels=9)


def test_pillows_warnings_stay_with_the_host(recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture) -> None:
    data = bytearray(saved(Image.fromarray(RGB), "TIFF", exif=UPRIGHT))
    data[data.index(struct.pack("<HH", 258, 3)) + 4] = 9  # nine values of a tag that has three
    with contextlib.suppress(PhotoError):
        read_photo(io.BytesIO(data))
    fax, lzw = (
        bytearray(saved(Image.fromarray(GREY > 128), "TIFF", compression=f"{kind}")) for kind in ("group4", "tiff_lzw")
    )
    fax[20:40] = lzw[20:40] = b"\xa5\x13" * 10  # libtiff, which is written in C, prints that it is damaged
    assert "It is damaged: parts of the picture may be wrong." in read_photo(io.BytesIO(fax)).notes
    with pytest.raises(PhotoError, match="damaged"):
        read_photo(io.BytesIO(lzw))
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")
    Image.open(io.BytesIO(fax)).load()
    assert "Fax4Decode" in capfd.readouterr().err  # the host's own messages are as they were


def test_floats_that_are_integers_are_not_stretched() -> None:
    for pixels, white in ((GREY.clip(40, 200), 255), (DEEP[..., 0].clip(400, 60000), 65535)):
        photo = read_photo(io.BytesIO(tiff(pixels.astype(np.float32))))
        assert np.abs(photo.lightness - lightness_of(pixels)).max() < 3e-4
        assert photo.notes == (["Its values were scaled so that 0 is black and 255 is white."] if white == 255 else [])


def test_variants_that_pillow_does_not_read_are_not_called_damaged_only() -> None:
    for kind, name in (("BMP", "BMP"), ("WEBP", "WebP")):
        data = bytearray(saved(Image.fromarray(RGB), kind))
        if kind == "BMP":
            data[28:30] = struct.pack("<H", 5)  # bits of a pixel
        else:
            data[12:16] = b"VP8?"
        with pytest.raises(PhotoError, match=f"is a {name} of a kind that is not read, or is damaged: save it as PNG"):
            read_photo(io.BytesIO(data))


def test_refusals_say_why(tmp_path) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    cases = {
        "drawing.svg": (b'<?xml version="1.0"?><svg width="9"/>', "drawing.svg is a vector drawing"),
        "paper.pdf": (b"%PDF-1.7\n", "vector drawing"),
        "notes.txt": (b"no picture at all", "notes.txt is not a picture"),
        "empty.png": (b"", "empty.png is empty"),
        "film.mp4": (b"\0\0\0\x20ftypisom\0\0\2\0", "film"),
        "moving.webp": (saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]), "animated WEBP"),
        "moving.png": (saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), "animated PNG"),
        "cut.jpg": (LOSSY["jpeg"][:640], "cut.jpg is damaged or cut short"),
        "cut.png": (EXACT["png rgb"][0][:900], "cut short"),
        "odd.tif": (tiff_lzw((DEEP / 65535).astype(np.float32)), "odd.tif is a damaged TIFF, or of a kind"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PhotoError, match=message) as refusal:
            read_photo(tmp_path / name)
        assert str(tmp_path) not in str(refusal.value)
    with pytest.raises(PhotoError, match=r"There is no file missing.png"):
        read_photo(tmp_path / "missing.png")
    with pytest.raises(PhotoError, match=r"larger than 1,000 pixels: it has 47 x 33 = 1,551; the argument max_pix"):
        read_photo(io.BytesIO(EXACT["png rgb"][0]), max_pixels=1000)
    with pytest.raises(PhotoError, match="larger than 1,000"):
        read_photo(io.BytesIO(EXACT["tiff 16-bit rgb"][0]), max_pixels=1000)
    bomb = png(np.zeros((1, 1, 3)), 8, 2).replace(struct.pack(">II", 1, 1), struct.pack(">II", 60000, 60000), 1)
    header = bomb[12:29]
    bomb = bomb.replace(bomb[29:33], struct.pack(">I", zlib.crc32(header)), 1)
    with pytest.raises(PhotoError, match="larger than 100,000,000 pixels"):
        read_photo(io.BytesIO(bomb))


def test_what_cannot_be_written_is_said(tmp_path) -> None:
    photo = read_photo(RGB)
    for kind, limit in (("jpg", 65500), ("webp", 16383)):
        pixels = np.zeros((1, limit + 1, 3), np.uint8)
        for target in (tmp_path / f"out.{kind}", io.BytesIO()):
            with pytest.raises(PhotoError, match=rf"cannot be written as {kind[0].upper()}.* at most {limit:,} pixels"):
                write_photo(target, pixels, photo, file_format=kind)
        write_photo(tmp_path / f"widest.{kind}", pixels[:, 1:], photo)
    for pixels in (RGB / 255, RGB[:0], GREY, RGBA[..., :2]):
        with pytest.raises(PhotoError, match=r"^Pixels must be \(H, W, 3 or 4\) of uint8 or uint16, not "):
            write_photo(tmp_path / "out.png", pixels, photo)
    assert not list(tmp_path.glob("*out*"))


def test_200_broken_files_end_in_a_picture_or_one_sentence() -> None:
    originals = [data for data, *_ in EXACT.values()] + list(LOSSY.values())
    chance = random.Random(0)
    outcomes = {"picture": 0, "sentence": 0}
    for case in range(200):
        data = bytearray(originals[case % len(originals)])
        if case % 3 == 0:
            del data[chance.randrange(1, len(data)) :]
        elif case % 3 == 1:
            for _ in range(chance.choice((1, 5, 50))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            other = chance.choice(originals)
            start = chance.randrange(len(data))
            data[start : start + 200] = other[start : start + 200]
        try:
            photo = read_photo(io.BytesIO(bytes(data)), name="broken")
        except PhotoError as error:
            sentence = str(error)
        else:
            sentence = ""
            assert np.isfinite(photo.lightness).all()
        outcomes["sentence" if sentence else "picture"] += 1
        assert not sentence or (sentence.startswith("broken ") and sentence.endswith(".") and "\n" not in sentence)
    assert min(outcomes.values()) > 40, outcomes
