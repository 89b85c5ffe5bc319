"""Input from visitors: components that check it, limits on its size, and the deletion of old files."""

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import TypeVar

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colorgan.inference.hints import Hint, HintError, as_hints

MAX_PHOTO_BYTES = 64 * 2**20  # of one photograph
MAX_UPLOAD_BYTES = 1_000_000_000  # of one upload request, which may have several files
MAX_REQUEST_BYTES = 1_000_000  # of any other request
MAX_PIXELS = 40_000_000  # of one photograph
MAX_FILES = 30  # of one album
KEPT_SECONDS = 3600  # since a file was uploaded or last used
MAX_DISK_BYTES = 4_000_000_000  # of uploads and results together; above it, the oldest files are deleted
EXAMPLE_HINTS = [{"x": 0.31, "y": 0.62, "color": "#7a2e2e"}, {"x": 0.8, "y": 0.1, "color": "skyblue", "radius": 0.05}]
NumberComponent = TypeVar("NumberComponent", gr.Slider, gr.Number)


def photo_input(**options: object) -> gr.Image:
    """Return an image input whose value is the path of the uploaded file, unchanged.

    gr.Image itself would open the file, and its errors would show folders of the server.
    """
    image = gr.Image(type="filepath", **options)
    # replaced here and not in a subclass, because Gradio writes a .pyi file for each subclass
    image.preprocess = lambda payload: None if payload is None else checked_upload(payload.path)
    return image


def photos_input(**options: object) -> gr.File:
    """Return an input for several files whose value is a list of the paths of the uploaded files, unchanged.

    gr.File itself would leave an empty file beside each.
    """
    files = gr.File(file_count="multiple", **options)
    files.preprocess = lambda payload: [] if payload is None else [checked_upload(file.path) for file in payload.root]
    return files


def hints_input(**options: object) -> gr.JSON:
    """Return an input whose value is a list of hints, which clients give as dictionaries."""
    hints = gr.JSON([], **options)
    fraction = {"type": "number", "minimum": 0, "maximum": 1}
    corner = {"type": "array", "items": fraction, "minItems": 2, "maxItems": 2}
    hint = {
        "type": "object",
        "properties": {
            "x": fraction | {"description": "Place, as a fraction of the width from the left."},
            "y": fraction | {"description": "Place, as a fraction of the height from the top."},
            "color": {"type": "string", "description": "CSS colour, such as #7a2e2e; only its chroma counts."},
            "radius": fraction | {"description": "As a fraction of the shorter side (0.01)."},
            "region": {"type": "array", "items": corner, "description": "Corners of a polygon around the place."},
        },
        "required": ["x", "y", "color"],
    }
    hints.api_info = lambda: {"type": "array", "items": hint}
    hints.example_payload = hints.example_value = lambda: EXAMPLE_HINTS
    hints.preprocess = checked_hints
    return hints


def checked_hints(value: object) -> tuple[Hint, ...]:
    """Return hints, from a list of dictionaries or its JSON. Raises `gr.Error` with a sentence for anything else."""
    try:
        return tuple(as_hints(json.loads(value) if isinstance(value, str) and value else value or []))
    except json.JSONDecodeError as error:
        raise user_error("Hints are a list in JSON, with x, y and color for each.") from error
    except HintError as error:
        raise user_error(str(error)) from error


def film_input(**options: object) -> gr.File:
    """Return an input for one film whose value is the path of the uploaded file, unchanged, or None."""
    file = gr.File(**options)
    file.preprocess = lambda payload: None if payload is None else checked_upload(payload.path, max_bytes=None)
    return file


def checked_upload(path: str | None, max_bytes: int | None = MAX_PHOTO_BYTES) -> str:
    """Return the path of an upload and mark the file as used.

    Raises `gr.Error` for a path outside the upload folder: a request could name any file of the server; and for a file
    of more than `max_bytes`.
    """
    try:
        folder = Path(gr.utils.get_upload_folder()).resolve()
        is_upload = path is not None and Path(path).resolve().is_relative_to(folder)
        with contextlib.suppress(FileNotFoundError):  # the function that reads the file reports that it was deleted
            if is_upload:
                os.utime(path)  # files are deleted an hour after they were last used
    except (OSError, ValueError):  # the path is too long or has a NUL byte
        is_upload = False
    if not is_upload:
        raise user_error("There is no such upload: upload the file first.")
    if max_bytes is not None and os.path.isfile(path) and os.path.getsize(path) > max_bytes:
        raise user_error(f"{Path(path).name} is larger than {max_bytes // 2**20} MB.")
    return path


