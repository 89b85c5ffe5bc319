"""The page: what visitors see, and what happens when they do something."""

import html
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
    sample_choice,
    saturation_choice,
    seed_choice,
)
from colorgan.demo.jobs import ALL_CLASSES, Album, Jobs, title
from colorgan.demo.theme import HEADER
from colorgan.demo.uploads import MAX_FILES, photo_input, photos_input, typed
from colorgan.photo import PhotoError

ALL_MODELS = "all, side by side"
EXAMPLES = ("chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg")
CREDIT = (
    "Examples: photographs of [scikit-image](https://scikit-image.org) by Stéfan van der Walt, NASA, "
    "Rachel Michetti and SpaceX, public domain or CC0."
)
GALLERY = {"format": "png", "height": "auto", "show_label": False, "elem_classes": "pictures"}
PRIVATE = {"api_visibility": "private", "show_progress": "minimal"}


def build(jobs: Jobs, sources: dict[str, str], notices: list[str]) -> gr.Blocks:
    """The page for these jobs; `sources` says where each model comes from, `notices` what could not be had."""
    examples = example_photos(jobs.folder.parent / "examples")
    with gr.Blocks(title="colorgan: colours for black-and-white photographs") as page:
        gr.HTML(HEADER)
        for notice in notices:
            gr.Markdown(notice, elem_classes="notice")
        with gr.Tab("Photo"):
            _photo_tab(jobs, examples)
        with gr.Tab("Album"):
            _album_tab(jobs)
        with gr.Tab("CIFAR-10") as tab:
            _sample_tab(jobs, tab)
        with gr.Tab("Models") as tab:
            _models_tab(jobs, sources, examples[0], tab)
        add_endpoints(jobs)
    return page


def example_photos(folder: Path) -> list[str]:
    """Grey copies of photographs inside the scikit-image package (`skimage.data` itself may go to the network)."""
    (package,) = importlib.util.find_spec("skimage").submodule_search_locations  # found without importing it
    folder.mkdir(parents=True, exist_ok=True)
    copies = [folder / f"{Path(name).stem}.jpeg" for name in EXAMPLES]
    for name, copy in zip(EXAMPLES, copies, strict=True):
        Image.open(Path(package) / "data" / name).convert("L").save(copy, quality=92)
    return [str(copy) for copy in copies]


def _photo_tab(jobs: Jobs, examples: list[str]) -> None:
    before_after = str(jobs.grey(examples[0])), str(jobs.picture(examples[0]))

    def show(
        photo: str | None, model: str, saturation: float, render_size: int, sample: int
    ) -> tuple[gr.Component, ...]:
        """What the notice, slider, gallery and download button become; without a photograph, the first example's."""
        photo = photo or examples[0]
        settings = saturation, render_size, sample
        slider, gallery = gr.ImageSlider(visible=False), gr.Gallery(visible=False)
        download = gr.DownloadButton(visible=False)
        try:
            if model == ALL_MODELS:
                pictures = [(str(path), name) for path, name in jobs.compare(photo, *settings)]
                gallery = gr.Gallery(pictures, visible=True)
            else:
                before_after = str(jobs.grey(photo)), str(jobs.picture(photo, model, *settings))
                slider = gr.ImageSlider(before_after, visible=True)
                download = _download(jobs.colorize(photo, model, *settings))
            sentences = jobs.notes(photo)
        except PhotoError as error:  # nothing of the photograph before it stays
            sentences = [str(error)]
        return gr.HTML(_paragraphs(sentences), visible=bool(sentences)), slider, gallery, download

    with gr.Row(elem_id="photo-tab"):
        with gr.Column(scale=2, min_width=300, elem_id="give"):
            photo = photo_input(
                label="Your photograph",
                alt_text="Your photograph",
                placeholder="Drop a photograph here\n- or click to choose, or paste -",
                sources=["upload", "clipboard", "webcam"],
                height=250,
                buttons=[],
                elem_id="photo",
            )
            # gr.Examples would put a new component, which opens files itself, in the place of `photo`
            shown = gr.Dataset(components=[photo], samples=[[path] for path in examples], label="Or try one of these")
            shown.click(lambda row: row[0], shown, photo, api_visibility="private", queue=False)
            gr.Markdown(CREDIT, elem_classes="small")
        with gr.Column(scale=3, min_width=300, elem_id="get"):
            notice = gr.HTML(visible=False, elem_classes="notice")
            slider = gr.ImageSlider(
                before_after,
                format="png",
                label="Before | after",
                max_height=520,
                buttons=["fullscreen"],
                elem_id="before-after",
            )
            gallery = gr.Gallery(label="All networks", columns=2, visible=False, buttons=["download"], **GALLERY)
            with gr.Group():
                model = model_choice(jobs, ALL_MODELS, visible=len(jobs.models) > 1)
                with gr.Row():
                    saturation = typed(saturation_choice(min_width=220))
                    size = typed(render_size_choice(min_width=220))
                sample = typed(sample_choice())
            with gr.Row():
                another = gr.Button("Another one", scale=1)
                download = _download(jobs.colorize(examples[0]))
    photo.change(lambda: 0, None, sample, api_visibility="private", queue=False)
    another.click(lambda sample: sample + 1, sample, sample, api_visibility="private", queue=False)
    gr.on(
        [photo.change, model.change, saturation.change, size.change, sample.change],
        show,
        [photo, model, saturation, size, sample],
        [notice, slider, gallery, download],
        trigger_mode="always_last",  # while a slider is dragged, only its last value counts
        show_progress_on=[slider, gallery],
        **PRIVATE,
        **in_queue("photo"),
    )


