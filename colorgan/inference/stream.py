"""Colourize many pictures in order: reading, the network and finishing overlap, and memory is bounded."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from colorgan.parallel import one_core_threads
from colorgan.photo.errors import PhotoError
from colorgan.photo.read import Photo
from colorgan.photo.samples import before_decoding

BATCH_PIXELS = 25_000_000  # upper limit of the photographs in a batch; one alone can be larger
PIXELS_IN_FLIGHT = 100_000_000  # upper limit of all photographs in memory; one alone can be larger

Source = TypeVar("Source")
Result = TypeVar("Result")


class _Loaded(NamedTuple, Generic[Source]):
    """A source, its photograph or the error that reading it raised, and the network's inputs (none for an error)."""

    number: int
    source: Source
    photo: Photo | PhotoError
    inputs: list[Tensor]


class PixelGate:
    """Admit numbered pictures in order, as long as they have at most `limit` pixels together; one alone may have more.

    Picture 0 is admitted first, then 1, and so on. The thread that decodes a picture waits in `admit`.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._changed = threading.Condition()
        self._held: dict[int, int] = {}  # pixels of each picture that was admitted and not released
        self._next = 0
        self._waiting = 0  # pixels of picture number `_next`, while its thread waits for others to be released
        self._closed = False

    def admit(self, number: int, pixels: int) -> None:
        """Wait until picture `number` may be decoded. Does nothing if it was admitted before.

        Raises `CancelledError` after `close`.
        """
        with self._changed:
            if number < self._next:
                return
            self._changed.wait_for(lambda: self._closed or self._next == number)
            self._waiting = pixels
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or not self.is_full())
            self._waiting = 0
            if self._closed:
                raise CancelledError
            self._held[number] = pixels
            self._next += 1
            self._changed.notify_all()

    def release(self, number: int) -> None:
        """Say that picture `number` is no longer in memory."""
        with self._changed:
            self._held.pop(number, None)
            self._changed.notify_all()

    def is_full(self) -> bool:
        """Return whether a picture waits for others to be released."""
        with self._changed:
            held = sum(self._held.values())
            return self._waiting > 0 and held > 0 and held + self._waiting > self._limit

    def wait_for(self, future: Future) -> bool:
        """Wait until the future is done, and return True; or until the gate is full, and return False."""
        future.add_done_callback(lambda _: self._notify())
        with self._changed:
            self._changed.wait_for(lambda: future.done() or self.is_full())
            return future.done()

    def close(self) -> None:
        """End the waiting in all threads."""
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def stream(
    inputs_of: Callable[[Photo], list[Tensor]],
    run: Callable[[list[list[Tensor]]], list[Tensor]],
    sources: Iterable[Source],
    read: Callable[[Source], Photo],
    finish: Callable[[Source, Photo, Tensor], Result],
    *,
    batch_size: int = 8,
) -> Iterator[Result | PhotoError]:
    """Yield `finish(source, photo, chroma)` for every source, in order, or the `PhotoError` that was raised for it.

    `inputs_of` makes the network's inputs of a photograph, and `run` is the network: the chroma of several photographs,
    of which it takes the inputs. `read` and `finish` run on as many threads each as PyTorch has cores. At most
    `PIXELS_IN_FLIGHT` are in memory, from before a picture is decoded until its result is taken; of larger pictures,
    one.
    """
    threads = torch.get_num_threads()
    gate = PixelGate(PIXELS_IN_FLIGHT)
    numbered = enumerate(sources)
    reading: deque[Future[_Loaded[Source]]] = deque()
    batch: list[_Loaded[Source]] = []
    finishing: deque[tuple[int, Future[Result | PhotoError]]] = deque()

    def load(number: int, source: Source) -> _Loaded[Source]:
        hook = before_decoding.set(partial(gate.admit, number))
        try:
            photo = read(source)
        except PhotoError as error:
            gate.admit(number, 0)
            gate.release(number)
            return _Loaded(number, source, error, [])
        finally:
            before_decoding.reset(hook)
        gate.admit(number, photo.lightness.size)  # for a `read` that does not decode with colorgan
        return _Loaded(number, source, photo, inputs_of(photo))

    def complete(source: Source, photo: Photo | PhotoError, chroma: Tensor | None) -> Result | PhotoError:
        if isinstance(photo, PhotoError) or chroma is None:
            assert isinstance(photo, PhotoError)
            return photo
        try:
            return finish(source, photo, chroma)
        except PhotoError as error:
            return error

    def read_ahead() -> None:
        for number, source in islice(numbered, threads - len(reading)):
            reading.append(readers.submit(load, number, source))

    def run_batch() -> None:
        chroma = iter(run([loaded.inputs for loaded in batch if loaded.inputs]))
        for number, source, photo, inputs in batch:
            task = finishers.submit(complete, source, photo, next(chroma) if inputs else None)
            finishing.append((number, task))
        batch.clear()

    with one_core_threads(threads) as readers, one_core_threads(threads) as finishers:
        try:
            read_ahead()
            while reading or finishing:
                # when the gate is full, the pictures that were read have to leave before the next one is decoded
                is_read = bool(reading) and (gate.wait_for(reading[0]) or not (batch or finishing))
                if is_read:
                    batch.append(reading.popleft().result())
                    read_ahead()
                pixels = sum(loaded.photo.lightness.size for loaded in batch if isinstance(loaded.photo, Photo))
                if not is_read or len(batch) >= batch_size or pixels >= BATCH_PIXELS or not reading:
                    run_batch()
                while finishing and (not reading or len(finishing) > threads or gate.is_full()):
                    number, task = finishing.popleft()
                    result = task.result()
                    gate.release(number)
                    yield result
        finally:
            gate.close()
