"""Start the demo: its models, and the temporary folder for the visitors' files."""

import argparse
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from starlette.middleware import Middleware

from colorgan.demo.jobs import Jobs
from colorgan.demo.page import build
from colorgan.demo.theme import LAUNCH_OPTIONS
from colorgan.demo.uploads import MAX_PHOTO_BYTES, RequestSizeLimit, start_cleanup, without_server_path
from colorgan.hub.checkpoint import CheckpointError, bundled_generators, bundled_names
from colorgan.inference.colorizer import Colorizer


def run(options: argparse.Namespace, models_file: Path | None, fail: Callable[[str], NoReturn]) -> None:
    """Start the demo with the options of `colorgan.demo.options`, and return when it is stopped.

    `fail` is called with a sentence if the demo cannot start.
    """
    if options.mcp and not _has_mcp():
        fail("--mcp needs another package: install it with pip install 'colorgan[mcp]'.")
    _limit_memory_arenas()
    models, sources, notices = load_models(options.model or default_models(models_file))
    print(*notices, sep="\n", end="\n" if notices else "", flush=True)
    if not models:
        fail("none of the models could be loaded.")
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="colorgan-", dir=parent)).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # for uploads and results, and for nothing else
    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP is sent when the terminal is closed; Windows does not have it
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # nohup sets SIG_IGN
            signal.signal(number, _end)
    try:
        page = build(Jobs(models, options.dataset_name, folder, options.film_minutes), sources, notices)
        start_cleanup(folder)
        page.queue(max_size=options.queue, api_open=False)  # no request skips the queue
        try:
            # on 127.0.0.1, or on the address in GRADIO_SERVER_NAME, which a Space sets
            page.launch(
                server_port=options.port,
                share=options.share,
                mcp_server=options.mcp or None,
                max_file_size=max(options.film_megabytes * 2**20, MAX_PHOTO_BYTES),
                app_kwargs={"middleware": [Middleware(RequestSizeLimit)]},
                ssr_mode=False,  # a Space would also start Node
                **LAUNCH_OPTIONS,
            )
        except OSError as error:
            if options.port and str(error).startswith("Cannot find empty port"):
                fail(
                    f"port {options.port} is in use: choose another one, or leave --port out to use the next free one."
                )
            fail(f"the server cannot start: {str(error).rstrip('.')}.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, _frame: object) -> None:
    """Exit so that `finally` blocks run, as with Ctrl+C. Ignore the signal from now on: SIGHUP may come twice."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit()


def default_models(models_file: Path | None = None) -> list[str]:
    """The models named in the environment variable COLORGAN_MODELS, else those in a file, else the bundled ones."""
    names = os.environ.get("COLORGAN_MODELS", "").split()
    if not names and models_file and models_file.is_file():
        names = models_file.read_text(encoding="utf-8").split()
    return names or bundled_generators()


def _limit_memory_arenas() -> None:
    """Let all threads share two memory arenas. With one for each thread, the demo needs 400 MB more under load."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc only
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX


def _has_mcp() -> bool:
    return importlib.util.find_spec("mcp") is not None


def load_models(names: list[str]) -> tuple[dict[str, Colorizer], dict[str, str], list[str]]:
    """Load models by bundled name, folder, or Hub id.

    Returns the colorizers and the requested names, both by the name on the page, and a sentence for each failure.
    """
    models, sources, notices = {}, {}, []
    for name in names:
        shown = Path(name).resolve().name if name not in bundled_names() and Path(name).is_dir() else name
        shown = f"{shown} ({len(models) + 1})" if shown in models else shown
        try:
            models[shown] = Colorizer.from_pretrained(name)
            sources[shown] = name
        except CheckpointError as error:
            notices.append(without_server_path(error, name))
    return models, sources, notices
