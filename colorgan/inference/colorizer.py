"""Colorizer: a picture in, the same picture in colour out, at its own size and with its own lightness."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar, overload

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from colorgan.color import inputs_to_lab, lab_to_inputs, lab_to_rgb, rgb_to_lab, to_uint8
from colorgan.inference.inputs import RenderSize, draw_light, network_inputs, relight
from colorgan.inference.render import render
from colorgan.models import Generator
from colorgan.parallel import on_one_core, one_core_threads
from colorgan.photo import Photo, PhotoError, Picture, read_photo

BATCH_PIXELS = 25_000_000  # what a batch of photographs holds in memory at most, unless one alone is larger
PRECISION = {"cuda": torch.float16}  # of the network's arithmetic, else float32; bfloat16 is about ten times as far off

Source, Result = TypeVar("Source"), TypeVar("Result")


class Colorizer:
    """A generator, which is put into evaluation mode and on the device, and what a photograph needs around it."""

    def __init__(self, generator: Generator, device: torch.device | str | None = None):
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.precision = PRECISION.get(self.device.type, torch.float32)
        self.generator = generator.eval().to(self.device, memory_format=torch.channels_last)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "unet",
        *,
        revision: str | None = None,
        device: torch.device | str | None = None,
        local_files_only: bool = False,
    ) -> "Colorizer":
        """Load a bundled checkpoint by its short name, a checkpoint folder, or a model of the Hub (`owner/name`).

        `device` is a GPU when there is one, unless given. Raises `colorgan.CheckpointError` when there is no such
        checkpoint or it cannot be loaded exactly.
        """
        return cls(Generator.from_pretrained(name, revision=revision, local_files_only=local_files_only), device)

    @overload
    def colorize(
        self,
        image: Picture,
        *,
        render_size: RenderSize | None = None,
        saturation: float = 1.0,
        max_pixels: int | None = None,
        num_samples: None = None,
    ) -> Image.Image: ...

    @overload
    def colorize(
        self,
        image: Picture,
        *,
        render_size: RenderSize | None = None,
        saturation: float = 1.0,
        max_pixels: int | None = None,
        num_samples: int,
        seed: int = 0,
    ) -> list[Image.Image]: ...

    def colorize(
        self,
        image: Picture,
        *,
        render_size: RenderSize | None = None,
        saturation: float = 1.0,
        max_pixels: int | None = None,
        num_samples: int | None = None,
        seed: int = 0,
    ) -> Image.Image | list[Image.Image]:
        """Colourize one picture: a path, an open file, a PIL image, or an array (H, W[, 3 or 4]) of uint8 or uint16.

        The network sees it with its shorter side at `render_size` pixels, a multiple of 16, and at 16, and what it
        predicts is fused; several sizes are taken as they are. `saturation` multiplies the chroma. The result
        is 8-bit RGB (RGBA where the input has alpha), upright, of the input's size and lightness; with `num_samples`,
        a list of so many plausible ones (see `predict`), which `seed` chooses. Raises `colorgan.PhotoError` for what
        cannot be read. For 16-bit results, and to change the saturation without asking the network again, use
        `read_photo`, `predict` and `render`.
        """
        photo = read_photo(image) if max_pixels is None else read_photo(image, max_pixels=max_pixels)
        generator = torch.Generator().manual_seed(seed)
        samples = [None] if num_samples is None else [generator] * num_samples
        chroma = (self.predict(photo, render_size=render_size, generator=sample) for sample in samples)
        results = [Image.fromarray(render(photo, each, saturation=saturation)) for each in chroma]
        return results[0] if num_samples is None else results

    def colorize_many(
        self,
        images: Iterable[Picture],
        *,
        render_size: RenderSize | None = None,
        saturation: float = 1.0,
        batch_size: int = 8,
    ) -> Iterator[Image.Image]:
        """Colourize pictures one after another, in order; reading, network and rendering overlap.

        Memory is bounded: only two batches and what the threads work on are held. Raises `colorgan.PhotoError` at the
        first picture that cannot be read.
        """

        def finish(_: Picture, photo: Photo, chroma: Tensor) -> Image.Image:
            return Image.fromarray(render(photo, chroma, saturation=saturation))

        for result in self.stream(images, read_photo, finish, render_size=render_size, batch_size=batch_size):
            if isinstance(result, PhotoError):
                raise result
            yield result

    def predict(
        self, photo: Photo, *, render_size: RenderSize | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Chroma (2, h, w) in [-1, 1] for one photograph, as small as the network sees it; `render` puts it on.

        With a `generator` (of the CPU), another plausible one: the network sees the photograph in another light, which
        is drawn from it. Where the colour is certain it stays; where it was a guess, it is another guess.
        """
        inputs = on_one_core(network_inputs, photo, render_size)
        if generator is not None:
            light = draw_light(generator)
            inputs = [relight(lightness[None], light)[0] for lightness in inputs]
        return next(self._predict_batch([inputs])).clone()  # a tensor that may be written to

    @torch.inference_mode()
    def predict_chroma(self, lightness: Tensor) -> Tensor:
        """Chroma (N, 2, H, W) for lightness (N, 1, H, W), both in [-1, 1], at the size given and on its device.

        The mean of what the network says of the picture and of its mirror image.
        """
        x = lightness.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            chroma = (self.generator(x) + self.generator(x.flip(-1)).flip(-1)) / 2
        return chroma.float().to(lightness.device)

    @torch.inference_mode()
    def colorize_batch(self, rgb: Tensor) -> Tensor:
        """Colourize uint8 images of one small size, (N, 3, H, W), as the network sees them; the same comes back.

        Only their lightness is used; this is what evaluation measures.
        """
        lightness, _ = lab_to_inputs(rgb_to_lab(rgb.float() / 255))
        return to_uint8(lab_to_rgb(inputs_to_lab(lightness, self.predict_chroma(lightness))))

    def stream(
        self,
        sources: Iterable[Source],
        read: Callable[[Source], Photo],
        finish: Callable[[Source, Photo, Tensor], Result],
        *,
        render_size: RenderSize | None = None,
        batch_size: int = 8,
    ) -> Iterator[Result | PhotoError]:
        """What `finish(source, photo, chroma)` makes of every source, in order, or the `PhotoError` it ended in.

        `read` and `finish` run on as many threads as torch has cores, beside the network; photographs of one shape go
        through it together, at most `batch_size` at a time.
        """
        threads = torch.get_num_threads()
        finishing: deque[Future] = deque()
        with one_core_threads(threads) as pool:
            for batch in _batches(pool, sources, lambda source: _load(source, read, render_size), batch_size, threads):
                while len(finishing) > threads:
                    yield _outcome(finishing.popleft())
                chroma = self._predict_batch([loaded[1] for _, loaded in batch if not isinstance(loaded, PhotoError)])
                for source, loaded in batch:
                    if isinstance(loaded, PhotoError):
                        finishing.append(pool.submit(lambda error=loaded: error))
                    else:
                        finishing.append(pool.submit(finish, source, loaded[0], next(chroma)))
            while finishing:
                yield _outcome(finishing.popleft())

    def _predict_small(self, lightness: Tensor) -> Tensor:
        """`predict_chroma` for a few small inputs: on a CPU, the cores would wait for each other and not compute."""
        on_cpu = self.device.type == "cpu"
        return on_one_core(self.predict_chroma, lightness) if on_cpu else self.predict_chroma(lightness)

    def _predict_batch(self, photos: list[list[Tensor]]) -> Iterator[Tensor]:
        """Chroma (2, h, w) for each photograph's inputs, those of one shape together through the network."""
        by_shape: dict[torch.Size, list[tuple[int, int]]] = {}
        for i, inputs in enumerate(photos):
            for j, lightness in enumerate(inputs):
                by_shape.setdefault(lightness.shape, []).append((i, j))
        results = {}
        for places in by_shape.values():
            lightness = torch.stack([photos[i][j] for i, j in places])
            results.update(zip(places, self._predict_small(lightness), strict=True))
        return (fuse([results[i, j] for j in range(len(inputs))]) for i, inputs in enumerate(photos))