def reject_invalid_number(component: NumberComponent) -> NumberComponent:
    """Make the slider or number field answer an invalid number with one sentence, and return it.

    The value of an empty number field is still None.
    """
    usual, lowest, highest = component.preprocess, component.minimum, component.maximum

    def preprocess(value: object) -> float | None:
        if value is None and isinstance(component, gr.Number):
            return None
        if not _is_number(value):
            raise user_error(f"{component.label} must be a number, not {value!r:.50}.")
        if not lowest <= value <= highest:
            raise user_error(f"{component.label} must be between {lowest} and {highest}, not {value!r:.50}.")
        return usual(value)

    component.preprocess = preprocess
    return component


def accept_nearest_number(component: NumberComponent) -> NumberComponent:
    """Make the slider or number field use the nearest valid number instead of an invalid one, and return it.

    A visitor who types `64` enters `6` first, which must not cause an error. Without a number, the default is used.
    """
    usual, default, lowest, step = component.preprocess, component.value, component.minimum, component.step

    def preprocess(value: object) -> float | None:
        value = min(max(value, lowest), component.maximum) if _is_number(value) else default
        return usual(lowest + step * round((value - lowest) / step) if isinstance(component, gr.Slider) else value)

    component.preprocess = preprocess
    return component


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value  # NaN is not equal to itself


def reject_unknown_choice(component: gr.Radio) -> gr.Radio:
    """Make the radio buttons answer an unknown choice with one sentence, and return them."""
    usual, choices = component.preprocess, [value for _, value in component.choices]

    def preprocess(value: object) -> object:
        if value not in choices:
            raise user_error(f"{component.label} must be one of {', '.join(choices)}, not {value!r:.50}.")
        return usual(value)

    component.preprocess = preprocess
    return component


def user_error(sentence: str) -> gr.Error:
    """Return an error whose sentence the visitor sees. The server prints no traceback for a visitor's mistake."""
    return gr.Error(sentence, print_exception=False)


def without_server_path(error: Exception, name: str) -> str:
    """Return the message of an error about the file or folder `name` without the path of its parent folder."""
    path = Path(name).resolve()
    return str(error).replace(str(path), path.name).replace(name, path.name) if path.exists() else str(error)


class RequestSizeLimit:
    """ASGI middleware that refuses a too large request with status 413 while it is received.

    Gradio limits only the size of a single uploaded file.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        limit = MAX_UPLOAD_BYTES if path == "/gradio_api/upload" else MAX_REQUEST_BYTES
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, f"The request is larger than {limit:,} bytes.")
            return message

        await self.app(scope, counted, send)


def start_cleanup(folder: Path) -> None:
    """Start a thread that deletes old files in the folder every minute, except those that are there already.

    Gradio's `delete_cache` deletes only files that Gradio made, and may stop when a file is added meanwhile.
    """
    keep = set(folder.rglob("*"))  # the page's own files, such as the examples

    def run() -> None:
        while True:
            time.sleep(60)
            with contextlib.suppress(OSError):  # an error must not end the thread
                delete_old_files(folder, keep)

    threading.Thread(target=run, daemon=True).start()


def delete_old_files(
    folder: Path, keep: set[Path], max_age: float = KEPT_SECONDS, max_bytes: int = MAX_DISK_BYTES
) -> None:
    """Delete files that were not used for `max_age` seconds, then the oldest until `max_bytes` are left.

    Empty folders of that age are deleted as well. Paths in `keep` stay.
    """
    files = []
    # bottom up, so that the content of a folder comes before it; unlike rglob, os.walk ignores folders that vanish
    walk = os.walk(folder, topdown=False)
    for path in (Path(parent, name) for parent, folders, names in walk for name in (*names, *folders)):
        if path in keep:
            continue
        with contextlib.suppress(OSError):  # the file was deleted meanwhile, or the folder is not empty
            state = path.stat()
            if path.is_file():
                files.append((state.st_mtime, state.st_size, path))
            elif time.time() - state.st_mtime > max_age:
                path.rmdir()
    total = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if time.time() - modified > max_age or total > max_bytes:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                total -= size
