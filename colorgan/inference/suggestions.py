"""Suggest colours for a place of a photograph: those that the network finds plausible there."""

import torch

from colorgan.color import ciede2000, lab_to_rgb, rgb_to_lab, to_uint8
from colorgan.inference.distribution import ColorDistribution
from colorgan.inference.hints import Hint
from colorgan.photo.read import Photo

COUNT = 6
APART = 8.0  # least CIEDE2000 between two suggestions


@torch.inference_mode()
def suggest(distribution: ColorDistribution, photo: Photo, x: float, y: float, count: int = COUNT) -> list[str]:
    """At most `count` colours such as `#7a2e2e` for a place of a photograph, at its lightness, the best guess first.

    They are chosen one after another so that the expected difference (CIEDE2000) between the colour of the place and
    the nearest of them is least, and they differ by at least `APART`: where a place is so dark or so bright that few
    colours do, there are fewer. `x` and `y` are fractions of the width and height, from the left and from the top.
    Raises `HintError` for other values.
    """
    place = Hint(x, y, "grey")
    ab, probability = distribution.at(*place.pixel(*distribution.chroma.shape[1:]))
    lightness = torch.full((len(ab), 1), float(photo.lightness[place.pixel(*photo.lightness.shape)]))
    pixels = to_uint8(lab_to_rgb(torch.cat([lightness, ab], 1).T[None, :, None]))
    lab = rgb_to_lab(pixels / 255)  # (1, 3, 1, n): as they are shown
    difference = ciede2000(lab, lab.transpose(2, 3))[0]
    chosen: list[int] = []
    nearest, allowed = torch.full_like(probability, torch.inf), torch.ones_like(probability, dtype=torch.bool)
    while len(chosen) < count and allowed.any():
        expected = difference.minimum(nearest) @ probability
        chosen.append(int(expected.masked_fill(~allowed, torch.inf).argmin()))
        nearest = nearest.minimum(difference[chosen[-1]])
        allowed &= difference[chosen[-1]] >= APART
    return ["#{:02x}{:02x}{:02x}".format(*pixels[0, :, 0, i].tolist()) for i in chosen]
