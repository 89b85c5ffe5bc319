"""The page: its tabs, their components and their events."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from PIL import Image

from colorgan.demo.about import about
from colorgan.demo.endpoints import (
    add_endpoints,
    count_choice,
    in_queue,
    model_choice,
    render_size_choice,
    saturation_choice,
    seed_choice,
)
from colorgan.demo.films import film_tab
from colorgan.demo.jobs import Album, Jobs, Known
from colorgan.demo.networks import title
from colorgan.demo.parts import GALLERY, PRIVATE, download_button, paragraphs, reference_choice
from colorgan.demo.photo_tab import photo_tab
from colorgan.demo.samples import ALL_CLASSES
from colorgan.demo.theme import HEADER
from colorgan.demo.uploads import MAX_FILES, accept_nearest_number, photos_input

EXAMPLES = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg")


def build(jobs: Jobs, sources: dict[str, str], notices: list[str]) -> gr.Blocks:
    """Build the page. `sources` has the name, folder or Hub id of each model; `notices` are sentences at the top."""
    examples = example_photos(jobs.folder / "examples")
    with gr.Blocks(title="colorgan: colours for black-and-white photographs") as page:
        gr.HTML(HEADER)
        for notice in notices:
            gr.Markdown(notice, elem_classes="notice")
        with gr.Tab("Photo"):
            photo_tab(jobs, examples)
        with gr.Tab("Album"):
            _album_tab(jobs)
        with gr.Tab("Film"):
            film_tab(jobs)
        with gr.Tab("CIFAR-10") as tab:
            _sample_tab(jobs, tab)
        with gr.Tab("Models") as tab:
            _models_tab(jobs, sources, examples[0], tab)
        add_endpoints(jobs)
    return page


def example_photos(folder: Path) -> list[str]:
    """Write grey copies of photographs in the scikit-image package to the folder and return their paths.

    The files are opened directly, because `skimage.data` imports much and may download.
    """
    (package,) = importlib.util.find_spec("skimage").submodule_search_locations  # does not import it
    folder.mkdir(parents=True, exist_ok=True)
    copies = [folder / f"{Path(name).stem}.jpeg" for name in EXAMPLES]
    for name, copy in zip(EXAMPLES, copies, strict=True):
        Image.open(Path(package) / "data" / name).convert("L").save(copy, quality=92)
    return [str(copy) for copy in copies]


def _album_tab(jobs: Jobs) -> None:
    def no_results(message: str = _progress(None)) -> tuple[str, gr.Gallery, gr.DownloadButton]:
        """Return a message and hide the previous results."""
        return message, gr.Gallery(visible=False), gr.DownloadButton(visible=False)

    def show(
        photos: list[str], model: str, saturation: float, render_size: int, reference: str | None, strength: float
    ) -> Iterator[tuple[str, gr.Gallery, gr.DownloadButton]]:
        """Yield the progress and the pictures so far, and at the end the zip file."""
        if not photos:
            yield no_results()
            return
        try:
            for album in jobs.colorize_all(photos, model, saturation, render_size, Known((), reference, strength)):
                pictures = [(str(path), name) for path, name in album.pictures]
                download = download_button(album.archive) if album.archive else gr.DownloadButton(visible=False)
                yield _progress(album), gr.Gallery(pictures, visible=bool(pictures)), download
        except gr.Error as error:
            yield no_results(paragraphs([error.message]))

    with gr.Row(elem_id="album-tab"):
        with gr.Column(scale=2, min_width=300):
            photos = photos_input(
                label=f"Your photographs, up to {MAX_FILES}",
                file_types=["image"],
                height=220,
                elem_id="photos",
            )
            with gr.Group():
                model = model_choice(jobs, visible=len(jobs.networks.colorizers) > 1)
                saturation = accept_nearest_number(saturation_choice())
                size = accept_nearest_number(render_size_choice())
            reference, strength = reference_choice(
                "Reference: one tone for all",
                "A picture in colour, such as the result that you like of one of them. All take over its tones.",
                "album-reference",
            )
            again = gr.Button("Colourize again")
        with gr.Column(scale=3, min_width=300):
            progress = gr.HTML(_progress(None), elem_id="progress")
            download = gr.DownloadButton("Download all", variant="primary", visible=False)
            gallery = gr.Gallery(
                label="Coloured", columns=3, visible=False, buttons=["download"], elem_id="album", **GALLERY
            )
    shown = [progress, gallery, download]
    job = gr.on(
        [photos.change, again.click],
        show,
        [photos, model, saturation, size, reference, strength],
        shown,
        trigger_mode="always_last",  # a visitor may add photographs while the first are coloured
        show_progress_on=progress,
        **PRIVATE,
        **in_queue("album"),
    )
    photos.clear(no_results, None, shown, cancels=[job], queue=False, api_visibility="private")


def _progress(album: Album | None) -> str:
    if album is None:
        return "<p>Add several photographs. They are coloured one after another, and you can download one zip file.</p>"
    finished = album.done == album.count
    message = f"{len(album.pictures)} of {album.count} photographs are coloured{'.' if finished else ' ...'}"
    bar = f'<progress value="{album.done}" max="{album.count}" aria-label="Progress"></progress>'
    return f'<p role="status">{message}</p>{bar}{paragraphs(album.failures + album.notes)}'


def _sample_tab(jobs: Jobs, tab: gr.Tab) -> None:
    def show(class_name: str, seed: int, count: int) -> tuple[gr.Component, ...]:
        """Return the new list of classes, gallery and error message."""
        try:
            pictures, _ = jobs.samples.colorize(class_name, seed, count)
        except gr.Error as error:
            return gr.Dropdown(), gr.Gallery(visible=False), gr.Markdown(error.message, visible=True)
        choices = [ALL_CLASSES, *jobs.samples.images().class_names]
        return gr.Dropdown(choices=choices), gr.Gallery(pictures, visible=True), gr.Markdown(visible=False)

    gr.Markdown(
        "Test images of 32 x 32 pixels that no network was trained on: in grey (the input of the networks), in the "
        "colours of each network that was made for such images, and in their true colours. PSNR, in dB, compares a "
        "picture with the true colours: "
        "a higher number means a smaller error."
    )
    with gr.Row(elem_id="sample-controls"):
        class_name = gr.Dropdown([ALL_CLASSES], value=ALL_CLASSES, label="Class", min_width=140)
        count = accept_nearest_number(count_choice(min_width=140))
        seed = accept_nearest_number(seed_choice(min_width=100))
        other_images = gr.Button("Show other images", variant="primary", min_width=100)
    error_message = gr.Markdown(visible=False, elem_classes="notice")
    columns = len(jobs.networks.for_small_images) + 2
    gallery = gr.Gallery(label="Test images", columns=columns, buttons=[], elem_id="samples", **GALLERY)
    other_images.click(lambda seed: seed + 1, seed, seed, api_visibility="private", queue=False)
    gr.on(
        [tab.select, class_name.change, count.change, seed.change],
        show,
        [class_name, seed, count],
        [class_name, gallery, error_message],
        trigger_mode="always_last",
        show_progress_on=gallery,
        **PRIVATE,
        **in_queue("samples"),
    )


def _models_tab(jobs: Jobs, sources: dict[str, str], example: str, tab: gr.Tab) -> None:
    gr.Markdown("The same photograph in the colours of each network:")
    gallery = gr.Gallery(
        label="Comparison", columns=len(jobs.networks.colorizers) + 1, buttons=[], elem_id="compared", **GALLERY
    )
    for name, source in sources.items():
        card = about(source)
        with gr.Row(elem_classes="model"):
            with gr.Column(scale=3, min_width=300):
                link = f" · [on the Hub]({card.link})" if card.link else ""
                gr.Markdown(f"### {title(name)}{link}\n\n{card.summary}\n\n{card.metrics}")
                if card.text:
                    with gr.Accordion(f"Model card of {title(name)}", open=False):
                        gr.Markdown(card.text)
            if card.picture:
                gr.Image(
                    str(card.picture),
                    show_label=False,
                    alt_text=f"{title(name)}: {card.picture_label}",
                    format="png",
                    buttons=["fullscreen"],
                    min_width=200,
                    elem_classes="crisp",
                )
    tab.select(
        lambda: [(str(path), name) for path, name in jobs.compare(example)],
        outputs=gallery,
        **PRIVATE,
        **in_queue("photo"),
    )
