"""Decode TIFF files: choose the page, and decode it with tifffile, or say whether Pillow reads its layout rightly.

A TIFF has many layouts: bits, signs, planes, byte orders, compressions. tifffile decodes all layouts that are not
compressed or compressed with Deflate. Pillow decodes the other compressions, of common layouts only: it misreads some
of the others without an error.
"""

import contextlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import tifffile

from colorgan.photo.errors import PhotoError
from colorgan.photo.exif import ORIENTATION
from colorgan.photo.raw import RAW, REDUCED, is_raw_page
from colorgan.photo.samples import STRIP, Samples, alpha_to_integers, check_size, to_integers

MAX_EXTRA_CHANNELS = 4  # beside the colours; tifffile decodes all of them, and each takes memory
MAX_PAGES = 1000  # that are looked at
MASK = 4  # a bit of the tag NewSubfileType: the page is the transparency of another one
ICC_PROFILE, INK_SET, COLOR_MAP = 34675, 332, 320  # tags
YCBCR_COEFFICIENTS, YCBCR_SUBSAMPLING, REFERENCE_BLACK_WHITE = 529, 530, 532  # tags
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the first bytes of a TIFF and a BigTIFF, in both byte orders
# values of the tag PhotometricInterpretation
WHITE_IS_0, BLACK_IS_0, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
COLOURS = {
    WHITE_IS_0: 1,
    BLACK_IS_0: 1,
    RGB: 3,
    PALETTE: 1,
    CMYK: 4,
    YCBCR: 3,
    CIELAB: 3,
}  # channels that are not extra channels
# compressions that tifffile decodes without the imagecodecs package, and fast: none, Deflate (two numbers), LZMA
BY_TIFFFILE = (1, 8, 32946, 34925)
# compressions that Pillow decodes: CCITT, LZW, JPEG, PackBits, ThunderScan, Zstandard. (Its libtiff lacks WebP.)
BY_PILLOW = (2, 3, 4, 5, 6, 7, 32773, 32809, 50000)
ASSOCIATED, UNASSOCIATED = 1, 2  # values of the tag ExtraSamples: alpha that the colours were multiplied by, or not
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # values of the tag SampleFormat
UNREAD_TIFF = (
    "{} is a damaged TIFF, or of a kind that is not read: save it as RGB or grey of 8 or 16 bits, uncompressed or with "
    "Deflate."
)


@dataclass
class TiffPicture:
    """The page of a TIFF that is its picture.

    `samples` is None if Pillow has to decode the page, whose directory is at the byte `offset` of the file; `offset` is
    None for the file's first page. `notes` are about other pages. `palette` (N, 3) are the page's colours, if it has a
    palette.
    """

    samples: Samples | None
    offset: int | None
    notes: list[str]
    palette: np.ndarray | None = None


def decode_tiff(stream: BinaryIO, max_pixels: int, name: str) -> TiffPicture | None:
    """The picture in a TIFF: its first page that is not marked as reduced or as a mask.

    The result is None for a file that is not a TIFF, and for one that tifffile cannot open; Pillow tries those. Raises
    `PhotoError` for a camera's raw file, for a page that is too large and for a layout that is not read rightly.
    """
    stream.seek(0)
    if stream.read(4) not in SIGNATURES:
        return None
    size = stream.seek(0, 2)
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            pages = _pages(file)
            if any(map(is_raw_page, pages)):
                raise PhotoError(RAW.format(name))
            full = [page for page in pages if not page.subfiletype & (REDUCED | MASK)] or pages
            page = full[0]
            notes = [f"Only the first of its {len(full)} pages was taken."] if len(full) > 1 else []
            offset = None if page is pages[0] else page.offset
            check_size(page.imagewidth, page.imagelength, max_pixels, name)
            if _tifffile_reads(page, name) and (samples := _decode(page, size)):
                samples.notes[:0] = notes
                return TiffPicture(samples, offset, notes)
            if _tifffile_reads(page, name) and page.compression != 1:
                raise PhotoError(f"{name} is damaged or cut short: it cannot be read to its end.")
            if not _pillow_reads(page):
                raise PhotoError(UNREAD_TIFF.format(name))
            palette = _colour_table(page) if COLOR_MAP in page.tags and int(page.photometric) == PALETTE else None
            return TiffPicture(None, offset, notes, palette)
    except (PhotoError, MemoryError):
        raise
    except Exception:  # a damaged file can raise anything; Pillow tries it next, and its error becomes the message
        return None


