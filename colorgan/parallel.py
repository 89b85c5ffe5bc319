"""Process a large picture in horizontal strips, several strips at once, with each PyTorch operation on one core.

The planes of a strip fit into the cores' caches, memory is bounded, and the cores do not wait for each other after
every operation.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

STRIP_PIXELS = 2**18  # a plane of float32 has 1 MiB, so that the planes of one strip fit into a core's cache
Item = TypeVar("Item")
Result = TypeVar("Result")


def for_strips(function: Callable[[int, int], None], height: int, width: int) -> None:
    """Call `function(top, bottom)` for strips that cover `height` rows, on as many threads as PyTorch uses here."""
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
    """Call a function in inference mode on one core: for many small operations, several cores are slower than one."""
    if torch.get_num_threads() == 1:
        return torch.inference_mode()(function)(*arguments)
    with one_core_threads(1) as pool:
        return pool.submit(torch.inference_mode()(function), *arguments).result()


@contextmanager
def one_core_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, each of which runs PyTorch on one core. Tasks that have not begun are cancelled at the end."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # PyTorch uses the number set last for threads that are started later, too


def in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 8
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in order; at most `ahead` items are taken before their results."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
