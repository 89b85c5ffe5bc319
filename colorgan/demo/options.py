"""The options of the demo. Gradio is not imported here, so that `colorgan app --help` is fast."""

import argparse
import os

QUEUE = 256  # jobs of all visitors that may wait; a further visitor is told that the queue is full
FILM_MINUTES, FILM_MEGABYTES = 5, 200  # of one film
MAX_FILM_MEGABYTES = 900  # one upload request has at most 1 GB


def new_parser(prog: str = "app.py") -> argparse.ArgumentParser:
    """The parser of the options of the demo; `prog` is the name of the command."""
    parser = argparse.ArgumentParser(prog, description="Colourize photographs in the browser.")
    parser.add_argument(
        "--model",
        nargs="+",
        metavar="NAME",
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
    parser.add_argument(
        "--film-minutes", type=float, default=FILM_MINUTES, help=f"length of the longest film (default: {FILM_MINUTES})"
    )
    parser.add_argument(
        "--film-megabytes",
        type=int,
        default=FILM_MEGABYTES,
        help=f"size of the largest film, at most {MAX_FILM_MEGABYTES} (default: {FILM_MEGABYTES})",
    )
    parser.add_argument("--queue", type=int, default=QUEUE, help=f"number of jobs that may wait (default: {QUEUE})")
    return parser