def _album_tab(jobs: Jobs) -> None:
    def nothing(said: str = _progress(None)) -> tuple[str, gr.Gallery, gr.DownloadButton]:
        """No picture, of the photographs before either."""
        return said, gr.Gallery(visible=False), gr.DownloadButton(visible=False)

    def show(
        photos: list[str], model: str, saturation: float, render_size: int
    ) -> Iterator[tuple[str, gr.Gallery, gr.DownloadButton]]:
        """How far it is, the pictures so far, and at last the zip file."""
        if not photos:
            yield nothing()
            return
        try:
            for album in jobs.colorize_all(photos, model, saturation, render_size):
                pictures = [(str(path), name) for path, name in album.pictures]
                download = _download(album.archive) if album.archive else gr.DownloadButton(visible=False)
                yield _progress(album), gr.Gallery(pictures, visible=bool(pictures)), download
        except gr.Error as error:
            yield nothing(_paragraphs([error.message]))

    with gr.Row(elem_id="album-tab"):
        with gr.Column(scale=2, min_width=300):
            photos = photos_input(
                label=f"Your photographs, up to {MAX_FILES}",
                file_types=["image"],
                height=220,
                elem_id="photos",
            )
            with gr.Group():
                model = model_choice(jobs, visible=len(jobs.models) > 1)
                saturation, size = typed(saturation_choice()), typed(render_size_choice())
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
        [photos, model, saturation, size],
        shown,
        trigger_mode="always_last",  # more may come while the first are worked on
        show_progress_on=progress,
        **PRIVATE,
        **in_queue("album"),
    )
    photos.clear(nothing, None, shown, cancels=[job], queue=False, api_visibility="private")


def _progress(album: Album | None) -> str:
    if album is None:
        return "<p>Drop in several photographs: they are coloured one after another, and come back as one zip file.</p>"
    ended = album.done == album.count
    said = f"{len(album.pictures)} of {album.count} photographs are coloured{'.' if ended else ' ...'}"
    bar = f'<progress value="{album.done}" max="{album.count}" aria-label="Progress"></progress>'
    return f'<p role="status">{said}</p>{bar}{_paragraphs(album.failures + album.notes)}'


def _paragraphs(sentences: list[str]) -> str:
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def _download(file: Path) -> gr.DownloadButton:
    return gr.DownloadButton(f"Download {file.name}", value=str(file), variant="primary", visible=True, scale=2)


def _sample_tab(jobs: Jobs, tab: gr.Tab) -> None:
    def show(class_name: str, seed: int, count: int) -> tuple[gr.Component, ...]:
        """What the class list, the gallery and the line that says what is missing become."""
        try:
            pictures, _ = jobs.sample(class_name, seed, count)
        except gr.Error as error:
            return gr.Dropdown(), gr.Gallery(visible=False), gr.Markdown(error.message, visible=True)
        choices = [ALL_CLASSES, *jobs.test_images().class_names]
        return gr.Dropdown(choices=choices), gr.Gallery(pictures, visible=True), gr.Markdown(visible=False)

    gr.Markdown(
        "Test images that the networks have never seen, 32 pixels wide: in grey, as a network gets them, in each "
        "network's colours, and as they were. PSNR says how near the colours come to the truth, in dB: more is nearer."
    )
    with gr.Row(elem_id="sample-controls"):
        class_name = gr.Dropdown([ALL_CLASSES], value=ALL_CLASSES, label="Class", min_width=140)
        count = typed(count_choice(min_width=140))
        seed = typed(seed_choice(min_width=100))
        others = gr.Button("Show others", variant="primary", min_width=100)
    missing = gr.Markdown(visible=False, elem_classes="notice")
    columns = len(jobs.models) + 2
    gallery = gr.Gallery(label="Test images", columns=columns, buttons=[], elem_id="samples", **GALLERY)
    others.click(lambda seed: seed + 1, seed, seed, api_visibility="private", queue=False)
    gr.on(
        [tab.select, class_name.change, count.change, seed.change],
        show,
        [class_name, seed, count],
        [class_name, gallery, missing],
        trigger_mode="always_last",
        show_progress_on=gallery,
        **PRIVATE,
        **in_queue("samples"),
    )


def _models_tab(jobs: Jobs, sources: dict[str, str], example: str, tab: gr.Tab) -> None:
    gr.Markdown("One photograph, and what each network makes of it:")
    gallery = gr.Gallery(label="Comparison", columns=len(jobs.models) + 1, buttons=[], elem_id="compared", **GALLERY)
    for name, source in sources.items():
        known = about(source)
        with gr.Row(elem_classes="model"):
            with gr.Column(scale=3, min_width=300):
                link = f" · [on the Hub]({known.link})" if known.link else ""
                gr.Markdown(f"### {title(name)}{link}\n\n{known.summary}\n\n{known.figures}")
                if known.card:
                    with gr.Accordion(f"The whole card of {title(name)}", open=False):
                        gr.Markdown(known.card)
            if known.picture:
                gr.Image(
                    str(known.picture),
                    show_label=False,
                    alt_text=f"{title(name)}: {known.picture_label}",
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
