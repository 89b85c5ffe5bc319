"""Predictor: show photographs to a network, and return the chroma that it predicts."""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.color import CHROMA_SCALE, LIGHTNESS_SCALE, lab_to_rgb, lightness_of_bytes, to_uint8
from colorgan.inference.hints import Hint, hint_map
from colorgan.inference.inputs import draw_light, network_inputs, relight
from colorgan.inference.stream import stream
from colorgan.inference.upsample import enlarge
from colorgan.models import Generator
from colorgan.parallel import on_one_core
from colorgan.photo.errors import PhotoError
from colorgan.photo.read import Photo

# Precision of the network's arithmetic; float32 on other devices. The errors of bfloat16 are about ten times as large.
PRECISION = {"cuda": torch.float16}

Source = TypeVar("Source")
Result = TypeVar("Result")


class Predictor:
    """A generator in evaluation mode on a device."""

    def __init__(self, generator: Generator, device: torch.device | str | None = None):
        """Move the generator to `device` (default: a GPU if there is one) and put it into evaluation mode."""
        self.generator = generator.eval()
        self.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")

    def to(self, device: torch.device | str) -> Self:
        """Move the network to a device, and return `self`."""
        self.device = torch.device(device)
        self.precision = PRECISION.get(self.device.type, torch.float32)
        self.generator.to(self.device, torch.float32)
        # PyTorch's stubs lack this overload
        self.generator.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return self

    def network_chroma(
        self,
        photo: Photo,
        *,
        render_size: int | None = None,
        hints: Sequence[Hint] = (),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """What `predict` begins with: the chroma that the network predicts, before the tone and the hints' correction.

        It depends on the hints only if the network takes hints.
        """
        inputs = on_one_core(network_inputs, photo, self.generator, render_size)
        if generator is not None:
            light = draw_light(generator)
            inputs = [relight(lightness[None], light)[0] for lightness in inputs]
        seen = hints_for(self.generator, inputs[0], hints)
        if seen is None:
            return self.predict_inputs([inputs])[0]
        (lightness,) = inputs  # networks that take hints see a photograph once
        return self._run_network(lightness[None], seen[None])[0]

    @torch.inference_mode()
    def run_network(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Chroma (N, 2, H, W) of lightness (N, 1, H, W), both in [-1, 1] and on the same device.

        The mean of the network's predictions for each picture and for its mirror image. A network with a `stride`
        predicts one colour per cell, so its chroma is (N, 2, H / stride, W / stride), rounded up. `hints`, if the
        network takes them, are those of `Generator.forward`.
        """
        x = lightness.to(self.device, torch.float32)
        x = F.pad(x, (0, -x.shape[-1] % self.generator.stride, 0, 0), mode="replicate")  # mirrored cells stay in place
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            if hints is None:
                chroma = (self.generator(x) + self.generator(x.flip(-1)).flip(-1)) / 2
            else:
                hints = hints.to(x)
                chroma = (self.generator(x, hints) + self.generator(x.flip(-1), hints.flip(-1)).flip(-1)) / 2
        return chroma.float().to(lightness.device)

    @torch.inference_mode()
    def colorize_batch(self, rgb: Tensor) -> Tensor:
        """Colourize uint8 images (N, 3, H, W) at their own small size, and return the same shape, type and device.

        Only their lightness is used. This is what the evaluation measures.
        """
        lightness = lightness_of_bytes(rgb)
        return color_batch(lightness, self.run_network(lightness / LIGHTNESS_SCALE - 1))

    def stream(
        self,
        sources: Iterable[Source],
        read: Callable[[Source], Photo],
        finish: Callable[[Source, Photo, Tensor], Result],
        *,
        render_size: int | None = None,
        batch_size: int = 8,
    ) -> Iterator[Result | PhotoError]:
        """Yield `finish(source, photo, chroma)` for every source, in order, or the `PhotoError` that was raised for it.

        `read` and `finish` run on as many threads as PyTorch has cores, while the network runs. Photographs of one
        shape go through the network together, at most `batch_size` at a time. The photographs in memory have at most
        100 megapixels together, unless a single one has more. Raises ValueError for a wrong `render_size`.
        """
        if render_size is not None:
            self.generator.check_render_size(operator.index(render_size))
        inputs_of = partial(network_inputs, network=self.generator, render_size=render_size)
        return stream(inputs_of, self.predict_inputs, sources, read, finish, batch_size=batch_size)

    def predict_inputs(self, photographs: list[list[Tensor]]) -> list[Tensor]:
        """Chroma (2, h, w) for the `network_inputs` of each photograph; those of one shape go through it together."""
        by_shape: dict[torch.Size, list[tuple[int, int]]] = {}
        for i, inputs in enumerate(photographs):
            for j, lightness in enumerate(inputs):
                by_shape.setdefault(lightness.shape, []).append((i, j))
        chroma = {}
        for places in by_shape.values():
            lightness = torch.stack([photographs[i][j] for i, j in places])
            chroma.update(zip(places, self._run_network(lightness), strict=True))
        return [fuse([chroma[i, j] for j in range(len(inputs))]) for i, inputs in enumerate(photographs)]

    def _run_network(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """`run_network`, on one core if the device is the CPU: it is faster than several for such small pictures."""
        if self.device.type == "cpu":
            return on_one_core(self.run_network, lightness, hints)
        return self.run_network(lightness, hints)


def hints_for(network: Generator, lightness: Tensor, hints: Sequence[Hint]) -> Tensor | None:
    """Hints (3, h, w) for an input (1, H, W) of a network, or None if there are none or it does not take any."""
    if not hints or not network.takes_hints:
        return None
    height, width = (math.ceil(side / network.stride) for side in lightness.shape[-2:])
    return hint_map(hints, height, width)


@torch.inference_mode()
def color_batch(lightness: Tensor, chroma: Tensor) -> Tensor:
    """8-bit sRGB (N, 3, H, W) of L in [0, 100], (N, 1, H, W), and a network's chroma (N, 2, h, w) in [-1, 1]."""
    chroma = enlarge(chroma, lightness)
    return to_uint8(lab_to_rgb(torch.cat([lightness, chroma * CHROMA_SCALE], dim=1)))


@torch.inference_mode()
def fuse(chroma: list[Tensor]) -> Tensor:
    """Fuse several predictions (2, h, w) for one photograph: the mean hue, with the strength of the largest one.

    A plain mean would be paler than the largest prediction, because predictions differ and those at small sizes are
    paler. Sizes are made equal to the largest.
    """
    if len(chroma) == 1:
        return chroma[0]
    largest = max(chroma, key=Tensor.numel)
    mean = torch.stack([F.interpolate(each[None], largest.shape[-2:], mode="bicubic")[0] for each in chroma]).mean(0)
    strength = largest.norm(dim=0).mean() / mean.norm(dim=0).mean().clamp(min=1e-6)
    return (mean * strength.clamp(max=2)).clamp(-1, 1)