Loaded = tuple[Photo, list[Tensor]] | PhotoError  # a photograph and what the network sees of it, or why there is none


def _load(source: Source, read: Callable[[Source], Photo], render_size: RenderSize | None) -> Loaded:
    try:
        photo = read(source)
    except PhotoError as error:
        return error
    return photo, network_inputs(photo, render_size)


def _batches(
    pool: ThreadPoolExecutor,
    sources: Iterable[Source],
    load: Callable[[Source], Loaded],
    batch_size: int,
    ahead: int,
) -> Iterator[list[tuple[Source, Loaded]]]:
    """Loaded sources in batches of `batch_size`, or fewer when they are large, while `ahead` more are being read."""
    sources = iter(sources)
    reading = deque((source, pool.submit(load, source)) for source in islice(sources, ahead))
    batch, pixels = [], 0
    while reading:
        source, future = reading.popleft()
        reading.extend((source, pool.submit(load, source)) for source in islice(sources, 1))
        loaded = future.result()
        batch.append((source, loaded))
        pixels += 0 if isinstance(loaded, PhotoError) else loaded[0].lightness.size
        if len(batch) >= batch_size or pixels >= BATCH_PIXELS or not reading:
            yield batch
            batch, pixels = [], 0


def _outcome(future: Future) -> Result | PhotoError:
    try:
        return future.result()
    except PhotoError as error:
        return error


@torch.inference_mode()
def fuse(chroma: Sequence[Tensor]) -> Tensor:
    """The mean of several predictions (2, h, w) for one photograph, at the size of the largest, and as strong as it.

    Where the sizes disagree a mean is pale, and small sizes are pale by themselves: only the hues are to be fused.
    """
    if len(chroma) == 1:
        return chroma[0]
    largest = max(chroma, key=lambda each: each.shape[-2] * each.shape[-1])
    size = largest.shape[-2:]
    mean = torch.stack([F.interpolate(each[None], size, mode="bicubic")[0] for each in chroma]).mean(0)
    strength = largest.norm(dim=0).mean() / mean.norm(dim=0).mean().clamp(min=1e-6)
    return (mean * strength.clamp(max=2)).clamp(-1, 1)
