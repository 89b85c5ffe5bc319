"""Parts of the page that several tabs have."""

import html
from pathlib import Path

import gradio as gr

from colorgan.demo.endpoints import strength_choice
from colorgan.demo.uploads import accept_nearest_number, photo_input

GALLERY = {"format": "png", "height": "auto", "show_label": False, "elem_classes": "pictures"}
PRIVATE = {"api_visibility": "private", "show_progress": "minimal"}
REFERENCE_HELP = "A picture in colour of the same scene, or of similar things in the same light. It gives its tones."


def paragraphs(sentences: list[str]) -> str:
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def download_button(file: Path) -> gr.DownloadButton:
    return gr.DownloadButton(f"Download {file.name}", value=str(file), variant="primary", visible=True, scale=2)


def reference_choice(title: str, explanation: str, elem_id: str) -> tuple[gr.Image, gr.Slider]:
    """Add an accordion with the input of a reference picture and the choice of its strength, and return both."""
    with gr.Accordion(title, open=False):
        gr.Markdown(explanation, elem_classes="small")
        reference = photo_input(
            label="Reference",
            alt_text="Reference",
            placeholder="Drop a picture in colour here,\nor click to choose one",
            sources=["upload", "clipboard"],
            height=160,
            buttons=[],
            elem_id=elem_id,
        )
        return reference, accept_nearest_number(strength_choice())
