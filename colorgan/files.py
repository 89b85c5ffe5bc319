"""Write a file completely or not at all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_whole(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file for writing in bytes, and rename it to `path` when the block ends without an error.

    Another process or thread that reads `path` meanwhile sees the old file or the complete new one. If the block
    raises, the temporary file is deleted and `path` stays as it was. The temporary file lies in the folder of `path`,
    which must exist, because a rename is atomic only within one file system. Raises `OSError`.
    """
    path = Path(path)
    # a short name of its own: a long file name with a suffix could exceed the file system's limit of 255 bytes
    temporary = path.with_name(f".colorgan-{os.getpid()}-{threading.get_ident()}-{os.urandom(4).hex()}.part")
    try:
        with open(temporary, "xb") as file:  # unlike tempfile, open() sets the permissions that the user's umask allows
            yield file
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # after the rename there is none
            temporary.unlink()
