"""Start the demo: its options, its models, and the temporary folder for the visitors' files."""

import argparse
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from starlette.middleware import Middleware

from colorgan.demo.jobs import Jobs
from colorgan.demo.page import build
from colorgan.demo.theme import LAUNCH_OPTIONS
from colorgan.demo.uploads import MAX_FILE_SIZE, RequestSizeLimit, start_cleanup, without_server_path
from colorgan.hub.checkpoint import CheckpointError, bundled_generators, bundled_names
from colorgan.inference.colorizer import Colorizer

QUEUE = 256  # jobs of all visitors that may wait; a further visitor is told that the queue is full


def main(argv: list[str] | None = None, models_file: Path | None = None, prog: str = "app.py") -> None:
    """Start the demo with these command-line arguments (by default, those of the process).

    Without `--model`, it shows the models named in the environment variable COLORGAN_MODELS, else those named in
    `models_file` (which a Space has), else the bundled ones. Returns when the demo is stopped.
    """
    parser = _parser(models_file, prog)
    args = parser.parse_args(argv)
    if args.port is not None and not 1 <= args.port <= 65535:
        parser.error(f"--port must be between 1 and 65535, not {args.port}.")
    if args.mcp and not _has_mcp():
        parser.error("--mcp needs another package: install it with pip install 'colorgan[mcp]'.")
    _limit_memory_arenas()
    models, sources, notices = load_models(args.model)
    print(*notices, sep="\n", end="\n" if notices else "", flush=True)
    if not models:
        parser.error("none of the models could be loaded.")
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="colorgan-", dir=parent)).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # for uploads and results, and for nothing else
    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP is sent when the terminal is closed; Windows does not have it
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # nohup sets SIG_IGN
            signal.signal(number, _end)
    try:
        page = build(Jobs(models, args.dataset_name, folder), sources, notices)
        start_cleanup(folder)
        page.queue(max_size=args.queue, api_open=False)  # no request skips the queue
        try:
            # on 127.0.0.1, or on the address in GRADIO_SERVER_NAME, which a Space sets
            page.launch(
                server_port=args.port,
                share=args.share,
                mcp_server=args.mcp or None,
                max_file_size=MAX_FILE_SIZE,
                app_kwargs={"middleware": [Middleware(RequestSizeLimit)]},
                ssr_mode=False,  # a Space would also start Node
                **LAUNCH_OPTIONS,
            )
        except OSError as error:
            if args.port and str(error).startswith("Cannot find empty port"):
                parser.error(
                    f"port {args.port} is in use: choose another one, or leave --port out to use the next free one."
                )
            parser.error(f"the server cannot start: {str(error).rstrip('.')}.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, _frame: object) -> None:
    """Exit so that `finally` blocks run, as with Ctrl+C. Ignore the signal from now on: SIGHUP may come twice."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit()


def _parser(models_file: Path | None = None, prog: str = "app.py") -> argparse.ArgumentParser:
    listed = os.environ.get("COLORGAN_MODELS", "").split()
    if not listed and models_file and models_file.is_file():
        listed = models_file.read_text(encoding="utf-8").split()
    parser = argparse.ArgumentParser(prog, description="Colourize photographs in the browser.")
    parser.add_argument(
        "--model",
        nargs="+",
        metavar="NAME",
        default=listed or bundled_generators(),
        help="bundled names, folders, or owner/name[@revision] on the Hub (default: $COLORGAN_MODELS, or all bundled)",
    )
    parser.add_argument(
        "--dataset-name",
        default=os.environ.get("COLORGAN_DATASET") or "uoft-cs/cifar10",
        help="Hub id or folder, for the CIFAR-10 tab (default: $COLORGAN_DATASET, or uoft-cs/cifar10)",
    )
    parser.add_argument("--port", type=int, help="port of the server (default: 7860, or the next free one)")
    parser.add_argument("--share", action="store_true", help="also make a public link that expires (by Gradio)")
    parser.add_argument(
        "--mcp", action="store_true", help="also offer the endpoints as MCP tools (needs colorgan[mcp])"
    )
    parser.add_argument("--queue", type=int, default=QUEUE, help=f"number of jobs that may wait (default: {QUEUE})")
    return parser


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
