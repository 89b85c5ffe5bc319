"""The public endpoints, as clients, and language models by way of MCP, see them; everything else is private."""

import functools
from collections.abc import Callable, Iterator
from typing import Literal

import gradio as gr

from colorgan.demo.jobs import ALL_CLASSES, MAX_SAMPLES, MAX_SATURATION, RENDER_SIZES, Jobs, title
from colorgan.demo.uploads import numeric, one_of, photo_input, photos_input, refusal
from colorgan.inference.inputs import RENDER_SIZE
from colorgan.photo import PhotoError

# one job of each kind at a time, the others wait; whoever asks for one photograph does not wait for albums to end
Queue = Literal["photo", "album", "samples"]


def in_queue(name: Queue) -> dict:
    """Options of an event that waits in this queue."""
    return {"concurrency_id": name, "concurrency_limit": 1}


def said(function: Callable) -> Callable:
    """The function, with its `PhotoError` as a sentence for the visitor."""

    @functools.wraps(function)
    def run(*arguments: object) -> object:
        try:
            return function(*arguments)
        except PhotoError as error:
            raise refusal(str(error)) from error

    return run


def model_choice(jobs: Jobs, *more: str, **options: object) -> gr.Radio:
    """Which network; `more` are further choices."""
    choices = [(title(name), name) for name in jobs.models]
    return one_of(gr.Radio([*choices, *more], value=choices[0][1], label="Network", **options))


def saturation_choice(**options: object) -> gr.Slider:
    """How strong the colours are."""
    info = "1 is the network's own. Pale colours bear 1.4."
    return gr.Slider(0, MAX_SATURATION, 1, step=0.05, label="Saturation", info=info, **options)


def render_size_choice(**options: object) -> gr.Slider:
    """How large the network sees the photograph."""
    info = "How many pixels the network sees: more is bolder."
    return gr.Slider(*RENDER_SIZES, RENDER_SIZE, step=16, label="Render size", info=info, **options)


def sample_choice(**options: object) -> gr.Number:
    """Which of the plausible colourings."""
    info = "0 is what the network says; other numbers give other colours where it has to guess."
    return gr.Number(0, precision=0, minimum=0, maximum=2**53, label="Colouring", info=info, **options)


def seed_choice(**options: object) -> gr.Number:
    """Which test images."""
    return gr.Number(0, precision=0, minimum=0, maximum=2**53, label="Seed", **options)


def count_choice(**options: object) -> gr.Slider:
    """How many test images."""
    return gr.Slider(1, MAX_SAMPLES, 6, step=1, label="Images", **options)


def add_endpoints(jobs: Jobs) -> None:
    """/colorize, /colorize_batch, /sample and /compare, with their types; called inside the page's Blocks."""

    def tell(photo: str) -> None:
        for note in jobs.notes(photo):
            gr.Info(note)

    @said
    def colorize(photo: str, model: str, saturation: float, render_size: int, sample: int) -> str:
        """Colourize a photograph of any common format; its size and lightness stay.

        Args:
            photo: The photograph.
            model: Which network.
            saturation: How strong the colours are; 1 is the network's own, 0 is grey.
            render_size: Shorter side, in pixels, that the network sees; a multiple of 16.
            sample: 0 is what the network says, every other number another plausible colouring.
        Returns:
            The coloured photograph, a file of the same format where colorgan writes it and a PNG otherwise.
        """
        result = jobs.colorize(photo, model, saturation, render_size, sample)
        tell(photo)
        return str(result)

    def colorize_batch(
        photos: list[str], model: str, saturation: float, render_size: int
    ) -> Iterator[tuple[str | None, dict]]:
        """Colourize several photographs; what cannot be read is named, and the others are done.

        Args:
            photos: The photographs, at most 30.
            model: Which network.
            saturation: How strong the colours are; 1 is the network's own, 0 is grey.
            render_size: Shorter side, in pixels, that the network sees; a multiple of 16.
        Returns:
            A zip file of the coloured photographs, and how many were done, with a sentence for each that failed and for
            what was not taken over of another.
        """
        for album in jobs.colorize_all(photos, model, saturation, render_size):
            report = {"done": len(album.pictures), "count": album.count}
            report |= {"failures": album.failures, "notes": album.notes}
            yield (None if album.archive is None else str(album.archive)), report

    def sample(class_name: str, seed: int, count: int) -> tuple[list, list[dict]]:
        """Show test images of CIFAR-10 in grey, in each network's colours, and as they were.

        Args:
            class_name: One of the ten classes, such as horse, or `all classes`.
            seed: Which images: the same number gives the same ones.
            count: How many images.
        Returns:
            Pictures of 256 pixels, image after image (grey, each network, truth), and each image's class and PSNR.
        """
        return jobs.sample(class_name, seed, count)

    @said
    def compare(photo: str, saturation: float, render_size: int) -> list[tuple[str, str]]:
        """Colourize a photograph with every network.

        Args:
            photo: The photograph.
            saturation: How strong the colours are; 1 is the networks' own, 0 is grey.
            render_size: Shorter side, in pixels, that the networks see; a multiple of 16.
        Returns:
            The photograph in grey and in the colours of every network, each with its name.
        """
        pictures = jobs.compare(photo, saturation, render_size)
        tell(photo)
        return [(str(path), name) for path, name in pictures]

    with gr.Row(visible=False):
        photo = photo_input(label="Photograph")
        photos = photos_input(label="Photographs")
        model = model_choice(jobs)
        saturation, size = numeric(saturation_choice()), numeric(render_size_choice())
        sample_number = numeric(sample_choice())
        class_name = gr.Textbox(ALL_CLASSES, label="Class")
        seed, count = numeric(seed_choice()), numeric(count_choice())
        coloured, archive = gr.File(label="Coloured photograph"), gr.File(label="Zip file")
        report, figures = gr.JSON(label="Report"), gr.JSON(label="Class and PSNR of each image")
        pictures = gr.Gallery(label="Pictures", format="png")
    settings = [model, saturation, size]
    gr.on([], colorize, [photo, *settings, sample_number], coloured, api_name="colorize", **in_queue("photo"))
    gr.on([], compare, [photo, saturation, size], pictures, api_name="compare", **in_queue("photo"))
    batch = [archive, report]
    gr.on([], colorize_batch, [photos, *settings], batch, api_name="colorize_batch", **in_queue("album"))
    gr.on([], sample, [class_name, seed, count], [pictures, figures], api_name="sample", **in_queue("samples"))
