"""Read the colours of a picture, which `read_photo` drops."""

import numpy as np
from PIL import Image

from colorgan.photo.errors import PhotoError
from colorgan.photo.lightness import convert_to_srgb
from colorgan.photo.read import MAX_PIXELS, Picture, decode, picture_name

LONGER_SIDE = 256  # pixels of the small copy, about


def read_colours(source: Picture, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> np.ndarray:
    """A small copy of a picture in 8-bit sRGB, (h, w, 3) uint8, with its longer side at 256 to 511 pixels at most.

    It has the orientation of the file. Raises `PhotoError` as `read_photo` does, and for a picture without colours.
    """
    name = name or picture_name(source)
    samples = decode(source, max_pixels, name)
    values = samples.values
    if values.ndim == 2:
        raise PhotoError(f"{name} has no colours: give a picture in colour.")
    step = max(1, max(values.shape[:2]) // LONGER_SIDE)
    if values.dtype == np.uint16:  # every pixel of a large picture would need much memory, and noise does not matter
        values = (values[::step, ::step] >> 8).astype(np.uint8)
        step = 1
    picture = Image.fromarray(np.ascontiguousarray(values)).reduce(step)
    if samples.icc:
        picture = convert_to_srgb(picture, samples.icc) or picture
    return np.asarray(picture)
