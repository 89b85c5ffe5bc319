"""Colourize a film file: segments of a minute, which a stopped run goes on with, and the whole film at the end."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from av.error import FFmpegError

from colorgan.film import FORMATS, PRESETS
from colorgan.film.errors import FilmError
from colorgan.film.follow import follow_hints
from colorgan.film.frames import coloured_frames
from colorgan.film.look import Look
from colorgan.film.read import Film, Frame, open_film
from colorgan.film.write import SegmentWriter, join

if TYPE_CHECKING:
    from colorgan.inference.colorizer import Colorizer

SEGMENT_SECONDS = 60.0
WARM_UP = 2.0  # seconds before the first new frame that are coloured again, so that the filter in time knows them
RECORD = "segments.jsonl"
SAMPLES, SAMPLE_BYTES = 16, 65536  # of a film, by which it is known again


@dataclass(frozen=True)
class Progress:
    """How far a film is: frames written, seconds of the film done and in all (0 if unknown), and the newest frame."""

    frames: int
    seconds: float
    duration: float
    frame: Frame


@dataclass(frozen=True)
class _Segment:
    """A finished segment: its file, its last frame's time and number in the time base, and what was counted in it."""

    name: str
    last: int
    frames: int
    damaged: int
    lost: int


def colorize_video(
    colorizer: "Colorizer",
    source: str | Path,
    target: str | Path,
    look: Look,
    *,
    start: float | None = None,
    end: float | None = None,
    preset: str = "veryfast",
    tool: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[str]:
    """Colourize the film `source` and write it as H.264 to `target` (.mp4, .m4v, .mov or .mkv), with its sound.

    `start` and `end`, in seconds, choose a part. `preset` is x264's, from ultrafast to veryslow. `tool` is named in the
    comment of the result, which also keeps the film's captions. `on_progress` is called after each frame. Finished
    segments lie in a hidden folder beside the target until the film is whole: after an interruption, the same call goes
    on with them. Returns sentences about what had to be changed or left out.

    Raises `FilmError` for a film that cannot be read or written, and ValueError for wrong options.
    """
    notes: list[str] = []
    steps = colorize_steps(colorizer, source, target, look, notes, start=start, end=end, preset=preset, tool=tool)
    with closing(steps):  # so that an error of `on_progress` ends the work at once
        for progress in steps:
            if on_progress:
                on_progress(progress)
    return notes


def colorize_steps(
    colorizer: "Colorizer",
    source: str | Path,
    target: str | Path,
    look: Look,
    notes: list[str],
    *,
    start: float | None = None,
    end: float | None = None,
    preset: str = "veryfast",
    tool: str | None = None,
) -> Generator[Progress, None, None]:
    """Do what `colorize_video` does, and yield after each frame; close the generator to stop. `notes` are added to."""
    source, target = Path(source), Path(target)
    kind = _check(source, target, start, end, preset)
    film = open_film(source)
    begin, length = start or 0.0, film.duration if end is None else min(end, film.duration or end)
    if film.duration and begin >= film.duration:
        raise FilmError(f"{film.name} has only {film.duration:.1f} s: start before that, not at {begin:.1f} s.")
    settings = {**look.record(), "start": start, "end": end, "preset": preset}
    parts = _Parts(target, {**settings, "film": _identity(source), "network": fingerprint(colorizer)})
    try:
        tracks = follow_hints(film, look.hints, begin, end)  # an error here leaves an earlier run's segments alone
        parts.prepare()
        first = begin if not parts.segments else float((parts.segments[-1].last + 1) * film.time_base)
        if parts.segments:
            film.note(f"The run went on with {len(parts.segments)} segments of an earlier one.")
        since = max(begin, first - WARM_UP) if parts.segments else begin
        frames = coloured_frames(colorizer, film, look, since, end, tracks)
        with closing(frames):
            for frame in _record(frames, film, parts, preset):
                yield Progress(parts.count, frame.time - begin, max(length - begin, 0.0), frame)
        if not parts.segments:
            raise FilmError(f"{film.name} has no frames in this part.")
        joined = parts.folder / f"joined{target.suffix}"
        segments = [parts.folder / segment.name for segment in parts.segments]
        left_out = join(segments, film, joined, kind, begin, end, tool)
        os.replace(joined, target)
    except (FFmpegError, OSError) as error:
        raise _writing_error(target, error) from error
    parts.remove()
    notes += film.notes + parts.notes() + left_out


def _record(frames: Iterator[Frame], film: Film, parts: "_Parts", preset: str) -> Iterator[Frame]:
    """Write frames that are not in a segment yet, yield each, and finish a segment after every `SEGMENT_SECONDS`."""
    after = parts.segments[-1].last if parts.segments else -math.inf
    fresh = (frame for frame in frames if frame.pts > after)
    frame = next(fresh, None)
    while frame is not None:
        limit = frame.time + SEGMENT_SECONDS
        path = parts.folder / f"{len(parts.segments):05}.nut"
        unfinished = path.with_suffix(".part")
        last, count, damaged, lost = frame.pts, 0, 0, 0
        with SegmentWriter(unfinished, film, preset) as writer:
            while frame is not None and frame.time < limit:
                writer.write(frame)
                last, count = frame.pts, count + 1
                damaged, lost = damaged + frame.is_damaged, lost + frame.lost
                parts.count += 1
                yield frame
                frame = next(fresh, None)
        parts.add(unfinished, _Segment(path.name, last, count, damaged, lost))


class _Parts:
    """The hidden folder of a film's finished segments, beside the target."""

    def __init__(self, target: Path, settings: dict[str, object]):
        self.folder = target.with_name(f".{target.name}.parts")
        self.segments: list[_Segment] = []
        self.count = 0
        self._settings = json.dumps(settings, sort_keys=True)

    def prepare(self) -> None:
        """Read the segments of an earlier run with the same settings; begin anew if there are none."""
        record = self.folder / RECORD
        lines = record.read_text(encoding="utf-8").split("\n") if record.is_file() else []
        if not lines or lines[0] != self._settings:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self._append(self._settings)
            return
        for line in lines[1:-1]:  # what comes after the last end of a line was not written completely
            segment = _Segment(**json.loads(line))
            if not (self.folder / segment.name).is_file():
                break
            self.segments.append(segment)
            self.count += segment.frames

    def add(self, file: Path, segment: _Segment) -> None:
        """Record a finished segment: its file is on the disk before its line is."""
        with open(file, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(file, self.folder / segment.name)
        self._append(json.dumps(asdict(segment)))
        self.segments.append(segment)

    def notes(self) -> list[str]:
        """Sentences about frames that were damaged or could not be decoded."""
        damaged = sum(segment.damaged for segment in self.segments)
        lost = sum(segment.lost for segment in self.segments)
        notes = []
        if damaged:
            notes.append(f"{damaged} of its {self.count} frames are damaged: they have the colours of the one before.")
        if lost:
            notes.append(f"{lost} parts of the file could not be decoded: the frames there are missing.")
        return notes

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _append(self, line: str) -> None:
        with open(self.folder / RECORD, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def fingerprint(colorizer: "Colorizer") -> str:
    """A hash of a network's weights: segments of another network are not used."""
    digest = hashlib.sha256()
    for name, value in sorted(colorizer.generator.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _identity(source: Path) -> list[object]:
    """The film's path, its size, and a hash of samples of its bytes: copies and uploads have other times."""
    digest, size = hashlib.sha256(), source.stat().st_size
    with open(source, "rb") as file:
        for i in range(SAMPLES):
            file.seek(max(0, size - SAMPLE_BYTES) * i // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return [str(source.resolve()), size, digest.hexdigest()[:16]]


def _check(source: Path, target: Path, start: float | None, end: float | None, preset: str) -> str:
    """Check the options, and return the container's name."""
    kind = FORMATS.get(target.suffix[1:].lower())
    if kind is None:
        raise FilmError(f"colorgan does not write {target.suffix or target.name} films: choose .{', .'.join(FORMATS)}.")
    if preset not in PRESETS:
        raise ValueError(f"The preset must be one of {', '.join(PRESETS)}, not {preset}.")
    if (start or 0) < 0 or (end is not None and end <= (start or 0)):
        raise ValueError(f"The part of the film must end after it starts, not {start or 0} to {end} s.")
    if not target.parent.is_dir():
        raise FilmError(f"There is no folder {target.parent}.")
    if target.exists() and source.exists() and target.samefile(source):
        raise FilmError(f"{target.name} is the film itself: choose another name for the result.")
    return kind


def _writing_error(target: Path, error: Exception) -> FilmError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FilmError(
            f"{target.name} cannot be finished, because the disk is full: make space and run the same command again, "
            "which goes on with what is done."
        )
    return FilmError(f"{target.name} cannot be written: {getattr(error, 'strerror', None) or error}.")
