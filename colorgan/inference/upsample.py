"""Enlarge chroma from the network's small grid to the photograph's pixels, along the edges of its lightness.

1. At a working size of about 256 pixels, joint bilateral upsampling of the network's grid is followed by rounds of
   diffusion, which stops at edges of lightness. After each round, back-projection restores the mean chroma of every
   cell to the network's value.
2. A fast guided filter, coarse to fine, fits two numbers per channel and place: chroma = slope * L + offset. So chroma
   at full size costs one multiplication per pixel and can be computed in strips.

Where a cell is only a few pixels wide, bicubic interpolation and one such round replace both steps. A picture of the
grid's own size needs no enlarging.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.parallel import on_one_core

WORKING_SIDE = 256  # pixels of the longer side at which diffusion runs; the network's grid is shrunk to it if larger
GUIDE_SIDE = 1024  # pixels of the longer side of slope and offset; enlarging them more than 4 times would leak colours
BILATERAL_SIGMA = 8.0  # L units: the standard deviation of the lightness difference in a neighbour's weight
DIFFUSION_SIGMA = 1.0  # L units: the difference between two working pixels at which 1/e of the colour passes
DIFFUSION_ROUNDS = 4  # each of 2 steps per working pixel of a cell's side, so that colours reach across a cell
SMALL_CELL = 4  # pixels of a cell's side, up to which interpolation is about as good as following the lightness
GUIDED_EPSILON = 4.0  # squared L units: a neighbourhood with less variance counts as flat


@dataclass
class GuidedChroma:
    """Chroma as a local linear function of lightness: `slope` and `offset` are (2, h, w), for a picture of `size`."""

    slope: Tensor
    offset: Tensor
    size: tuple[int, int]  # height, width

    def rows(self, lightness: Tensor, top: int) -> Tensor:
        """Chroma (2, n, W) of the n rows from `top` on, whose L in [0, 100] is `lightness` (n, W)."""
        (height, width), (h, _) = self.size, self.slope.shape[-2:]
        y = ((_centres(len(lightness), lightness) + top) * h / height - 0.5).clamp(0, h - 1)
        above = y.floor().long()
        below, weight = (above + 1).clamp(max=h - 1), (y - above)[:, None]
        planes = torch.cat([self.slope, self.offset])
        strip = torch.lerp(planes[:, above], planes[:, below], weight)
        strip = F.interpolate(strip[None], (len(lightness), width), mode="bilinear")[0]
        return torch.addcmul(strip[2:], strip[:2], lightness)


def upsample_chroma(chroma: Tensor, lightness: Tensor) -> Tensor:
    """Enlarge chroma (2, h, w) to (2, H, W), along the edges of `lightness` (H, W), which is L in [0, 100]."""
    return on_one_core(guide_chroma, chroma, lightness).rows(lightness, 0)


def enlarge(chroma: Tensor, lightness: Tensor) -> Tensor:
    """Enlarge chroma (N, 2, h, w) in [-1, 1] to the size of `lightness` (N, 1, H, W), without following its edges."""
    size = lightness.shape[-2:]
    return chroma if chroma.shape[-2:] == size else F.interpolate(chroma, size, mode="bicubic").clamp(-1, 1)


def guide_chroma(chroma: Tensor, lightness: Tensor, rounds: int = DIFFUSION_ROUNDS) -> GuidedChroma:
    """Fit chroma (2, h, w), in any unit, to the picture whose L in [0, 100] is `lightness` (H, W).

    `rounds` of diffusion: fewer are faster and blur more.

    Joint bilateral upsampling: Kopf et al. 2007, section 3. Edge-stopping diffusion: Perona and Malik 1990, equation 7,
    its weights normalised to one. Back-projection: Irani and Peleg 1991. Guided filter: He and Sun 2015.
    """
    height, width = lightness.shape
    if chroma.shape[-2:] == lightness.shape:
        return GuidedChroma(torch.zeros_like(chroma), chroma, (height, width))
    guide = lightness[None, None]
    chroma = shrink(chroma.float()[None], _limit(_size(chroma), WORKING_SIDE))  # bounds memory
    h, w = _size(chroma)
    if height < h or width < w:  # chroma of a larger picture
        chroma = shrink(chroma, (min(h, height), min(w, width)))
        return GuidedChroma(torch.zeros_like(chroma[0]), chroma[0], (height, width))
    cell = min(round(height / h), round(width / w))
    if cell <= SMALL_CELL:
        placed = _place(F.interpolate(chroma, (height, width), mode="bicubic"), chroma, guide, rounds=1)
        placed = _back_project(placed, chroma)[0]
        return GuidedChroma(torch.zeros_like(placed), placed, (height, width))
    finest = shrink(guide, _limit((height, width), GUIDE_SIDE))
    factor = min(max(4, round(WORKING_SIDE / max(h, w))), cell)
    working = shrink(finest, (h * factor, w * factor))
    chroma = _place(_joint_bilateral(chroma, working, factor), chroma, working, rounds)
    if working.shape == guide.shape:
        return GuidedChroma(torch.zeros_like(chroma[0]), chroma[0], (height, width))
    slope, offset = _guided_filter(chroma, working)
    if min(finest.shape[-2] / (h * factor), finest.shape[-1] / (w * factor)) > 2:
        slope, offset = (F.interpolate(plane, finest.shape[-2:], mode="bilinear") for plane in (slope, offset))
        slope, offset = _guided_filter(torch.addcmul(offset, slope, finest), finest)
    return GuidedChroma(slope[0], offset[0], (height, width))


def shrink(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink planes (N, C, H, W) to `size`: each cell is the mean of the pixels under it."""
    height, width = planes.shape[-2:]
    if height % size[0] == 0 and width % size[1] == 0:
        return F.avg_pool2d(planes, (height // size[0], width // size[1]))
    return F.interpolate(planes, size, mode="area")


def _limit(size: tuple[int, int], longer: int) -> tuple[int, int]:
    scale = min(1.0, longer / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _size(planes: Tensor) -> tuple[int, int]:
    """Height and width."""
    return planes.shape[-2], planes.shape[-1]


def _centres(count: int, like: Tensor) -> Tensor:
    """The places of so many pixels' centres, 0.5, 1.5 and so on, in float32 on the device of another tensor."""
    return torch.arange(count, dtype=torch.float32, device=like.device) + 0.5


def _place(placed: Tensor, chroma: Tensor, guide: Tensor, rounds: int) -> Tensor:
    """Improve a first guess `placed` (1, 2, H, W) of chroma (1, 2, h, w) by diffusion up to the edges of the guide."""
    steps = 2 * min(round(large / small) for large, small in zip(guide.shape[-2:], chroma.shape[-2:], strict=True))
    placed = _back_project(placed, chroma)
    neighbours = _diffusion_weights(guide)
    for _ in range(rounds):
        for _ in range(steps):
            placed = _diffuse(placed, neighbours)
        placed = _back_project(placed, chroma)
    return placed


def _joint_bilateral(chroma: Tensor, guide: Tensor, factor: int) -> Tensor:
    """The mean of the nine nearest cells, weighted by distance (sigma: one cell) and by difference of lightness."""
    h, w = chroma.shape[-2:]
    cells = F.pad(torch.cat([chroma, F.avg_pool2d(guide, factor)], dim=1), (1, 1, 1, 1), mode="replicate")
    inside = _centres(factor, guide) / factor - 0.5  # a pixel's place in its cell, in (-0.5, 0.5)
    total, weights = torch.zeros_like(torch.cat([guide, guide], dim=1)), torch.zeros_like(guide)
    for dy in (-1, 0, 1):
        near_y = torch.exp(-((dy - inside) ** 2) / 2).repeat(h)[:, None]
        for dx in (-1, 0, 1):
            near_x = torch.exp(-((dx - inside) ** 2) / 2).repeat(w)
            cell = cells[..., 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
            cell = F.interpolate(cell, scale_factor=factor, mode="nearest")
            alike = torch.exp(-((cell[:, 2:] - guide) ** 2) / (2 * BILATERAL_SIGMA**2))
            alike.add_(1e-4).mul_(near_y).mul_(near_x)  # where no cell is similar, distance alone decides
            total.addcmul_(alike, cell[:, :2])
            weights += alike
    return total / weights


def _back_project(placed: Tensor, chroma: Tensor) -> Tensor:
    """Add what the mean of each cell lacks of the network's chroma, interpolated."""
    missing = chroma - shrink(placed, _size(chroma))
    (h, w), (height, width) = _size(chroma), _size(placed)
    rows, columns = _bicubic(h, height).to(missing), _bicubic(w, width).to(missing)
    return placed + rows @ missing @ columns.T  # several times as fast as `F.interpolate`


@lru_cache(maxsize=32)
def _bicubic(before: int, after: int) -> Tensor:
    """The matrix (after, before) of bicubic interpolation along one axis."""
    return F.interpolate(torch.eye(before, device="cpu")[None, None], (after, before), mode="bicubic")[0, 0]


def _diffusion_weights(guide: Tensor) -> list[Tensor]:
    """The shares of a pixel's next colour from the left, right, above, below and itself; they sum to one."""
    across = torch.exp((guide[..., 1:] - guide[..., :-1]).abs_() / -DIFFUSION_SIGMA)
    down = torch.exp((guide[..., 1:, :] - guide[..., :-1, :]).abs_() / -DIFFUSION_SIGMA)
    left, right, above, below = (
        F.pad(across, (1, 0)),
        F.pad(across, (0, 1)),
        F.pad(down, (0, 0, 1, 0)),
        F.pad(down, (0, 0, 0, 1)),
    )
    scale = 0.9 / (left + right + above + below + 1e-3)  # a tenth of its own colour stays, which avoids checkerboards
    left, right, above, below = left * scale, right * scale, above * scale, below * scale
    return [left, right, above, below, 1 - (left + right + above + below)]


def _diffuse(x: Tensor, weights: list[Tensor]) -> Tensor:
    left, right, above, below, own = weights
    result = x * own
    result[..., 1:].addcmul_(left[..., 1:], x[..., :-1])
    result[..., :-1].addcmul_(right[..., :-1], x[..., 1:])
    result[..., 1:, :].addcmul_(above[..., 1:, :], x[..., :-1, :])
    result[..., :-1, :].addcmul_(below[..., :-1, :], x[..., 1:, :])
    return result


def _guided_filter(chroma: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    """The slope and offset of chroma over lightness in each neighbourhood of 3x3 pixels, averaged over 3x3."""
    mean_guide, mean_chroma = _box(guide), _box(chroma)
    slope = (_box(guide * chroma) - mean_guide * mean_chroma) / (_box(guide * guide) - mean_guide**2 + GUIDED_EPSILON)
    return _box(slope), _box(mean_chroma - slope * mean_guide)


def _box(x: Tensor) -> Tensor:
    """The mean over 3x3 pixels, with the border repeated. Four additions are eight times as fast as `F.avg_pool2d`."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (x[..., :-2, :] + x[..., 1:-1, :]).add_(x[..., 2:, :])
    return (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).mul_(1 / 9)
