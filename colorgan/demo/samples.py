"""The CIFAR-10 tab: test images in grey, in the colours of each network and as they were, with their PSNR."""

import torch
from PIL import Image
from torch import Tensor

from colorgan.data import DatasetError, ImageSet, load_images
from colorgan.demo.networks import Networks, title
from colorgan.demo.uploads import user_error, without_server_path
from colorgan.evaluation.metrics import grey_baseline, psnr_from, squared_error

ALL_CLASSES = "all classes"
TILE = 256  # side of a picture on the page in pixels: eight times that of a CIFAR-10 image
MAX_SAMPLES = 32  # images at once


class Samples:
    """The coloured test images of a data set. They are loaded when they are needed for the first time."""

    def __init__(self, networks: Networks, dataset_name: str):
        self.networks, self.dataset_name = networks, dataset_name
        self._images: ImageSet | None = None

    def images(self) -> ImageSet:
        """Return the test images that are not exactly grey. Raises `gr.Error` where the data set is not available."""
        if self._images is None:
            try:
                self._images, _ = load_images(self.dataset_name, "test").without_grey()
            except DatasetError as error:
                raise user_error(without_server_path(error, self.dataset_name)) from error
        return self._images

    def colorize(
        self, class_name: str = ALL_CLASSES, seed: int | None = 0, count: int = 6
    ) -> tuple[list[tuple[Image.Image, str]], list[dict]]:
        """Colourize `count` random test images of a class with every network for small images.

        Returns pictures with captions, image after image (grey, each network, truth); and a dictionary for each image
        with its class and the PSNR of each network in dB. Raises `gr.Error` for an unknown class or a wrong count.
        """
        chosen = self._choose(class_name, int(seed or 0), int(count))
        columns = {"grey": grey_baseline(chosen.images)}
        columns |= {title(name): output for name, output in self.networks.colorize_batch(chosen.images).items()}
        psnr = {name: psnr_from(squared_error(output, chosen.images)) for name, output in columns.items()}
        pictures, metrics = [], []
        for i, truth in enumerate(chosen.images):
            label = chosen.class_names[chosen.labels[i]] if chosen.class_names else None
            pictures += [(_tile(output[i]), f"{name} {psnr[name][i]:.1f}\u00a0dB") for name, output in columns.items()]
            pictures.append((_tile(truth), f"truth: {label}" if label else "truth"))
            metrics.append({"class": label, "psnr": {name: round(psnr[name][i].item(), 2) for name in columns}})
        return pictures, metrics

    def _choose(self, class_name: str, seed: int, count: int) -> ImageSet:
        images = self.images()
        choices = [ALL_CLASSES, *images.class_names]
        if class_name not in choices:
            raise user_error(f"There is no class {class_name}: choose one of {', '.join(choices)}.")
        if not 1 <= count <= MAX_SAMPLES:
            raise user_error(f"The number of images must be between 1 and {MAX_SAMPLES}, not {count}.")
        candidates = torch.arange(len(images))
        if class_name != ALL_CLASSES:
            candidates = candidates[images.labels == images.class_names.index(class_name)]
        if not len(candidates):
            which = "" if class_name == ALL_CLASSES else f" of the class {class_name}"
            raise user_error(f"All test images{which} are grey, so there are no colours to compare.")
        order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed % 2**63))
        return images[candidates[order[:count]]]


def _tile(image: Tensor) -> Image.Image:
    """Return an image (3, H, W) uint8 enlarged to `TILE` pixels without smoothing."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    return picture.resize((TILE, TILE), Image.Resampling.NEAREST)
