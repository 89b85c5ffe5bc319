"""Colorizer: colourize a picture at its own size, without changing its lightness."""

import math
import operator
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from colorgan import DEFAULT_MODEL
from colorgan.color import CHROMA_SCALE, LIGHTNESS_SCALE, lab_to_rgb, lightness_of_bytes, to_uint8
from colorgan.film.errors import require_pyav
from colorgan.film.look import Look
from colorgan.inference.correction import correct_chroma
from colorgan.inference.hints import Hint, as_hints, hint_map
from colorgan.inference.inputs import draw_light, network_inputs, relight
from colorgan.inference.render import render
from colorgan.inference.stream import stream
from colorgan.inference.suggestions import COUNT, color_distribution, suggest
from colorgan.inference.tone import STRENGTH, Tone, apply_tone, as_tone
from colorgan.inference.upsample import enlarge
from colorgan.models import Generator
from colorgan.parallel import on_one_core
from colorgan.photo.errors import PhotoError, PhotoWarning
from colorgan.photo.provenance import tool_name
from colorgan.photo.read import MAX_PIXELS, Photo, Picture, picture_name, read_photo

if TYPE_CHECKING:
    from colorgan.film.convert import Progress
    from colorgan.film.read import Frame

# Precision of the network's arithmetic; float32 on other devices. The errors of bfloat16 are about ten times as large.
PRECISION = {"cuda": torch.float16}

Source = TypeVar("Source")
Result = TypeVar("Result")
Hints = Iterable[Hint | Mapping[str, Any]]


