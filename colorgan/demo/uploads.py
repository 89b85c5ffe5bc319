"""What comes from visitors: their files, taken as they are, limited, and deleted after a while."""

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TypeVar

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_FILE = "64mb"
MAX_UPLOAD, MAX_REQUEST = 1_000_000_000, 1_000_000  # bytes of one request with files, and of any other
MAX_PIXELS = 40_000_000  # of one photograph
MAX_FILES = 30  # in one batch
KEPT_FOR = 3600  # seconds since a file came or was last asked for
MAX_DISK = 4_000_000_000  # bytes of uploads and results together; beyond it, the oldest go first
Numeric = TypeVar("Numeric", gr.Slider, gr.Number)


def photo_input(**options: object) -> gr.Image:
    """An image input that hands on the file as it came: gr.Image's errors, were it to open it, show server folders."""
    image = gr.Image(type="filepath", **options)
    image.preprocess = lambda payload: None if payload is None else uploaded(payload.path)  # a subclass writes a .pyi
    return image


def photos_input(**options: object) -> gr.File:
    """An input for several files, which hands them on as they came: gr.File would leave an empty one beside each."""
    files = gr.File(file_count="multiple", **options)
    files.preprocess = lambda payload: [] if payload is None else [uploaded(file.path) for file in payload.root]
    return files


def uploaded(path: str | None) -> str:
    """The path, if it is one that Gradio gave to an upload: a request could name any file of the server."""
    try:
        ours = path is not None and Path(path).resolve().is_relative_to(Path(gr.utils.get_upload_folder()).resolve())
        with contextlib.suppress(FileNotFoundError):  # whoever reads it says that it has been deleted
            if ours:
                os.utime(path)  # it is wanted: `tidy` goes by age
    except (OSError, ValueError):  # too long for a path, or with a NUL byte
        ours = False
    if not ours:
        raise refusal("There is no such upload: upload the photograph first.")
    return path


def numeric(component: Numeric) -> Numeric:
    """The slider or number field, which now refuses in a sentence of ours; an empty number field stays None."""
    usual, least, most = component.preprocess, component.minimum, component.maximum

    def preprocess(value: object) -> float | None:
        if value is None and isinstance(component, gr.Number):
            return None
        if not _is_number(value):
            raise refusal(f"{component.label} is a number, not {value!r:.50}.")
        if not least <= value <= most:
            raise refusal(f"{component.label} is from {least} to {most}, not {value!r:.50}.")
        return usual(value)

    component.preprocess = preprocess
    return component


def typed(component: Numeric) -> Numeric:
    """The slider or number field for somebody who is typing: the nearest number that can be meant, or the default."""
    usual, default, least, step = component.preprocess, component.value, component.minimum, component.step

    def preprocess(value: object) -> float | None:
        value = min(max(value, least), component.maximum) if _is_number(value) else default
        return usual(least + step * round((value - least) / step) if isinstance(component, gr.Slider) else value)

    component.preprocess = preprocess
    return component


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value  # which NaN is not


def one_of(component: gr.Radio) -> gr.Radio:
    """The radio buttons, which now refuse in a sentence of ours what is none of their choices."""
    usual, choices = component.preprocess, [value for _, value in component.choices]

    def preprocess(value: object) -> object:
        if value not in choices:
            raise refusal(f"{component.label} is one of {', '.join(choices)}, not {value!r:.50}.")
        return usual(value)

    component.preprocess = preprocess
    return component


def refusal(sentence: str) -> gr.Error:
    """What a visitor is told; nothing that a visitor does wrong is worth a traceback."""
    return gr.Error(sentence, print_exception=False)


def public(error: Exception, name: str) -> str:
    """An error's sentence about a file or folder, without the server's path to it."""
    path = Path(name).resolve()
    return str(error).replace(str(path), path.name).replace(name, path.name) if path.exists() else str(error)


class Limits:
    """Refuses requests that are too large while they come; Gradio limits a single file only."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        limit = MAX_UPLOAD if path == "/gradio_api/upload" else MAX_REQUEST
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:
                raise HTTPException(413, f"The request is larger than {limit:,} bytes.")
            return message

        await self.app(scope, counted, send)


def keep_tidy(folder: Path) -> None:
    """Delete old files below the folder from now on, except what is there already: the page's own.

    Gradio's `delete_cache` knows only files that it gave out, and may stop when one is added while it looks.
    """
    own = set(folder.rglob("*"))

    def run() -> None:
        while True:
            time.sleep(60)
            with contextlib.suppress(OSError):  # the thread has to live as long as the demo
                tidy(folder, own)

    threading.Thread(target=run, daemon=True).start()


def tidy(folder: Path, own: set[Path], age: float = KEPT_FOR, most: int = MAX_DISK) -> None:
    """Delete files that have not been touched for `age` seconds, then the oldest until `most` bytes are left."""
    files = []
    # what is in a folder comes before it; unlike rglob, walk bears that folders vanish meanwhile
    walk = os.walk(folder, topdown=False)
    for path in (Path(parent, name) for parent, folders, names in walk for name in (*names, *folders)):
        if path in own:
            continue
        with contextlib.suppress(OSError):  # someone else was faster, or the folder is not empty
            state = path.stat()
            if path.is_file():
                files.append((state.st_mtime, state.st_size, path))
            elif time.time() - state.st_mtime > age:
                path.rmdir()
    total = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if time.time() - modified > age or total > most:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                total -= size
