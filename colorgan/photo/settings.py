"""Settings of Pillow and tifffile that must differ while a photograph is read or written, and are restored afterwards.

They belong to the whole process. Several threads may need them at once: the first one changes a setting, the last one
restores it, and nobody waits for another thread.
"""

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin


class _SharedSetting:
    """Set an attribute of an object to a value while at least one thread is inside `with`."""

    def __init__(self, owner: object, attribute: str, value: object):
        self._owner, self._attribute, self._value = owner, attribute, value
        self._lock = threading.Lock()
        self._users = 0
        self._before: object = None

    def replace(self, value: Any) -> Any:
        """Set the attribute, and return its value before."""
        before = getattr(self._owner, self._attribute)
        setattr(self._owner, self._attribute, value)
        return before

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = self.replace(self._value)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self.replace(self._before)


class _LibtiffHandler(_SharedSetting):
    """The function of the C library libtiff that gets its messages; its own prints them without the picture's name."""

    def __init__(self, name: str, value: Any):
        super().__init__(None, name, value)
        try:
            self._set = getattr(ctypes.CDLL(Image.core.__file__), name)
            self._set.argtypes, self._set.restype = [ctypes.c_void_p], ctypes.c_void_p
        except (OSError, AttributeError):  # libtiff is a part of Pillow's own library, as on Windows
            self._set = None

    def replace(self, value: Any) -> Any:
        return self._set(ctypes.cast(value, ctypes.c_void_p) if value else None) if self._set else None


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
_libtiff = threading.local()  # `failed`: libtiff has reported an error in this thread


@ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
def _note_failure(_module: bytes, _format: bytes, _values: int) -> None:
    _libtiff.failed = True


def load_with_errors(image: Image.Image) -> bool:
    """Decode an image, and return whether libtiff reported an error that Pillow ignored, as it does in fax pages."""
    _libtiff.failed = False
    image.load()
    return _libtiff.failed


_SETTINGS = (
    # Pillow refuses a PNG with a compressed text of more than 1 MB. Here one text may be as long as all texts together.
    _SharedSetting(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY),
    # Both libraries log problems that colorgan raises as a PhotoError, or avoids by reading the file with the other.
    _SharedSetting(logging.getLogger("tifffile"), "disabled", True),
    _SharedSetting(logging.getLogger(TiffImagePlugin.__name__), "disabled", True),
    _LibtiffHandler("TIFFSetErrorHandler", _note_failure),
    _LibtiffHandler("TIFFSetWarningHandler", None),
    # Pillow's warnings do not name the picture; colorgan has limits and messages of its own. The filters of the module
    # `warnings` cannot be changed for one thread.
    *(
        _SharedSetting(module, "warnings", _warnings)
        for module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin)
    ),
)


@contextmanager
def file_settings() -> Iterator[None]:
    """Inside the block, allow long texts in PNG files and disable the messages of tifffile, Pillow, libtiff."""
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
