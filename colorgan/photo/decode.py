"""Decode picture files into samples: 8 or 16 bits, grey or RGB, with alpha, for every format that is read."""

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from colorgan.photo.encoding import read_encoding, read_gain_map
from colorgan.photo.errors import PhotoError, TooLargeError
from colorgan.photo.exif import ORIENTATION, read_exif, read_orientation, read_resolution, read_tiff
from colorgan.photo.lightness import UNUSED_PROFILE, convert_to_srgb, luminance_tables
from colorgan.photo.metadata import Metadata, read_metadata
from colorgan.photo.opening import open_picture, variant_message
from colorgan.photo.raw import RAW, is_raw
from colorgan.photo.samples import Samples, check_size, split_alpha, to_integers
from colorgan.photo.settings import file_settings, load_with_errors
from colorgan.photo.tiff import TiffPicture, decode_tiff, first_page_at
from colorgan.photo.truncated import complete

# formats whose first picture is taken of several
PARTS = {"GIF": "frames", "TIFF": "pages", "HEIF": "pictures", "MPO": "pictures"}
PLANAR_CONFIGURATION, PHOTOMETRIC = 0x011C, 0x0106  # TIFF tags
# Pillow keeps only the high byte of 16-bit colour. Decoded again with the other byte order, it returns the low byte.
# (Grey with alpha has no mode of the other byte order: its four bytes are read as those of an RGBA pixel.)
LOW_BYTES = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B"}
LOW_BYTES |= {key.replace("RGB", "RGBA"): value.replace("RGB", "RGBA") for key, value in LOW_BYTES.items()}


def decode_file(stream: BinaryIO, max_pixels: int, name: str) -> Samples:
    """The samples of a picture in an open, seekable file; `name` is the picture's name in messages.

    Raises `PhotoError`.
    """
    with file_settings():
        stream.seek(0)
        head = stream.read(1024)
        if is_raw(head):
            raise PhotoError(RAW.format(name))
        tiff = decode_tiff(stream, max_pixels, name)
        stream.seek(0)
        try:
            image = open_picture(stream, name)
        except Image.DecompressionBombError as error:
            limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
            raise TooLargeError(f"{name} is larger than {limit:,} pixels") from error
        except PhotoError:
            if tiff is None or tiff.samples is None:
                raise
            samples = _to_rgb(tiff.samples)
            samples.format = "TIFF"
            samples.exif, dpi = read_tiff(stream)
            samples.dpi = (dpi[1], dpi[0]) if dpi and samples.orientation >= 5 else dpi
            samples.metadata = read_metadata(None, stream, samples.orientation != 1, samples.notes)
            return samples
        except Exception as error:  # a damaged header can raise anything
            raise PhotoError(variant_message(head, name) or f"{name} is damaged: its header cannot be read.") from error
        with image:
            if tiff is None or tiff.samples or tiff.offset is None:
                try:
                    return decode_image(image, stream, max_pixels, name, tiff)
                except PhotoError as error:
                    completed = complete(stream, image.format) if isinstance(error.__cause__, OSError) else None
                    if completed is None:
                        raise
                whole = io.BytesIO(completed[0])
                with open_picture(whole, name) as image:
                    samples = decode_image(image, whole, max_pixels, name)
                    samples.missing = completed[1]
                    samples.notes.append(completed[2])
                    return samples
            changed = io.BytesIO(first_page_at(stream, tiff.offset))
            with open_picture(changed, name) as page:
                samples = decode_image(page, changed, max_pixels, name, tiff)
                samples.exif = samples.exif or read_exif(image)  # of the thumbnail before the picture
                if samples.metadata == Metadata():
                    turned = read_orientation(image) != 1
                    samples.metadata = read_metadata(image, stream, turned, samples.notes)
                return samples


