"""The `colorgan` command: colourize files and folders, describe or publish a checkpoint, start the demo.

PyTorch is imported only when there are pictures to colourize, so that `--help` and messages about wrong usage are fast.
"""

import argparse
import importlib.util
import math
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from colorgan import __version__
from colorgan.signals import Stopped, stop_signals

if TYPE_CHECKING:
    from colorgan.plan import Job

EXAMPLES = """examples:
  colorgan photo.jpg                         write photo.colorized.png into the same folder
  colorgan *.jpg album/ --output coloured/   files and whole folders, into another folder
  colorgan album/ --skip-existing            continue an interrupted run
  colorgan photo.jpg --compare               grey and coloured side by side
  colorgan - < grey.jpg > coloured.png       standard input to standard output

other commands (each has its own --help):
  colorgan info unet                         describe a checkpoint
  colorgan push runs/unet owner/name         publish a checkpoint on the Hugging Face Hub
  colorgan app                               start the demo in a browser

To colourize a file or folder named info, push or app, write ./info, ./push or ./app."""
CHECKPOINT = "short name, checkpoint folder, or owner/name[@revision] on the Hub"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default, those of the process) and return its exit status.

    0: everything was done. 1: something could not be done, and standard error says why. 130: interrupted with Ctrl-C.
    129 or 143: stopped by SIGHUP or SIGTERM. Raises `SystemExit(2)` for wrong usage.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", module="PIL")  # colorgan's own messages say what matters
    commands = {"info": _info, "push": _push, "app": start_demo}
    try:
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        with stop_signals():
            return _colorize(arguments)
    except KeyboardInterrupt as error:
        with suppress(OSError):  # after SIGHUP, there may be no terminal to write to
            print(error if isinstance(error, Stopped) else "Interrupted.", file=sys.stderr)
        return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "colorgan",
        usage="colorgan INPUT [INPUT ...] [options]",
        description="Colourize photographs at their own size. Their lightness does not change.",
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
    output.add_argument("--quality", type=int, default=92, help="of JPEG and WebP, 1 to 100 (default: 92)")
    output.add_argument("--compare", action="store_true", help="write grey and coloured side by side")
    existing = output.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing results")
    existing.add_argument("--skip-existing", action="store_true", help="skip pictures whose result exists")
    output.add_argument("--skip-coloured", action="store_true", help="skip photographs that are already in colour")
    colour = parser.add_argument_group("colour")
    colour.add_argument("--model", type=os.path.expanduser, default="unet", help=f"{CHECKPOINT} (default: unet)")
    colour.add_argument(
        "--render-size",
        type=int,
        help="shorter side in pixels at which the network sees a picture, a multiple of 16 (default: 48)",
    )
    colour.add_argument("--saturation", type=float, default=1.0, help="factor of the chroma, 0 to 100 (default: 1)")
    running = parser.add_argument_group("running")
    running.add_argument("--device", help="PyTorch device such as cpu or cuda (default: a GPU if there is one)")
    running.add_argument("--batch-size", type=int, default=8, help="pictures per pass of the network (default: 8)")
    running.add_argument(
        "--max-pixels", type=int, default=100_000_000, help="refuse larger pictures (default: 100000000)"
    )
    return parser


def _colorize(arguments: list[str]) -> int:
    parser = _parser()
    # parse_intermixed_args accepts options between inputs, but may drop a "--"
    parse = parser.parse_args if "--" in arguments else parser.parse_intermixed_args
    options = parse(arguments)
    _check_numbers(parser, options)

    from colorgan.folders import describe_left_out
    from colorgan.plan import plan

    file_format = _file_format(parser, options)
    try:
        planned = plan(options.inputs, options.output, file_format)
    except ValueError as error:
        parser.error(str(error))
    left_out = [describe_left_out(planned.left_out)] if planned.left_out else []
    if not planned.jobs:
        parser.error(" ".join([f"There are no pictures in {', '.join(options.inputs)}.", *left_out]))

    from colorgan import CheckpointError
    from colorgan.execute import colorize_files, is_device
    from colorgan.processes import join_processes

    if options.device is not None and not is_device(options.device):
        parser.error(f"There is no device {options.device} here: leave --device out, or use --device cpu.")
    try:
        processes = join_processes()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    jobs, existing = _without_existing(processes.share(planned.jobs), options)
    _print_errors((left_out if processes.is_main else []) + existing)
    try:
        report = colorize_files(
            jobs,
            model=options.model,
            device=options.device or processes.device,
            file_format=file_format,
            quality=options.quality,
            saturation=options.saturation,
            compare=options.compare,
            render_size=options.render_size,
            batch_size=options.batch_size,
            max_pixels=options.max_pixels,
            skip_coloured=options.skip_coloured,
            show_progress=processes.is_main,
        )
    except CheckpointError as error:
        if processes.is_main:
            print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if not options.overwrite and processes.is_main:
            with suppress(OSError):
                print("Run the same command with --skip-existing to continue.", file=sys.stderr)
        raise
    errors = processes.gather(report.errors)
    failed = len(errors) + len(processes.gather(existing))
    coloured = sum(processes.gather([report.coloured]))
    processes.close()
    if processes.is_main:
        _print_summary(errors, failed, coloured, len(planned.jobs))
    return 1 if failed else 0


