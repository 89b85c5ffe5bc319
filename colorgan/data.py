"""Image data sets through Hugging Face `datasets`, decoded once into one uint8 tensor that lives on the device."""

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorgan.pictures import Changes, decode, kind, square, to_rgb
from colorgan.splits import DatasetError, open_split, read_rows, warn_once

IMAGE_COLUMNS, LABEL_COLUMNS = ("img", "image"), ("label", "fine_label")  # used if none is named


@dataclass
class ImageSet:
    """Images of one size with their labels: `images` (N, 3, H, W) uint8, `labels` (N,) int64 or None."""

    images: Tensor
    labels: Tensor | None
    class_names: list[str]
    changes: Changes = field(default_factory=Changes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor) -> "ImageSet":
        labels = None if self.labels is None else self.labels[index.to(self.labels.device)]
        return replace(self, images=self.images[index.to(self.images.device)], labels=labels)

    def to(self, device: torch.device | str) -> "ImageSet":
        return replace(
            self, images=self.images.to(device), labels=None if self.labels is None else self.labels.to(device)
        )

    def without_grey(self) -> tuple["ImageSet", int]:
        """The images that have any colour, and how many were exactly grey (R = G = B in every pixel)."""
        grey = is_grey(self.images)
        return self[torch.nonzero(~grey).squeeze(1)], int(grey.sum())

    def checksum(self) -> str:
        """SHA-256 of the pixels as bytes in the order (N, H, W, 3), in hexadecimal digits."""
        digest = hashlib.sha256()
        for part in self.images.split(1000):  # so that no second copy of all images is made
            digest.update(part.permute(0, 2, 3, 1).contiguous().cpu().numpy().data)
        return digest.hexdigest()


def load_images(
    name: str | Path,
    split: str,
    resolution: int = 32,
    image_column: str | None = None,
    label_column: str | None = None,
) -> ImageSet:
    """Load a split of an image data set, every image `resolution` pixels square (shorter side scaled, centre cropped).

    `name` is a Hub id such as `uoft-cs/cifar10`; a folder that `datasets.load_dataset` can read, with Parquet files or
    image files; or one Parquet file, whose rows are all used, whatever the split. Default columns: images in `img` or
    `image`, labels in `label` or `fine_label` if there are any; only integers from 0 on are labels. Images of other
    modes become RGB, small ones are enlarged, and unreadable ones are left out, which is logged as a warning.
    Raises `DatasetError` if the data set cannot be read.
    """
    rows, column = open_images(name, split, image_column)
    features, title = rows.features or {}, f"{name} ({split})"
    label_column = _find_column(features, label_column, LABEL_COLUMNS, str(name))
    pixels, labels, changes = bytearray(), [], Changes()
    for i, row in enumerate(read_rows(rows, title)):
        try:
            picture = decode(row[column])
            if mode := kind(picture):
                picture = to_rgb(picture)
                changes.converted[mode] += 1
        except Exception:  # decoders raise errors of many types for damaged data
            changes.left_out[i] = image_name(row[column], str(name), i)
            continue
        changes.enlarged += min(picture.size) < resolution
        pixels += square(picture, resolution).transpose(2, 0, 1).tobytes()
        labels.append(row[label_column] if label_column else None)
    if not labels:
        unreadable = f" that can be read ({changes.names()})" if changes.left_out else ""
        raise DatasetError(f"The split {split} of {name} has no images{unreadable}.")
    for sentence in changes.sentences(title, resolution):
        warn_once(sentence)
    images = torch.frombuffer(pixels, dtype=torch.uint8).view(-1, 3, resolution, resolution)
    if label_column is None or not all(isinstance(label, int) and label >= 0 for label in labels):
        return ImageSet(images, None, [], changes)
    class_names = getattr(features[label_column], "names", [])
    return ImageSet(images, torch.tensor(labels, dtype=torch.int64), class_names, changes)


def open_images(name: str | Path, split: str, image_column: str | None = None) -> tuple[Any, str]:
    """Open a split as a `datasets.Dataset` or `IterableDataset`, and return it with the name of its image column.

    The images are not decoded yet: each is a dictionary with `bytes` or a `path`. Raises `DatasetError`.
    """
    import datasets  # here, because the library colourizes without this package

    rows = open_split(str(name), split)
    features = rows.features or {}
    column = _find_column(features, image_column, IMAGE_COLUMNS, str(name))
    if column is None:
        raise DatasetError(
            f"{name} has the columns {list(features)}: say which holds the images if it is not img or image."
        )
    if not _holds_images(features[column]):
        raise DatasetError(f"The column {column} of {name} holds {features[column]}, not images.")
    return rows.cast_column(column, datasets.Image(decode=False)), column


