"""Files that were cut short: what is whole is read, what is missing is grey and said, and too little is refused."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import skimage.data
import torch
from pictures import DEEP, DEEP_ALPHA, png, saved
from PIL import Image
from test_photo import lightness_of

from colorgan.inference.render import render
from colorgan.photo import PhotoError, read_photo

PHOTOGRAPH = Image.fromarray(skimage.data.chelsea())
GREY = float(lightness_of(np.full((1, 1), 128, np.uint8))[0, 0])


def missing_rows(note: str) -> int:
    found = re.fullmatch(r"It is cut short: (\d+) of its \d+ rows are missing(?: or incomplete)? and were .*", note)
    assert found
    return int(found[1])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(options: dict, mode: str) -> None:
    data = saved(PHOTOGRAPH.convert(mode), "JPEG", **options)
    whole = read_photo(io.BytesIO(data))
    for cut in (1, 2):
        photo = read_photo(io.BytesIO(data[:-cut]))
        assert photo.notes == ["It is cut short, but none of its rows is missing."]
        assert (photo.lightness == whole.lightness).all()
    photo = read_photo(io.BytesIO(data[: len(data) * 4 // 5]))
    if options.get("progressive"):  # its last scans have the details
        assert photo.notes == ["It is cut short, but none of its rows is missing."]
        assert np.abs(photo.lightness - whole.lightness).mean() < 3
        return
    missing = missing_rows(photo.notes[0])
    assert 30 < missing < 100
    kept = photo.size[1] - missing - 2  # colours are smoothed
    assert (photo.lightness[:kept] == whole.lightness[:kept]).all()
    assert np.abs(photo.lightness[-missing + 17 :] - GREY).max() < (1 if mode != "CMYK" else 40)
    with pytest.raises(PhotoError, match="damaged or cut short"):
        read_photo(io.BytesIO(data[: len(data) // 4]))


@pytest.mark.parametrize("share", [0.95, 0.6])
@pytest.mark.parametrize("kind", ["rgb", "grey 16 bits", "rgba 16 bits", "palette", "4 bits"])
def test_png(kind: str, share: float) -> None:
    data = {
        "rgb": saved(PHOTOGRAPH, "PNG"),
        "grey 16 bits": png(DEEP[..., 0], 16, 0),
        "rgba 16 bits": png(np.dstack([DEEP, DEEP_ALPHA]), 16, 6),
        "palette": saved(PHOTOGRAPH.quantize(40), "PNG"),
        "4 bits": png(DEEP[..., 0] >> 12, 4, 0),
    }[kind]
    whole, photo = read_photo(io.BytesIO(data)), read_photo(io.BytesIO(data[: int(len(data) * share)]))
    missing = missing_rows(photo.notes[0])
    height = photo.size[1]
    assert 0 < missing <= height / 2
    assert (photo.lightness[: height - missing] == whole.lightness[: height - missing]).all()
    if kind != "palette":
        assert np.abs(photo.lightness[height - missing :] - GREY).max() < 4  # of 4 bits, none is medium grey
    if photo.alpha is not None:
        assert whole.alpha is not None
        assert (photo.alpha[: height - missing] == whole.alpha[: height - missing]).all()
        assert (photo.alpha[height - missing :] == 65535).all()
    with pytest.raises(PhotoError, match="damaged or cut short"):
        read_photo(io.BytesIO(data[: len(data) // 3]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_missing_pixels_get_no_colour(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(PHOTOGRAPH.resize((96, 80)), "JPEG", exif=exif.tobytes(), subsampling=0)
    photo = read_photo(io.BytesIO(data[: len(data) * 3 // 4]))
    (note,) = photo.notes
    assert note == "It is cut short: 32 of its 80 rows are missing or incomplete and were filled with grey."
    pixels = render(photo, torch.full((2, 8, 8), 0.3))
    is_grey = (pixels == pixels[..., :1]).all(-1)
    if orientation >= 5:
        is_grey = is_grey.T
    if orientation in (3, 4, 6, 7):
        is_grey = is_grey[::-1]
    if orientation in (2, 3, 7, 8):
        is_grey = is_grey[:, ::-1]
    assert is_grey[-16:].all()
    assert is_grey[-24:].all()
    assert is_grey[-32:, -8:].all()
    assert is_grey[:-32].mean() < 0.01
    assert is_grey[-32:-24, :8].mean() < 0.01


def test_an_interlaced_png_is_refused() -> None:
    data = bytearray(saved(PHOTOGRAPH, "PNG"))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(PhotoError, match="damaged or cut short"):
        read_photo(io.BytesIO(data[: len(data) * 9 // 10]))
