"""The Film tab and its endpoint: one film at a time, with its progress, a frame before and after, and the result."""

import hashlib
import html
import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from colorgan.demo.endpoints import in_queue, model_choice, saturation_choice, strength_choice
from colorgan.demo.jobs import MAX_SATURATION, NOTHING, Jobs, Known
from colorgan.demo.parts import REFERENCE_HELP, reference_choice
from colorgan.demo.uploads import accept_nearest_number, film_input, photo_input, reject_invalid_number, user_error
from colorgan.film.errors import FilmError
from colorgan.film.look import Look
from colorgan.folders import FILM_SUFFIXES
from colorgan.inference.tone import STRENGTH
from colorgan.photo.errors import PhotoError
from colorgan.photo.provenance import tool_name

if TYPE_CHECKING:  # it imports PyAV, which may be missing
    from colorgan.film.convert import Progress

MAX_PIXELS = 4096 * 2304  # of a frame: about 80 are in memory at once
EVERY, FRAME_EVERY = 0.5, 3.0  # seconds between two looks at the progress, and between two frames that are shown
SHOWN_WIDTH = 640  # pixels of such a frame at least
WAITING = "<p>Add a film. It is coloured frame by frame, and keeps its sound.</p>"
STOPPING = '<p role="status">Stopping ...</p>'
STOPPED = '<p role="status">Stopped. Press Colourize to go on.</p>'
MISSING = 'Films need PyAV on the computer that runs this page: `pip install "colorgan[video]"`.'


@dataclass
class FilmState:
    """How far a film is: its newest progress, frames a second, and at the end the result and sentences about it."""

    progress: "Progress | None" = None
    rate: float = 0.0
    result: Path | None = None
    notes: list[str] = field(default_factory=list)


def colorize_film(
    jobs: Jobs, path: str | None, model: str, saturation: float, known: Known = NOTHING
) -> Iterator[FilmState]:
    """Colourize an upload; yields the state about twice a second, and at the end with the result.

    All frames take over the tones of the `known` reference. A repeated request finds the result, or goes on with the
    whole minutes that are done. Raises `gr.Error` for a film or a reference that cannot be read, and for a film that is
    longer than `jobs.film_minutes`.
    """
    from colorgan.film.convert import colorize_steps

    if path is None:
        raise user_error("There is no film: upload one first.")
    if not Path(path).exists():
        raise user_error(f"{Path(path).name} was deleted because it was not used for an hour: please upload it again.")
    if not 0 <= saturation <= MAX_SATURATION:
        raise user_error(f"The saturation must be between 0 and {MAX_SATURATION}, not {saturation}.")
    request = hashlib.sha256(repr((path, model, saturation, known)).encode()).hexdigest()[:32]
    result = jobs.folder / "results" / request / f"{Path(path).stem}.colorized.mp4"
    noted, limit = result.with_suffix(".txt"), 60 * jobs.film_minutes
    state = FilmState()
    try:
        if not result.is_file():
            length = _checked_length(path, jobs.film_minutes, state.notes)
            result.parent.mkdir(parents=True, exist_ok=True)
            yield state
            end = None if length else limit  # a file that does not say its length is coloured up to the limit
            look = Look(saturation=saturation, tone=jobs.tone(known), strength=known.strength)
            network = jobs.networks.shared(model)
            with closing(
                colorize_steps(network, path, result, look, state.notes, end=end, tool=tool_name(model))
            ) as steps:
                for progress in _looks(steps, state):
                    if progress.seconds > limit:
                        raise _too_long(path, progress.seconds, jobs.film_minutes)
                    _keep(result.parent, path, known.reference)
                    yield state
            if not length and state.progress and state.progress.seconds > limit - 1:
                state.notes.append(f"At most {jobs.film_minutes:g} minutes are possible here: the rest was left out.")
            noted.write_text("\n".join(state.notes), encoding="utf-8")
    except (FilmError, PhotoError) as error:
        raise user_error(str(error)) from error
    _keep(result.parent, path, known.reference)
    state.result, state.notes = result, noted.read_text(encoding="utf-8").splitlines() if noted.is_file() else []
    yield state


