"""The frames of a film in colour: decoding, network, filter in time and colours overlap, and memory is bounded."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from colorgan.film.colour import Colours
from colorgan.film.follow import Track, follow_hints
from colorgan.film.look import Look
from colorgan.film.read import Film, Frame, read_frames
from colorgan.film.steady import BLOCK, SEARCH_SIDE, Steadier
from colorgan.inference.correction import correct_chroma
from colorgan.inference.distribution import distribution_for
from colorgan.inference.hints import Hint
from colorgan.inference.inputs import network_inputs
from colorgan.inference.tone import apply_tone
from colorgan.inference.upsample import shrink
from colorgan.parallel import on_one_core, one_core_threads
from colorgan.photo.read import Photo

if TYPE_CHECKING:
    from colorgan.inference.colorizer import Colorizer


def coloured_frames(
    colorizer: "Colorizer",
    film: Film,
    look: Look,
    start: float = 0.0,
    end: float | None = None,
    tracks: Sequence[Track] | None = None,
) -> Generator[Frame, None, None]:
    """Yield the frames from `start` up to `end`, in seconds from the film's origin, with their colours in `u` and `v`.

    The hints of the look are followed first, unless their `tracks` are given. About 80 frames are in memory at once.
    Raises `FilmError`.
    """
    tracks = follow_hints(film, look.hints, start, end) if tracks is None else tracks
    colours = Colours(film.matrix, film.is_full_range, look.saturation)
    finishing: deque[Future[Frame]] = deque()

    @torch.inference_mode()
    def finish(frame: Frame, chroma: Tensor) -> Frame:
        frame.u, frame.v = colours.planes(frame.luma, chroma)
        return frame

    threads = torch.get_num_threads()
    with one_core_threads(1) as predictor, one_core_threads(threads) as finishers:
        frames = _steady_frames(predicted_frames(colorizer, film, colours, look, start, end, tracks))
        following = predictor.submit(next, frames, None)
        while (steady := following.result()) is not None:
            following = predictor.submit(next, frames, None)
            finishing.extend(finishers.submit(finish, frame, chroma) for frame, chroma in steady)
            while len(finishing) > BLOCK:
                yield finishing.popleft().result()
        while finishing:
            yield finishing.popleft().result()


def _steady_frames(
    predictions: Iterator[tuple[list[Frame], list[Tensor], list[Tensor]]],
) -> Iterator[list[tuple[Frame, Tensor]]]:
    """Yield some frames at a time, each with its chroma after the filter in time."""
    steadier = Steadier()
    waiting: deque[Frame] = deque()
    for batch, lightness, chroma in predictions:
        waiting.extend(batch)
        finished: list[Tensor] = []
        for frame, seen, each in zip(batch, lightness, chroma, strict=True):
            finished += on_one_core(push, steadier, seen, each, frame.is_damaged)
        yield [(waiting.popleft(), steady) for steady in finished]
    yield [(waiting.popleft(), steady) for steady in on_one_core(steadier.finish)]


def predicted_frames(
    colorizer: "Colorizer",
    film: Film,
    colours: Colours,
    look: Look,
    start: float = 0.0,
    end: float | None = None,
    tracks: Sequence[Track] = (),
) -> Iterator[tuple[list[Frame], list[Tensor], list[Tensor]]]:
    """Yield 16 frames at a time: the frames, the lightness (1, H, W) that the network saw, and its chroma (2, h, w).

    The chroma has the tone of the reference already, and is corrected by the hints of the frame's scene.
    """
    frames = read_frames(film, start, end)
    while batch := list(islice(frames, BLOCK)):
        photos = [Photo(colours.lightness(frame.luma)) for frame in batch]
        inputs = [network_inputs(photo, colorizer.generator, look.render_size) for photo in photos]
        chroma = [each.cpu() for each in colorizer.predict_inputs(inputs)]
        if look.tone is not None:
            chroma = [
                on_one_core(apply_tone, each, photo, look.tone, look.strength)
                for each, photo in zip(chroma, photos, strict=True)
            ]
        if tracks:
            known = [[hint for track in tracks for hint in track.at(frame.pts)] for frame in batch]
            chroma = [
                _correct(colorizer, look, each, photo, hints) if hints else each
                for each, photo, hints in zip(chroma, photos, known, strict=True)
            ]
        yield batch, [lightness for lightness, *_ in inputs], chroma


def _correct(colorizer: "Colorizer", look: Look, chroma: Tensor, photo: Photo, hints: Sequence[Hint]) -> Tensor:
    """Chroma (2, h, w) of a frame, corrected by hints as that of a photograph."""
    distribution = distribution_for(colorizer, photo, hints, look.render_size)
    return correct_chroma(chroma, photo, hints, distribution)


@torch.inference_mode()
def push(steadier: Steadier, lightness: Tensor, chroma: Tensor, is_damaged: bool) -> list[Tensor]:
    """Give the filter lightness (1, H, W) and chroma (2, h, w), with at least `SEARCH_SIDE` cells if there are."""
    size = chroma.shape[-2:]
    factor = min(-(-SEARCH_SIDE // min(size)), max(1, lightness.shape[-2] // size[0]))
    if factor > 1:
        size = size[0] * factor, size[1] * factor
        chroma = F.interpolate(chroma[None], size, mode="bilinear")[0]
    if lightness.shape[-2:] != size:
        lightness = shrink(lightness[None], (size[0], size[1]))[0]
    return steadier.push(lightness[0], chroma, is_damaged)
