"""The demo in a browser: the only part of colorgan that knows Gradio."""

import os
from pathlib import Path

from colorgan.demo.options import MAX_FILM_MEGABYTES, new_parser

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported


def main(argv: list[str] | None = None, models_file: Path | None = None, prog: str = "app.py") -> None:
    """Start the demo with these command-line arguments (by default, those of the process).

    Without `--model`, it shows the models named in the environment variable COLORGAN_MODELS, else those named in
    `models_file` (which a Space has), else the bundled ones. Returns when the demo is stopped.
    """
    parser = new_parser(prog)
    options = parser.parse_args(argv)
    if options.port is not None and not 1 <= options.port <= 65535:
        parser.error(f"--port must be between 1 and 65535, not {options.port}.")
    if not options.film_minutes > 0:
        parser.error(f"--film-minutes must be more than 0, not {options.film_minutes:g}.")
    if not 1 <= options.film_megabytes <= MAX_FILM_MEGABYTES:
        parser.error(f"--film-megabytes must be between 1 and {MAX_FILM_MEGABYTES}, not {options.film_megabytes}.")

    from colorgan.demo.start import run  # only now, because Gradio's import takes seconds

    run(options, models_file, parser.error)


__all__ = ["main"]
