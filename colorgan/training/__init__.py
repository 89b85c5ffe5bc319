"""Shared by the training recipes: options, the training run, its states on disk, its launch and its error messages."""

from importlib.util import find_spec

for _package in ("accelerate", "datasets"):
    if find_spec(_package) is None:  # a script ends with this sentence instead of a traceback
        raise SystemExit(f'Training needs the package {_package}: install it with pip install "colorgan[train]".')
