"""Files to samples as they are stored: 8 or 16 bits, grey or RGB, with alpha, whatever the format calls it."""

import contextlib
import functools
import io
import logging
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from colorgan.photo.lightness import UNUSED_PROFILE, luminance_tables

with contextlib.suppress(ImportError):  # HEIC, where it is installed
    from pillow_heif import register_heif_opener

    register_heif_opener()

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM")
READABLE = "JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF, HEIC (with pillow-heif), JPEG 2000 and PPM"
PARTS = {"GIF": "frames", "TIFF": "pages", "HEIF": "pictures"}  # what a file may hold several of
MOST_EXTRA = 4  # channels of a TIFF beside its colours: each costs memory
ORIENTATION, PLANAR_CONFIGURATION, PHOTOMETRIC = 0x0112, 0x011C, 0x0106  # the EXIF and TIFF tags
HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheif", b"ftypmsf1")  # how these files begin
# Pillow keeps only the high byte of 16-bit colour; unpacked as if stored the other way round, it gives the low one.
# (Grey with alpha has no such twin: its four bytes are read as those of an RGBA pixel.)
LOW_BYTES = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B"}
LOW_BYTES |= {key.replace("RGB", "RGBA"): value.replace("RGB", "RGBA") for key, value in LOW_BYTES.items()}
STRIP = 64  # rows
# a compressed text may be as long as Pillow lets all of a PNG's texts be: beyond its own 1 MB, the picture is not read
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it reports what we raise or read otherwise
logging.getLogger("tifffile").propagate = False


class PhotoError(ValueError):
    """A picture cannot be read or written; the message says why in one sentence."""


@dataclass
class Samples:
    """`values` (H, W) or (H, W, 3) and `alpha` (H, W) or None, each uint8 or uint16, not yet turned upright.

    `icc` is the profile that the values still need, and `notes` are sentences about what was not taken over.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list)
    orientation: int = 1  # 1 to 8, as EXIF counts


def open_picture(stream: BinaryIO, name: str) -> Image.Image:
    """Open a picture in one of `FORMATS` without decoding it; `name` is how messages call it."""
    with contextlib.suppress(Image.UnidentifiedImageError):
        return Image.open(stream, formats=registered_formats())
    stream.seek(0)
    raise PhotoError(_refusal(stream.read(1024), name))


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Raise `PhotoError` unless the picture has pixels, and at most `max_pixels`."""
    if width < 1 or height < 1:
        raise PhotoError(f"{name} has no pixels: it is {width} by {height}.")
    if width * height > max_pixels:
        raise PhotoError(
            f"{name} is larger than {max_pixels:,} pixels: it has {width} x {height} = {width * height:,}."
        )


def decode(image: Image.Image, stream: BinaryIO | None, name: str) -> Samples:
    """The samples of an opened picture; `stream` is the file it was opened from, if there is one."""
    samples = _decode(image, stream, name)
    samples.orientation = _orientation(image)  # after decoding: Pillow turns TIFFs itself, and PNGs may hold it last
    return samples


def _decode(image: Image.Image, stream: BinaryIO | None, name: str) -> Samples:
    notes = []
    if getattr(image, "is_animated", False):
        if image.format in ("PNG", "WEBP", "AVIF"):
            raise PhotoError(
                f"{name} is an animated {image.format}, which colorgan does not colourize: save one frame."
            )
        if image.format in PARTS:
            which = f"number {image.tell() + 1}" if image.tell() else "the first"  # a PIL image may be at any
            notes.append(f"Only {which} of its {image.n_frames} {PARTS[image.format]} was taken.")
    tile = image.tile[0] if getattr(image, "tile", None) else None
    raw_mode = (tile.args if isinstance(tile.args, str) else tile.args[0]) if tile and tile.args else None
    bits = _stored_bits(image, stream, raw_mode)
    if image.format == "JPEG2000" and bits > 8 and image.mode != "I;16":  # Pillow makes the lightest values black
        raise PhotoError(f"{name} is a JPEG 2000 of {bits} bits, which is read in grey only: save it as PNG or TIFF.")
    image.load()
    icc = image.info.get("icc_profile") or None
    planes = image.format == "TIFF" and image.tag_v2.get(PLANAR_CONFIGURATION) == 2  # their low bytes cannot be had
    if image.format == "PNG" and stream and raw_mode in {*LOW_BYTES, "LA;16B"}:
        return Samples(*_deep_png(image, stream, raw_mode), icc, notes)
    if image.format == "TIFF" and stream and raw_mode in LOW_BYTES and not planes:
        low = _reopened(stream, "TIFF", LOW_BYTES[raw_mode])
        return Samples(*_split(_join(image, low)), icc, notes)
    if icc and luminance_tables(icc, 1 if image.mode in ("1", "L", "LA", "I;16", "I", "F") else 3, 256) is None:
        image, icc = _to_srgb(image, icc, notes), None
    values, alpha = _pillow_samples(image, raw_mode, notes)
    if values.dtype == np.uint8 and bits > 8:
        notes.append(f"Its {bits} bits were read as 8.")
    return Samples(values, alpha, icc, notes)