def decode_image(
    image: Image.Image, stream: BinaryIO | None, max_pixels: int, name: str, tiff: TiffPicture | None = None
) -> Samples:
    """The samples of an image that Pillow opened, with its EXIF data and resolution.

    `stream` is the file that it was opened from, if there is one; `tiff` is the result of `decode_tiff` for it.
    Raises `PhotoError`.
    """
    check_size(*image.size, max_pixels, name)
    try:
        with file_settings():
            dpi = read_resolution(image)
            # Read before decoding: Pillow then turns TIFFs itself, and deletes the tag.
            is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
            stored_orientation = image.tag_v2.get(ORIENTATION) if is_tiff else None
            sideways = stored_orientation in (5, 6, 7, 8)
            samples = tiff.samples if tiff else None
            if samples is not None:
                samples = _to_rgb(samples)
            else:
                samples = _decode(image, stream, name, tiff)
                if not image.info.get("icc_profile"):
                    samples.encoding = read_encoding(image, stream, samples.notes)
                read_gain_map(image, stream, samples.notes)
                samples.orientation = read_orientation(image)  # after decoding: a PNG can hold it after the pixels
            sideways = sideways or samples.orientation >= 5
            samples.format = image.format or ""
            samples.exif, samples.dpi = read_exif(image), (dpi[1], dpi[0]) if dpi and sideways else dpi
            turned = samples.orientation != 1 or stored_orientation in range(2, 9)
            samples.metadata = read_metadata(image, stream, turned, samples.notes)
            return samples
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} needs more memory than there is.") from error
    except Exception as error:  # damaged data can raise anything
        raise PhotoError(f"{name} is damaged or cut short: it cannot be read to its end.") from error


def _decode(image: Image.Image, stream: BinaryIO | None, name: str, tiff: TiffPicture | None) -> Samples:
    notes = list(tiff.notes) if tiff else []
    if getattr(image, "is_animated", False):
        if image.format in ("PNG", "WEBP", "AVIF"):
            raise PhotoError(
                f"{name} is an animated {image.format}, which colorgan does not colourize: save one frame."
            )
        if image.format in PARTS and not tiff:
            which = f"number {image.tell() + 1}" if image.tell() else "the first"  # a PIL image can be at any frame
            notes.append(f"Only {which} of its {getattr(image, 'n_frames', 1)} {PARTS[image.format]} was taken.")
    raw_mode = _raw_mode(image)
    bits = _stored_bits(image, stream, raw_mode)
    if image.format == "JPEG2000" and bits > 8 and image.mode != "I;16":  # Pillow makes the lightest values black
        raise PhotoError(f"{name} is a JPEG 2000 of {bits} bits, which is read in grey only: save it as PNG or TIFF.")
    is_planar = _tiff_tag(image, PLANAR_CONFIGURATION) == 2  # stored as planes, of which Pillow cannot give low bytes
    if load_with_errors(image):
        notes.append("It is damaged: parts of the picture may be wrong.")
    if tiff and tiff.palette is not None and image.mode in ("P", "PA"):
        image.putpalette(tiff.palette.tobytes())
    icc = image.info.get("icc_profile") or None
    if image.format == "PNG" and stream and raw_mode in {*LOW_BYTES, "LA;16B"}:
        return Samples(*_decode_deep_png(image, stream, raw_mode), icc, notes)
    if image.format == "TIFF" and stream and raw_mode in LOW_BYTES and not is_planar:
        low = _decode_as(stream, "TIFF", LOW_BYTES[raw_mode])
        return Samples(*split_alpha(_join_bytes(image, low)), icc, notes)
    if image.mode == "LAB":
        return Samples(np.asarray(image)[..., 0], None, None, notes, is_lightness=True)
    if icc and luminance_tables(icc, 1 if image.mode in ("1", "L", "LA", "I;16", "I", "F") else 3, 256) is None:
        image, icc = _apply_profile(image, icc, notes), None
    values, alpha = _pillow_samples(image, raw_mode, notes)
    if values.dtype == np.uint8 and bits > 8:
        notes.append(f"Its {bits} bits were read as 8.")
    return Samples(values, alpha, icc, notes)


def _raw_mode(image: Image.Image) -> str | None:
    """Pillow's name of the layout in which the file stores pixels, such as RGB;16B, before the image is decoded."""
    tiles = getattr(image, "tile", None)  # an image that was not read from a file has none
    arguments = tiles[0].args if tiles else None
    return arguments if isinstance(arguments, str) else arguments[0] if arguments else None


def _tiff_tag(image: Image.Image, tag: int) -> object:
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _stored_bits(image: Any, stream: BinaryIO | None, raw_mode: str | None) -> int:
    """The bits of a channel in the file of a picture that is not decoded yet."""
    if image.format in ("PNG", "TIFF"):
        return 16 if raw_mode and ";16" in raw_mode else 8
    if image.format == "PPM" and image.tile and image.tile[0][0].startswith("ppm") and raw_mode != "1;I":
        return image.tile[0].args[1].bit_length()  # of its largest value
    if image.format == "AVIF" and stream:
        stream.seek(0)
        flags = int.from_bytes(stream.read().partition(b"av1C")[2][2:3], "big")  # third byte of the configuration
        return {0x40: 10, 0x60: 12}.get(flags & 0x60, 8)
    if image.format == "JPEG2000" and image.tile:
        file = stream or image.fp
        file.seek(0)
        size = file.read().partition(b"\xff\x4f\xff\x51")[2]  # the segment that ends with three bytes per channel
        channels = int.from_bytes(size[36:38], "big")
        return max((value & 127 for value in size[38 : 38 + 3 * channels : 3]), default=7) + 1
    return image.info.get("bit_depth", 8)  # of a HEIC


