"""Decode the pictures of a data set: every mode becomes 8-bit RGB, upright, and a square of a given size."""

import contextlib
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from colorgan.photo.lightness import convert_to_srgb
from colorgan.photo.samples import to_integers

ORIENTATION = 0x0112  # EXIF tag
NAMES = {  # of Pillow's modes, for messages
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "I": "32-bit grey",
    "F": "floating-point grey",
    "P": "palette",
    "PA": "palette",
    "RGBA": "RGB",
}
SHOWN_NAMES = 3  # of the unreadable images, in the message about them


def decode(stored: dict[str, Any]) -> Image.Image:
    """Decode an image of `datasets`, a dictionary with `bytes` or a `path`, and turn it upright as its EXIF data says.

    Raises errors of many types for damaged data.
    """
    with Image.open(stored["path"] if stored["bytes"] is None else io.BytesIO(stored["bytes"])) as picture:
        picture.load()
    with contextlib.suppress(Exception):  # damaged EXIF data does not make the pixels unusable
        if picture.getexif().get(ORIENTATION, 1) != 1:
            return ImageOps.exif_transpose(picture)
    return picture


def kind(picture: Image.Image) -> str | None:
    """The name of the picture's mode for messages; None for RGB without transparency, which needs no conversion."""
    name = "16-bit grey" if picture.mode.startswith("I;16") else NAMES.get(picture.mode, picture.mode)
    if picture.has_transparency_data:
        return f"{name} with transparency"
    return None if name == "RGB" else name


def to_rgb(picture: Image.Image) -> Image.Image:
    """The picture in 8-bit RGB. Transparent pixels are laid on white; colour profiles of CMYK and Lab are applied.

    Raises `ValueError` for modes that Pillow cannot convert.
    """
    if picture.mode.startswith("I") or picture.mode == "F":  # Pillow would cut off values above 255
        values = np.asarray(picture)
        values = to_integers(values.astype(values.dtype.newbyteorder("=")), []).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    if picture.mode in ("CMYK", "LAB"):
        profile = picture.info.get("icc_profile")
        if picture.mode == "LAB":  # which Pillow itself cannot convert
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        converted = convert_to_srgb(picture, profile) if profile else None
        if converted is not None:
            return converted
    return picture.convert("RGB")


def square(picture: Image.Image, size: int) -> np.ndarray:
    """The pixels of the centre square of an RGB picture, scaled to (size, size, 3)."""
    if picture.size != (size, size):
        scale = size / min(picture.size)
        width, height = (max(size, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        left, top = (width - size) // 2, (height - size) // 2
        picture = picture.crop((left, top, left + size, top + size))
    return np.asarray(picture)


@dataclass
class Changes:
    """How the images of a split were changed so that they could be used.

    `converted` counts the images that were not RGB, by their mode; `enlarged` those smaller than the resolution.
    `left_out` has the row numbers of the unreadable images with their names.
    """

    converted: Counter[str] = field(default_factory=Counter)
    enlarged: int = 0
    left_out: dict[int, str] = field(default_factory=dict)

    def record(self) -> dict[str, int]:
        """The numbers of images, for records."""
        counts = {"converted": self.converted.total(), "enlarged": self.enlarged, "left_out": len(self.left_out)}
        return {f"num_{name}": count for name, count in counts.items()}

    def sentences(self, title: str, resolution: int) -> list[str]:
        """Messages for the user about the data set `title`."""
        sentences = []
        if self.converted:
            kinds = ", ".join(f"{count} {name}" for name, count in sorted(self.converted.items()))
            sentences.append(f"{title}: {_count_images(self.converted.total())} converted to RGB ({kinds}).")
        if self.enlarged:
            sentences.append(
                f"{title}: {_count_images(self.enlarged)} enlarged, because a side has less than {resolution} pixels."
            )
        if self.left_out:
            sentences.append(f"{title}: {_count_images(len(self.left_out))} unreadable and left out: {self.names()}.")
        return sentences

    def rows(self, index: Tensor) -> Tensor:
        """The row numbers in the split of the images that have the positions `index` among those that were loaded."""
        for row in self.left_out:  # in ascending order
            index = index + (index >= row)
        return index

    def names(self) -> str:
        """The names of the first unreadable images, and how many more there are."""
        more = len(self.left_out) - SHOWN_NAMES
        return ", ".join([*self.left_out.values()][:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _count_images(count: int) -> str:
    return f"{count:,} image" + (" was" if count == 1 else "s were")
