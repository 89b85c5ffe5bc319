"""Settings of Pillow and tifffile that must differ while a photograph is read or written, and are restored afterwards.

They belong to the whole process. Several threads may need them at once: the first one changes a setting, the last one
restores it, and nobody waits for another thread.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin


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


class _Warnings:
    """The module `warnings`, except that `warn` does nothing in threads that read a photograph."""

    def __init__(self) -> None:
        self.reading = threading.local()

    def __getattr__(self, name: str) -> object:
        return getattr(warnings, name)

    def warn(
        self, message: str | Warning, category: type[Warning] | None = None, stacklevel: int = 1, **options: object
    ) -> None:
        """Warn as `warnings.warn` does, in other threads."""
        if not getattr(self.reading, "depth", 0):
            warnings.warn(message, category, stacklevel + 1, **options)  # pyright: ignore[reportCallIssue,reportArgumentType]  # options differ between versions of Python


_warnings = _Warnings()
_SETTINGS = (
    # Pillow refuses a PNG with a compressed text of more than 1 MB. Here one text may be as long as all texts together.
    _SharedSetting(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY),
    # Both libraries log problems that colorgan raises as a PhotoError, or avoids by reading the file with the other.
    _SharedSetting(logging.getLogger("tifffile"), "disabled", True),
    _SharedSetting(logging.getLogger(TiffImagePlugin.__name__), "disabled", True),
    # Pillow's warnings do not name the picture; colorgan has limits and messages of its own. The filters of the module
    # `warnings` cannot be changed for one thread.
    *(
        _SharedSetting(module, "warnings", _warnings)
        for module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin)
    ),
)


@contextmanager
def file_settings() -> Iterator[None]:
    """Inside the block, allow long texts in PNG files and disable tifffile's log, and Pillow's log and warnings."""
    with ExitStack() as stack:
        for setting in _SETTINGS:
            stack.enter_context(setting)
        _warnings.reading.depth = getattr(_warnings.reading, "depth", 0) + 1
        try:
            yield
        finally:
            _warnings.reading.depth -= 1


# Inside `with no_pixel_limit`, Pillow opens pictures of any size. The caller has a limit of its own.
no_pixel_limit = _SharedSetting(Image, "MAX_IMAGE_PIXELS", None)
