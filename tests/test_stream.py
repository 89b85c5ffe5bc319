"""Many pictures in one stream: in order, bounded memory, no waiting forever."""

import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from colorgan import Colorizer, Generator, PhotoError
from colorgan.photo import Photo
from colorgan.photo.samples import before_decoding


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(Generator(width=8), device="cpu")


@pytest.mark.parametrize("seed", range(4))
def test_the_pixels_in_memory_are_bounded_whatever_the_number_of_threads(colorizer, monkeypatch, seed: int) -> None:
    """With 16 threads, pictures of any size and failures: in order, at most the limit together, larger ones alone."""
    monkeypatch.setattr("colorgan.inference.stream.PIXELS_IN_FLIGHT", 10_000)
    random = np.random.default_rng(seed)
    sizes = random.integers(1000, 6000, 60).tolist()
    sizes[7] = sizes[30] = sizes[31] = 25_000
    failing = {3, 8, 32}
    in_memory: dict[int, int] = {}
    seen: list[dict[int, int]] = []
    lock = threading.Lock()

    def read(number: int) -> Photo:
        time.sleep(random.random() / 100)
        if number in failing:
            raise PhotoError(str(number))
        before_decoding.get()(sizes[number])  # as every decoder does
        with lock:
            in_memory[number] = sizes[number]
            seen.append(dict(in_memory))
        return Photo(np.full((100, sizes[number] // 100), 50, np.float32))

    def finish(number: int, photo: Photo, chroma: torch.Tensor) -> int:
        time.sleep(random.random() / 50)
        return number

    results: list[int | str] = []

    def consume() -> None:
        torch.set_num_threads(16)
        for result in colorizer.stream(range(60), read, finish, batch_size=8):
            results.append(str(result) if isinstance(result, PhotoError) else result)
            with lock:
                in_memory.pop(int(results[-1]), None)

    thread = threading.Thread(target=consume, daemon=True)
    before = torch.get_num_threads()
    thread.start()
    thread.join(60)
    torch.set_num_threads(before)
    assert not thread.is_alive(), f"it waits forever, after {len(results)} pictures"
    assert results == [str(i) if i in failing else i for i in range(60)]
    # a picture is released just before it is yielded, so it can still be counted here
    assert all(sum(held.values()) - max(held.values(), default=0) <= 10_000 for held in seen)
    assert max(len(held) for held in seen) > 2  # they do overlap
    assert all(sum(held.values()) <= 10_000 + max(sizes[i] for i in held) for held in seen)


def test_a_stream_that_is_not_read_to_its_end_stops_its_threads(colorizer, monkeypatch) -> None:
    monkeypatch.setattr("colorgan.inference.stream.PIXELS_IN_FLIGHT", 40_000)
    before = set(threading.enumerate())  # other tests may have left threads that end later
    results = colorizer.colorize_many([skimage.data.chelsea()] * 20)
    next(results)
    assert [thread for thread in threading.enumerate() if "ThreadPool" in thread.name and thread not in before]
    results.close()  # although others wait to be decoded
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name and thread not in before]


@pytest.mark.parametrize(
    "images", ["album", Path("album"), b"album", Image.new("L", (8, 8)), io.BytesIO(b""), skimage.data.chelsea()]
)
def test_one_picture_is_not_taken_for_many(colorizer: Colorizer, images) -> None:
    with pytest.raises(TypeError, match=r"^colorize_many takes several pictures, .* not one \w+: "):
        colorizer.colorize_many(images)
    with pytest.raises(ValueError, match=r"^num_samples must be at least 0, not -1\.$"):
        colorizer.colorize(skimage.data.chelsea(), num_samples=-1)


def test_an_array_of_many_is_many(colorizer: Colorizer) -> None:
    assert len(list(colorizer.colorize_many(np.zeros((3, 20, 20, 3), np.uint8)))) == 3
