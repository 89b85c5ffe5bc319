"""End the command in order when another program stops it: `kill`, a job scheduler, or the terminal that closes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived. It is handled as Ctrl-C is: work that began is finished, the rest is cancelled."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"Stopped by {signal.Signals(self.number).name}."


@contextmanager
def stop_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread when SIGTERM or SIGHUP arrives inside the block.

    A signal that the process ignores (as under nohup) or that the host program handles is left alone.
    """

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    changed = []
    if threading.current_thread() is threading.main_thread():  # Python allows it in no other thread
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
