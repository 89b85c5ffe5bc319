"""The demo in a browser: the only part of colorgan that knows Gradio."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

from colorgan.demo.start import main

__all__ = ["main"]
