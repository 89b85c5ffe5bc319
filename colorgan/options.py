"""Options and messages that several commands share."""

import argparse
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from colorgan import DEFAULT_MODEL
from colorgan.film import PRESETS
from colorgan.processes import is_main_process, let_main_process_speak

if TYPE_CHECKING:
    from colorgan.film.look import FilmHint
    from colorgan.inference.hints import Hint
    from colorgan.inference.tone import Tone
    from colorgan.plan import Job

CHECKPOINT = "short name, checkpoint folder, or owner/name[@revision] on the Hub"


class Parser(argparse.ArgumentParser):
    """A parser whose message about wrong usage appears once, also when several processes get the same arguments."""

    def error(self, message: str) -> NoReturn:
        let_main_process_speak()
        super().error(message)


def add_existing_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--quality", type=int, default=92, help="of JPEG and WebP, 1 to 100 (default: 92)")
    existing = group.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing results")
    existing.add_argument("--skip-existing", action="store_true", help="skip what has a result")
    group.add_argument("--skip-coloured", action="store_true", help="skip photographs that are already in colour")


def add_colour_options(parser: argparse.ArgumentParser) -> None:
    colour = parser.add_argument_group("colour")
    colour.add_argument(
        "--model", type=os.path.expanduser, default=DEFAULT_MODEL, help=f"{CHECKPOINT} (default: {DEFAULT_MODEL})"
    )
    colour.add_argument(
        "--render-size",
        type=int,
        help="shorter side in pixels at which the network sees a picture, such as 64 (default: the network's own)",
    )
    colour.add_argument("--saturation", type=float, default=1.0, help="factor of the chroma, 0 to 100 (default: 1)")


def add_hint_options(parser: argparse.ArgumentParser) -> None:
    known = parser.add_argument_group("what you know")
    known.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="[TIME@]X,Y=COLOUR",
        help="a colour at a place, in fractions of the width and height; with a TIME for a film; may be repeated",
    )
    known.add_argument("--hints", metavar="FILE", type=os.path.expanduser, help="hints in a JSON file")
    add_reference_options(known)


def add_reference_options(known: argparse._ArgumentGroup) -> None:
    known.add_argument(
        "--reference", metavar="FILE", type=os.path.expanduser, help="picture in colour whose tones are taken over"
    )
    known.add_argument("--reference-strength", type=float, default=0.7, help="of these tones, 0 to 1 (default: 0.7)")


def add_film_options(parser: argparse.ArgumentParser) -> None:
    film = parser.add_argument_group("films")
    film.add_argument("--start", type=film_time, metavar="TIME", help="where to begin: seconds, MM:SS or HH:MM:SS")
    film.add_argument("--end", type=film_time, metavar="TIME", help="where to end")
    film.add_argument(
        "--video-preset",
        choices=PRESETS,
        default="veryfast",
        metavar="PRESET",
        help="speed of x264, from ultrafast to veryslow; slower ones make smaller files (default: veryfast)",
    )


def film_time(text: str) -> float:
    """Seconds of a time such as 90, 1:30 or 0:01:30.5."""
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d+", part) for part in parts[:-1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write seconds, MM:SS or HH:MM:SS")
    try:
        seconds = float(parts[-1])
    except ValueError:
        seconds = -1
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write seconds, MM:SS or HH:MM:SS")
    return seconds + sum(60 * 60**i * int(part) for i, part in enumerate(reversed(parts[:-1])))


def add_metadata_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--no-metadata",
        action="store_true",
        help="do not write into the captions that colorgan made the colours (the picture's own captions are kept)",
    )