def _apply_profile(image: Image.Image, icc: bytes, notes: list[str]) -> Image.Image:
    """The image in 8-bit sRGB, with its alpha, for profiles that are not tone curves and a matrix."""
    converted = None
    if image.mode not in ("I;16", "I", "F"):
        modes = {"P": "RGB", "RGBA": "RGB", "PA": "RGB", "1": "L", "LA": "L"}
        converted = convert_to_srgb(image.convert(modes.get(image.mode, image.mode)), icc)
    if converted is None:
        notes.append(UNUSED_PROFILE)
        return image
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def _to_rgb(samples: Samples) -> Samples:
    """The samples of a TIFF, with CMYK (H, W, 4) converted to 8-bit RGB by the embedded profile or by arithmetic."""
    if samples.values.shape[2:] != (4,):
        return samples
    values, alpha = samples.values, samples.alpha
    if values.dtype == np.uint16:
        samples.notes.append("Its 16 bits were read as 8.")
        values, alpha = (values >> 8).astype(np.uint8), None if alpha is None else (alpha >> 8).astype(np.uint8)
    image = Image.merge("CMYK", [Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(4)])
    if samples.icc:
        image, samples.icc = _apply_profile(image, samples.icc, samples.notes), None
    samples.values, samples.alpha = np.asarray(image.convert("RGB")), alpha
    return samples


def _decode_deep_png(high: Image.Image, stream: BinaryIO, raw_mode: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha of a PNG with 16 bits per channel, of which `high` has the high bytes."""
    if raw_mode == "LA;16B":
        pixels = _decode_as(stream, "PNG", "RGBA", mode="RGBA").view(">u2").astype(np.uint16)
        return pixels[..., 0], pixels[..., 1]
    values, alpha = split_alpha(_join_bytes(high, _decode_as(stream, "PNG", LOW_BYTES[raw_mode])))
    transparent_colour = high.info.get("transparency")
    if alpha is None and isinstance(transparent_colour, tuple):
        alpha = np.where((values == np.array(transparent_colour)).all(-1), 0, 65535).astype(np.uint16)
    return values, alpha


def _decode_as(stream: BinaryIO, file_format: str, raw_mode: str, mode: str | None = None) -> np.ndarray:
    """Decode a file again as if it stored its pixels in the layout `raw_mode`."""
    stream.seek(0)
    image: Any = Image.open(stream, formats=[file_format])
    image._mode = mode or image.mode
    image.tile = [
        tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))
        for tile in image.tile
    ]
    return np.array(image)


def _join_bytes(high: Image.Image, low: np.ndarray) -> np.ndarray:
    return (np.asarray(high).astype(np.uint16) << 8) | low


def _pillow_samples(image: Image.Image, raw_mode: str | None, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha of a decoded image of any mode."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image)
        if raw_mode == "I;12":
            values = (values << 4) | (values >> 8)
        if image.mode == "I;16" and _tiff_tag(image, PHOTOMETRIC) == 0:  # 0 is white
            values = 65535 - values
        if image.format in ("PPM", "PNG"):  # which state their range; Pillow has applied it
            values = values.clip(0, 65535).astype(np.uint16)
        values = to_integers(values, notes)
        return values, _alpha_from_value(values, transparent, 65535)
    if image.mode in ("1", "L"):
        values = np.asarray(image.convert("L"))
        scale = {"L;2": 85, "L;4": 17}.get(raw_mode or "", 1)  # from the file's 2 or 4 bits to 8
        return values, _alpha_from_value(values, transparent * scale if isinstance(transparent, int) else None, 255)
    if image.mode in ("LA", "La"):
        values = np.asarray(image.convert("LA"))
        return values[..., 0], values[..., 1]
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return split_alpha(np.asarray(image if image.mode == wanted else image.convert(wanted)))


def _alpha_from_value(values: np.ndarray, transparent: object, opaque: int) -> np.ndarray | None:
    """Alpha of a picture in which one grey value is transparent; None if there is no such value."""
    if not isinstance(transparent, int):
        return None
    return np.where(values == transparent, 0, opaque).astype(values.dtype)