class Colorizer:
    """A generator in evaluation mode on a device, with everything between a photograph and the network."""

    name: str | None = None  # of the checkpoint

    def __init__(self, generator: Generator, device: torch.device | str | None = None):
        """Move the generator to `device` (default: a GPU if there is one) and put it into evaluation mode."""
        self.generator = generator.eval()
        self.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        device: torch.device | str | None = None,
    ) -> "Colorizer":
        """Load a bundled checkpoint by its short name, a checkpoint folder, or a model of the Hub (`owner/name`).

        `device` is a GPU if there is one, unless given; the other options are those of `huggingface_hub`. Raises
        `colorgan.CheckpointError` if there is no such checkpoint or it cannot be loaded exactly.
        """
        generator = Generator.from_pretrained(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        colorizer = cls(generator, device)
        colorizer.name = str(pretrained_model_name_or_path)
        return colorizer

    def to(self, device: torch.device | str) -> "Colorizer":
        """Move the network to a device, and return this colorizer."""
        self.device = torch.device(device)
        self.precision = PRECISION.get(self.device.type, torch.float32)
        self.generator.to(self.device, torch.float32)
        # PyTorch's stubs lack this overload
        self.generator.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return self

    @overload
    def colorize(
        self,
        image: Picture,
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        max_pixels: int = MAX_PIXELS,
        hints: Hints = (),
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        num_samples: None = None,
        seed: int = 0,
    ) -> Image.Image: ...

    @overload
    def colorize(
        self,
        image: Picture,
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        max_pixels: int = MAX_PIXELS,
        hints: Hints = (),
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        num_samples: int,
        seed: int = 0,
    ) -> list[Image.Image]: ...

    def colorize(
        self,
        image: Picture,
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        max_pixels: int = MAX_PIXELS,
        hints: Hints = (),
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        num_samples: int | None = None,
        seed: int = 0,
    ) -> Image.Image | list[Image.Image]:
        """Colourize one picture: a path, an open file, a PIL image, or an array (H, W[, 3 or 4]) of uint8 or uint16.

        Returns 8-bit RGB (RGBA if the input has alpha), upright, with the input's size and lightness. `render_size`,
        `hints` and the reference are those of `predict`; `saturation` multiplies the chroma. With `num_samples`,
        returns a list of as many plausible colourings, drawn with the random `seed`. The pixels of the hints get their
        colours, times the saturation. A network that was made for small images gives a picture with both sides at most
        `render_size` the pixels of `colorize_batch`.

        Raises `colorgan.PhotoError` for a picture that cannot be read, and `colorgan.HintError` for wrong hints. Warns
        with `colorgan.PhotoWarning` about parts of a file that were not used. For 16 bits, use `read_photo`, `predict`
        and `render`.
        """
        if num_samples is not None and num_samples < 0:
            raise ValueError(f"num_samples must be at least 0, not {num_samples}.")
        hints, tone = as_hints(hints), as_tone(reference)
        photo = read_photo(image, max_pixels=max_pixels)
        _warn(photo, picture_name(image))
        generator = torch.Generator("cpu").manual_seed(seed)
        samples = [None] if num_samples is None else [generator] * num_samples
        results = []
        for sample in samples:
            chroma = self.predict(
                photo,
                render_size=render_size,
                hints=hints,
                reference=tone,
                reference_strength=reference_strength,
                generator=sample,
            )
            results.append(Image.fromarray(render(photo, chroma, saturation=saturation, hints=hints)))
        return results[0] if num_samples is None else results

    __call__ = colorize

    def colorize_many(
        self,
        images: Iterable[Picture],
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        batch_size: int = 8,
    ) -> Iterator[Image.Image]:
        """Colourize pictures in order, one result for each, as `colorize` does. Reading, network and rendering overlap.

        `images` is read lazily. All pictures take over the tone of the `reference`. Memory is bounded, as in `stream`.
        Raises `colorgan.PhotoError` at the first picture that cannot be read, and TypeError for a single picture.
        """
        _refuse_single_picture(images)
        tone = as_tone(reference)

        def finish(source: Picture, photo: Photo, chroma: Tensor) -> tuple[Image.Image, Photo, str]:
            chroma = apply_tone(chroma, photo, tone, reference_strength)
            return Image.fromarray(render(photo, chroma, saturation=saturation)), photo, picture_name(source)

        results = self.stream(images, read_photo, finish, render_size=render_size, batch_size=batch_size)
        return _pictures(results)

    def colorize_video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        start: float | None = None,
        end: float | None = None,
        preset: str = "veryfast",
        say_provenance: bool = True,
        on_progress: "Callable[[Progress], None] | None" = None,
    ) -> list[str]:
        """Colourize a film, with steady colours and its sound: see `colorgan.film.convert.colorize_video`.

        `reference` is a picture in colour, whose tones all frames take over: see `predict`. The film's title, author,
        date and comment are kept; with `say_provenance`, the comment names colorgan. Needs the extra `[video]`. Returns
        sentences about what had to be changed or left out. Raises `FilmError`.
        """
        require_pyav(Path(source).name)
        from colorgan.film.convert import colorize_video

        look = Look(render_size, saturation, as_tone(reference), reference_strength)
        tool = tool_name(self.name) if say_provenance else None
        return colorize_video(
            self, source, target, look, start=start, end=end, preset=preset, tool=tool, on_progress=on_progress
        )

    def colorize_frames(
        self,
        source: str | Path,
        *,
        render_size: int | None = None,
        saturation: float = 1.0,
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        start: float = 0.0,
        end: float | None = None,
    ) -> "Iterator[Frame]":
        """Yield the frames of a film from `start` up to `end`, in seconds, in steady colours, in bounded memory.

        `frame.time` is the time in seconds, and `frame.to_rgb()` the picture, (H, W, 3) uint8. Needs the extra
        `[video]`. Raises `FilmError`.
        """
        require_pyav(Path(source).name)
        from colorgan.film.frames import coloured_frames
        from colorgan.film.read import open_film

        look = Look(render_size, saturation, as_tone(reference), reference_strength)
        return coloured_frames(self, open_film(source), look, start, end)

    def predict(
        self,
        photo: Photo,
        *,
        render_size: int | None = None,
        hints: Hints = (),
        reference: Picture | Tone | None = None,
        reference_strength: float = STRENGTH,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Chroma (2, h, w) in [-1, 1] of one photograph, one colour per cell of the network; `render` enlarges it.

        The network sees the photograph with its shorter side at `render_size` pixels (default: the network's own size).
        One that was made for small images also sees it with 16 pixels, and the two predictions are fused. With a random
        `generator` (of the CPU), the result is another plausible prediction: the network sees the photograph in random
        light, which changes colours where they are uncertain. Raises ValueError unless `render_size` is a multiple of
        16, or of 32 if the network's architecture is `photo`.

        `hints` are colours at places of the photograph, `Hint` objects or dictionaries; give them to `render` as well,
        which makes their pixels exact and applies hints with a region. `reference` is a picture in colour, or its
        `Tone`, whose mean colours at each lightness are taken over with `reference_strength` from 0 to 1.
        """
        hints, tone = as_hints(hints), as_tone(reference)
        chroma = self.network_chroma(photo, render_size=render_size, hints=hints, generator=generator)
        chroma = correct_chroma(apply_tone(chroma, photo, tone, reference_strength), photo, hints)
        return chroma.clone()  # unlike the original, the clone can be changed in place

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
        if not (hints and self.generator.takes_hints):
            return self.predict_inputs([inputs])[0]
        (lightness,) = inputs  # networks that take hints see a photograph once
        height, width = (math.ceil(side / self.generator.stride) for side in lightness.shape[-2:])
        return self._run_network(lightness[None], hint_map(hints, height, width)[None])[0]

    def suggest(
        self,
        photo: Photo,
        x: float,
        y: float,
        *,
        count: int = COUNT,
        hints: Hints = (),
        render_size: int | None = None,
    ) -> list[str]:
        """At most `count` colours for a hint, such as `#7a2e2e`, that the network finds plausible at a place.

        They have the lightness of the place and differ visibly; the best guess is the first. `x` and `y` are those of a
        `Hint`. `hints` are colours that are known at other places; they count if the network takes hints.
        `colorgan.inference.suggestions` describes how suggestions are chosen. Raises `HintError` for a wrong place.
        """
        return suggest(color_distribution(self, photo, render_size, as_hints(hints)), photo, x, y, count)

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
        chroma = enlarge(self.run_network(lightness / LIGHTNESS_SCALE - 1), lightness)
        return to_uint8(lab_to_rgb(torch.cat([lightness, chroma * CHROMA_SCALE], dim=1)))

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


def _refuse_single_picture(images: object) -> None:
    """Raise TypeError if `images` is one picture: iterating it would yield letters, lines or rows of pixels."""
    is_array = isinstance(images, np.ndarray) and (images.ndim < 3 or (images.shape[3:] == () and images.shape[2] <= 4))
    if is_array or isinstance(images, str | bytes | os.PathLike | Image.Image) or hasattr(images, "read"):
        raise TypeError(
            f"colorize_many takes several pictures, such as a list of paths, not one {type(images).__name__}: "
            "use colorize for one picture, or list the files of a folder."
        )


def _pictures(results: Iterable[tuple[Image.Image, Photo, str] | PhotoError]) -> Iterator[Image.Image]:
    """Yield the pictures of `colorize_many`, and raise the first error."""
    for result in results:
        if isinstance(result, PhotoError):
            raise result
        picture, photo, name = result
        _warn(photo, name)
        yield picture


def _warn(photo: Photo, name: str) -> None:
    for note in photo.notes:
        warnings.warn(f"{name}: {note}", PhotoWarning, stacklevel=3)  # the line that called colorize
