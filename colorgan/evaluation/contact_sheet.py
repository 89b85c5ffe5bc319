"""Contact sheets of photographs of different shapes, and the choice of the photographs on them."""

import heapq
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps

from colorgan.evaluation.grid import grid

CELL = 160  # height and width in pixels of the white square that a small picture is in

Item = TypeVar("Item")


class Largest(Generic[Item]):
    """Keeps the items with the largest keys of those that are offered one after the other."""

    def __init__(self, count: int):
        self._count = count
        self._kept: list[tuple[float, int, Item]] = []  # a heap; of equal keys, the item that came first is larger
        self._offered = 0

    def offer(self, key: float, item: Item) -> None:
        self._offered += 1
        heapq.heappush(self._kept, (key, -self._offered, item))
        if len(self._kept) > self._count:
            heapq.heappop(self._kept)

    def items(self) -> list[Item]:
        """The items that were kept, that with the largest key first."""
        return [item for _, _, item in sorted(self._kept, key=lambda kept: kept[:2], reverse=True)]


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """RGB (H, W, 3) as a small picture of at most `CELL` pixels in the middle of a white square, (CELL, CELL, 3)."""
    small = ImageOps.contain(Image.fromarray(rgb), (CELL, CELL), Image.Resampling.LANCZOS)
    return np.asarray(ImageOps.pad(small, (CELL, CELL), color="white"))


def save_contact_sheet(path: Path, photographs: list[dict[str, np.ndarray]], blocks: int = 1) -> None:
    """Save small pictures (CELL, CELL, 3) of photographs: a row for each photograph, a column for each key.

    With `blocks`, the rows are divided into parts that stand side by side.
    """
    size = -(-len(photographs) // blocks)
    sheets = []
    for start in range(0, len(photographs), size):
        part = photographs[start : start + size]
        stacks = {title: np.stack([each[title] for each in part]) for title in part[0]}
        sheets.append(grid({key: torch.from_numpy(stack).permute(0, 3, 1, 2) for key, stack in stacks.items()}, CELL))
    whole = Image.new("RGB", (sum(sheet.width for sheet in sheets), sheets[0].height), "white")
    for i, sheet in enumerate(sheets):
        whole.paste(sheet, (i * sheets[0].width, 0))
    whole.save(path)
