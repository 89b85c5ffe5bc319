"""Colourize the files of a plan. Reading, the network and writing overlap; a bad file does not stop the others."""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from colorgan import DEFAULT_MODEL
from colorgan.film.command import FilmOptions, colorize_film
from colorgan.film.errors import FilmError
from colorgan.film.look import Look
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.correction import correct_chroma
from colorgan.inference.distribution import distribution_for
from colorgan.inference.hints import Hint
from colorgan.inference.render import render
from colorgan.inference.tone import STRENGTH, Tone, apply_tone
from colorgan.photo import Photo, PhotoError, holds_16_bits, read_photo, write_photo
from colorgan.photo.errors import TooLargeError
from colorgan.photo.provenance import tool_name, with_provenance
from colorgan.photo.read import MAX_PIXELS
from colorgan.plan import Job


class _SkippedError(PhotoError):
    """A picture is left as it is, on purpose."""


@dataclass
class Report:
    """The result of a run: an error message for each picture that failed, and how many were left because of colour."""

    errors: list[str] = field(default_factory=list)
    coloured: int = 0


def is_device(name: str) -> bool:
    """Return whether tensors can be computed on the PyTorch device of this name."""
    try:
        torch.zeros(1, device=name).item()  # the device "meta" has no values, so item() fails
    except (RuntimeError, AssertionError, ImportError):  # the last two where PyTorch was built without the device
        return False
    return True


def colorize_files(
    jobs: Sequence[Job],
    *,
    model: str = DEFAULT_MODEL,
    device: str | None = None,
    file_format: str = "png",
    quality: int = 92,
    saturation: float = 1.0,
    hints: Sequence[Hint] = (),
    tone: Tone | None = None,
    reference_strength: float = STRENGTH,
    compare: bool = False,
    render_size: int | None = None,
    batch_size: int = 8,
    max_pixels: int = MAX_PIXELS,
    say_provenance: bool = True,
    skip_coloured: bool = False,
    film_options: FilmOptions | None = None,
    show_progress: bool = True,
) -> Report:
    """Colourize every job, films after the pictures, and report those that failed.

    Photographs in colour are named on standard error, or skipped with `skip_coloured`. `file_format` is the format on
    standard output; files have the format of their suffix. `compare` puts the grey picture to the left of the coloured
    one. All pictures get the `hints`, and all results take over the `tone` of a reference. PNG and TIFF keep 16 bits.
    Without `say_provenance`, captions do not say how the colours came. A progress bar is shown if there are several
    jobs and standard error is a terminal. Raises `CheckpointError` if the model cannot be loaded, and `RenderSizeError`
    for a wrong render size.
    """
    if not jobs:
        return Report()
    colorizer = Colorizer.from_pretrained(model, device=device)
    # read in the main thread, because Ctrl-C does not interrupt a thread that waits for a pipe
    stdin = sys.stdin.buffer.read() if sys.stdin and any(job.source == "-" for job in jobs) else b""

    def read(job: Job) -> Photo:
        name = "Standard input" if job.source == "-" else job.source
        source = io.BytesIO(stdin) if job.source == "-" else job.source
        try:
            photo = read_photo(source, max_pixels=max_pixels, name=name)
        except TooLargeError as error:
            raise PhotoError(f"{error.fact}; --max-pixels allows more.") from error
        if photo.is_coloured and skip_coloured:
            raise _SkippedError(name)
        if photo.is_coloured:
            tqdm.write(f"{name} is a colour photograph: its colours were replaced.", file=sys.stderr)
        return photo

    def write(job: Job, photo: Photo, chroma: Tensor) -> None:
        photo = with_provenance(photo, model, len(hints)) if say_provenance else photo
        kind = file_format if job.target == "-" else Path(job.target).suffix[1:].lower()
        bits = photo.bits if holds_16_bits(kind) else 8
        distribution = distribution_for(colorizer, photo, hints, render_size)
        chroma = correct_chroma(apply_tone(chroma, photo, tone, reference_strength), photo, hints, distribution)
        pixels = render(photo, chroma, saturation=saturation, bits=bits, hints=hints)
        if compare:
            pixels = np.concatenate([render(photo, chroma, saturation=0, bits=bits), pixels], axis=1)
        for note in photo.notes:
            tqdm.write(f"{job.source}: {note}", file=sys.stderr)
        if job.target == "-":
            notes = _write_to_stdout(pixels, photo, kind, quality)
        else:
            _make_folder(Path(job.target).parent)
            notes = write_photo(job.target, pixels, photo, quality=quality)
        for note in notes:
            tqdm.write(f"{job.source}: {note}", file=sys.stderr)

    pictures, films = [job for job in jobs if not job.is_film], [job for job in jobs if job.is_film]
    results = colorizer.stream(pictures, read, write, render_size=render_size, batch_size=batch_size)
    bar = tqdm(results, total=len(pictures), unit="picture", disable=None if show_progress and len(jobs) > 1 else True)
    report = Report()
    for result in bar:
        if isinstance(result, _SkippedError):
            report.coloured += 1
        elif isinstance(result, PhotoError):
            report.errors.append(str(result))
    options = film_options or FilmOptions()
    for job in films:
        if compare:
            print(f"{job.source}: --compare is not used for films.", file=sys.stderr)
        try:
            _make_folder(Path(job.target).parent)
            look = Look(render_size, saturation, tone, reference_strength, options.hints)
            tool = tool_name(model) if say_provenance else None
            colorize_film(
                colorizer, job, look, options, skip_coloured=skip_coloured, tool=tool, show_progress=show_progress
            )
        except (FilmError, PhotoError) as error:
            report.errors.append(str(error))
    return report


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhotoError(f"The folder {folder} cannot be created: {error.strerror}.") from error


def _write_to_stdout(pixels: np.ndarray, photo: Photo, file_format: str, quality: int) -> list[str]:
    file = io.BytesIO()  # because the TIFF encoder seeks, which a pipe cannot do
    notes = write_photo(file, pixels, photo, file_format=file_format, quality=quality)
    if sys.stdout is None:
        raise PhotoError("Standard output is closed: name a file with --output.")
    try:
        sys.stdout.buffer.write(file.getvalue())
        sys.stdout.flush()
    except OSError as error:
        # Python flushes standard output again when it exits: let it write to the null device then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise PhotoError(f"Standard output cannot be written: {error.strerror}.") from error
    return notes