def _checked_length(path: str, minutes: float, notes: list[str]) -> float:
    """Return the film's length in seconds, 0 if the file does not say it. Raises `gr.Error` if it is too much."""
    from colorgan.film.read import is_coloured_film, open_film

    film = open_film(path)
    if film.duration > 60 * minutes:
        raise _too_long(path, film.duration, minutes)
    if film.width * film.height > MAX_PIXELS:
        raise user_error(f"{film.name} has frames of {film.width} x {film.height}: at most 4096 x 2304 are possible.")
    if is_coloured_film(film):
        notes.append("It is a colour film: its colours were replaced.")
    return film.duration


def _too_long(path: str, seconds: float, minutes: float) -> gr.Error:
    return user_error(
        f"{Path(path).name} lasts {seconds / 60:.1f} minutes: at most {minutes:g} are possible here. "
        "The command colorgan takes films of any length."
    )


def _looks(steps: "Iterator[Progress]", state: FilmState) -> "Iterator[Progress]":
    """Go through all steps and update the state; yield about twice a second."""
    began, first, looked = 0.0, 0, 0.0
    for progress in steps:
        now, state.progress = time.monotonic(), progress
        if not began:
            began, looked, first = now, now, progress.frames  # an earlier run may have left frames
        elif now - looked > EVERY:
            looked, state.rate = now, (progress.frames - first) / (now - began)
            yield progress


def _keep(folder: Path, *uploads: str | None) -> None:
    """Mark uploads and the files of a result's folder as used: files are deleted an hour after that."""
    for file in (*(Path(upload) for upload in uploads if upload), *folder.rglob("*")):
        if file.exists():
            os.utime(file)


def film_tab(jobs: Jobs) -> None:
    """Add the components of the tab, their events and the endpoint, or a sentence if PyAV is missing."""
    if importlib.util.find_spec("av") is None:
        gr.Markdown(MISSING)
        return

    def no_result(message: str = WAITING) -> tuple[gr.Component | str, ...]:
        """Return a message, and hide what belongs to the film before."""
        return message, gr.ImageSlider(visible=False), gr.Video(visible=False), gr.DownloadButton(visible=False)

    def show(
        film: str | None, model: str, saturation: float, reference: str | None, strength: float
    ) -> Iterator[tuple[gr.Component | str, ...]]:
        """Yield the progress, a frame before and after, and at the end the film and its download button."""
        shown = 0.0
        try:
            for state in colorize_film(jobs, film, model, saturation, Known((), reference, strength)):
                slider, video, download = gr.skip(), gr.Video(visible=False), gr.DownloadButton(visible=False)
                if state.result is not None:
                    slider = gr.ImageSlider(visible=False)
                    video = gr.Video(str(state.result), visible=True)
                    download = gr.DownloadButton(f"Download {state.result.name}", value=str(state.result), visible=True)
                elif state.progress is not None and time.monotonic() - shown > FRAME_EVERY:
                    slider, shown = gr.ImageSlider(before_after(state.progress), visible=True), time.monotonic()
                yield film_progress(state), slider, video, download
        except gr.Error as error:
            yield no_result(f"<p>{html.escape(error.message)}</p>")

    with gr.Row(elem_id="film-tab"):
        with gr.Column(scale=2, min_width=300):
            film = film_input(
                label=f"Your film, up to {jobs.film_minutes:g} minutes",
                file_types=["video", *FILM_SUFFIXES],
                height=160,
                elem_id="film",
            )
            with gr.Group():
                model = model_choice(jobs, visible=len(jobs.networks.colorizers) > 1)
                saturation = accept_nearest_number(saturation_choice())
            reference, strength = reference_choice(
                "Reference: one tone for all frames", REFERENCE_HELP, "film-reference"
            )
            start, stop = gr.Button("Colourize", variant="primary"), gr.Button("Stop", visible=False)
        with gr.Column(scale=3, min_width=300):
            progress = gr.HTML(WAITING, elem_id="film-progress")
            slider = gr.ImageSlider(
                format="jpeg", label="Before | after", max_height=420, buttons=[], visible=False, elem_id="film-frame"
            )
            video = gr.Video(label="The film in colour", visible=False, interactive=False, elem_id="coloured-film")
            download = gr.DownloadButton("Download", variant="primary", visible=False)
    shown, quick = [progress, slider, video, download], {"queue": False, "api_visibility": "private"}
    # Gradio ignores a click whose event has not ended, and the event of a stopped run ends only when the server has
    # stopped it: so there is one button while the film runs, and the other one at all other times
    running = start.click(lambda: (gr.Button(visible=False), gr.Button(visible=True)), None, [start, stop], **quick)
    job = running.then(
        show,
        [film, model, saturation, reference, strength],
        shown,
        show_progress_on=progress,
        show_progress="minimal",
        api_visibility="private",
        **in_queue("film"),
    )
    job.then(
        lambda: (gr.Button(visible=True), gr.Button(interactive=True, visible=False)), None, [start, stop], **quick
    )
    job.failure(lambda film: STOPPED if film else WAITING, film, progress, **quick)  # `show` itself raises nothing
    stop.click(lambda: (STOPPING, gr.Button(interactive=False)), None, [progress, stop], cancels=[job], **quick)
    # A film is cleared before another one is added. An upload cancels nothing, because on a busy machine its event can
    # come after a click on Colourize
    film.clear(no_result, None, shown, cancels=[job], **quick)
    film.upload(no_result, None, shown, **quick)
    _endpoint(jobs)