def given_hints(
    parser: argparse.ArgumentParser, options: argparse.Namespace, jobs: "Sequence[Job]"
) -> "tuple[list[Hint], tuple[FilmHint, ...]]":
    """The hints of `add_hint_options` for one photograph, and those for one film."""
    if not options.hint and options.hints is None:
        return [], ()
    from colorgan.film.look import as_film_hints
    from colorgan.inference.hints import HintError, as_hints, parse_hint, read_hints

    if len(jobs) > 1:
        parser.error(f"Hints are for one picture, but there are {len(jobs)}: --reference serves several.")
    try:
        if any(job.is_film for job in jobs):
            if options.hints is not None:
                parser.error("--hints is for photographs: the hints of a film are --hint TIME@X,Y=COLOUR.")
            return [], as_film_hints(_film_hint(parser, options, text) for text in options.hint)
        for text in options.hint:
            if "@" in text:
                parser.error(f"Only the hints of a film have a TIME: leave it and the @ out of --hint {text}.")
        in_file = [] if options.hints is None else read_hints(options.hints)
        return as_hints([*in_file, *(parse_hint(text) for text in options.hint)]), ()
    except HintError as error:
        parser.error(str(error))


def _film_hint(parser: argparse.ArgumentParser, options: argparse.Namespace, text: str) -> "FilmHint":
    """The hint of a text such as `1:05@0.31,0.62=#7a2e2e`, whose time is in the part that the options choose."""
    from colorgan.film.look import FilmHint
    from colorgan.inference.hints import parse_hint

    time, at, rest = text.partition("@")
    if not at:
        parser.error(f"The hint of a film needs the time of a frame, such as --hint 1:05@{text}.")
    hint = parse_hint(rest)
    try:
        seconds = film_time(time)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --hint: {error}")
    if seconds < (options.start or 0) or (options.end is not None and seconds >= options.end):
        parser.error(f"The hint at {time} is not in the part of the film that --start and --end choose.")
    return FilmHint(seconds, hint.x, hint.y, hint.color)


def given_reference(options: argparse.Namespace) -> "Tone | None":
    """The tone of `--reference`, if there is one. Raises `PhotoError` if it cannot be used."""
    if options.reference is None:
        return None
    from colorgan.inference.tone import Tone
    from colorgan.photo.errors import PhotoError, TooLargeError

    try:
        return Tone.of(options.reference, max_pixels=options.max_pixels, name=options.reference)
    except TooLargeError as error:
        raise PhotoError(f"{error.fact}; --max-pixels allows more.") from error


def add_running_options(parser: argparse.ArgumentParser) -> None:
    running = parser.add_argument_group("running")
    running.add_argument("--device", help="PyTorch device such as cpu or cuda (default: a GPU if there is one)")
    running.add_argument("--batch-size", type=int, default=8, help="pictures per pass of the network (default: 8)")
    running.add_argument(
        "--max-pixels", type=int, default=100_000_000, help="refuse larger pictures (default: 100000000)"
    )


def check_numbers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.render_size is not None and (options.render_size < 16 or options.render_size % 16):
        parser.error(f"--render-size must be a multiple of 16, such as 32 or 64, not {options.render_size}.")
    if not 1 <= options.quality <= 100:
        parser.error(f"--quality must be from 1 to 100, not {options.quality}.")
    if not 0 <= options.saturation <= 100:
        parser.error(f"--saturation must be from 0 (grey) to 100, not {options.saturation}.")
    if not 0 <= options.reference_strength <= 1:
        parser.error(f"--reference-strength must be from 0 (none) to 1, not {options.reference_strength}.")
    if options.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, not {options.batch_size}.")
    if options.max_pixels < 1:
        parser.error(f"--max-pixels must be at least 1, not {options.max_pixels}.")


def check_film_part(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.end is not None and options.end <= (options.start or 0):
        parser.error(f"--end must be after --start, not at {options.end:g} s.")


def check_device(parser: argparse.ArgumentParser, device: str | None) -> None:
    from colorgan.execute import is_device

    if device is not None and not is_device(device):
        parser.error(f"There is no device {device} here: leave --device out, or use --device cpu.")


def print_lines(lines: Iterable[object], *, every_process: bool = False) -> None:
    """Print messages on standard error, once if all processes have the same ones."""
    if every_process or is_main_process():
        for line in lines:
            print(line, file=sys.stderr)


def fail(error: Exception) -> int:
    """Print an error that ends the command, and return its exit status."""
    let_main_process_speak()
    print(error, file=sys.stderr)
    return 1


def left_in_colour(count: int) -> str:
    """A sentence about photographs that `--skip-coloured` left."""
    if count == 1:
        return "1 photograph in colour was left as it is."
    return f"{count:,} photographs in colour were left as they are."
