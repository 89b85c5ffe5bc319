"""The networks: Generator (chroma from lightness), Discriminator (real or generated colours), Classifier (classes).

All take lightness (N, 1, H, W) and chroma (N, 2, H, W) as `colorgan.color` defines them, about [-1, 1].
"""

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from colorgan.bins import annealed_mean, balancing_weights, count_bins
from colorgan.convolution import Conv2d
from colorgan.hub.checkpoint import Checkpoint
from colorgan.hub.client import CheckpointError
from colorgan.unets import ClassicUNet, PhotoUNet, Pix2PixUNet, ResidualBlock, ResidualUNet


class RenderSizeError(ValueError):
    """A network cannot see photographs at a render size; the message says which sizes it can."""


class Generator(Checkpoint):
    """Predict chroma (N, 2, H, W) from lightness (N, 1, H, W), both in [-1, 1]; any height and width.

    `architecture` is `residual` (the default recipe), `pix2pix` (the U-Net of Isola et al. 2017, cut down for 32x32),
    `classic` (Ronneberger et al. 2015) or `photo` (for photographs); `width` is the number of channels of the first
    stage, and parameters grow with its square. Sizes that are no multiple of the network's (16, or 32 for `photo`) are
    padded on all sides with the mirror image; the output is cropped.

    The `photo` network predicts one colour for each cell of 4x4 pixels (`stride`), so its chroma is (N, 2, H / 4,
    W / 4), rounded up. One of its two heads regresses chroma, the other classifies it into `bins` colours. The
    generator returns the regressed chroma if `temperature` is None, otherwise the annealed mean of the classification
    at that temperature (`colorgan.bins.annealed_mean`).

    With `hints`, which only the `photo` network can have, it also sees colours that are known: `forward` takes them as
    (N, 3, H / 4, W / 4), a and b as in chroma and a mask that is 1 in the cells with a hint, all 0 in the others.

    `render_size` is the shorter side, in pixels, at which the network sees a photograph unless its user chooses another
    one: a multiple of the network's (default: 48, or 64 for `photo`). Raises ValueError if the arguments do not fit
    together.
    """

    def __init__(
        self,
        architecture: str = "residual",
        width: int = 48,
        bins: int | None = None,
        temperature: float | None = None,
        render_size: int | None = None,
        hints: bool | None = None,
    ):
        super().__init__()
        networks = {"residual": ResidualUNet, "pix2pix": Pix2PixUNet, "classic": ClassicUNet}
        if architecture != "photo" and architecture not in networks:
            names = ", ".join([*networks, "photo"])
            raise ValueError(f"Unknown architecture {architecture!r}: choose one of {names}.")
        if (architecture == "photo") != (bins is not None):
            raise ValueError(f"The architecture photo needs a number of bins, and the others have none; got {bins}.")
        if temperature is not None and (bins is None or not temperature > 0):
            raise ValueError(
                f"A temperature is more than 0, and only the architecture photo has one; got {temperature}."
            )
        if hints and bins is None:
            raise ValueError(f"Only the architecture photo takes hints, not {architecture}.")
        self.network = networks[architecture](width) if bins is None else PhotoUNet(width, bins, bool(hints))
        self.temperature = temperature
        self.render_size = self.network.render_size if render_size is None else render_size
        self.check_render_size(self.render_size)

    @property
    def is_for_photographs(self) -> bool:
        """Whether the network was made for photographs of any size; the others were made for images of 32x32 pixels."""
        return isinstance(self.network, PhotoUNet)

    @property
    def takes_hints(self) -> bool:
        """Whether `forward` takes hints."""
        return isinstance(self.network, PhotoUNet) and self.network.hints is not None

    @property
    def multiple(self) -> int:
        """The sides of inputs that are not padded are multiples of this number of pixels."""
        return self.network.multiple

    def check_render_size(self, size: int) -> None:
        """Raise `RenderSizeError` unless the network can see photographs with a shorter side of `size` pixels."""
        if size < 1 or size % self.multiple:
            raise RenderSizeError(
                f"The render size of this network must be a multiple of {self.multiple}, such as {2 * self.multiple}, "
                f"not {size}."
            )

    @property
    def stride(self) -> int:
        """Height and width, in pixels of the input, of the cell that each predicted colour is for."""
        return self.network.stride

    @property
    def chroma_layer(self) -> nn.Conv2d:
        """The last layer of the regression: chroma is the tanh of its outputs."""
        network: Any = self.network
        return network.chroma if self.is_for_photographs else network.head

    def forward(
        self, lightness: Tensor, hints: Tensor | None = None, heads: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return chroma. With `heads`, the `photo` network returns its regressed chroma and the logits of its bins."""
        height, width = lightness.shape[-2:]
        multiple, stride = self.multiple, self.stride
        below, right = -height % multiple, -width % multiple
        top, left = (side // 2 // stride * stride for side in (below, right))  # whole cells, so that they stay in place
        mode = "reflect" if below - top < height and right - left < width else "replicate"
        padded = F.pad(lightness, (left, right - left, top, below - top), mode=mode)
        rows = slice(top // stride, math.ceil((top + height) / stride))
        columns = slice(left // stride, math.ceil((left + width) / stride))
        if not isinstance(self.network, PhotoUNet):
            return self.network(padded)[..., rows, columns]
        if hints is not None:  # the padding has none
            after = padded.shape[-1] // stride - columns.stop, padded.shape[-2] // stride - rows.stop
            hints = F.pad(hints, (columns.start, after[0], rows.start, after[1]))
        chroma, logits = (output[..., rows, columns] for output in self.network(padded, hints))
        if heads:
            return chroma, logits
        return chroma if self.temperature is None else annealed_mean(logits, self.network.centres, self.temperature)


def new_generator(checkpoint: str | None, architecture: str, width: int) -> Generator:
    """Return a generator to train: that of `checkpoint` if it is not None, otherwise one with random weights.

    The architecture and width of a checkpoint are its own. Raises `CheckpointError` if either it or `architecture` is
    `photo` and the other is not, because the recipe must know the size of the outputs.
    """
    if checkpoint is None:
        return Generator(architecture, width)
    generator = Generator.from_pretrained(checkpoint)
    if isinstance(generator.network, PhotoUNet) != (architecture == "photo"):
        raise CheckpointError(f"{checkpoint} does not have the --architecture {architecture}: give the checkpoint's.")
    return generator


def with_hint_channels(generator: Generator) -> Generator:
    """Return a `photo` generator that takes hints: `generator` itself, or one that predicts the same without them."""
    if generator.takes_hints:
        return generator
    config: Any = generator._hub_mixin_config
    result = Generator(**config | {"hints": True})
    result.load_state_dict(result.state_dict() | generator.state_dict())
    return result


def new_gan_generator(checkpoint: str | None, architecture: str, width: int, colorfulness: float | None) -> Generator:
    """Return a generator to train as a part of a GAN, as `new_generator` does.

    A `photo` network must come from a checkpoint, because it begins as a regression and a classification; only the head
    whose chroma it returns is trained further. Raises `CheckpointError`, also if that is the classification and its
    colours are to be scaled to a `colorfulness`.
    """
    if architecture == "photo" and checkpoint is None:
        raise CheckpointError(
            "The architecture photo starts from a checkpoint of train/unet.py --preset photo: name it with --generator."
        )
    generator = new_generator(checkpoint, architecture, width)
    if colorfulness is not None and generator.temperature is not None:
        raise CheckpointError(
            f"{checkpoint} has a temperature, which sets how strong its colours are: leave out --colorfulness."
        )
    if isinstance(generator.network, PhotoUNet):
        unused = generator.network.bins if generator.temperature is None else generator.network.chroma
        unused.requires_grad_(False)  # processes would wait for its gradients
    return generator


def new_photo_generator(images: Tensor, width: int, uniform_share: float) -> Generator:
    """Return a `photo` generator with random weights, whose bins are the colours in uint8 images (N, 3, H, W).

    `uniform_share` is that of `colorgan.bins.balancing_weights`.
    """
    centres, shares = count_bins(images, PhotoUNet.stride)
    generator = Generator("photo", width, len(centres))
    assert isinstance(generator.network, PhotoUNet)
    generator.network.centres.copy_(centres)
    generator.network.weights.copy_(balancing_weights(shares, uniform_share))
    return generator


class Discriminator(Checkpoint):
    """Distinguish real chroma (N, 2, H, W) from generated, given the lightness (N, 1, H, W).

    Returns a map of logits (N, 1, H', W'). The sigmoid of a logit is the probability that the colours there are real.
    `architecture` is `spectral` (the default: spectral normalisation, Miyato et al. 2018) or `pix2pix` (BatchNorm);
    `width` is the number of channels of the first stage.
    """

    def __init__(self, architecture: str = "spectral", width: int = 32):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        if architecture == "pix2pix":
            self.network = nn.Sequential(
                *_halving(3, widths[0]),
                *(layer for a, b in itertools.pairwise(widths) for layer in _halving(a, b, nn.BatchNorm2d(b))),
                nn.Conv2d(widths[-1], 1, 1),
            )
        elif architecture == "spectral":
            self.network = nn.Sequential(
                nn.Conv2d(3, widths[0], 3, padding=1),
                nn.LeakyReLU(0.2),
                *(layer for a, b in itertools.pairwise(widths) for layer in _halving(a, b)),
                nn.Conv2d(widths[-1], 1, 3, padding=1),
            )
            for layer in self.network:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)
        else:
            raise ValueError(f"Unknown architecture {architecture!r}: choose spectral or pix2pix.")

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return self.network(torch.cat([lightness, chroma], dim=1))


def _halving(before: int, after: int, *norm: nn.Module) -> list[nn.Module]:
    return [Conv2d(before, after, 4, 2, 1, bias=not norm), *norm, nn.LeakyReLU(0.2)]


class Classifier(Checkpoint):
    """Classify small pictures by lightness and chroma; returns logits (N, classes).

    The features of the `plain` architecture are for NoGAN's feature loss, those of the `residual` one (more accurate,
    slower) for the evaluation: a network must not be trained with the one that measures it. `width` is the number of
    channels of the first stage.
    """

    def __init__(self, classes: int = 10, width: int = 32, architecture: str = "plain"):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        if architecture == "plain":
            stages = [
                _convolution(widths[0], widths[1], stride=2),
                nn.Sequential(_convolution(widths[1], widths[2], stride=2), _convolution(widths[2], widths[2])),
                nn.Sequential(_convolution(widths[2], widths[3], stride=2), _convolution(widths[3], widths[3])),
            ]
        elif architecture == "residual":
            stages = [
                nn.Sequential(_convolution(widths[0], widths[1], stride=2), ResidualBlock(widths[1])),
                nn.Sequential(_convolution(widths[1], widths[2]), nn.MaxPool2d(2), ResidualBlock(widths[2])),
                nn.Sequential(_convolution(widths[2], widths[3]), nn.MaxPool2d(2), ResidualBlock(widths[3])),
            ]
        else:
            raise ValueError(f"Unknown architecture {architecture!r}: choose plain or residual.")
        self.stages = nn.ModuleList([_convolution(3, widths[0]), *stages])
        self.head = nn.Linear(widths[-1], classes)

    def features(self, lightness: Tensor, chroma: Tensor) -> list[Tensor]:
        """Return the feature maps after each stage, at full, half, quarter and eighth resolution."""
        x, maps = torch.cat([lightness, chroma], dim=1), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def embed(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        """Return the last features, averaged over the picture, (N, 8 * width). The logits are linear in them."""
        return self.features(lightness, chroma)[-1].mean((2, 3))

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        return self.head(self.embed(lightness, chroma))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU())
