"""The networks of the demo: one computation at a time, on the GPU of a ZeroGPU Space where there is one."""

import threading
from collections.abc import Callable

import torch
from torch import Tensor

from colorgan.inference.colorizer import Colorizer
from colorgan.inference.distribution import ColorDistribution, color_distribution
from colorgan.inference.hints import Hint
from colorgan.photo import Photo

try:
    from spaces import GPU as on_zero_gpu  # a Space on ZeroGPU lends its GPU to functions with this decorator
except ImportError:

    def on_zero_gpu(function: Callable) -> Callable:
        """Return the function unchanged: this computer is not a Space on ZeroGPU."""
        return function


TITLES = {"photo": "Photo", "photo-vivid": "Photo, vivid", "unet": "U-Net", "cgan": "cGAN", "nogan": "NoGAN"}


def title(name: str) -> str:
    """Return the title of a network on the page."""
    return TITLES.get(name, name)


class Networks:
    """The colorizers by name. A lock makes all queues of the demo share them, one computation at a time."""

    def __init__(self, colorizers: dict[str, Colorizer]):
        self.colorizers = colorizers
        self.lock = threading.Lock()
        # ZeroGPU sends the arguments to another process, which already has `colorizers`: so they are no argument here
        self._chroma_of = on_zero_gpu(lambda name, *arguments: _chroma_of(colorizers[name], *arguments))
        self._predict_inputs = on_zero_gpu(lambda name, inputs: colorizers[name].predict_inputs(inputs))
        self._distribution_of = on_zero_gpu(lambda name, *arguments: color_distribution(colorizers[name], *arguments))
        self._colorize_batch = on_zero_gpu(
            lambda images: {name: colorizers[name].colorize_batch(images).cpu() for name in self.for_small_images}
        )

    @property
    def for_small_images(self) -> list[str]:
        """The names of those that were made for small images such as CIFAR-10's, or of all if none was."""
        names = [name for name, each in self.colorizers.items() if not each.generator.is_for_photographs]
        return names or list(self.colorizers)

    def takes_hints(self, name: str) -> bool:
        """Whether the chroma that the network predicts depends on hints."""
        return self.colorizers[name].generator.takes_hints

    def chroma_of(self, photo: Photo, name: str, render_size: int, sample: int, hints: tuple[Hint, ...]) -> Tensor:
        """Return the chroma (2, h, w), in [-1, 1] and on the CPU, that the network predicts for a photograph.

        Sample 0 is the prediction itself; any other number is the random seed of another plausible colouring. A render
        size of 0 is the network's own. Tone and correction, which follow, are not included.
        """
        lightness = Photo(photo.lightness)  # alpha and EXIF are not needed
        with self.lock:
            return self._chroma_of(name, lightness, render_size, sample, hints)

    def shared(self, name: str) -> "SharedColorizer":
        """Return what films need of a colorizer: between their batches of frames, other jobs use the networks."""
        return SharedColorizer(self, name)

    def predict_inputs(self, name: str, inputs: list[list[Tensor]]) -> list[Tensor]:
        """Return the chroma (2, h, w) of several frames, on the CPU, of the `network_inputs` of each."""
        with self.lock:
            return [chroma.cpu() for chroma in self._predict_inputs(name, inputs)]

    def distribution_of(self, photo: Photo, name: str, render_size: int, hints: tuple[Hint, ...]) -> ColorDistribution:
        """Return the colours that the network finds plausible in a photograph; a render size of 0 is its own."""
        with self.lock:
            return self._distribution_of(name, Photo(photo.lightness), render_size or None, hints)

    def colorize_batch(self, images: Tensor) -> dict[str, Tensor]:
        """Return uint8 images (N, 3, H, W) in the colours of each network for them, computed as in the evaluation."""
        with self.lock:
            return self._colorize_batch(images)


class SharedColorizer:
    """One of the networks, for films: each batch of frames waits for the lock."""

    def __init__(self, networks: Networks, name: str):
        self.generator = networks.colorizers[name].generator
        self._networks, self._name = networks, name

    def predict_inputs(self, inputs: list[list[Tensor]]) -> list[Tensor]:
        """Return the chroma (2, h, w) of several frames."""
        return self._networks.predict_inputs(self._name, inputs)


def _chroma_of(colorizer: Colorizer, photo: Photo, render_size: int, sample: int, hints: tuple[Hint, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(sample) if sample else None
    return colorizer.network_chroma(photo, render_size=render_size or None, hints=hints, generator=generator).cpu()
