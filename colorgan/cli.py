"""The `colorgan` command: colourize files and folders. The other commands are in `colorgan/subcommands.py`.

PyTorch is imported only when there are pictures to colourize, so that `--help` and messages about wrong usage are fast.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from colorgan import __version__
from colorgan.options import (
    Parser,
    add_colour_options,
    add_existing_options,
    add_film_options,
    add_hint_options,
    add_metadata_option,
    add_running_options,
    check_device,
    check_film_part,
    check_numbers,
    fail,
    given_hints,
    given_reference,
    left_in_colour,
    print_lines,
)
from colorgan.signals import Stopped, stop_signals
from colorgan.subcommands import COMMANDS

if TYPE_CHECKING:
    from colorgan.plan import Job

EXAMPLES = """examples:
  colorgan photo.jpg                         write photo.colorized.png into the same folder
  colorgan *.jpg album/ --output coloured/   files and whole folders, into another folder
  colorgan film.mpg                          write film.colorized.mp4, with its sound
  colorgan album/ --skip-existing            continue an interrupted run
  colorgan photo.jpg --compare               grey and coloured side by side
  colorgan photo.jpg --hint 0.3,0.6=#7a2e2e  this colour at 30 % of the width and 60 % of the height
  colorgan film.mpg --hint 1:05@0.3,0.6=red  the same in a film, for the scene that it shows at 1:05
  colorgan - < grey.jpg > coloured.png       standard input to standard output

other commands (each has its own --help):
  colorgan info unet                         describe a checkpoint
  colorgan push runs/unet owner/name         publish a checkpoint on the Hugging Face Hub
  colorgan dataset owner/name -o coloured/   colourize the pictures of a data set, and keep its other columns
  colorgan app                               start the demo in a browser

To colourize a file or folder named info, push, dataset or app, write ./info, ./push, ./dataset or ./app."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default, those of the process) and return its exit status.

    0: everything was done. 1: something could not be done, and standard error says why. 130: interrupted with Ctrl-C.
    129 or 143: stopped by SIGHUP or SIGTERM. Raises `SystemExit(2)` for wrong usage.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", module="PIL")  # colorgan's own messages say what matters
    try:
        if arguments and arguments[0] in COMMANDS:
            return COMMANDS[arguments[0]](arguments[1:])
        with stop_signals():
            return _colorize(arguments)
    except KeyboardInterrupt as error:
        with suppress(OSError):  # after SIGHUP, there may be no terminal to write to
            print_lines([error if isinstance(error, Stopped) else "Interrupted."])
        return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def _parser() -> Parser:
    parser = Parser(
        "colorgan",
        usage="colorgan INPUT [INPUT ...] [options]",
        description="Colourize photographs and films at their own size. Their lightness does not change.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="file, folder, glob, or - for standard input")
    parser.add_argument("--version", action="version", version=f"colorgan {__version__}")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        type=os.path.expanduser,  # the shell does not expand the ~ of --output=~/folder
        help="folder for the results, file for a single result, or - (default: the folder of each input)",
    )
    output.add_argument("--format", help="png, jpg, webp or tiff (default: the suffix of --output, or png)")
    output.add_argument("--compare", action="store_true", help="write grey and coloured side by side")
    add_metadata_option(output)
    add_existing_options(output)
    add_colour_options(parser)
    add_hint_options(parser)
    add_film_options(parser)
    add_running_options(parser)
    return parser


def _colorize(arguments: list[str]) -> int:
    parser = _parser()
    # parse_intermixed_args accepts options between inputs, but may drop a "--"
    parse = parser.parse_args if "--" in arguments else parser.parse_intermixed_args
    options = parse(arguments)
    check_numbers(parser, options)
    check_film_part(parser, options)

    from colorgan.folders import describe_left_out
    from colorgan.plan import plan

    file_format = _file_format(parser, options)
    try:
        planned = plan(options.inputs, options.output, file_format)
    except ValueError as error:
        parser.error(str(error))
    hints, film_hints = given_hints(parser, options, planned.jobs)
    left_out = [describe_left_out(planned.left_out)] if planned.left_out else []
    if not planned.jobs:
        parser.error(" ".join([f"There are no pictures in {', '.join(options.inputs)}.", *left_out]))

    from colorgan import CheckpointError, PhotoError
    from colorgan.execute import FilmOptions, colorize_files
    from colorgan.models import RenderSizeError
    from colorgan.processes import join_processes

    check_device(parser, options.device)
    try:
        processes = join_processes()
    except ImportError as error:
        return fail(error)
    jobs, existing = _without_existing(processes.share(planned.jobs), options)
    print_lines(left_out)
    print_lines(existing, every_process=True)
    try:
        report = colorize_files(
            jobs,
            model=options.model,
            device=options.device or processes.device,
            file_format=file_format,
            quality=options.quality,
            saturation=options.saturation,
            hints=hints,
            tone=given_reference(options),
            reference_strength=options.reference_strength,
            compare=options.compare,
            render_size=options.render_size,
            batch_size=options.batch_size,
            max_pixels=options.max_pixels,
            say_provenance=not options.no_metadata,
            skip_coloured=options.skip_coloured,
            film_options=FilmOptions(options.start, options.end, options.video_preset, film_hints),
            show_progress=processes.is_main,
        )
    except (CheckpointError, PhotoError, RenderSizeError) as error:  # PhotoError: of the reference
        return fail(error)
    except KeyboardInterrupt:
        if not options.overwrite:
            with suppress(OSError):
                print_lines(["Run the same command with --skip-existing to continue."])
        raise
    errors = processes.gather(report.errors)
    failed = len(errors) + len(processes.gather(existing))
    coloured = sum(processes.gather([report.coloured]))
    print_lines([*errors, *_summary(failed, coloured, len(planned.jobs))])
    processes.close()
    return 1 if failed else 0


def _summary(failed: int, coloured: int, planned: int) -> Iterator[str]:
    if coloured:
        yield left_in_colour(coloured)
    if failed and planned > 1:
        yield f"{failed} of {planned} pictures were not colourized."


def _file_format(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The format of the results, one of `FORMATS`: from --format, from the suffix of --output, or PNG."""
    from colorgan.photo import FORMATS

    if options.format and options.format not in FORMATS:
        parser.error(f"colorgan does not write {options.format}: choose a --format of {', '.join(FORMATS)}.")
    is_file = options.output and not options.output.endswith(os.sep) and not os.path.isdir(options.output)
    suffix = Path(options.output).suffix[1:].lower() if is_file else ""
    if options.format and suffix in FORMATS and FORMATS[suffix] != FORMATS[options.format]:
        parser.error(f"--format {options.format} contradicts --output {options.output}: leave one of them out.")
    return options.format or (suffix if suffix in FORMATS else "png")


def _without_existing(jobs: "list[Job]", options: argparse.Namespace) -> "tuple[list[Job], list[str]]":
    """Return the jobs to run, and an error message for each result that exists and may not be replaced."""
    if options.overwrite:
        return jobs, []
    existing = {job for job in jobs if job.target != "-" and os.path.exists(job.target)}
    errors = [f"{job.target} exists: use --overwrite or --skip-existing." for job in jobs if job in existing]
    return [job for job in jobs if job not in existing], [] if options.skip_existing else errors
