"""Which pictures a command line means, and where each result goes."""

import glob
import hashlib
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
    single file may name its result, or `-` for standard output. No two have the same result: where they would, the
    source's suffix or its folder is put in, or at last a number made of its whole path. What is a result of another
    input, as `*.jpg` may give it, is left out. Raises ValueError for an input that does not exist, and for an output
    that cannot take the results.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # by the whole path: a file may be given twice
    for source, below in (pair for name in inputs for pair in _expand(name)):
        found.setdefault(_whole(source), (source, below))
    given = {path for whole in found for path in (whole, whole.with_suffix(""))}
    sources = [pair for whole, pair in found.items() if _original(whole) not in given]
    if output and (target := _single(output, len(sources))):
        return [Job(str(source), target) for source, _ in sources]
    stems = {source: _stems(source) for source, _ in sources}
    while True:
        targets = {source: _result(source, below, output, file_format, stems[source][0]) for source, below in sources}
        count = Counter(targets.values())
        clashing = [source for source, target in targets.items() if count[target] > 1 and len(stems[source]) > 1]
        if not clashing:
            break
        for source in clashing:
            del stems[source][0]
    on_stdout = output is None
    return [Job(str(s), "-" if str(s) == "-" and on_stdout else str(target)) for s, target in targets.items()]


def _whole(path: Path) -> Path:
    """From the root, without `..`, and with links as they are."""
    return Path(os.path.abspath(path))


def _original(result: Path) -> Path | None:
    """What a picture was coloured from, without its suffix, if its name says that it was."""
    stem = result.stem.removesuffix(".colorized")
    return None if stem == result.stem else result.parent / stem


def _stems(source: Path) -> list[str]:
    """Names for a result, from the one that is wanted to the one that no other can have, all from the source alone."""
    if str(source) == "-":
        return ["stdin"]
    whole = _whole(source)
    folder, unique = whole.parent.name.lstrip("."), hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]
    return [source.stem, source.name, f"{folder}_{source.stem}", f"{folder}_{source.name}", f"{unique}_{source.name}"]


def _single(output: str, count: int) -> str | None:
    """What `output` names if it is one file's, none if it is a folder; ValueError if it can be neither."""
    suffix = Path(output).suffix[1:].lower()
    if output.endswith(os.sep) or os.path.isdir(output):
        return None
    if output != "-" and suffix not in FORMATS:
        if os.path.exists(output):
            raise ValueError(f"--output {output} is a file that exists: give a folder, or end in {', '.join(FORMATS)}.")
        if f".{suffix}" in _suffixes():
            raise ValueError(f"colorgan does not write {suffix}: let --output end in one of {', '.join(FORMATS)}.")
        return None
    if count > 1:
        raise ValueError(f"--output {output} takes one picture, and there are {count}: give a folder.")
    return output


def _expand(name: str) -> Iterator[tuple[Path, Path]]:
    """Pictures behind one argument, each with its folder relative to the folder given."""
    path = Path(name)
    if name == "-":
        yield path, Path()
    elif name and os.path.isdir(path):  # unlike Path.is_dir, it bears names that are too long
        for source in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in source.relative_to(path).parts)
            ours = source.stem.endswith(".colorized")
            if source.suffix.lower() in _suffixes() and not hidden and not ours and os.path.isfile(source):
                yield source, source.parent.relative_to(path)
    elif name and os.path.exists(path):
        yield path, Path()
    elif matches := sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []:
        for match in matches:
            yield from _expand(match)
    else:
        raise ValueError(f"There is no file or folder {name or repr(name)}.")


def _result(source: Path, below: Path, output: str | None, file_format: str, stem: str) -> Path:
    folder = source.parent if output is None else Path(output) / below
    return folder / f"{stem}.colorized.{file_format}"


def _suffixes() -> set[str]:
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in registered_formats()}
