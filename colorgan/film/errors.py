"""The error that films raise, and the check that PyAV is installed."""

import importlib.util


class FilmError(ValueError):
    """A film cannot be read, coloured or written. The message is one sentence that says why."""


def require_pyav(name: str) -> None:
    """Raise `FilmError` with what to install, if PyAV is missing; `name` is the film's name in the message."""
    if importlib.util.find_spec("av") is None:
        raise FilmError(f'{name} is a film, and films need PyAV: pip install "colorgan[video]"')
