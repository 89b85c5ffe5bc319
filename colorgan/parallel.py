"""Work on a large picture in horizontal strips, whole strips in parallel, each torch operation on one core.

That keeps the planes of a strip in the cores' caches, bounds memory, and spares the cores waiting for each other after
every operation.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

STRIP_PIXELS = 2**18
Result = TypeVar("Result")


def for_strips(function: Callable[[int, int], None], height: int, width: int) -> None:
    """Call `function(top, bottom)` for strips that cover `height` rows, on as many threads as torch uses here."""
    rows = max(1, STRIP_PIXELS // width)
    strips = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    threads = torch.get_num_threads()
    if threads == 1 or len(strips) == 1:
        for strip in strips:
            function(*strip)
        return
    with one_core_threads(threads) as pool:
        list(pool.map(lambda strip: function(*strip), strips))


def on_one_core(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function of many small torch operations, which would wait for the cores more than they compute."""
    if torch.get_num_threads() == 1:
        return function(*arguments)
    with one_core_threads(1) as pool:
        return pool.submit(torch.inference_mode()(function), *arguments).result()


@contextmanager
def one_core_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which each torch operation runs on one core; work not begun at the end of the block is dropped."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # also the number that threads started later begin with
