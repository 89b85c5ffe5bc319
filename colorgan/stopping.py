"""Stopping a training run before its last step: any process may wish it, by a signal or itself; all do it together."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator


class Stop:
    """Whether all processes have agreed to stop: `interrupted` because somebody asked, `ended` because it is enough."""

    def __init__(self, accelerator: Accelerator, say: Callable[[str], None]):
        self.accelerator, self.say = accelerator, say
        self.interrupted = self.ended = False
        self._signalled = self._enough = False  # what this process wishes

    def __bool__(self) -> bool:
        return self.interrupted or self.ended

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within it, the first Ctrl-C (or SIGTERM) is a wish to stop; the second is a KeyboardInterrupt."""
        previous = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def early(self) -> None:
        """Wish the next step to be the last one, because it is enough."""
        self._enough = True

    def agree(self, ask: bool) -> None:
        """Make the wishes of all processes what all do; several do so only when told to `ask`, to save waiting."""
        if self.accelerator.num_processes == 1:
            self.interrupted, self.ended = self._signalled, self._enough
        elif ask:
            wishes = torch.tensor([float(self._signalled), float(self._enough)], device=self.accelerator.device)
            self.interrupted, self.ended = (self.accelerator.reduce(wishes, "sum") > 0).tolist()

    def _signal(self, number: int, frame: object) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
        self.say("Stopping after this step; once more to stop at once.")