def _endpoint(jobs: Jobs) -> None:
    """Add /colorize_video."""

    def colorize_video(
        film: str,
        model: str,
        saturation: float,
        reference: str | None = None,
        reference_strength: float = STRENGTH,
    ) -> tuple[str, list[str]]:
        """Colourize a film; its size, its times and its sound do not change.

        Args:
            film: The film.
            model: Name of the network.
            saturation: Strength of the colours, from 0 (grey) to 2; 1 is the network's prediction.
            reference: A picture in colour whose tones all frames take over.
            reference_strength: Of the reference, from 0 to 1.
        Returns:
            The coloured film as MP4 (H.264), and sentences about what had to be changed or left out.
        """
        *_, state = colorize_film(jobs, film, model, saturation, Known((), reference, reference_strength))
        return str(state.result), state.notes

    with gr.Row(visible=False):
        film, coloured, notes = film_input(label="Film"), gr.File(label="Coloured film"), gr.JSON(label="Notes")
        model, saturation = model_choice(jobs), reject_invalid_number(saturation_choice())
        reference, strength = photo_input(label="Reference"), reject_invalid_number(strength_choice())
    gr.on(
        [],
        colorize_video,
        [film, model, saturation, reference, strength],
        [coloured, notes],
        api_name="colorize_video",
        **in_queue("film"),
    )


def before_after(progress: "Progress") -> tuple[np.ndarray, np.ndarray]:
    """The newest frame in grey and in colour, RGB (H, W, 3) uint8, less than 1280 pixels wide."""
    coloured = progress.frame.to_rgb()
    grey = progress.frame.to_video_frame().to_ndarray(format="gray")
    step = max(1, coloured.shape[1] // SHOWN_WIDTH)
    return np.repeat(grey[::step, ::step, None], 3, axis=2), np.ascontiguousarray(coloured[::step, ::step])


def film_progress(state: FilmState) -> str:
    """The state as HTML: a sentence, a bar, and the notes."""
    if state.result is not None:
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in state.notes)
        return f'<p role="status">The film is coloured.</p>{notes}'
    if state.progress is None:
        return '<p role="status">The film is read ...</p>'
    done, length = state.progress.seconds, state.progress.duration
    of = f"{done:.1f} of {length:.1f} s" if length else f"{done:.1f} s"
    bar = f'<progress value="{done:.2f}" max="{max(length, done):.2f}" aria-label="Progress"></progress>'
    return (
        f'<p role="status">{of}, {state.progress.frames} frames, {state.rate:.1f} frames a second ...</p>'
        f"{bar if length else ''}"
    )