def _find_column(features: dict[str, Any], wanted: str | None, usual: tuple[str, ...], name: str) -> str | None:
    """The wanted column, else the first with a usual name, else None. Raises `DatasetError` if it does not exist."""
    if wanted is not None and wanted not in features:
        raise DatasetError(f"{name} has no column {wanted}; it has the columns {list(features)}.")
    return wanted or next((each for each in usual if each in features), None)


def _holds_images(feature: Any) -> bool:
    """Whether the values of a column are images, or files of images as other programs store them in Parquet."""
    import datasets

    if isinstance(feature, datasets.Value):
        return feature.dtype in ("binary", "large_binary")
    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "bytes" in feature)


def image_name(stored: dict[str, Any] | None, folder: str, row: int) -> str:
    """The path in the data set's folder of an image that is a file of its own; `row 3` for other images."""
    if stored is None or stored["bytes"] is not None or stored["path"] is None:
        return f"row {row}"
    path, parent = Path(stored["path"]), Path(folder).resolve()
    return str(path.relative_to(parent)) if path.is_relative_to(parent) else str(path)


def is_grey(images: Tensor) -> Tensor:
    """Which of the images (N, 3, H, W) are exactly grey: R = G = B in every pixel; (N,) bool."""
    red, green, blue = images.unbind(1)
    return ((red == green) & (green == blue)).flatten(1).all(1)


def mean_hue(images: Tensor) -> Tensor:
    """Circular mean of the HSV hue of uint8 images (N, 3, H, W), in [0, 1); grey pixels have no hue and are ignored."""
    red, green, blue = images.float().unbind(1)
    highest, lowest = images.amax(1).float(), images.amin(1).float()
    spread = (highest - lowest).clamp(min=1)
    sixths = torch.where(
        highest == red,
        (green - blue) / spread,
        torch.where(highest == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    angle, coloured = sixths * (math.pi / 3), highest > lowest
    sine, cosine = ((part * coloured).flatten(1).sum(1) for part in (angle.sin(), angle.cos()))
    return (torch.atan2(sine, cosine) / (2 * math.pi)) % 1


def split_indices(images: Tensor, method: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the training and the validation images (a tenth), by one of two methods.

    `random` draws a permutation with the random seed. `hue` sorts by mean hue and takes every tenth image, starting at
    `seed % 10`, so that both parts have the same distribution of colours.
    """
    if method == "random":
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        count = len(images) // 10
        return order[count:].sort().values, order[:count].sort().values
    if method == "hue":
        order = mean_hue(images).argsort(stable=True)
        held_out = torch.arange(len(order)) % 10 == seed % 10
        return order[~held_out].sort().values, order[held_out].sort().values
    raise ValueError(f"Unknown split {method!r}: choose random or hue.")


class Batches:
    """Shuffled and randomly mirrored training batches on the images' device; batch k depends only on the seed and k.

    There is no iterator state: a resumed run that asks for batch k gets the batch of an uninterrupted run. In every
    step, each of `num_processes` gets `batch_size` different images.
    """

    def __init__(self, images: ImageSet, batch_size: int, seed: int, process_index: int = 0, num_processes: int = 1):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.process_index, self.num_processes = process_index, num_processes
        if batch_size * num_processes > len(images):
            raise DatasetError(
                f"A batch of {batch_size} for each of {num_processes} processes is more than the {len(images)} "
                f"training images: choose a --train_batch_size of at most {len(images) // num_processes}."
            )
        self.per_epoch = len(images) // (batch_size * num_processes)  # the last batch is left out if it is smaller
        self._epoch, self._order = -1, torch.empty(0)
        # random generator of the last batch, for its augmentation; its state depends only on the seed and k
        self.generator = torch.Generator()

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor | None]:
        """Batch k: sRGB in [0, 1], (batch_size, 3, H, W) float32, and labels (batch_size,) or None."""
        chosen = self.images[self.indices(k)]
        rgb = chosen.images.float() / 255
        self.generator.manual_seed(_mix_seed(self.seed, 1, k * self.num_processes + self.process_index))
        flip = (torch.rand(self.batch_size, generator=self.generator) < 0.5).to(rgb.device, non_blocking=True)
        return torch.where(flip[:, None, None, None], rgb.flip(-1), rgb), chosen.labels

    def indices(self, k: int) -> Tensor:
        """Indices of the images in batch k, (batch_size,)."""
        epoch, position = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(_mix_seed(self.seed, 0, epoch))
            order = torch.randperm(len(self.images), generator=generator)
            self._epoch, self._order = epoch, order.to(self.images.images.device)
        start = (position * self.num_processes + self.process_index) * self.batch_size
        return self._order[start : start + self.batch_size]


def _mix_seed(seed: int, stream: int, count: int) -> int:
    """A seed of its own for every (seed, stream, count), in [0, 2**63)."""
    return int(np.random.SeedSequence([seed, stream, count]).generate_state(1, np.uint64)[0] >> 1)
