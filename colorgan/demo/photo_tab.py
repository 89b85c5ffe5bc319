"""The Photo tab: one photograph, before and after, with hints and a reference."""

import gradio as gr

from colorgan.demo.endpoints import in_queue, model_choice, render_size_choice, sample_choice, saturation_choice
from colorgan.demo.jobs import Jobs, Known
from colorgan.demo.painting import hints_of, painting, selected_place, state_of, suggestions_at
from colorgan.demo.parts import GALLERY, PRIVATE, REFERENCE_HELP, download_button, paragraphs, reference_choice
from colorgan.demo.uploads import accept_nearest_number, photo_input
from colorgan.photo import PhotoError

ALL_MODELS = "all, side by side"
CREDIT = (
    "Examples: photographs of [scikit-image](https://scikit-image.org) by Stéfan van der Walt, NASA, "
    "Rachel Michetti and SpaceX, public domain or CC0."
)
HINTS_HELP = (
    "Click or tap a place of the picture to give it the chosen colour. Drag a hint to move it; right click or a long "
    "press removes it. Only hue and strength of the colour count, and grey keeps a part uncoloured."
)


def photo_tab(jobs: Jobs, examples: list[str]) -> None:
    """Add the content of the tab to the page's Blocks. `examples` are paths of photographs."""
    before_after = str(jobs.grey(examples[0])), str(jobs.colorize(examples[0], for_browser=True))

    def request(
        photo: str | None,
        model: str,
        saturation: float,
        render_size: int,
        sample: int,
        hints: str,
        reference: str | None,
        strength: float,
    ) -> tuple[str, str | None, tuple[float, int, int, Known]]:
        """Return the photograph (by default the first example), the network (None for all), and what is asked of it."""
        photo = photo or examples[0]
        known = Known(hints_of(hints, photo), reference, strength)
        return photo, None if model == ALL_MODELS else model, (saturation, render_size, sample, known)

    def show(*values: object) -> tuple[gr.Component, ...]:
        """Return the new notice, slider, gallery and download button for the `values` of a `request`."""
        photo, model, settings = request(*values)
        slider, gallery = gr.ImageSlider(visible=False), gr.Gallery(visible=False)
        download, result = gr.DownloadButton(visible=False), None
        try:
            if model is None:
                pictures = [(str(path), name) for path, name in jobs.compare(photo, *settings)]
                gallery = gr.Gallery(pictures, visible=True)
            else:
                before_after = str(jobs.grey(photo)), str(jobs.colorize(photo, model, *settings, for_browser=True))
                slider = gr.ImageSlider(before_after, visible=True)
                result = jobs.colorize(photo, model, *settings)
                download = download_button(result)
            sentences = jobs.notes(photo, result)
        except PhotoError as error:  # the result of the previous photograph is hidden
            sentences = [str(error)]
        return gr.HTML(paragraphs(sentences), visible=bool(sentences)), slider, gallery, download

    def show_under_hints(*values: object) -> gr.HTML:
        """Show the result of `show`, or of the first network of all, in the picture that takes hints."""
        photo, model, settings = request(*values)
        try:
            result = jobs.colorize(photo, model, *settings, for_browser=True)
        except PhotoError:  # `show` says it
            return gr.HTML()
        return gr.HTML(**state_of(photo, str(result)))

    def show_suggestions(photo: str | None, model: str, render_size: int, hints: str) -> gr.HTML:
        """Show colours that the network, or the first one of all, finds plausible at the selected hint."""
        photo = photo or examples[0]
        place = selected_place(hints, photo)
        if place is None:
            return gr.HTML()
        try:
            others = tuple(hint for hint in hints_of(hints, photo) if (hint.x, hint.y) != place)
            colors = jobs.suggest(photo, *place, None if model == ALL_MODELS else model, render_size, others)
        except PhotoError:  # `show` says it
            return gr.HTML()
        return gr.HTML(**suggestions_at(photo, place, colors))

    with gr.Row(elem_id="photo-tab"):
        with gr.Column(scale=2, min_width=300, elem_id="inputs"):
            photo = photo_input(
                label="Your photograph",
                alt_text="Your photograph",
                placeholder="Drop a photograph here,\nclick to choose one, or paste one",
                sources=["upload", "clipboard", "webcam"],
                height=250,
                buttons=[],
                elem_id="photo",
            )
            # gr.Examples would replace `photo` with a new component, which opens files itself
            shown = gr.Dataset(components=[photo], samples=[[path] for path in examples], label="Or try one of these")
            shown.click(lambda row: row[0], shown, photo, api_visibility="private", queue=False)
            gr.Markdown(CREDIT, elem_classes="small")
        with gr.Column(scale=3, min_width=300, elem_id="results"):
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
                model = model_choice(jobs, ALL_MODELS, visible=len(jobs.networks.colorizers) > 1)
                with gr.Row():
                    saturation = accept_nearest_number(saturation_choice(min_width=220))
                    size = accept_nearest_number(render_size_choice(min_width=220))
                sample = accept_nearest_number(sample_choice())
            with gr.Accordion("Hints: colours that you know", open=False, elem_id="painting"):
                gr.Markdown(HINTS_HELP, elem_classes="small")
                hints = painting(examples[0], before_after[1])
            reference, strength = reference_choice(
                "Reference: the tones of another picture", REFERENCE_HELP, "reference"
            )
            with gr.Row():
                another = gr.Button("Other colours", scale=1)
                download = download_button(jobs.colorize(examples[0]))
    photo.change(lambda: 0, None, sample, api_visibility="private", queue=False)
    another.click(lambda sample: sample + 1, sample, sample, api_visibility="private", queue=False)
    gr.on(
        [hints.select, model.change, size.change],
        show_suggestions,
        [photo, model, size, hints],
        hints,
        trigger_mode="always_last",
        **PRIVATE | {"show_progress": "hidden"},
        **in_queue("photo"),
    )
    settings = [model, saturation, size, sample, hints, reference, strength]
    changes = [photo.change, hints.input, *(each.change for each in settings if each is not hints)]
    coloured = gr.on(
        changes,
        show,
        [photo, *settings],
        [notice, slider, gallery, download],
        trigger_mode="always_last",  # while a slider moves, only its last value is computed
        show_progress_on=[slider, gallery],
        **PRIVATE,
        **in_queue("photo"),
    )
    coloured.success(  # afterwards, so that the result does not wait for it
        show_under_hints, [photo, *settings], hints, **PRIVATE | {"show_progress": "hidden"}, **in_queue("photo")
    )
