"""Decide which pictures a command line means, and where each result is written."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from colorgan.photo import FORMATS
from colorgan.photo.formats import readable_suffixes

MARK = ".colorized"  # between the name of a result and its suffix


@dataclass(frozen=True)
class Job:
    """One picture to colourize, by the paths of its source and result; `-` is standard input or output."""

    source: str
    target: str


def plan(
    inputs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None, file_format: str
) -> list[Job]:
    """Return the pictures to read and the files to write.

    An input is a file, a folder (all pictures in it and its subfolders), a glob, or `-` for standard input. Results of
    this program that lie in a folder, or whose source is another input, are left out. `output` is a folder, in which
    the subfolders of the inputs are repeated; or the file of a single result; or `-` for standard output; or None for
    the folder of each source. A result is named NAME.colorized.FORMAT after its source. Sources with the same name get
    different results: the suffix or the folder of the source is added to the name, or a hash of its path.

    Raises ValueError for an input that does not exist, and for an output that cannot hold the results.
    """
    output = None if output is None else os.fspath(output)
    found: dict[Path, tuple[Path, Path]] = {}  # by absolute path, because a file may be given twice
    for name in inputs:
        for source, subfolder in _expand(os.fspath(name)):
            found.setdefault(_absolute(source), (source, subfolder))
    originals = {path for source in found for path in (source, source.with_suffix(""))}
    sources = [pair for absolute, pair in found.items() if _original(absolute) not in originals]
    if output and _is_file(output, len(sources)):
        return [Job(str(source), output) for source, _ in sources]
    targets = _unique_targets(sources, output, file_format)
    return [
        Job(str(source), "-" if str(source) == "-" and output is None else str(target))
        for source, target in targets.items()
    ]


def _unique_targets(sources: list[tuple[Path, Path]], output: str | None, file_format: str) -> dict[Path, Path]:
    """The path of each source's result: the first of its names (see `_names`) that no other source wants as well."""
    names = {source: _names(source) for source, _ in sources}
    while True:
        targets = {}
        for source, subfolder in sources:
            folder = source.parent if output is None else Path(output) / subfolder
            targets[source] = folder / f"{names[source][0]}{MARK}.{file_format}"
        count = Counter(targets.values())
        clashing = [source for source, target in targets.items() if count[target] > 1 and len(names[source]) > 1]
        if not clashing:
            return targets
        for source in clashing:
            del names[source][0]


def _absolute(path: Path) -> Path:
    """The path from the root and without `..`; symbolic links are not followed."""
    return Path(os.path.abspath(path))


def _original(path: Path) -> Path | None:
    """For a result NAME.colorized.FORMAT, the path of its source without the suffix; None for other files."""
    return path.parent / path.stem.removesuffix(MARK) if path.stem.endswith(MARK) else None


def _names(source: Path) -> list[str]:
    """Names for a result, the preferred one first and a unique one last. They depend on nothing but the source."""
    if str(source) == "-":
        return ["stdin"]
    path = _absolute(source)
    folder, unique = path.parent.name.lstrip("."), hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return [source.stem, source.name, f"{folder}_{source.stem}", f"{folder}_{source.name}", f"{unique}_{source.name}"]


def _is_file(output: str, count: int) -> bool:
    """Return whether `output` is the file of a single result (or `-`), not a folder.

    Raises ValueError if it can be neither, or if there are `count` > 1 results for one file.
    """
    suffix = Path(output).suffix[1:].lower()
    if output.endswith(os.sep) or os.path.isdir(output):
        return False
    if output != "-" and suffix not in FORMATS:
        if os.path.exists(output):
            raise ValueError(
                f"--output {output} is an existing file that is not a picture: give a folder, or a name that ends in "
                f".{', .'.join(FORMATS)}."
            )
        if f".{suffix}" in readable_suffixes():
            raise ValueError(
                f"colorgan does not write {suffix}: choose a name for --output that ends in .{', .'.join(FORMATS)}."
            )
        return False
    if count > 1:
        raise ValueError(f"--output {output} is one file, but there are {count} pictures: give a folder.")
    return True


def _expand(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the pictures of one input, each with the subfolder that it lies in, relative to the folder given."""
    path = Path(name)
    if name == "-":
        yield path, Path()
    elif name and os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        for source in sorted(path.rglob("*")):
            is_hidden = any(part.startswith(".") for part in source.relative_to(path).parts)
            is_result = source.stem.endswith(MARK)
            is_picture = source.suffix.lower() in readable_suffixes()
            if is_picture and not is_hidden and not is_result and os.path.isfile(source):
                yield source, source.parent.relative_to(path)
    elif name and os.path.exists(path):
        yield path, Path()
    elif matches := sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []:
        for match in matches:
            yield from _expand(match)
    else:
        raise ValueError(f"There is no file or folder {name or repr(name)}.")
