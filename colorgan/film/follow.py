"""Follow hints through their scenes: the place of each hint in every frame between the cuts around its own frame.

The pattern of lightness around a hint, in its own frame, is searched around its last place in each frame after it, and
in each frame before it. The pattern stays the same, so that small errors do not add up during a slow pan. Where nothing
alike is found, as behind somebody who walks past, the hint has no place, until the pattern is found again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.film.colour import Colours
from colorgan.film.errors import FilmError
from colorgan.film.look import FilmHint
from colorgan.film.read import Film, read_frames
from colorgan.film.steady import SEARCH_SIDE, is_cut, normalise
from colorgan.inference.hints import Hint
from colorgan.inference.upsample import shrink

SIDE = 96  # cells of the frame's shorter side, where it has so many pixels
PATTERN = 4  # cells around a place that are compared, in each direction
SPREAD = 2.5  # cells, the standard deviation of their weights
MOTION = 3  # cells that a place may move between two frames, in each direction
NEAREST = 0.1  # squared L units for a squared cell of motion: of places that are equally alike, the nearest is taken
ALIKE = 8.0  # L units, the root mean squared difference up to which a place is alike, ...
STRUCTURE = 0.25  # ... beside this share of the pattern's own variance, because motion by half a cell changes it
WINDOW = 20.0  # seconds of small frames that are in memory at once while a hint is followed backwards
SOON = 1e-4  # seconds, for times that were rounded


@dataclass(frozen=True)
class Track:
    """Hints of one time, and their places in the frames of their scene.

    `times` (frames,) increases, in the film's time base. `places` (frames, hints, 2) are x and y, or NaN.
    """

    hints: Sequence[FilmHint]
    times: np.ndarray
    places: np.ndarray

    def at(self, pts: int) -> list[Hint]:
        """The hints of the frame with this time, at their places in it."""
        if not self.times[0] <= pts <= self.times[-1]:
            return []
        places = self.places[np.searchsorted(self.times, pts)].tolist()
        return [Hint(x, y, hint.color) for hint, (x, y) in zip(self.hints, places, strict=True) if x == x]


@dataclass(frozen=True)
class _Small:
    """A small frame: its time in the film's time base, and L (h, w) in [0, 100]."""

    pts: int
    lightness: Tensor

    @property
    def normalised(self) -> Tensor:
        """What `is_cut` compares: `SEARCH_SIDE` cells for the shorter side, as in the filter in time."""
        cells = _grid(self.lightness.shape, SEARCH_SIDE)
        return normalise(shrink(self.lightness[None, None], cells)[0, 0] / 50 - 1)


def follow_hints(film: Film, hints: Sequence[FilmHint], start: float = 0.0, end: float | None = None) -> list[Track]:
    """Follow hints of a film through the frames from `start` up to `end`, in seconds, that belong to their scenes.

    Adds a note to the film for each hint that has no place in some of them. Raises `FilmError` for a hint whose time is
    not in this part of the film.
    """
    for hint in hints:
        if hint.time < start or (end is not None and hint.time >= end):
            until = "" if end is None else f" to {end:g} s"
            raise FilmError(f"The hint at {hint.time:g} s is not in the part of {film.name} from {start:g} s{until}.")
        if film.duration and hint.time >= film.duration:
            raise FilmError(
                f"{film.name} has only {film.duration:.1f} s: it has no frame for a hint at {hint.time:g} s."
            )
    by_time = groupby(sorted(hints, key=lambda hint: hint.time), key=lambda hint: hint.time)
    return [_follow(film, time, list(each), start, end) for time, each in by_time]


@torch.inference_mode()
def _follow(film: Film, time: float, hints: list[FilmHint], start: float, end: float | None) -> Track:
    """Follow hints of one time: backwards to the cut before them, then forwards to the cut after them."""
    before, after = _frames_before(film, time, start), _frames(film, time + SOON, end)
    own = next(before, None) or next(after, None)  # a part may begin shortly before its first frame
    if own is None:
        raise FilmError(f"{film.name} has no frame for a hint at {time:g} s.")
    earlier_times, earlier = _places(own, before, hints)
    later_times, later = _places(own, after, hints)
    times = np.concatenate([earlier_times[::-1], [own.pts], later_times])
    at_once = np.array([[[hint.x, hint.y] for hint in hints]], np.float32)
    track = Track(hints, times, np.concatenate([earlier[::-1], at_once, later]))
    for hint, lost in zip(hints, np.isnan(track.places[..., 0]).sum(axis=0), strict=True):
        if lost:
            begin, last = (float(int(pts) * film.time_base) for pts in (times[0], times[-1]))
            film.note(
                f"The place of the hint {hint.x:g},{hint.y:g}={hint.color} at {time:g} s was not found again in {lost} "
                f"of the {len(times)} frames of its scene, {begin:.1f} to {last:.1f} s: there it has no effect."
            )
    return track


