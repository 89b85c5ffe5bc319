"""Which pictures are in colour: not grey, sepia, noisy or unevenly yellow ones."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from colorgan import read_photo
from colorgan.photo.coloured import is_coloured

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SEPIA = {"black": (30, 15, 5), "mid": (150, 115, 75), "white": (255, 240, 205)}
CYANOTYPE = {"black": (5, 20, 60), "mid": (60, 110, 160), "white": (230, 240, 245)}


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)())


def jpeg(image: Image.Image, quality: int) -> np.ndarray:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_colour_is_told_from_one_tint(name: str) -> None:
    image = photograph(name)
    grey = image.convert("L")
    assert is_coloured(np.array(image))
    assert is_coloured(np.array(image).astype(np.uint16) * 257)
    assert is_coloured(jpeg(image, 50))
    assert not is_coloured(np.array(grey))
    assert not is_coloured(jpeg(grey.convert("RGB"), 50))
    for tint in (SEPIA, CYANOTYPE):
        assert not is_coloured(jpeg(ImageOps.colorize(grey, **tint), 50))
    noise = np.random.default_rng(0).normal(0, 4, (grey.height, grey.width, 3))
    assert not is_coloured((np.array(grey)[..., None] + noise).clip(0, 255).astype(np.uint8))
    yellow = np.array(ImageOps.colorize(grey, **SEPIA)).astype(float)
    yellow[..., 2] *= np.linspace(0.88, 1, grey.height)[:, None]
    assert not is_coloured(yellow.astype(np.uint8))


def test_one_coloured_thing_in_a_grey_picture_is_colour() -> None:
    pixels = np.array(photograph("coffee").convert("L").convert("RGB"))
    pixels[100:160, 100:160] = (200, 30, 40)  # 1.5 % of the picture
    assert is_coloured(pixels)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (7, 5, 3), (130, 2, 3)])
def test_any_size_is_decided(shape: tuple[int, ...]) -> None:
    assert not is_coloured(np.full(shape, (200, 30, 40), np.uint8))  # one tint


def test_a_photo_knows_it() -> None:
    assert read_photo(skimage.data.chelsea()).is_coloured
    assert not read_photo(skimage.data.chelsea()[..., 0]).is_coloured
    assert read_photo(photograph("coffee").quantize(64)).is_coloured
    assert not read_photo(photograph("coffee").convert("LA")).is_coloured
