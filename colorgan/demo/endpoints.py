"""The public endpoints for gradio_client and, over MCP, for language models. All other events are private."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import gradio as gr

from colorgan.demo.jobs import MAX_RENDER_SIZE, MAX_SATURATION, RENDER_SIZE_STEP, Jobs, Known
from colorgan.demo.networks import title
from colorgan.demo.samples import ALL_CLASSES, MAX_SAMPLES
from colorgan.demo.uploads import (
    hints_input,
    photo_input,
    photos_input,
    reject_invalid_number,
    reject_unknown_choice,
    user_error,
)
from colorgan.inference.hints import Hint
from colorgan.inference.tone import STRENGTH
from colorgan.photo import PhotoError

# each queue runs one job at a time, so a single photograph waits for other single photographs but not for albums
Queue = Literal["photo", "album", "film", "samples"]


def in_queue(name: Queue) -> dict:
    """Return the options of an event that waits in this queue."""
    return {"concurrency_id": name, "concurrency_limit": 1}


def show_photo_errors(function: Callable) -> Callable:
    """Wrap the function so that the visitor sees the sentence of a `PhotoError`."""

    @functools.wraps(function)
    def run(*arguments: object) -> object:
        try:
            return function(*arguments)
        except PhotoError as error:
            raise user_error(str(error)) from error

    return run


def model_choice(jobs: Jobs, *more: str, **options: object) -> gr.Radio:
    """Return the choice of the network; `more` are further choices."""
    choices = [(title(name), name) for name in jobs.networks.colorizers]
    return reject_unknown_choice(gr.Radio([*choices, *more], value=choices[0][1], label="Network", **options))


def saturation_choice(**options: object) -> gr.Slider:
    """Return the choice of the strength of the colours."""
    info = "1 is the network's prediction."
    return gr.Slider(0, MAX_SATURATION, 1, step=0.05, label="Saturation", info=info, **options)


def render_size_choice(**options: object) -> gr.Slider:
    """Return the choice of the size at which the network sees the photograph."""
    info = "Pixels of the shorter side that the network sees. 0: the network's own size."
    return gr.Slider(0, MAX_RENDER_SIZE, 0, step=RENDER_SIZE_STEP, label="Render size", info=info, **options)


def sample_choice(**options: object) -> gr.Number:
    """Return the choice among the plausible colourings."""
    info = "0 is the network's prediction. Other numbers show other colours where the network is not certain."
    return gr.Number(0, precision=0, minimum=0, maximum=2**53, label="Colouring", info=info, **options)


def strength_choice(**options: object) -> gr.Slider:
    """Return the choice of the strength of a reference."""
    info = "How much of the reference's tones is taken over."
    return gr.Slider(0, 1, STRENGTH, step=0.05, label="Strength of the reference", info=info, **options)


def seed_choice(**options: object) -> gr.Number:
    """Return the choice of the random seed that selects test images."""
    return gr.Number(0, precision=0, minimum=0, maximum=2**53, label="Seed", **options)


def count_choice(**options: object) -> gr.Slider:
    """Return the choice of the number of test images."""
    return gr.Slider(1, MAX_SAMPLES, 6, step=1, label="Images", **options)


def add_endpoints(jobs: Jobs) -> None:
    """Add /colorize, /colorize_batch, /compare, /suggest and /sample, with their types, to the page's Blocks."""

    def show_notes(photo: str, result: Path | None = None) -> None:
        for note in jobs.notes(photo, result):
            gr.Info(note)

    @show_photo_errors
    def colorize(
        photo: str,
        model: str,
        saturation: float,
        render_size: int,
        sample: int,
        hints: tuple[Hint, ...],
        reference: str | None = None,
        reference_strength: float = STRENGTH,
    ) -> str:
        """Colourize a photograph of any common format; its size and its lightness do not change.

        Args:
            photo: The photograph.
            model: Name of the network.
            saturation: Strength of the colours, from 0 (grey) to 2; 1 is the network's prediction.
            render_size: Shorter side, in pixels, at which the network sees the photograph: a multiple of 32, or 0 for
                the network's own size.
            sample: 0 for the network's prediction; any other number for another plausible colouring.
            hints: Colours at places of the photograph, such as {"x": 0.31, "y": 0.62, "color": "#7a2e2e"}: fractions of
                its width and height, and a CSS colour, of which only the chroma counts.
            reference: A picture in colour whose tones are taken over.
            reference_strength: Of the reference, from 0 to 1.
        Returns:
            The coloured photograph, in the photograph's format if colorgan writes it, and as PNG otherwise.
        """
        result = jobs.colorize(
            photo, model, saturation, render_size, sample, Known(hints, reference, reference_strength)
        )
        show_notes(photo, result)
        return str(result)

    def colorize_batch(
        photos: list[str],
        model: str,
        saturation: float,
        render_size: int,
        reference: str | None = None,
        reference_strength: float = STRENGTH,
    ) -> Iterator[tuple[str | None, dict]]:
        """Colourize several photographs; the report names those that cannot be read.

        Args:
            photos: The photographs, at most 30.
            model: Name of the network.
            saturation: Strength of the colours, from 0 (grey) to 2; 1 is the network's prediction.
            render_size: Shorter side, in pixels, at which the network sees each photograph: a multiple of 32, or 0 for
                the network's own size.
            reference: A picture in colour whose tones all photographs take over.
            reference_strength: Of the reference, from 0 to 1.
        Returns:
            A zip file of the coloured photographs, and a report: the number of coloured photographs (done) and of all
            (count), a sentence for each failure, and notes on parts that were ignored, such as further pages.
        """
        known = Known((), reference, reference_strength)
        for album in jobs.colorize_all(photos, model, saturation, render_size, known):
            report = {"done": len(album.pictures), "count": album.count}
            report |= {"failures": album.failures, "notes": album.notes}
            yield (None if album.archive is None else str(album.archive)), report

    def sample(class_name: str, seed: int, count: int) -> tuple[list, list[dict]]:
        """Show test images of CIFAR-10 in grey, in the colours of the networks for them, and in their true colours.

        Args:
            class_name: One of the ten classes, such as horse, or `all classes`.
            seed: Random seed that selects the images; the same number selects the same images.
            count: Number of images.
        Returns:
            Pictures of 256 pixels, image after image (grey, each network, truth), and the class and PSNR of each image.
        """
        return jobs.samples.colorize(class_name, seed, count)

    @show_photo_errors
    def compare(
        photo: str,
        saturation: float,
        render_size: int,
        hints: tuple[Hint, ...],
        reference: str | None = None,
        reference_strength: float = STRENGTH,
    ) -> list[tuple[str, str]]:
        """Colourize a photograph with every network.

        Args:
            photo: The photograph.
            saturation: Strength of the colours, from 0 (grey) to 2; 1 is the networks' prediction.
            render_size: Shorter side, in pixels, at which the networks see the photograph: a multiple of 32, or 0 for
                each network's own size.
            hints: Colours at places of the photograph, as for /colorize.
            reference: A picture in colour whose tones are taken over.
            reference_strength: Of the reference, from 0 to 1.
        Returns:
            The photograph in grey and in the colours of every network, each with its name.
        """
        pictures = jobs.compare(photo, saturation, render_size, known=Known(hints, reference, reference_strength))
        show_notes(photo)
        return [(str(path), name) for path, name in pictures]

    @show_photo_errors
    def suggest(photo: str, model: str, render_size: int, x: float, y: float, hints: tuple[Hint, ...]) -> list[str]:
        """Suggest colours for a hint: those that a network finds plausible at a place of a photograph.

        Args:
            photo: The photograph.
            model: Name of the network.
            render_size: Shorter side, in pixels, at which the network sees the photograph: a multiple of 32, or 0 for
                the network's own size.
            x: Place, as a fraction of the width from the left.
            y: Place, as a fraction of the height from the top.
            hints: Known colours at other places, as for /colorize.
        Returns:
            At most six different colours such as #7a2e2e, at the lightness of the place, the best guess first.
        """
        return jobs.suggest(photo, x, y, model, render_size, hints)

    with gr.Row(visible=False):
        photo = photo_input(label="Photograph")
        photos = photos_input(label="Photographs")
        model = model_choice(jobs)
        saturation, size = reject_invalid_number(saturation_choice()), reject_invalid_number(render_size_choice())
        sample_number = reject_invalid_number(sample_choice())
        hints, reference = hints_input(label="Hints"), photo_input(label="Reference")
        strength = reject_invalid_number(strength_choice())
        x, y = (reject_invalid_number(gr.Number(0.5, minimum=0, maximum=1, label=label)) for label in ("x", "y"))
        colors = gr.JSON(label="Colours")
        class_name = gr.Textbox(ALL_CLASSES, label="Class")
        seed, count = reject_invalid_number(seed_choice()), reject_invalid_number(count_choice())
        coloured, archive = gr.File(label="Coloured photograph"), gr.File(label="Zip file")
        report, metrics = gr.JSON(label="Report"), gr.JSON(label="Class and PSNR of each image")
        pictures = gr.Gallery(label="Pictures", format="png")
    settings, tone = [model, saturation, size], [reference, strength]
    gr.on(
        [],
        colorize,
        [photo, *settings, sample_number, hints, *tone],
        coloured,
        api_name="colorize",
        **in_queue("photo"),
    )
    gr.on([], compare, [photo, saturation, size, hints, *tone], pictures, api_name="compare", **in_queue("photo"))
    gr.on([], suggest, [photo, model, size, x, y, hints], colors, api_name="suggest", **in_queue("photo"))
    batch = [archive, report]
    gr.on([], colorize_batch, [photos, *settings, *tone], batch, api_name="colorize_batch", **in_queue("album"))
    gr.on([], sample, [class_name, seed, count], [pictures, metrics], api_name="sample", **in_queue("samples"))
