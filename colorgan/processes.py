"""Share pictures between the processes that `accelerate launch` or torchrun started, on one machine or several.

Accelerate is imported only when there are several processes.
"""

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

Item = TypeVar("Item")
PATIENCE = 10  # seconds that a process which has to end waits for the main process to say why


class Processes:
    """This process among all that were started together. Without Accelerate or torchrun, it is the only one."""

    def __init__(self, state: Any | None = None):
        self._state = state
        self.index: int = state.process_index if state else 0
        self.count: int = state.num_processes if state else 1
        self.device: str | None = str(state.device) if state else None

    @property
    def is_main(self) -> bool:
        """Whether this process writes the summary."""
        return self.index == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's share of the main process's items: every `count`-th one, beginning at `index`."""
        if self._state is None:
            return list(items)
        from accelerate.utils import broadcast_object_list

        # the main process's list, because files can be added while the others list the folders
        (items,) = broadcast_object_list([list(items)])
        return list(items[self.index :: self.count])

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """The items of all processes, in each of them. Waits until every process has called this."""
        if self._state is None:
            return list(items)
        from accelerate.utils import gather_object

        return gather_object(list(items))

    def on_main(self, call: Callable[[], Item]) -> Item:
        """`call()` of the main process, in all of them. If it raises an `Exception`, the others raise `SystemExit`."""
        if self._state is None:
            return call()
        from accelerate.utils import broadcast_object_list

        result: list[Any] = [False, None]  # whether the call has returned, and its result
        try:
            if self.is_main:
                result = [True, call()]
        finally:
            has_returned, value = broadcast_object_list(result)
        if not has_returned:
            let_main_process_speak()
            raise SystemExit(1)
        return value

    def close(self) -> None:
        """Leave the group of processes, when all of them have called this."""
        if self._state is not None:
            self._state.wait_for_everyone()
            self._state.destroy_process_group()


def is_main_process() -> bool:
    """Whether this is the only process or the first of several: the one that writes messages about all of them."""
    return not _are_several() or int(os.environ.get("RANK", "0")) == 0


def let_main_process_speak() -> None:
    """Wait in the other processes, before they end with an error: the launcher ends all as soon as one has ended so."""
    if not is_main_process():
        time.sleep(PATIENCE)


def _are_several() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ


def join_processes() -> Processes:
    """Join the processes that were started together. Raises ImportError if there are several and no Accelerate."""
    if not _are_several():
        return Processes()
    if importlib.util.find_spec("accelerate") is None:
        raise ImportError('Several processes need Accelerate: pip install "colorgan[train]"')
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    # without `cpu`, PartialState would take each process for the only one where there is no GPU
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    # one process may wait for another for as long as its share takes, longer than PyTorch's limit of 10 minutes
    return Processes(PartialState(cpu=cpu, timeout=timedelta(days=30)))
