"""The commands beside the main one: describe or publish a checkpoint, colourize a data set, start the demo."""

import argparse
import hashlib
import importlib.util
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from colorgan.options import (
    CHECKPOINT,
    Parser,
    add_colour_options,
    add_existing_options,
    add_metadata_option,
    add_reference_options,
    add_running_options,
    check_device,
    check_numbers,
    fail,
    given_reference,
    left_in_colour,
    print_lines,
)
from colorgan.signals import stop_signals

if TYPE_CHECKING:
    from colorgan.dataset.run import Report


def info(arguments: list[str]) -> int:
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


def push_checkpoint(arguments: list[str]) -> int:
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

    from colorgan.hub.client import CheckpointError
    from colorgan.hub.publish import push

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


def colour_dataset(arguments: list[str]) -> int:
    """Colourize a data set, as `colorgan dataset` does."""
    parser = Parser(
        "colorgan dataset",
        description="Colourize one column of a data set, and keep all others. The result is a folder of Parquet files, "
        "which datasets.load_dataset reads.",
    )
    parser.add_argument(
        "name", metavar="NAME", type=os.path.expanduser, help="owner/name on the Hub, folder, or Parquet file"
    )
    parser.add_argument("--config", help="configuration of the data set, if the Hub has several of it")
    parser.add_argument("--split", action="append", help="may be given several times (default: all splits)")
    parser.add_argument("--image-column", help="column of the pictures (default: the only one that has pictures)")
    output = parser.add_argument_group("output")
    output.add_argument("-o", "--output", required=True, type=os.path.expanduser, help="folder for the result")
    output.add_argument(
        "--push-to-hub", action="store_true", help="publish it as the data set --output, which must be owner/name"
    )
    output.add_argument("--private", action="store_true", help="create a private data set on the Hub")
    add_metadata_option(output)
    add_existing_options(output)
    add_colour_options(parser)
    add_reference_options(parser.add_argument_group("what you know"))
    add_running_options(parser)
    options = parser.parse_args(arguments)
    check_numbers(parser, options)
    if not importlib.util.find_spec("datasets"):
        return fail(ImportError('Data sets need the datasets package: pip install "colorgan[train]"'))

    from colorgan.dataset.part import Settings
    from colorgan.dataset.run import REPO_ID, Target
    from colorgan.dataset.run import colour_dataset as run
    from colorgan.hub.client import CheckpointError
    from colorgan.models import RenderSizeError
    from colorgan.photo.errors import PhotoError
    from colorgan.processes import join_processes
    from colorgan.splits import DatasetError

    is_repo_id = re.fullmatch(REPO_ID, options.output) is not None
    if options.push_to_hub and not is_repo_id:
        parser.error(f"--push-to-hub needs an --output of the form owner/name, not {options.output}.")
    if options.push_to_hub and options.output == options.name:
        parser.error(f"--output {options.output} would replace the data set that is read: choose another name.")
    if options.private and not options.push_to_hub:
        parser.error("--private is for --push-to-hub.")
    check_device(parser, options.device)
    target = Target(
        Path(options.output),
        options.overwrite,
        options.skip_existing,
        options.output if options.push_to_hub else None,
        options.private,
    )
    settings = Settings(
        render_size=options.render_size,
        saturation=options.saturation,
        quality=options.quality,
        max_pixels=options.max_pixels,
        skip_coloured=options.skip_coloured,
        reference=_content_name(options.reference) if options.reference else "",
        reference_strength=options.reference_strength,
        no_metadata=options.no_metadata,
    )
    try:
        tone = given_reference(options)
        with stop_signals():
            processes = join_processes()
            report = run(
                options.name,
                target,
                settings,
                processes,
                model=options.model,
                image_column=options.image_column,
                splits=options.split,
                config=options.config,
                device=options.device,
                tone=tone,
                batch_size=options.batch_size,
            )
            print_lines(_dataset_summary(report, options))
            if report.url and processes.is_main:
                print(report.url)
            processes.close()
    except (CheckpointError, DatasetError, ImportError, PhotoError, RenderSizeError) as error:
        return fail(error)
    except KeyboardInterrupt:
        with suppress(OSError):
            instead = " instead of --overwrite" if options.overwrite else ""
            print_lines([f"Run the same command with --skip-existing{instead} to continue."])
        raise
    return 1 if report.record.errors else 0


def _content_name(path: str) -> str:
    """The name of a file with a short hash of its content, if it can be read."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return Path(path).name
    return f"{Path(path).name} ({hashlib.sha256(content).hexdigest()[:8]})"


def _dataset_summary(report: "Report", options: argparse.Namespace) -> Iterator[str]:
    from colorgan.dataset.run import REPO_ID

    record = report.record
    yield from report.messages
    yield from record.errors
    for note, (name, count) in record.notes.items():
        others = f" So it is with {count - 1:,} other pictures." if count > 1 else ""
        yield f"{name}: {note}{others}"
    if record.coloured and options.skip_coloured:
        yield left_in_colour(record.coloured)
    elif record.coloured:
        yield f"{record.coloured:,} of {report.count:,} photographs were in colour: their colours were replaced."
    if record.errors:
        yield f"{len(record.errors):,} of {report.count:,} pictures were not colourized and are as they were."
    if re.fullmatch(REPO_ID, options.output) and not options.push_to_hub:
        yield f"The result is in the folder {options.output}. With --push-to-hub it is published, too."


COMMANDS = {"info": info, "push": push_checkpoint, "dataset": colour_dataset, "app": start_demo}
