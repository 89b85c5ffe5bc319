"""Curves and colours that a file names without a profile, and second pictures: applied, or said."""

import io
import struct
import zlib

import numpy as np
import pytest
from pictures import DEEP, RGB, png, saved
from PIL import Image
from test_photo import lightness_of

from colorgan.photo import read_photo

SRGB_WEIGHTS = np.array([0.2126, 0.7152, 0.0722])
HDR = "It is an HDR picture ({}): its highlights were compressed into the range of sRGB."


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def chromaticities(*places: float) -> bytes:
    """The chunk cHRM from x and y of white, red, green and blue."""
    return chunk(b"cHRM", struct.pack(">8I", *(round(place * 100000) for place in places)))


def lightness(luminance: np.ndarray) -> np.ndarray:
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance).clip(0, 100)


@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.4])
@pytest.mark.parametrize("bits", [8, 16])
def test_gamma_of_png(gamma: float, bits: int) -> None:
    data = chunk(b"gAMA", struct.pack(">I", round(gamma * 100000)))
    pixels = RGB if bits == 8 else DEEP
    linear = (pixels / (2**bits - 1)) ** (1 / gamma)
    photo = read_photo(io.BytesIO(png(pixels, bits, 2, data)))
    assert photo.notes == []
    assert np.abs(photo.lightness - lightness(linear @ SRGB_WEIGHTS)).max() < 0.02
    grey = read_photo(io.BytesIO(png(pixels[..., 0], bits, 0, data)))
    assert np.abs(grey.lightness - lightness(linear[..., 0])).max() < 0.02


def test_gamma_is_not_used_beside_srgb_or_a_profile_or_if_it_is_that_of_srgb() -> None:
    dark = chunk(b"gAMA", struct.pack(">I", 100000))
    for extra in (chunk(b"sRGB", b"\0") + dark, chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"gAMA", bytes(4))):
        photo = read_photo(io.BytesIO(png(RGB, 8, 2, extra)))
        assert np.abs(photo.lightness - lightness_of(RGB)).max() < 3e-4


def test_chromaticities_of_png() -> None:
    # Display P3: luminance of its primaries from SMPTE EG 432-1
    places = chromaticities(0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    linear = (RGB / 255) ** 2
    photo = read_photo(io.BytesIO(png(RGB, 8, 2, chunk(b"gAMA", struct.pack(">I", 50000)) + places)))
    assert np.abs(photo.lightness - lightness(linear @ [0.22897, 0.69174, 0.07929])).max() < 0.02
    for bad in (chromaticities(*[0.3] * 8), chromaticities(*[0] * 8)):
        assert np.abs(read_photo(io.BytesIO(png(RGB, 8, 2, bad))).lightness - lightness_of(RGB)).max() < 2e-3


def compressed(luminance: np.ndarray) -> np.ndarray:
    above = np.maximum(luminance - 0.5, 0) * 2
    return np.minimum(luminance, 0.5) + 0.5 * above / (1 + above)


def pq(nits: np.ndarray) -> np.ndarray:
    """The signal of a luminance (SMPTE ST 2084, equation 5.2)."""
    y = (nits / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def test_pq_in_png() -> None:
    nits = np.linspace(0, 4000, 33 * 47).reshape(33, 47)
    signal = (np.dstack([pq(nits)] * 3) * 65535).round().astype(np.uint16)
    photo = read_photo(io.BytesIO(png(signal, 16, 2, chunk(b"cICP", bytes([9, 16, 0, 1])))))
    assert photo.notes == [HDR.format("PQ")]
    assert np.abs(photo.lightness - lightness(compressed(nits / 203))).max() < 0.05
    red = read_photo(
        io.BytesIO(png(signal * np.array([1, 0, 0], np.uint16), 16, 2, chunk(b"cICP", bytes([9, 16, 0, 1]))))
    )
    assert np.abs(red.lightness - lightness(compressed(0.2627 * nits / 203))).max() < 0.05


def test_hlg_in_png() -> None:
    scene = np.linspace(0, 1, 33 * 47).reshape(33, 47)  # ITU-R BT.2100, table 5
    signal = np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log((12 * scene - 0.28466892).clip(1e-9)) + 0.55991073
    )
    pixels = (np.dstack([signal] * 3) * 65535).round().astype(np.uint16)
    photo = read_photo(io.BytesIO(png(pixels, 16, 2, chunk(b"cICP", bytes([9, 18, 0, 1])))))
    assert photo.notes == [HDR.format("HLG")]
    assert np.abs(photo.lightness - lightness(compressed(1000 / 203 * scene**1.2))).max() < 0.05


def test_codes_that_are_not_hdr() -> None:
    for codes, weights in (((1, 13), SRGB_WEIGHTS), ((12, 13), [0.22897, 0.69174, 0.07929])):
        photo = read_photo(io.BytesIO(png(RGB, 8, 2, chunk(b"cICP", bytes([*codes, 0, 1])))))
        share = RGB / 255
        linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
        assert np.abs(photo.lightness - lightness(linear @ weights)).max() < 0.02
        assert photo.notes == []
    odd = read_photo(io.BytesIO(png(RGB, 8, 2, chunk(b"cICP", bytes([1, 11, 0, 1])))))
    assert odd.notes == ["Its transfer function, number 11 of ITU-T H.273, is not known and was taken as sRGB."]


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_pq_in_avif_and_heic(kind: str) -> None:
    file = io.BytesIO()
    if kind == "AVIF":
        Image.fromarray(RGB).save(file, "AVIF")
    else:
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        heif.from_pillow(Image.fromarray(RGB)).save(file, quality=-1)
    data = bytearray(file.getvalue())
    place = data.index(b"colrnclx") + 8
    data[place : place + 4] = bytes([0, 9, 0, 16])
    photo = read_photo(io.BytesIO(data))
    assert photo.notes == [HDR.format("PQ")]
    assert photo.lightness.mean() > read_photo(file).lightness.mean() + 5  # PQ's signal of white is 0.58


def test_second_pictures_are_said() -> None:
    first, second = Image.fromarray(RGB), Image.fromarray(255 - RGB)
    stereo = read_photo(io.BytesIO(saved(first, "MPO", save_all=True, append_images=[second])))
    assert stereo.notes == ["Only the first of its 2 pictures was taken."]
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    ultra = read_photo(io.BytesIO(saved(first, "JPEG", xmp=xmp)))
    assert ultra.notes == ["Its gain map, which brightens it on HDR screens, was not used."]
