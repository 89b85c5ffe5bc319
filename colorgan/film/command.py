"""What the `colorgan` command does with a film: progress by time, messages on standard error."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from colorgan.film.errors import require_pyav
from colorgan.film.look import FilmHint, Look
from colorgan.plan import Job

if TYPE_CHECKING:
    from colorgan.film.convert import Progress
    from colorgan.inference.colorizer import Colorizer

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of the film [{elapsed}<{remaining}{postfix}]"
OPEN_BAR = "{desc}: {n:.0f} s of the film [{elapsed}{postfix}]"  # where the file does not say how long the film is


@dataclass(frozen=True)
class FilmOptions:
    """Options of the command that only films have: the part in seconds, x264's preset, and hints with times."""

    start: float | None = None
    end: float | None = None
    preset: str = "veryfast"
    hints: tuple[FilmHint, ...] = ()


def colorize_film(
    colorizer: "Colorizer",
    job: Job,
    look: Look,
    options: FilmOptions,
    *,
    skip_coloured: bool,
    tool: str | None,
    show_progress: bool,
) -> None:
    """Colourize a film, unless it is in colour and `skip_coloured` says to leave such films. Raises `FilmError`.

    `tool` is named in the comment of the result, unless it is None. A progress bar counts seconds of the film, if
    standard error is a terminal.
    """
    require_pyav(job.source)
    from colorgan.film.convert import colorize_video
    from colorgan.film.read import is_coloured_film, open_film

    film = open_film(job.source)
    if is_coloured_film(film):
        if skip_coloured:
            print(f"{job.source} is a colour film: it was left as it is.", file=sys.stderr)
            return
        print(f"{job.source} is a colour film: its colours are replaced.", file=sys.stderr)
    with tqdm(desc=film.name, disable=None if show_progress else True, unit="s", total=1, bar_format=BAR) as bar:

        def show(progress: "Progress") -> None:
            if progress.duration:
                bar.total = max(progress.duration, progress.seconds)
            else:
                bar.bar_format = OPEN_BAR
            bar.set_postfix_str(f"{progress.frames} frames", refresh=False)
            bar.update(max(0.0, progress.seconds - bar.n))

        notes = colorize_video(
            colorizer,
            job.source,
            job.target,
            look,
            start=options.start,
            end=options.end,
            preset=options.preset,
            tool=tool,
            on_progress=show,
        )
    for note in notes:
        print(f"{job.source}: {note}", file=sys.stderr)
