"""Settings of Pillow and tifffile that must differ while a photograph is read or written, and are restored afterwards.

They belong to the whole process. Several threads may need them at once: the first one changes a setting, the last one
restores it, and nobody waits for another thread.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import PngImagePlugin


class _SharedSetting:
    """Set an attribute of an object to a value while at least one thread is inside `with`."""

    def __init__(self, owner: object, attribute: str, value: object):
        self._owner, self._attribute, self._value = owner, attribute, value
        self._lock = threading.Lock()
        self._users = 0
        self._before: object = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = getattr(self._owner, self._attribute)
                setattr(self._owner, self._attribute, self._value)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                setattr(self._owner, self._attribute, self._before)


# Pillow refuses a PNG with a compressed text of more than 1 MB. Here one text may be as long as all texts together.
_long_png_texts = _SharedSetting(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)
# tifffile logs problems that colorgan raises as a PhotoError, or avoids by reading the file with Pillow
_quiet_tifffile = _SharedSetting(logging.getLogger("tifffile"), "disabled", True)


@contextmanager
def file_settings() -> Iterator[None]:
    """Allow long texts in PNG files and disable tifffile's log inside the block."""
    with _long_png_texts, _quiet_tifffile:
        yield
