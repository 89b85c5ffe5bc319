"""The `colorgan` command: colourize files and folders, look at a checkpoint, start the demo."""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from colorgan import __version__
from colorgan.hub.checkpoint import CheckpointError, locate, push, read_config
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.render import render
from colorgan.photo import FORMATS, Photo, PhotoError, holds_16_bits, read_photo, write_photo
from colorgan.plan import Job, plan

EXAMPLES = """examples:
  colorgan photo.jpg                         write photo.colorized.png beside it
  colorgan *.jpg album/ --output coloured/   files and whole folders, mirrored into another folder
  colorgan album/ --skip-existing            go on where an interrupted run stopped
  colorgan photo.jpg --compare               grey and coloured side by side
  colorgan - < grey.jpg > coloured.png       standard input and output
other commands:
  colorgan info unet                         what a checkpoint is: a short name, a folder, or owner/name on the Hub
  colorgan push runs/unet owner/name         publish a checkpoint on the Hub
  colorgan app                               the demo in a browser
(A picture whose name is `info`, `push` or `app` is given as ./info, ./push or ./app.)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process unless given); gives the exit status.

    0: everything was done. 1: some pictures could not be; each has its sentence on standard error. 2: wrong usage.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", module="PIL")  # what matters of it is said in our own sentences
    try:
        if arguments[:1] == ["info"]:
            return _info(arguments[1:])
        if arguments[:1] == ["push"]:
            return _push(arguments[1:])
        if arguments[:1] == ["app"]:
            return _app(arguments[1:])
        return _colorize(arguments)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "colorgan",
        description="Colourize photographs at their own size; their lightness stays exactly as it is.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, globs, or - for standard input")
    parser.add_argument("--version", action="version", version=f"colorgan {__version__}")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", help="folder for the results, or file for a single one (default: beside the inputs)"
    )
    output.add_argument("--format", choices=sorted(FORMATS), help="of the results (default: png, or as --output says)")
    output.add_argument("--quality", type=int, default=92, help="of JPEG and WebP, 1 to 100 (default: 92)")
    output.add_argument("--compare", action="store_true", help="write grey and coloured side by side")
    existing = output.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace results that exist")
    existing.add_argument("--skip-existing", action="store_true", help="leave out pictures whose results exist")
    colour = parser.add_argument_group("colour")
    colour.add_argument(
        "--model",
        default="unet",
        help="short name, checkpoint folder, or owner/name[@revision] on the Hub (default: unet)",
    )
    colour.add_argument(
        "--render-size", type=int, help="shorter side the network sees, a multiple of 16 (default: the best measured)"
    )
    colour.add_argument("--saturation", type=float, default=1.0, help="multiplies the colours' strength (default: 1)")
    running = parser.add_argument_group("running")
    running.add_argument("--device", help="cpu, cuda, ... (default: a GPU when there is one)")
    running.add_argument("--batch-size", type=int, default=8, help="pictures through the network at once (default: 8)")
    return parser


def _colorize(arguments: list[str]) -> int:
    parser = _parser()
    # the latter takes options between inputs, and may forget a --
    options = (parser.parse_args if "--" in arguments else parser.parse_intermixed_args)(arguments)
    _check(parser, options)
    names_a_file = options.output and not options.output.endswith(os.sep) and not os.path.isdir(options.output)
    suffix = Path(options.output).suffix[1:].lower() if names_a_file else ""
    if options.format and suffix in FORMATS and FORMATS[suffix] != FORMATS[options.format]:
        parser.error(f"--format {options.format} and --output {options.output} say two things: leave one out.")
    file_format = options.format or (suffix if suffix in FORMATS else "png")
    try:
        jobs = plan(options.inputs, options.output, file_format)
    except ValueError as error:
        parser.error(str(error))
    if not jobs:
        parser.error(f"There are no pictures in {', '.join(options.inputs)}.")
    failures, planned = [], len(jobs)

    def exists(job: Job) -> bool:
        return job.target != "-" and os.path.exists(job.target)

    if options.skip_existing:
        jobs = [job for job in jobs if not exists(job)]
    elif not options.overwrite:
        failures = [f"{job.target} exists: give --overwrite or --skip-existing." for job in jobs if exists(job)]
        jobs = [job for job in jobs if not exists(job)]
    _say(failures)
    if jobs:
        try:
            failures += (failed := _run(options, jobs, file_format))
        except KeyboardInterrupt:
            if not options.overwrite:
                print("The same command with --skip-existing goes on from here.", file=sys.stderr)
            raise
        _say(failed)
    if failures and planned > 1:
        print(f"{len(failures)} of {planned} pictures were not colourized.", file=sys.stderr)
    return 1 if failures else 0


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.render_size is not None and (options.render_size < 16 or options.render_size % 16):
        parser.error(f"--render-size is a multiple of 16, such as 32 or 64, not {options.render_size}.")
    if not 1 <= options.quality <= 100:
        parser.error(f"--quality is from 1 to 100, not {options.quality}.")
    if not 0 <= options.saturation <= 100:
        parser.error(f"--saturation is from 0 (grey) to 100, and 1 is the network's own; not {options.saturation}.")
    if options.batch_size < 1:
        parser.error(f"--batch-size is at least 1, not {options.batch_size}.")
    try:
        torch.zeros(1, device=options.device).item()
    except (RuntimeError, AssertionError, ImportError):  # the latter two where torch was built without it
        parser.error(f"There is no device {options.device} here: leave --device out, or give cpu.")


def _say(sentences: list[str]) -> None:
    for sentence in sentences:
        print(sentence, file=sys.stderr)


def _run(options: argparse.Namespace, jobs: list[Job], file_format: str) -> list[str]:
    """Colourize all jobs with reading, network and writing overlapped; gives a sentence for each that failed."""
    colorizer = Colorizer.from_pretrained(options.model, device=options.device)

    # read here: Ctrl-C does not reach a thread that waits for a pipe
    given = sys.stdin.buffer.read() if sys.stdin and any(job.source == "-" for job in jobs) else b""

    def read(job: Job) -> Photo:
        if job.source == "-":
            return read_photo(io.BytesIO(given), name="Standard input")
        return read_photo(job.source, name=job.source)

    def write(job: Job, photo: Photo, chroma: Tensor) -> None:
        kind = file_format if job.target == "-" else Path(job.target).suffix[1:].lower()
        bits = photo.bits if holds_16_bits(kind) else 8
        pixels = render(photo, chroma, saturation=options.saturation, bits=bits)
        if options.compare:
            pixels = np.concatenate([render(photo, chroma, saturation=0, bits=bits), pixels], axis=1)
        for note in photo.notes:
            tqdm.write(f"{job.source}: {note}", file=sys.stderr)
        if job.target == "-":
            _write_to_stdout(pixels, photo, kind, options.quality)
            return
        folder = Path(job.target).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PhotoError(f"The folder {folder} cannot be made: {error.strerror}.") from error
        write_photo(job.target, pixels, photo, quality=options.quality)

    results = colorizer.stream(jobs, read, write, render_size=options.render_size, batch_size=options.batch_size)
    bar = tqdm(results, total=len(jobs), unit="picture", disable=None if len(jobs) > 1 else True)
    return [str(result) for result in bar if isinstance(result, PhotoError)]


def _write_to_stdout(pixels: np.ndarray, photo: Photo, kind: str, quality: int) -> None:
    file = io.BytesIO()  # a pipe cannot be gone back in, as TIFF wants
    write_photo(file, pixels, photo, file_format=kind, quality=quality)
    if sys.stdout is None:
        raise PhotoError("Standard output is closed: let --output name a file.")
    try:
        sys.stdout.buffer.write(file.getvalue())
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again when it ends
        raise PhotoError(f"Standard output cannot be written: {error.strerror}.") from error


def _info(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "colorgan info", description="What a checkpoint is, where it lies and how large it is."
    )
    parser.add_argument(
        "model", metavar="MODEL", help="short name, checkpoint folder, or owner/name[@revision] on the Hub"
    )
    name = parser.parse_args(arguments).model
    folder = locate(name)
    config = read_config(folder)
    try:
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            parameters = sum(int(np.prod(file.get_slice(key).get_shape())) for key in file.keys())  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        print(f"The checkpoint {name} is damaged: {error}", file=sys.stderr)
        return 1
    size = (folder / "model.safetensors").stat().st_size
    print(f"{name}: {config.pop('_class_name', 'unknown class')} with {parameters:,} numbers, {size / 1e6:.1f} MB")
    print(f"folder: {folder}")
    for key, value in config.items():
        print(f"{key}: {value}")
    return 0


def _push(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "colorgan push",
        description="Publish a checkpoint on the Hub: weights, config.json, card and sample picture in one commit.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="checkpoint folder, such as runs/unet")
    parser.add_argument("repo_id", metavar="OWNER/NAME", help="repo on the Hub, made where there is none")
    parser.add_argument("--private", action="store_true", help="make the repo a private one")
    parser.add_argument("--revision", help="branch to commit to, made where there is none (default: main)")
    parser.add_argument("--token", help="with write access (default: that of `hf auth login`, or HF_TOKEN)")
    parser.add_argument("--message", help="of the commit (default: Upload with colorgan)")
    parser.add_argument(
        "--overwrite-card", action="store_true", help="replace the model card even if it was edited on the Hub"
    )
    options = parser.parse_args(arguments)
    url = push(
        options.folder,
        options.repo_id,
        private=options.private,
        token=options.token,
        revision=options.revision,
        commit_message=options.message,
        overwrite_card=options.overwrite_card,
    )
    print(url)
    return 0


def _app(arguments: list[str]) -> int:
    from colorgan.demo import main as demo  # here: the command colourizes without loading Gradio

    demo(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
