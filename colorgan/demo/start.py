"""Starting the demo: its options, its models, and the folder that holds visitors' files while it runs."""

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
from colorgan.demo.theme import LOOK
from colorgan.demo.uploads import MAX_FILE, Limits, keep_tidy, public
from colorgan.hub.checkpoint import CheckpointError, bundled_generators, bundled_names
from colorgan.inference.colorizer import Colorizer

QUEUE = 256  # jobs of all visitors that may wait; whoever comes then is told that the demo is busy


def main(argv: list[str] | None = None, models_file: Path | None = None, prog: str = "app.py") -> None:
    """Start the demo with the options of the command line.

    Models are, unless given: those in COLORGAN_MODELS, those that `models_file` names (a Space's), or the bundled ones.
    """
    parser = _parser(models_file, prog)
    args = parser.parse_args(argv)
    if args.port is not None and not 1 <= args.port <= 65535:
        parser.error(f"{args.port} is no port: a port is from 1 to 65535.")
    if args.mcp and not _has_mcp():
        parser.error("--mcp needs another package: pip install 'colorgan[mcp]'.")
    _share_memory()
    models, sources, notices = load_models(args.model)
    print(*notices, sep="\n", end="\n" if notices else "", flush=True)
    if not models:
        parser.error("none of the models can be had, so there is nothing to show.")
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="colorgan-", dir=parent)).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # uploads and results lie here, and nothing else does
    for name in ("SIGTERM", "SIGHUP"):  # the latter, which Windows has not, comes when the terminal is closed
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # as nohup makes it
            signal.signal(number, _end)
    try:
        page = build(Jobs(models, args.dataset_name, folder), sources, notices)
        keep_tidy(folder)
        page.queue(max_size=args.queue, api_open=False)  # nobody goes past it
        try:
            # on 127.0.0.1, or where GRADIO_SERVER_NAME says, as a Space does
            page.launch(
                server_port=args.port,
                share=args.share,
                mcp_server=args.mcp or None,
                max_file_size=MAX_FILE,
                app_kwargs={"middleware": [Middleware(Limits)]},
                ssr_mode=False,  # a Space would also start Node
                **LOOK,
            )
        except OSError as error:
            if args.port and str(error).startswith("Cannot find empty port"):
                parser.error(f"port {args.port} is taken: choose another, or leave --port out for the next free one.")
            parser.error(f"the page cannot be served: {str(error).rstrip('.')}.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, _frame: object) -> None:
    """End once, so that `finally` is reached, as with Ctrl+C; a terminal that is closed may send SIGHUP twice."""
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
    parser.add_argument("--port", type=int, help="default: 7860, or the next one that is free")
    parser.add_argument("--share", action="store_true", help="also give a public link for a while")
    parser.add_argument("--mcp", action="store_true", help="also offer the endpoints as MCP tools (colorgan[mcp])")
    parser.add_argument("--queue", type=int, default=QUEUE, help=f"jobs that may wait at once (default: {QUEUE})")
    return parser


def _share_memory() -> None:
    """Let threads take memory from two arenas: each would keep one of its own, 400 MB more under load."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc only
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX


def _has_mcp() -> bool:
    return importlib.util.find_spec("mcp") is not None


def load_models(names: list[str]) -> tuple[dict[str, Colorizer], dict[str, str], list[str]]:
    """Colorizers and what was asked for, by the name the page shows, and a sentence for each that cannot be had."""
    models, sources, notices = {}, {}, []
    for name in names:
        shown = Path(name).resolve().name if name not in bundled_names() and Path(name).is_dir() else name
        shown = f"{shown} ({len(models) + 1})" if shown in models else shown
        try:
            models[shown] = Colorizer.from_pretrained(name)
            sources[shown] = name
        except CheckpointError as error:
            notices.append(public(error, name))
    return models, sources, notices