def _stored_bits(image: Image.Image, stream: BinaryIO | None, raw_mode: str | None) -> int:
    """The bits of a channel in the file of a picture that is not decoded yet."""
    if image.format in ("PNG", "TIFF"):
        return 16 if raw_mode and ";16" in raw_mode else 8
    if image.format == "PPM" and image.tile and image.tile[0][0].startswith("ppm") and raw_mode != "1;I":
        return image.tile[0].args[1].bit_length()  # its largest value
    if image.format == "AVIF" and stream:
        stream.seek(0)
        flags = int.from_bytes(stream.read().partition(b"av1C")[2][2:3], "big")  # in the configuration's third byte
        return {0x40: 10, 0x60: 12}.get(flags & 0x60, 8)
    if image.format == "JPEG2000" and image.tile:
        file = stream or image.fp
        file.seek(0)
        size = file.read().partition(b"\xff\x4f\xff\x51")[2]  # the segment that ends with three bytes a channel
        channels = int.from_bytes(size[36:38], "big")
        return max((value & 127 for value in size[38 : 38 + 3 * channels : 3]), default=7) + 1
    return image.info.get("bit_depth", 8)  # as pillow-heif gives it


def decode_tiff(stream: BinaryIO, max_pixels: int, name: str) -> Samples | None:
    """The first page of a TIFF with more than 8 bits, which Pillow reads in part; None when Pillow should read it.

    What needs the imagecodecs package in tifffile (LZW among it) is left to Pillow as well.
    """
    stream.seek(0)
    if stream.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            page, pages = file.pages[0], len(file.pages)
            photometric, extra = int(page.photometric), [int(kind) for kind in page.extrasamples]
            channels = page.samplesperpixel - len(extra)
            deep = page.dtype is not None and page.dtype.itemsize > 1
            if len(extra) > MOST_EXTRA:
                raise PhotoError(f"{name} has {page.samplesperpixel} channels: save it as grey or RGB, with alpha.")
            if not deep or channels not in (1, 3) or photometric not in (0, 1, 2) or page.imagedepth != 1:
                return None
            check_size(page.imagewidth, page.imagelength, max_pixels, name)
            values = page.asarray()
            icc, orientation = page.tags.get(34675), page.tags.get(ORIENTATION)
    except PhotoError:
        raise
    except Exception:  # damaged files raise whatever their bytes lead to; Pillow will find the words
        return None
    notes = [f"Only the first of its {pages} pages was taken."] if pages > 1 else []
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    alpha = _alpha_as_uint16(values[..., channels]) if extra and extra[0] in (1, 2) else None
    values = _as_uint16(values[..., :channels], notes)
    if photometric == 0:
        values = 65535 - values
    if alpha is not None and extra[0] == 1:  # colours were multiplied by alpha
        divided = values.astype(np.float32) * (65535 / np.maximum(alpha, 1).astype(np.float32))[..., None]
        values = divided.round().clip(0, 65535).astype(np.uint16)
    turned = orientation.value if orientation and orientation.value in range(1, 9) else 1
    return Samples(values.squeeze(-1) if channels == 1 else values, alpha, icc.value if icc else None, notes, turned)


@functools.cache
def registered_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow reads."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refusal(head: bytes, name: str) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return f"{name} is empty."
    if text.startswith((b"<svg", b"%pdf", b"%!ps")) or (text.startswith(b"<?xml") and b"<svg" in text):
        return f"{name} is a vector drawing (SVG, PDF or PostScript), which has no pixels: export it as PNG first."
    if head[:4] in (b"II*\0", b"MM\0*"):
        return f"{name} is a damaged TIFF, or of a kind that is not read: save it uncompressed or with Deflate."
    if head[4:12] in HEIC and "HEIF" not in registered_formats():
        return f"{name} is a HEIC picture: install pillow-heif to read it, or save it as JPEG."
    if (
        (head[4:8] == b"ftyp" and head[4:12] not in HEIC)
        or head[:4] in (b"\x1a\x45\xdf\xa3", b"OggS")
        or head[8:12] == b"AVI "
    ):
        return f"{name} is a film or a picture that this Pillow cannot read: colorgan reads {READABLE}."
    return f"{name} is not a picture, or is damaged: colorgan reads {READABLE}."


