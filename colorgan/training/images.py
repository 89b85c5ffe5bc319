"""The images of a training run, divided into those to train on and those to validate with."""

import torch

from colorgan.data import DatasetError, ImageSet, load_images, split_indices
from colorgan.training.config import TrainingConfig


def load_split(config: TrainingConfig, split: str) -> ImageSet:
    """Load a split of the data set with the columns and the resolution of the options. Raises `DatasetError`."""
    return load_images(config.dataset_name, split, config.resolution, config.image_column, config.label_column)


def load_split_images(config: TrainingConfig) -> tuple[ImageSet, ImageSet, dict[str, str | int]]:
    """Return training images, validation images (a tenth), and a description of all images for the record.

    `--max_train_samples` makes the training images fewer; the validation images stay the same. Raises `DatasetError`.
    """
    loaded = load_split(config, "train")
    images, greys = loaded.without_grey()
    if len(images) < 20:  # two for validation
        raise DatasetError(
            f"{config.dataset_name} has {len(images)} images with colour; training and validation need 20."
        )
    training, validation = split_indices(images.images, config.validation_split, config.seed)
    if config.max_train_samples:
        shuffled = torch.randperm(len(training), generator=torch.Generator().manual_seed(config.seed))
        training = training[shuffled[: config.max_train_samples].sort().values]
    data: dict[str, str | int] = {
        "name": config.dataset_name,
        "split": "train",
        "num_images": len(loaded),
        "num_grey_removed": greys,
        **loaded.changes.record(),
        "checksum": loaded.checksum(),
    }
    return images[training], images[validation], data
