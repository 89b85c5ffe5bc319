"""Colorizer: colourize a picture at its own size, without changing its lightness."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorgan import DEFAULT_MODEL
from colorgan.film.errors import require_pyav
from colorgan.film.look import FilmHint, Look, as_film_hints
from colorgan.inference.correction import correct_chroma
from colorgan.inference.distribution import color_distribution, distribution_for
from colorgan.inference.hints import Hint, as_hints
from colorgan.inference.predictor import Predictor
from colorgan.inference.render import render
from colorgan.inference.suggestions import COUNT, suggest
from colorgan.inference.tone import STRENGTH, Tone, apply_tone, as_tone
from colorgan.models import Generator
from colorgan.photo.errors import PhotoError, PhotoWarning
from colorgan.photo.provenance import tool_name
from colorgan.photo.read import MAX_PIXELS, Photo, Picture, picture_name, read_photo

if TYPE_CHECKING:
    from colorgan.film.convert import Progress
    from colorgan.film.read import Frame

Hints = Iterable[Hint | Mapping[str, Any]]


class Colorizer(Predictor):
    """A generator in evaluation mode on a device, and everything from a photograph to its coloured picture."""

    name: str | None = None  # of the checkpoint

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
        hints: Iterable[FilmHint] = (),
        start: float | None = None,
        end: float | None = None,
        preset: str = "veryfast",
        say_provenance: bool = True,
        on_progress: "Callable[[Progress], None] | None" = None,
    ) -> list[str]:
        """Colourize a film, with steady colours and its sound: see `colorgan.film.convert.colorize_video`.

        `reference` is a picture in colour, whose tones all frames take over: see `predict`. `hints` are colours at
        places of single frames, which hold for their whole scenes (`colorgan.film.follow`). The film's title, author,
        date and comment are kept; with `say_provenance`, the comment names colorgan. Needs the extra `[video]`. Returns
        sentences about what had to be changed or left out. Raises `FilmError`, and `HintError` for wrong hints.
        """
        require_pyav(Path(source).name)
        from colorgan.film.convert import colorize_video

        look = Look(render_size, saturation, as_tone(reference), reference_strength, as_film_hints(hints))
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
        hints: Iterable[FilmHint] = (),
        start: float = 0.0,
        end: float | None = None,
    ) -> "Iterator[Frame]":
        """Yield the frames of a film from `start` up to `end`, in seconds, in steady colours, in bounded memory.

        `frame.time` is the time in seconds, and `frame.to_rgb()` the picture, (H, W, 3) uint8. The options are those of
        `colorize_video`. Needs the extra `[video]`. Raises `FilmError`, and `HintError` for wrong hints.
        """
        require_pyav(Path(source).name)
        from colorgan.film.frames import coloured_frames
        from colorgan.film.read import open_film

        look = Look(render_size, saturation, as_tone(reference), reference_strength, as_film_hints(hints))
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
        distribution = distribution_for(self, photo, hints, render_size)
        chroma = correct_chroma(apply_tone(chroma, photo, tone, reference_strength), photo, hints, distribution)
        return chroma.clone()  # unlike the original, the clone can be changed in place

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
