"""Decide which pictures and films a command line means, and where each result is written."""

import glob
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from colorgan.film import FORMATS as FILM_FORMATS
from colorgan.folders import FILM_SUFFIXES, MARK, is_film, picture_suffixes, pictures_in
from colorgan.photo import FORMATS


@dataclass(frozen=True)
class Job:
    """One picture or film to colourize, by the paths of its source and result; `-` is standard input or output."""

    source: str
    target: str

    @property
    def is_film(self) -> bool:
        """Whether it is a film, not a picture."""
        return is_film(self.source)


@dataclass(frozen=True)
class Plan:
    """The pictures to colourize, and the number of files in folders that are not pictures, by their suffix."""

    jobs: list[Job]
    left_out: Counter[str] = field(default_factory=Counter)


def plan(inputs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None, file_format: str) -> Plan:
    """Return the pictures to read and the files to write.

    An input is a file, a folder (all pictures in it and its subfolders), a glob, or `-` for standard input. Results of
    this program that lie in a folder, or whose source is another input, are left out. `output` is a folder, in which
    the subfolders of the inputs are repeated; or the file of a single result; or `-` for standard output; or None for
    the folder of each source. A result is named NAME.colorized.FORMAT after its source; films become MP4. Sources with
    the same name, or with names that differ in case only, get different results: the suffix or the folder of the source
    is added to the name, or a hash of its path.

    Raises ValueError for an input that does not exist, and for an output that cannot hold the results.
    """
    output = None if output is None else os.fspath(output)
    left_out: Counter[str] = Counter()
    found: dict[Path, tuple[Path, Path]] = {}  # by location, because a file may be given twice
    for name in inputs:
        for source, subfolder in _expand(os.fspath(name), left_out):
            found.setdefault(_location(source), (source, subfolder))
    originals = {path for source in found for path in (source, source.with_suffix(""))}
    sources = [pair for location, pair in found.items() if _original(location) not in originals]
    if output and _is_file(output, len(sources)):
        _check_kind(output, sources[0][0] if sources else None)
        return Plan([Job(str(source), output) for source, _ in sources], left_out)
    targets = _unique_targets(sources, output, file_format)
    jobs = [
        Job(str(source), "-" if str(source) == "-" and output is None else str(target))
        for source, target in targets.items()
    ]
    return Plan(jobs, left_out)


def _unique_targets(sources: list[tuple[Path, Path]], output: str | None, file_format: str) -> dict[Path, Path]:
    """The path of each source's result: the first of its names (see `_names`) that no other source wants as well."""
    names = {source: _names(source) for source, _ in sources}
    while True:
        targets = {}
        for source, subfolder in sources:
            folder = source.parent if output is None else Path(output) / subfolder
            suffix = "mp4" if is_film(source) else file_format
            targets[source] = folder / f"{names[source][0]}{MARK}.{suffix}"
        # two folders whose names differ in case only are made by colorgan only below --output
        keys = {source: (_folded(t.parent, output is not None), _folded(t.name)) for source, t in targets.items()}
        count = Counter(keys.values())
        clashing = [source for source, key in keys.items() if count[key] > 1 and len(names[source]) > 1]
        if not clashing:
            return targets
        for source in clashing:
            del names[source][0]


def _folded(name: Path | str, ignore_case: bool = True) -> str:
    """The same string for all names that a file system may take for one: macOS and Windows ignore the case."""
    return unicodedata.normalize("NFC", str(name)).casefold() if ignore_case else str(name)


def _location(path: Path) -> Path:
    """Where a file lies: links to folders are followed; a link to a file is a file of its own."""
    return Path(os.path.realpath(path.parent), path.name)


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
    if output != "-" and suffix not in FORMATS and suffix not in FILM_FORMATS:
        if os.path.exists(output):
            raise ValueError(
                f"--output {output} is an existing file that is not a picture: give a folder, or a name that ends in "
                f".{', .'.join(FORMATS)}."
            )
        if f".{suffix}" in picture_suffixes().union(FILM_SUFFIXES):
            formats = FILM_FORMATS if f".{suffix}" in FILM_SUFFIXES else FORMATS
            raise ValueError(
                f"colorgan does not write {suffix}: choose a name for --output that ends in .{', .'.join(formats)}."
            )
        return False
    if count > 1:
        raise ValueError(f"--output {output} is one file, but there are {count} pictures: give a folder.")
    return True


def _check_kind(output: str, source: Path | None) -> None:
    """Raise ValueError if a film would be written as a picture, or a picture as a film."""
    if source is None:
        return
    formats = [*FILM_FORMATS] if is_film(source) else [*FORMATS, ""]
    if (output == "-" and is_film(source)) or (output != "-" and Path(output).suffix[1:].lower() not in formats):
        kind = "film" if is_film(source) else "picture"
        raise ValueError(
            f"{source.name} is a {kind}: choose a name for --output that ends in .{', .'.join(filter(None, formats))}."
        )


def _expand(name: str, left_out: Counter[str]) -> Iterator[tuple[Path, Path]]:
    """Yield the pictures of one input, each with the subfolder that it lies in, relative to the folder given.

    The other files of folders are counted in `left_out`.
    """
    path = Path(name)
    if name == "-":
        yield path, Path()
    elif name and os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        for source in pictures_in(path, left_out):
            yield source, source.parent.relative_to(path)
    elif name and os.path.exists(path):
        yield path, Path()
    elif matches := sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []:
        for match in matches:
            yield from _expand(match, left_out)
    else:
        raise ValueError(f"There is no file or folder {name or repr(name)}.")
