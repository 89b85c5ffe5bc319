"""Decode TIFF files with more than 8 bits per channel, of which Pillow would read 8 bits only."""

from typing import BinaryIO

import numpy as np
import tifffile

from colorgan.photo.errors import PhotoError
from colorgan.photo.exif import ORIENTATION
from colorgan.photo.samples import Samples, alpha_to_uint16, check_size, to_uint16

MAX_EXTRA_CHANNELS = 4  # beside grey or RGB; tifffile decodes all of them, and each takes memory
ICC_PROFILE = 34675  # the tag
SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the first bytes of a TIFF and a BigTIFF, in both byte orders


def decode_deep_tiff(stream: BinaryIO, max_pixels: int, name: str) -> Samples | None:
    """The first page of a TIFF with more than 8 bits per channel; None for any other file.

    The result is also None for compressions that tifffile reads only with the imagecodecs package, such as LZW: Pillow
    reads those. Raises `PhotoError` for a page that is too large or has too many channels.
    """
    stream.seek(0)
    if stream.read(4) not in SIGNATURES:
        return None
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            page, pages = file.pages.first, len(file.pages)
            photometric, extra = int(page.photometric), [int(kind) for kind in page.extrasamples]
            channels = page.samplesperpixel - len(extra)
            is_deep = page.dtype is not None and page.dtype.itemsize > 1
            if len(extra) > MAX_EXTRA_CHANNELS:
                raise PhotoError(f"{name} has {page.samplesperpixel} channels: save it as grey or RGB, with alpha.")
            # photometric: 0 is grey whose 0 is white, 1 is grey whose 0 is black, 2 is RGB
            if not is_deep or channels not in (1, 3) or photometric not in (0, 1, 2) or page.imagedepth != 1:
                return None
            check_size(page.imagewidth, page.imagelength, max_pixels, name)
            values = page.asarray()
            icc, orientation = page.tags.get(ICC_PROFILE), page.tags.get(ORIENTATION)
    except PhotoError:
        raise
    except Exception:  # a damaged file can raise anything; Pillow tries it next, and its error becomes the message
        return None
    notes = [f"Only the first of its {pages} pages was taken."] if pages > 1 else []
    if page.planarconfig == 2 and values.ndim == 3:  # stored as planes
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, -1)
    alpha = alpha_to_uint16(values[..., channels]) if extra and extra[0] in (1, 2) else None
    values = to_uint16(values[..., :channels], notes)
    if photometric == 0:
        values = 65535 - values
    if alpha is not None and extra[0] == 1:  # the colours were multiplied by alpha
        divided = values.astype(np.float32) * (65535 / np.maximum(alpha, 1).astype(np.float32))[..., None]
        values = divided.round().clip(0, 65535).astype(np.uint16)
    return Samples(
        values.squeeze(-1) if channels == 1 else values,
        alpha,
        icc.value if icc else None,
        notes,
        orientation.value if orientation and orientation.value in range(1, 9) else 1,
    )