def _places(own: _Small, frames: Iterable[_Small], hints: Sequence[FilmHint]) -> tuple[np.ndarray, np.ndarray]:
    """The times (n,) of the frames up to a cut, and the hints' places (n, hints, 2) in them.

    `frames` follow `own`, the frame of the hints, in time or backwards.
    """
    patterns, times, places = [_Pattern(hint, own.lightness) for hint in hints], [], []
    last = own.normalised
    for frame in frames:
        normalised = frame.normalised
        if is_cut(last, normalised):
            break
        last = normalised
        times.append(frame.pts)
        places.append(np.array([pattern.find(frame.lightness) for pattern in patterns], np.float32))
    return np.array(times, np.int64), np.array(places, np.float32).reshape(-1, len(hints), 2)


class _Pattern:
    """The lightness around a hint in its own frame, L (h, w), and the cell where it was found last."""

    def __init__(self, hint: FilmHint, lightness: Tensor):
        self.hint = hint
        self.first = self.cell = Hint(hint.x, hint.y, hint.color).pixel(*lightness.shape)
        self.pattern = _around(lightness, self.cell, PATTERN)
        mean = (self.pattern * _WEIGHTS).sum()
        variance = ((self.pattern - mean).square_() * _WEIGHTS).sum().item()
        self.limit = ALIKE**2 + STRUCTURE * variance

    def find(self, lightness: Tensor) -> tuple[float, float]:
        """The hint's place x, y in another frame, or NaN where nothing alike is near its last place."""
        height, width = lightness.shape
        side = 2 * PATTERN + 1
        windows = _around(lightness, self.cell, PATTERN + MOTION).unfold(0, side, 1).unfold(1, side, 1)
        difference = ((windows - self.pattern).square_() * _WEIGHTS).sum((-2, -1)) + _DISTANCE
        rows, columns = (_STEPS + place for place in self.cell)
        outside = ((rows < 0) | (rows >= height))[:, None] | (columns < 0) | (columns >= width)
        best = int(difference.masked_fill_(outside, torch.inf).argmin())
        if difference.flatten()[best] > self.limit:
            return np.nan, np.nan
        self.cell = int(rows[best // len(columns)]), int(columns[best % len(columns)])
        y, x = (
            place + (now - first) / cells
            for place, now, first, cells in zip(
                (self.hint.y, self.hint.x), self.cell, self.first, (height, width), strict=True
            )
        )
        return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def _around(lightness: Tensor, cell: tuple[int, int], reach: int) -> Tensor:
    """The square around a cell, (2 * reach + 1, 2 * reach + 1), with the frame's border repeated outside."""
    row, column = cell
    padded = F.pad(lightness[None, None], [reach] * 4, mode="replicate")[0, 0]
    return padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]


def _frames(film: Film, start: float, end: float | None) -> Iterator[_Small]:
    """Yield the frames from `start` up to `end`, in seconds, without damaged ones."""
    colours = Colours(film.matrix, film.is_full_range)
    for frame in read_frames(film, start, end):
        if not frame.is_damaged:
            lightness = torch.from_numpy(colours.lightness(frame.luma))[None, None]
            yield _Small(frame.pts, shrink(lightness, _grid(frame.luma.shape, SIDE))[0, 0])


def _frames_before(film: Film, time: float, start: float) -> Iterator[_Small]:
    """Yield the frames up to `time`, in seconds, and not before `start`, the last one first."""
    end = time + SOON
    while end > start:
        begin = max(start, end - WINDOW)
        window = list(_frames(film, begin, end))
        if not window and end > time and next(_frames(film, end, None), None) is None:
            return  # the film ends long before
        yield from reversed(window)
        end = begin


def _grid(size: Sequence[int], side: int) -> tuple[int, int]:
    """The height and width in cells of a frame of this size, with so many cells for the shorter side at most."""
    height, width = size
    factor = min(1.0, side / min(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


_STEPS = torch.arange(-MOTION, MOTION + 1, device="cpu")
_DISTANCE = NEAREST * (_STEPS.square()[:, None] + _STEPS.square()).float()
_WEIGHTS = torch.arange(-PATTERN, PATTERN + 1, dtype=torch.float32, device="cpu")
_WEIGHTS = torch.exp(-(_WEIGHTS.square()[:, None] + _WEIGHTS.square()) / (2 * SPREAD**2))
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