def _to_srgb(image: Image.Image, icc: bytes, notes: list[str]) -> Image.Image:
    """Colour management at 8 bits, for profiles that are not a matrix; alpha stays."""
    if image.mode in ("I;16", "I", "F"):
        notes.append(UNUSED_PROFILE)
        return image
    try:
        colours = image.convert(
            "RGB" if image.mode in ("P", "RGBA", "PA") else "L" if image.mode in ("1", "LA") else image.mode
        )
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(colours, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        notes.append(UNUSED_PROFILE)
        return image
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def _orientation(image: Image.Image) -> int:
    with contextlib.suppress(Exception):  # damaged EXIF is no reason to refuse a picture
        orientation = image.getexif().get(ORIENTATION, 1)
        return orientation if orientation in range(1, 9) else 1
    return 1


def _deep_png(high: Image.Image, stream: BinaryIO, raw_mode: str) -> tuple[np.ndarray, np.ndarray | None]:
    if raw_mode == "LA;16B":
        pixels = _reopened(stream, "PNG", "RGBA", mode="RGBA").view(">u2").astype(np.uint16)
        return pixels[..., 0], pixels[..., 1]
    values, alpha = _split(_join(high, _reopened(stream, "PNG", LOW_BYTES[raw_mode])))
    colour_key = high.info.get("transparency")
    if alpha is None and isinstance(colour_key, tuple):
        alpha = np.where((values == np.array(colour_key)).all(-1), 0, 65535).astype(np.uint16)
    return values, alpha


def _reopened(stream: BinaryIO, file_format: str, raw_mode: str, mode: str | None = None) -> np.ndarray:
    stream.seek(0)
    image = Image.open(stream, formats=[file_format])
    image._mode = mode or image.mode
    image.tile = [
        tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))
        for tile in image.tile
    ]
    return np.array(image)


def _join(high: Image.Image, low: np.ndarray) -> np.ndarray:
    return (np.asarray(high).astype(np.uint16) << 8) | low


def _split(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    return (pixels[..., :-1], pixels[..., -1]) if pixels.shape[-1] in (2, 4) else (pixels, None)


def _pillow_samples(image: Image.Image, raw_mode: str | None, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    transparency = image.info.get("transparency")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image)
        if raw_mode == "I;12":
            values = (values << 4) | (values >> 8)
        if image.mode == "I;16" and image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0:  # white is 0
            values = 65535 - values
        values = _as_uint16(values, notes)
        return values, _keyed(values, transparency, 65535)
    if image.mode in ("1", "L"):
        values = np.asarray(image.convert("L"))
        scale = {"L;2": 85, "L;4": 17}.get(raw_mode or "", 1)  # the key is in the file's units
        return values, _keyed(values, transparency * scale if isinstance(transparency, int) else None, 255)
    if image.mode in ("LA", "La"):
        values = np.asarray(image.convert("LA"))
        return values[..., 0], values[..., 1]
    if image.mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return _split(np.asarray(image if image.mode == wanted else image.convert(wanted)))


def _keyed(values: np.ndarray, key: object, opaque: int) -> np.ndarray | None:
    return np.where(values == key, 0, opaque).astype(values.dtype) if isinstance(key, int) else None


def _as_uint16(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Samples at 16 bits: floats in [0, 1] and integers in 0..65535 as they are, others from darkest to lightest."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.uint16, copy=False)
    is_float = values.dtype.kind == "f"
    strips = [slice(top, top + STRIP) for top in range(0, len(values), STRIP)]  # in double precision one at a time
    lowest = min(float(_finite(values[strip]).min()) for strip in strips)
    highest = max(float(_finite(values[strip]).max()) for strip in strips)
    scale = 65535.0 if is_float else 1.0
    if lowest < 0 or highest * scale > 65535:
        notes.append(f"Its values were scaled so that {lowest:g} is black and {highest:g} is white.")
        scale = 65535 / max(highest - lowest, 1e-30)
    else:
        lowest = 0.0
    result = np.empty(values.shape, np.uint16)
    for strip in strips:
        result[strip] = ((_finite(values[strip]) - lowest) * scale).round()
    return result


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0)


def _alpha_as_uint16(values: np.ndarray) -> np.ndarray:
    """Alpha at 16 bits: floats in [0, 1], and integers up to the largest of their kind."""
    if values.dtype == np.uint16:
        return values
    most = 1.0 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    return (_finite(values).clip(0, most) * (65535 / most)).round().astype(np.uint16)
