"""Start the demo: `python app.py`, then open http://127.0.0.1:7860. A Space runs this file as it is."""

import contextlib
from pathlib import Path

with contextlib.suppress(ImportError):  # only a Space has it, where it must come before torch
    import spaces  # noqa: F401

from colorgan.demo import main

if __name__ == "__main__":
    main(models_file=Path(__file__).with_name("models.txt"))
