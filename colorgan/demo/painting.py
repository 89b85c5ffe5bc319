"""The picture on the page that takes colour hints: by click, tap, drag and keyboard, with undo and files."""

import base64
import hashlib
import io
import json

import gradio as gr
from PIL import Image

from colorgan.demo.painting_template import CSS, HTML, JS
from colorgan.demo.uploads import checked_hints, user_error
from colorgan.inference.hints import Hint

PREVIEW_SIDE = 1024  # pixels of the longer side of the picture in the browser


def painting(path: str, picture: str) -> gr.HTML:
    """Return the picture that takes hints; `hints_of` and `selected_place` read its value.

    `path` is that of the photograph, and `picture` that of its coloured copy. The events are `input`, when the hints
    were changed, and `select`, when one of them was selected.
    """
    value = json.dumps({"photo": number_of(path), "hints": [], "place": None})
    state = state_of(path, picture)
    return gr.HTML(value, html_template=HTML, css_template=CSS, js_on_load=JS, elem_id="hints", suggestions="", **state)


def state_of(path: str, picture: str) -> dict[str, str]:
    """The component's values for a photograph and its coloured copy; the hints stay if the photograph is the same."""
    return {"photo": number_of(path), "picture": _preview(picture)}


def suggestions_at(path: str, place: tuple[float, float], colors: list[str]) -> dict[str, str]:
    """The component's values for colours that are suggested at a place of a photograph."""
    found = {"photo": number_of(path), "x": place[0], "y": place[1], "colors": colors}
    return {"suggestions": json.dumps(found)}


def number_of(path: str) -> str:
    """A number of a photograph, so that hints for the previous one are not used."""
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def _preview(path: str) -> str:
    """A small JPEG of a picture as a data URI."""
    with Image.open(path) as picture:
        picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))  # a JPEG is decoded at a smaller size
        small = picture.convert("RGB")
    small.save(file := io.BytesIO(), "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def hints_of(value: object, path: str) -> tuple[Hint, ...]:
    """The hints in the component's value that are for the photograph at this path, and not for the previous one.

    Raises `gr.Error` with a sentence for wrong values: the component itself checks nothing.
    """
    return checked_hints(_content(value, path).get("hints", []))


def selected_place(value: object, path: str) -> tuple[float, float] | None:
    """The place (x, y) of the selected hint, if one is selected. Raises `gr.Error` for wrong values."""
    place = _content(value, path).get("place")
    if place is None:
        return None
    (hint,) = checked_hints([place | {"color": "grey"}] if isinstance(place, dict) else [place])
    return hint.x, hint.y


def _content(value: object, path: str) -> dict:
    """The component's value if it is for the photograph at this path; otherwise an empty one."""
    try:
        content = json.loads(value) if isinstance(value, str) else {}
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise user_error("The hints of the page are damaged: reload it.")
    return content if content.get("photo") == number_of(path) else {}
