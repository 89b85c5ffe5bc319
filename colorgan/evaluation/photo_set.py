"""Photographs of a data set, one after the other and not decoded; also those that a training left out to validate."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from colorgan.data import open_images, split_indices
from colorgan.parallel import in_order, one_core_threads
from colorgan.pictures import decode, square, to_rgb
from colorgan.splits import DatasetError, SplitError, read_rows

TRAINING_RESOLUTION = 80  # of --preset photo, whose validation images `validation_rows` finds


@dataclass
class Photographs:
    """The rows of a split that are measured: those with the numbers `chosen`, in ascending order."""

    name: str
    split: str
    rows: Iterable[dict[str, Any]] = field(repr=False)
    image_column: str
    source_column: str | None
    chosen: list[int]

    @property
    def title(self) -> str:
        return f"{self.name} ({self.split})"

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield row numbers and rows; pictures are dictionaries with `bytes` or a `path`, as in `datasets`."""
        wanted = set(self.chosen)
        for number, row in enumerate(read_rows(self.rows, self.title)):
            if number in wanted:
                yield number, row
            if number == self.chosen[-1]:
                break

    def source(self, row: dict[str, Any]) -> str:
        """The name of the source of a row; of a column of labels, the label's name."""
        if self.source_column is None:
            return ""
        value = row[self.source_column]
        feature = (getattr(self.rows, "features", None) or {})[self.source_column]
        return str(feature.int2str(value)) if isinstance(value, int) and hasattr(feature, "int2str") else str(value)


def open_photographs(
    name: str,
    split: str | None = None,
    *,
    image_column: str | None = None,
    source_column: str | None = None,
    max_images: int | None = None,
    seed: int = 0,
) -> Photographs:
    """Open the photographs of a data set (a Hub id, a folder of pictures, or a Parquet file) without decoding them.

    `split` is by default `test` if there is one, and otherwise `train`; `validation` of a data set without a split of
    this name is the tenth of `train` that `validation_rows` finds. The default column of the sources is `source`, if
    there is one. `max_images` photographs are chosen at random. Raises `DatasetError`.
    """
    left_out = False
    try:
        rows, column = open_images(name, split or "test", image_column)
        split = split or "test"
    except SplitError:
        if split not in (None, "validation"):
            raise
        left_out, split = split == "validation", split or "train"
        rows, column = open_images(name, "train", image_column)
    features = rows.features or {}
    if source_column is not None and source_column not in features:
        raise DatasetError(f"{name} has no column {source_column}; it has the columns {list(features)}.")
    source_column = source_column or ("source" if "source" in features else None)
    count = sum(1 for _ in read_rows(rows, f"{name} ({split})"))
    photographs = Photographs(name, split, rows, column, source_column, list(range(count)))
    if left_out:
        photographs.chosen = validation_rows(photographs, seed)
    if max_images is not None and max_images < len(photographs):
        photographs.chosen = sorted(random.Random(seed).sample(photographs.chosen, max_images))
    return photographs


def validation_rows(photographs: Photographs, seed: int = 0, resolution: int = TRAINING_RESOLUTION) -> list[int]:
    """The row numbers of the images that a training with `--validation_split random` does not train on.

    `photographs` is the split that the training uses, `seed` and `resolution` are the options of the training, which
    decide which images these are. All images are decoded, because the training counts neither damaged images nor those
    that are exactly grey at its resolution.
    """

    def usable(item: tuple[int, dict[str, Any]]) -> int | None:
        number, row = item
        try:
            pixels = square(to_rgb(decode(row[photographs.image_column])), resolution)
        except Exception:  # decoders raise errors of many types for damaged data
            return None
        return number if (pixels != pixels[..., :1]).any() else None  # exactly grey, as in the training

    bar = tqdm(photographs, desc="Looking for the validation images", unit="image")
    with one_core_threads(torch.get_num_threads()) as pool:
        numbers = [number for number in in_order(pool, usable, bar) if number is not None]
    _, validation = split_indices(torch.empty(len(numbers), 0), "random", seed)
    if not len(validation):
        raise DatasetError(f"{photographs.name} has {len(numbers)} images with colour; validation needs at least 10.")
    return [numbers[i] for i in validation.tolist()]
