"""Hints: colours that the user knows, at places of a photograph."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageColor, ImageDraw
from torch import Tensor

from colorgan.color import CHROMA_SCALE, rgb_to_lab

MAX_HINTS = 500  # of one photograph: the corrections solve a linear system of so many equations
MAX_CORNERS = 1000  # of a region


class HintError(ValueError):
    """A hint cannot be used. The message is one sentence that says why."""


@dataclass(frozen=True)
class Hint:
    """A colour at a place of the upright photograph.

    `x` and `y` are fractions of the width and of the height, from the left and from the top, in [0, 1]. `color` is any
    opaque CSS colour that Pillow knows, such as `#7a2e2e`, `skyblue` or `hsl(20, 60%, 40%)`. Only its chroma counts:
    the photograph keeps its lightness, and a grey hint keeps a part uncoloured. Around the pixel, the exact colour
    fades out over about `radius`, a fraction of the shorter side from 0 to 1. `region` are the corners (x, y) of a
    polygon around the place, to which the hint is limited.

    Raises `HintError` for values that are not of this kind.
    """

    x: float
    y: float
    color: str
    radius: float = 0.01
    region: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            value = getattr(self, name)
            if not _is_fraction(value):
                raise HintError(f"The {name} of a hint is a fraction of the photograph, from 0 to 1, not {value!r}.")
        if not _is_fraction(self.radius):
            raise HintError(
                f"The radius of a hint is a fraction of the shorter side, from 0 to 1, not {self.radius!r}."
            )
        for name in ("x", "y", "radius"):
            object.__setattr__(self, name, float(getattr(self, name)))  # of NumPy's numbers as well
        _rgb(self.color)
        if self.region is not None:
            object.__setattr__(self, "region", _polygon(self.region, (self.x, self.y)))

    @cached_property
    def ab(self) -> tuple[float, float]:
        """The chroma of the colour, a and b in Lab units."""
        lab = rgb_to_lab(torch.tensor(_rgb(self.color), dtype=torch.float32, device="cpu").view(3, 1, 1) / 255)
        return lab[1].item(), lab[2].item()

    def pixel(self, height: int, width: int) -> tuple[int, int]:
        """The row and column of the hint in a picture of this size."""
        return min(int(self.y * height), height - 1), min(int(self.x * width), width - 1)


def as_hints(hints: Iterable[Hint | Mapping[str, Any]]) -> list[Hint]:
    """Hints from `Hint` objects and dictionaries such as {"x": 0.31, "y": 0.62, "color": "#7a2e2e"}.

    Raises `HintError` for anything else, and for more than `MAX_HINTS`.
    """
    if isinstance(hints, Hint | str | bytes | Mapping) or not isinstance(hints, Iterable):
        raise HintError(f"Hints are a list, with a place and a colour each, not one {type(hints).__name__}.")
    hints = list(hints)
    if len(hints) > MAX_HINTS:
        raise HintError(f"{len(hints):,} hints are too many: give at most {MAX_HINTS}.")
    return [hint if isinstance(hint, Hint) else _from_mapping(hint) for hint in hints]


def parse_hint(text: str) -> Hint:
    """The hint of a text such as `0.31,0.62=#7a2e2e`: x, y and a colour. Raises `HintError` for other texts."""
    place, separator, color = text.partition("=")
    try:
        x, y = (float(number) for number in place.split(","))
        if not separator:
            raise ValueError("no colour")
    except ValueError:
        raise HintError(f"A hint is x,y=colour, such as 0.31,0.62=#7a2e2e, not {text!r}.") from None
    return Hint(x, y, color)


def read_hints(path: str | Path) -> list[Hint]:
    """The hints of a JSON file: a list of objects with `x`, `y`, `color` and perhaps `radius` and `region`.

    Raises `HintError` if the file cannot be read or holds something else.
    """
    name = Path(path).name
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise HintError(f"{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise HintError(f"{name} is not JSON: it should be a list of hints.") from error
    try:
        return as_hints(content)
    except HintError as error:
        raise HintError(f"{name}: {error}") from error


def hint_map(hints: Iterable[Hint], height: int, width: int) -> Tensor:
    """Hints without a region as a network sees them on its grid of cells: (3, height, width).

    Chroma in [-1, 1] and a mask, which is 1 in the cells of hints; everything is 0 in the others. A hint covers the
    cell of its place, and the cells whose centres are within its radius. Of several on one cell, the last one counts.
    """
    result = torch.zeros(3, height, width, device="cpu")
    y, x = (torch.arange(count, device="cpu") + 0.5 for count in (height, width))
    for hint in hints:
        if hint.region is None:
            distance = torch.hypot((y - hint.y * height)[:, None], x - hint.x * width)
            covered = distance <= hint.radius * min(height, width)
            covered[hint.pixel(height, width)] = True
            a, b = hint.ab
            result[:, covered] = torch.tensor([a / CHROMA_SCALE, b / CHROMA_SCALE, 1.0], device="cpu")[:, None]
    return result


def coverage(region: tuple[tuple[float, float], ...], height: int, width: int) -> Tensor:
    """Which pixels of a picture are inside a polygon of fractions: (height, width) bool."""
    mask = Image.new("1", (width, height))
    ImageDraw.Draw(mask).polygon([(x * width - 0.5, y * height - 0.5) for x, y in region], fill=1)
    packed = torch.frombuffer(bytearray(mask.convert("L").tobytes()), dtype=torch.uint8)
    return packed.view(height, width) > 0


def _from_mapping(hint: object) -> Hint:
    names = [field.name for field in fields(Hint)]
    if not isinstance(hint, Mapping) or not {"x", "y", "color"} <= set(hint) <= set(names):
        shown = repr(hint)
        raise HintError(
            "A hint has x, y and color, and may have radius and region, "
            f"not {shown if len(shown) < 100 else shown[:100] + ' ...'}."
        )
    return Hint(**hint)


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1  # NaN is not


def _rgb(color: object) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255. Raises `HintError` for what is no opaque colour."""
    try:
        red, green, blue, alpha = (*ImageColor.getrgb(str(color).strip()), 255)[:4]
    except ValueError:
        shown = repr(color)[:40]
        raise HintError(f"{shown} is not a colour: write #7a2e2e, rgb(122, 46, 46) or a name such as brown.") from None
    if alpha != 255:
        raise HintError(f"The colour {color} is transparent: write an opaque one, such as #7a2e2e.")
    red, green, blue = (max(0, min(255, level)) for level in (red, green, blue))  # as CSS does
    return red, green, blue


def _polygon(region: object, place: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """The corners of a region that contains the place. Raises `HintError` for anything else."""
    wrong = HintError("The region of a hint is a list of at least three corners (x, y), from 0 to 1 each.")
    if not isinstance(region, list | tuple) or not 3 <= len(region) <= MAX_CORNERS:
        raise wrong
    for corner in region:
        if not isinstance(corner, list | tuple) or len(corner) != 2 or not all(map(_is_fraction, corner)):
            raise wrong
    corners = tuple((float(x), float(y)) for x, y in region)
    if not _is_inside(corners, place):
        raise HintError(f"The region of a hint must contain its place, {place[0]:g}, {place[1]:g}.")
    return corners


def _is_inside(corners: tuple[tuple[float, float], ...], place: tuple[float, float]) -> bool:
    """Whether a place is inside a polygon: a ray to the right crosses its sides an odd number of times."""
    (x, y), inside = place, False
    for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
