"""Start the demo: `python app.py`, then open http://127.0.0.1:7860. A Space runs this file unchanged."""

import contextlib
import sys
from pathlib import Path

with contextlib.suppress(ImportError):  # only a Space has this package; it must be imported before torch
    import spaces  # noqa: F401  # pyright: ignore[reportMissingImports]

from colorgan.subcommands import start_demo

if __name__ == "__main__":
    sys.exit(start_demo(sys.argv[1:], prog="app.py", models_file=Path(__file__).with_name("models.txt")))