def _print_summary(errors: list[str], failed: int, coloured: int, planned: int) -> None:
    _print_errors(errors)
    if coloured == 1:
        print("1 photograph in colour was left as it is.", file=sys.stderr)
    elif coloured:
        print(f"{coloured} photographs in colour were left as they are.", file=sys.stderr)
    if failed and planned > 1:
        print(f"{failed} of {planned} pictures were not colourized.", file=sys.stderr)


def _check_numbers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.render_size is not None and (options.render_size < 16 or options.render_size % 16):
        parser.error(f"--render-size must be a multiple of 16, such as 32 or 64, not {options.render_size}.")
    if not 1 <= options.quality <= 100:
        parser.error(f"--quality must be from 1 to 100, not {options.quality}.")
    if not 0 <= options.saturation <= 100:
        parser.error(f"--saturation must be from 0 (grey) to 100, not {options.saturation}.")
    if options.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, not {options.batch_size}.")
    if options.max_pixels < 1:
        parser.error(f"--max-pixels must be at least 1, not {options.max_pixels}.")


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


def _print_errors(messages: list[str]) -> None:
    for message in messages:
        print(message, file=sys.stderr)


def _info(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "colorgan info", description="Describe a checkpoint: its class, size, folder and configuration."
    )
    parser.add_argument("model", metavar="MODEL", help=CHECKPOINT)
    name = parser.parse_args(arguments).model

    from safetensors import SafetensorError, safe_open

    from colorgan.hub import CheckpointError, locate, read_config

    try:
        folder = locate(name)
        config = read_config(folder)
        path = folder / "model.safetensors"
        with safe_open(path, framework="numpy") as file:
            weights = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError, SafetensorError) as error:
        print(f"The checkpoint {name} is damaged: {error}", file=sys.stderr)
        return 1
    kind = config.pop("_class_name", "unknown class")
    print(f"{name}: {kind} with {weights:,} weights, {path.stat().st_size / 1e6:.1f} MB")
    print(f"folder: {folder}")
    for key, value in config.items():
        print(f"{key}: {value}")
    return 0


def _push(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "colorgan push",
        description="Publish a checkpoint on the Hub in one commit: weights, config.json, card and sample picture.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="checkpoint folder, such as runs/unet")
    parser.add_argument("repo_id", metavar="OWNER/NAME", help="repository on the Hub; created if there is none")
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument("--revision", help="branch to commit to; created if there is none (default: main)")
    parser.add_argument("--token", help="token with write access (default: HF_TOKEN, or that of `hf auth login`)")
    parser.add_argument("--message", help="commit message (default: Upload with colorgan)")
    parser.add_argument(
        "--overwrite-card", action="store_true", help="replace the model card even if it was edited on the Hub"
    )
    options = parser.parse_args(arguments)

    from colorgan.hub import push
    from colorgan.hub.client import CheckpointError

    try:
        url = push(
            options.folder,
            options.repo_id,
            private=options.private,
            token=options.token,
            revision=options.revision,
            commit_message=options.message,
            overwrite_card=options.overwrite_card,
        )
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    print(url)
    return 0


def start_demo(arguments: list[str], *, prog: str = "colorgan app", models_file: Path | None = None) -> int:
    """Start the demo; `prog` is the command's name in its help, and `models_file` lists a Space's models."""
    if not all(importlib.util.find_spec(package) for package in ("gradio", "datasets", "skimage")):
        print('The demo needs Gradio, datasets and scikit-image: pip install "colorgan[app]"', file=sys.stderr)
        return 1

    from colorgan.demo import main as demo

    demo(arguments, models_file, prog)
    return 0
