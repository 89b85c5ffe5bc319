"""Which pictures a command line means, and where each result goes."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from colorgan.photo import FORMATS
from colorgan.photo.decode import registered_formats


@dataclass(frozen=True)
class Job:
    """One picture to colourize; `-` stands for standard input and output."""

    source: str
    target: str


def plan(inputs: Sequence[str], output: str | None, file_format: str) -> list[Job]:
    """What to read and where to write it: files as they are, folders with all pictures below them, globs expanded.

    Without `output`, results lie beside their sources; with it, inside that folder, mirroring the folders given. A
    single file may name its result, or `-` for standard output. No two have the same result. Raises ValueError for an
    input that does not exist, and for an output that cannot take the results. What is the result of another input is
    left out: `*.jpg` has those of the last time as well.
    """
    found: dict[Path, Path] = {}
    for source, below in (pair for name in inputs for pair in _expand(name)):
        found.setdefault(source, below)
    if output and (target := _single(output, len(found))):
        return [Job(str(source), target) for source in found]
    plain = Counter(_result(source, below, output, file_format, source.stem) for source, below in found.items())
    jobs: dict[str, Job] = {}
    for source, below in found.items():
        target = _result(source, below, output, file_format, source.stem)
        if plain[target] > 1:  # photo.jpg and photo.png in one folder
            target = _result(source, below, output, file_format, source.name)
        number = 2
        while str(target) in jobs:  # photo.jpg of two folders
            target = _result(source, below, output, file_format, f"{source.name}.{number}")
            number += 1
        place = "-" if str(source) == "-" and output is None else str(target)
        jobs[place] = Job(str(source), place)
    return [job for job in jobs.values() if job.source == "-" or job.source not in jobs]


def _single(output: str, count: int) -> str | None:
    """What `output` names if it is one file's, none if it is a folder; ValueError if it can be neither."""
    suffix = Path(output).suffix[1:].lower()
    if os.path.isdir(output) or not (output == "-" or suffix in FORMATS or os.path.exists(output)):
        if not os.path.isdir(output) and f".{suffix}" in _suffixes():
            raise ValueError(f"colorgan does not write {suffix}: let --output end in one of {', '.join(FORMATS)}.")
        return None
    if output != "-" and suffix not in FORMATS:
        raise ValueError(f"--output {output} is a file that exists: give a folder, or end in {', '.join(FORMATS)}.")
    if count > 1:
        raise ValueError(f"--output {output} takes one picture, and there are {count}: give a folder.")
    return output


def _expand(name: str) -> Iterator[tuple[Path, Path]]:
    """Pictures behind one argument, each with its folder relative to the folder given."""
    path = Path(name)
    if name == "-":
        yield path, Path()
    elif path.is_dir():
        for source in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in source.relative_to(path).parts)
            ours = source.stem.endswith(".colorized")
            if source.suffix.lower() in _suffixes() and not hidden and not ours and source.is_file():
                yield source, source.parent.relative_to(path)
    elif os.path.exists(path):
        yield path, Path()
    elif matches := sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []:
        for match in matches:
            yield from _expand(match)
    else:
        raise ValueError(f"There is no file or folder {name}.")


def _result(source: Path, below: Path, output: str | None, file_format: str, stem: str) -> Path:
    folder = source.parent if output is None else Path(output) / below
    stem = "stdin" if str(source) == "-" else stem
    return folder / f"{stem}.colorized.{file_format}"


def _suffixes() -> set[str]:
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in registered_formats()}