def first_page_at(stream: BinaryIO, offset: int) -> bytes:
    """The TIFF file with its header changed, so that its first page is the one whose directory is at `offset`."""
    stream.seek(0)
    data = bytearray(stream.read())
    order = "little" if data[:2] == b"II" else "big"
    place = slice(8, 16) if b"+" in data[:4] else slice(4, 8)
    data[place] = offset.to_bytes(place.stop - place.start, order)
    return bytes(data)


def _pages(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The pages of a TIFF, each followed by the pages inside it, up to the first damaged one."""
    found = [file.pages.first]
    with contextlib.suppress(Exception):  # damaged data can raise anything
        for i in range(min(len(file.pages), MAX_PAGES)):
            page = file.pages[i].aspage()
            if i:
                found.append(page)
            if page.subifds and len(found) < MAX_PAGES:
                found.extend(each.aspage() for each in page.pages or ())
    return found


def _decode(page: tifffile.TiffPage, size: int) -> Samples | None:
    """The samples of a page in a file of `size` bytes; None if it is damaged."""
    photometric, count = int(page.photometric), page.samplesperpixel
    extra, colours = [int(kind) for kind in page.extrasamples], COLOURS[photometric]
    if any(start + length > size for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)):
        return None
    try:
        values = page.asarray()
    except MemoryError:
        raise
    except Exception:  # damaged data can raise anything
        return None
    notes: list[str] = []
    if page.planarconfig == 2 and count > 1:  # stored as planes
        values = np.moveaxis(values.reshape(count, page.imagelength, page.imagewidth), 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, count)
    tag, orientation = page.tags.get(ICC_PROFILE), page.tags.get(ORIENTATION)
    samples = Samples(values[..., :colours], None, tag.value if tag else None, notes)
    samples.orientation = orientation.value if orientation and orientation.value in range(1, 9) else 1
    if photometric == PALETTE:
        table = _colour_table(page)
        samples.values = table[values[..., 0].clip(max=len(table) - 1)]
    elif photometric == CIELAB:
        unsigned = values.view(
            f"u{values.itemsize}"
        )  # b* and a* have signs, which L* has not; some files say so of all
        samples.values, samples.icc, samples.is_lightness = np.ascontiguousarray(unsigned[..., 0]), None, True
    elif photometric == YCBCR:
        samples.values = _rgb_from_ycbcr(page, samples.values)
    else:
        samples.values = to_integers(samples.values, notes)
    if photometric == WHITE_IS_0:
        samples.values = np.iinfo(samples.values.dtype).max - samples.values
    kind = extra[0] if extra else UNASSOCIATED if count > colours else 0  # a channel that is not described is alpha
    if kind in (ASSOCIATED, UNASSOCIATED, 999):  # 999 is Corel Draw's
        samples.alpha = alpha_to_integers(values[..., colours], samples.values.dtype)
        if kind == ASSOCIATED and photometric not in (PALETTE, CIELAB):
            samples.values = _divide(samples.values, samples.alpha)
    if samples.values.shape[2:] == (1,):
        samples.values = samples.values[..., 0]
    return samples


def _tifffile_reads(page: tifffile.TiffPage, name: str) -> bool:
    """Whether tifffile decodes this page rightly without the imagecodecs package.

    Raises `PhotoError` for a page of too many channels.
    """
    if page.samplesperpixel > COLOURS.get(int(page.photometric), 3) + MAX_EXTRA_CHANNELS:
        raise PhotoError(f"{name} has {page.samplesperpixel} channels: save it as grey or RGB, with alpha.")
    photometric, bits, kind = int(page.photometric), page.bitspersample, int(page.sampleformat)
    if int(page.compression) not in BY_TIFFFILE or page.predictor not in (1, 2) or page.imagedepth != 1:
        return False
    if page.samplesperpixel < COLOURS.get(photometric, 99):
        return False
    if photometric in (WHITE_IS_0, BLACK_IS_0, RGB):
        return (bits in (8, 16, 32, 64) and kind in (UNSIGNED, SIGNED)) or (bits in (16, 32, 64) and kind == FLOAT)
    if photometric == PALETTE:
        return bits in (8, 16) and kind == UNSIGNED and COLOR_MAP in page.tags
    if photometric == YCBCR:
        return bits == 8 and kind == UNSIGNED and tuple(page.tags.valueof(YCBCR_SUBSAMPLING, (2, 2))) == (1, 1)
    if photometric == CMYK:
        return bits in (8, 16) and kind == UNSIGNED and page.tags.valueof(INK_SET, 1) == 1
    return photometric == CIELAB and bits in (8, 16) and kind in (UNSIGNED, SIGNED)


def _pillow_reads(page: tifffile.TiffPage) -> bool:
    """Whether Pillow decodes this page rightly, if it opens it at all."""
    photometric, bits, kind = int(page.photometric), page.bitspersample, int(page.sampleformat)
    in_planes = page.planarconfig == 2 and page.samplesperpixel > 1
    if int(page.compression) not in (*BY_TIFFFILE, *BY_PILLOW):
        return False
    if photometric in (WHITE_IS_0, BLACK_IS_0):
        # Pillow swaps the bytes of big-endian values of 32 bits again after libtiff, and misreads signs
        wide = bits == 32 and page.parent.byteorder == "<"
        return not in_planes and (wide or (bits in (1, 2, 4, 8, 12, 16) and kind == UNSIGNED))
    if photometric == RGB:
        return bits in (8, 16) and kind == UNSIGNED
    if photometric == PALETTE:
        return bits in (1, 2, 4, 8) and kind == UNSIGNED and not in_planes
    if photometric == CMYK:
        return not in_planes and bits in (8, 16) and kind == UNSIGNED and page.tags.valueof(INK_SET, 1) == 1
    if photometric == YCBCR:
        return not in_planes and bits == 8 and kind == UNSIGNED and int(page.compression) != 1
    return photometric == CIELAB and bits == 8 and not in_planes


def _colour_table(page: tifffile.TiffPage) -> np.ndarray:
    """The colours (N, 3) of a palette, uint8. Some programs write values of 8 bits, not of 16 as specified."""
    table = np.asarray(page.tags[COLOR_MAP].value, np.uint32).reshape(3, -1).T
    return (table if table.max() < 256 else (table + 128) // 257).astype(np.uint8)


def _rgb_from_ycbcr(page: tifffile.TiffPage, values: np.ndarray) -> np.ndarray:
    """Convert YCbCr (H, W, 3), uint8, to RGB (TIFF 6.0, section 21)."""
    red, green, blue = _numbers(page, YCBCR_COEFFICIENTS, [0.299, 0.587, 0.114])
    black, white, *chroma = _numbers(page, REFERENCE_BLACK_WHITE, [0, 255, 128, 255, 128, 255])
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), STRIP):
        y, cb, cr = np.moveaxis(values[top : top + STRIP].astype(np.float64), -1, 0)
        y = (y - black) * 255 / (white - black)
        r = y + (cr - chroma[2]) * 127 / (chroma[3] - chroma[2]) * (2 - 2 * red)
        b = y + (cb - chroma[0]) * 127 / (chroma[1] - chroma[0]) * (2 - 2 * blue)
        g = (y - blue * b - red * r) / green
        result[top : top + STRIP] = np.stack([r, g, b], -1).round().clip(0, 255)
    return result


def _numbers(page: tifffile.TiffPage, tag: int, default: list[float]) -> list[float]:
    """The numbers in a tag of rationals, which are stored as numerators and denominators."""
    value = page.tags.valueof(tag)
    if not isinstance(value, tuple) or len(value) != 2 * len(default) or not all(value[1::2]):
        return default
    return [above / below for above, below in zip(value[::2], value[1::2], strict=True)]


def _divide(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (H, W, C) that were multiplied by alpha (H, W), before that; both are of one type."""
    most = np.iinfo(values.dtype).max
    divided = values.astype(np.float32) * (most / np.maximum(alpha, 1).astype(np.float32))[..., None]
    return divided.round().clip(0, most).astype(values.dtype)
