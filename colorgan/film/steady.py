"""Make the colours of a film steady: a filter in time that follows motion, inside each scene.

The network colours every frame on its own, so that grain and small movements make its colours flicker. Here each
frame's chroma is averaged with that of the frames before and after it. Where things move, the average follows them:
the small lightness is searched for each cell's place in the next frame, up to two cells away in each direction. Where
nothing alike is found, as behind something that moved away, the frame's own chroma stays. Nothing crosses a cut.
"""

from collections import deque
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 2  # cells that something may move between two frames, in each direction
BLOCK = 16  # frames that are finished together
LOOK_AHEAD = 16  # frames after a frame that are used at least; at most BLOCK - 1 more
MEMORY = 12  # frames: the weight of a frame's own chroma is at least 1 / MEMORY
ALIKE = 0.02  # squared difference of normalised lightness, beyond that of grain, at which a place is half alike
GRAIN = 0.08  # squared difference that is taken for grain at most; the estimate is the median over the frame
SHARPNESS = 0.004  # squared difference between two places at which the better one has e times the weight
CUT = 0.42  # correlation of two frames' lightness below which there is a cut: same scenes have 0.47 and more
FLAT = 0.03  # added to the lightness's standard deviation, so that black frames are not noise made large
SEARCH_SIDE = 48  # cells of the shorter side at which motion is searched at least, where the network's cells are fewer


@dataclass
class _State:
    """One frame in the filter: its chroma, the chroma with what came before, and how it is found in its neighbours."""

    chroma: Tensor  # (2, h, w)
    lightness: Tensor  # (h, w), normalised
    is_damaged: bool
    forward: Tensor
    own: float = 1.0  # frames of the same scene in `forward`
    match: "Match | None" = None  # of this frame in the one before it; None after a cut


@dataclass
class Match:
    """How two neighbouring frames fit: for each direction, the weight of each place (25, h, w) and the trust (h, w)."""

    weights: Tensor
    trust: Tensor
    back_weights: Tensor
    back_trust: Tensor


class Steadier:
    """The filter. Frames go in one after another; they come out in the same order, `LOOK_AHEAD` frames later."""

    def __init__(self) -> None:
        self._frames: deque[_State] = deque()
        self._last: _State | None = None
        self.cuts = 0

    @torch.inference_mode()
    def push(self, lightness: Tensor, chroma: Tensor, is_damaged: bool = False) -> list[Tensor]:
        """Take a frame's small lightness (h, w) in [-1, 1] and chroma (2, h, w); return finished chroma, in order."""
        state = _State(chroma, normalise(lightness), is_damaged, chroma)
        before = self._last
        if before is not None and before.chroma.shape == chroma.shape:
            if is_damaged or not is_cut(before.lightness, state.lightness):
                state.match = match(before.lightness, state.lightness)
                state.own = min(before.own + 1, MEMORY)
                trust = torch.ones_like(state.match.trust) if is_damaged else state.match.trust
                state.forward = _blend(state.chroma, before.forward, state.match.weights, trust, state.own, is_damaged)
            else:
                self.cuts += 1
        self._last = state
        self._frames.append(state)
        return self._finish(BLOCK) if len(self._frames) >= BLOCK + LOOK_AHEAD else []

    @torch.inference_mode()
    def finish(self) -> list[Tensor]:
        """Return the chroma of all frames that are left."""
        self._last = None
        return self._finish(len(self._frames))

    def _finish(self, count: int) -> list[Tensor]:
        """Filter backwards from the last frame, and return the first `count` frames."""
        frames = list(self._frames)
        results: list[Tensor] = []
        backward, own = None, 1.0
        for i in range(len(frames) - 1, -1, -1):
            state, after = frames[i], frames[i + 1] if i + 1 < len(frames) else None
            if after is None or after.match is None or backward is None:
                backward, own = state.chroma, 1.0
                if state.is_damaged:  # nothing better is known
                    backward, own = state.forward, 1.0
            else:
                own = min(own + 1, MEMORY)
                trust = torch.ones_like(after.match.back_trust) if state.is_damaged else after.match.back_trust
                backward = _blend(state.chroma, backward, after.match.back_weights, trust, own, state.is_damaged)
            if i < count:
                # `own` says how many frames each direction has seen: near a cut, one has seen hardly any
                share = state.own / (state.own + own)
                results.append(torch.lerp(backward, state.forward, share))
        for _ in range(count):
            self._frames.popleft()
        return results[::-1]


def normalise(lightness: Tensor) -> Tensor:
    """Lightness (h, w) with mean 0 and about standard deviation 1, so that flicker and fades change nothing."""
    centred = lightness - lightness.mean()
    return centred / (centred.std(correction=0) + FLAT)


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Return whether two frames of normalised lightness (h, w) belong to different scenes.

    The blur makes the correlation tolerant of motion. Two frames without structure, such as black ones, are no cut.
    """
    before, after = (_blur(each[None])[0] for each in (before, after))
    before, after = before - before.mean(), after - after.mean()
    energy = before.norm() * after.norm()
    flat = 0.1 * before.numel()  # a hundredth of a normal frame's
    if before.square().sum() < flat and after.square().sum() < flat:
        return False
    return bool((before * after).sum() < CUT * energy.clamp(min=1e-9))


def match(before: Tensor, after: Tensor) -> Match:
    """Find each cell of a frame in the other one, both normalised lightness (h, w), and the other way round."""
    return Match(*_search(before, after), *_search(after, before))


def _search(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The weight of each of the 25 places in `source` for each cell of `target`, and the trust in their mean."""
    difference = _blur((_windows(source[None])[0] - target).square_())
    best = difference.amin(0)
    weights = torch.softmax((best - difference - _DISTANCE) / SHARPNESS, dim=0)
    beyond = (best - best.median().clamp(max=GRAIN)).clamp_(min=0)
    return weights, ALIKE / (ALIKE + beyond)


def _windows(planes: Tensor) -> Tensor:
    """For each plane (C, h, w), what lies at each of the 25 places around each cell: (C, 25, h, w)."""
    height, width = planes.shape[-2:]
    padded = F.pad(planes[None], [REACH] * 4, mode="replicate")[0]
    side = range(2 * REACH + 1)
    return torch.stack([padded[:, y : y + height, x : x + width] for y in side for x in side], dim=1)


def _blur(planes: Tensor) -> Tensor:
    """The mean of planes (C, h, w) over 5 x 5 cells, with the border repeated. Additions are faster than pooling."""
    height, width = planes.shape[-2:]
    padded = F.pad(planes[None], (2, 2, 2, 2), mode="replicate")[0]
    rows = sum((padded[:, i : i + height] for i in range(1, 5)), padded[:, :height].clone())
    return sum((rows[..., i : i + width] for i in range(1, 5)), rows[..., :width].clone()).mul_(1 / 25)


def _blend(chroma: Tensor, other: Tensor, weights: Tensor, trust: Tensor, frames: float, is_damaged: bool) -> Tensor:
    """The mean of a frame's chroma and its neighbour's filtered chroma, moved to where things are now."""
    moved = (_windows(other) * weights).sum(1)
    share = trust if is_damaged else trust * (1 - 1 / frames)
    return torch.lerp(chroma, moved, share)


# Of equally good places the nearest wins: in flat places, every motion fits
_DISTANCE = torch.tensor([y * y + x * x for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)])
_DISTANCE = (0.0005 * _DISTANCE.float())[:, None, None]
