"""Colour a data set into a folder, on its own or by several processes, and publish the folder on the Hub.

The folder has the files of `colorgan/dataset/part.py` and a card with the names of the splits.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import datasets
from tqdm import tqdm

from colorgan import DEFAULT_MODEL
from colorgan.dataset.part import Part, Record, Settings, colour_part, find_image_column, parts_of, read_record
from colorgan.files import write_whole
from colorgan.hub.upload import create_dataset_repo, mark_card, push_dataset, was_edited
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.tone import Tone
from colorgan.processes import Processes
from colorgan.splits import DatasetError, is_local, open_splits

REPO_ID = r"[\w][\w.-]*/[\w][\w.-]*"  # of the Hub
CACHE = ".colorgan-source"  # the folder, in that of the results, with a local data set as Arrow files during a run
CARD = """---
configs:
- config_name: default
  data_files:
{files}
tags:
- colorgan
- image-colorization
---
# {name}, colourized

The pictures of the column `{column}` of {source} were colourized with the model `{model}` of colorgan; the other
columns are those of the source. The colours are guesses, and no evidence of the true ones. The lightness of the
pictures was not changed. {failed:,} pictures could not be colourized and are as
they were.

The licence is that of the source.

```python
from datasets import load_dataset

dataset = load_dataset("{name}")
```
"""


@dataclass
class Report:
    """What became of a data set: the records of all its files, the number of rows, further messages, and its page."""

    record: Record = field(default_factory=Record)
    count: int = 0
    messages: list[str] = field(default_factory=list)
    url: str | None = None


@dataclass(frozen=True)
class Target:
    """The folder of the results; what happens to results of an earlier run; and the Hub's data set, if there is one."""

    folder: Path
    overwrite: bool = False
    skip_existing: bool = False
    repo_id: str | None = None
    private: bool = False


def colour_dataset(
    name: str,
    target: Target,
    settings: Settings,
    processes: Processes,
    *,
    model: str = DEFAULT_MODEL,
    image_column: str | None = None,
    splits: Sequence[str] | None = None,
    config: str | None = None,
    device: str | None = None,
    tone: Tone | None = None,
    batch_size: int = 8,
) -> Report:
    """Colour the pictures of a data set into a folder, this process its share of the files; return what all did.

    `name` is a data set of the Hub, a folder that `datasets.load_dataset` reads, or a Parquet file. The names in
    `settings` are filled in, but for that of the reference, whose tone is `tone`. Raises `DatasetError`, and
    `CheckpointError` for the model and for the Hub.
    """
    is_quiet = not (processes.is_main and sys.stderr.isatty())
    if is_quiet:
        datasets.disable_progress_bars()
    cache = target.folder / CACHE

    def prepare() -> None:
        _check_folder(name, target.folder)
        shutil.rmtree(cache, ignore_errors=True)
        _open(name, config, cache, splits)

    def missing() -> list[Part]:
        found = _without_existing(parts, settings, target)
        if target.repo_id:
            create_dataset_repo(target.repo_id, _file_names(target.folder, parts), private=target.private)
        return found

    try:
        processes.on_main(prepare)  # before the others read the same files
        opened = _open(name, config, cache, splits)
        features = next(iter(opened.values())).features
        column = find_image_column(features, image_column, name)
        settings = replace(settings, source=_public(name), column=column, model=_public(model))
        parts = [part for split, rows in opened.items() for part in parts_of(split, len(rows), target.folder)]
        share = processes.share(processes.on_main(missing))
        if share:
            colorizer = Colorizer.from_pretrained(model, device=device or processes.device)
            with tqdm(total=sum(len(part.rows) for part in share), unit="picture", disable=is_quiet) as bar:
                for part in share:
                    colour_part(
                        part, opened[part.split], colorizer, settings, tone=tone, batch_size=batch_size, bar=bar
                    )
        processes.gather([])  # wait for all files
        return processes.on_main(lambda: _finish(settings, target, parts))
    finally:
        if processes.is_main:
            shutil.rmtree(cache, ignore_errors=True)


def _open(name: str, config: str | None, cache: Path, wanted: Sequence[str] | None) -> dict[str, Any]:
    """The wanted splits of a data set, or all. Raises `DatasetError`."""
    opened = open_splits(name, config, cache)
    for split in wanted or ():
        if split not in opened:
            raise DatasetError(f"{name} has no split {split}; it has {', '.join(opened)}.")
    return {split: rows for split, rows in opened.items() if not wanted or split in wanted}


def _check_folder(name: str, folder: Path) -> None:
    """Make the folder of the results if there is none. Raises `DatasetError` if it cannot hold them."""
    if is_local(name) and folder.resolve().is_relative_to(Path(name).resolve()):
        raise DatasetError(f"--output {folder} lies in the data set {name}: choose a folder outside.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [each.name for each in folder.iterdir() if each.name not in ("README.md", "data", CACHE)]
    except OSError as error:
        raise DatasetError(f"The folder {folder} cannot be created: {error.strerror}.") from error
    if others:
        raise DatasetError(f"The folder {folder} has other files, such as {others[0]}: choose a new folder.")


def _without_existing(parts: list[Part], settings: Settings, target: Target) -> list[Part]:
    """The files that have to be made. Existing files of the same splits are deleted with `target.overwrite`.

    Raises `DatasetError` if there are files that may neither be replaced nor be kept.
    """
    planned, kept = {part.path for part in parts}, set()
    for split in {part.split for part in parts}:
        for path in sorted((target.folder / "data").glob(f"{split}-*.parquet")):
            existing = read_record(path)
            if existing is None:
                raise DatasetError(f"{path} is not a result of this command, or is damaged: move it away.")
            if target.overwrite:
                path.unlink()
            elif not target.skip_existing:
                raise DatasetError(f"{target.folder} has results already: use --overwrite or --skip-existing.")
            elif path not in planned or existing[0] != settings:
                raise DatasetError(
                    f"{path} was made {_difference(existing[0], settings)}: use the same options, or --overwrite."
                )
            else:
                kept.add(path)
    return [part for part in parts if part.path not in kept]


def _difference(before: Settings, now: Settings) -> str:
    """What differs between the settings of an existing file and those of this run, or that its rows do."""
    for each in fields(Settings):
        old, new = getattr(before, each.name), getattr(now, each.name)
        if old != new:
            return f"with {each.name.replace('_', '-')} {old}, not {new}"
    return "from a data set with another number of rows"


def _finish(settings: Settings, target: Target, parts: list[Part]) -> Report:
    """Collect the records, write the card and publish the data set if that was asked for."""
    report = Report(count=sum(len(part.rows) for part in parts))
    for part in parts:
        existing = read_record(part.path)
        if existing is None:
            raise DatasetError(f"{part.path} is missing or damaged: run the same command with --skip-existing.")
        report.record.add(existing[1])
    for unfinished in (target.folder / "data").glob(".colorgan-*.part"):  # of a process that was killed
        unfinished.unlink()
    card = target.folder / "README.md"
    if card.exists() and was_edited(card.read_text(encoding="utf-8", errors="replace")):
        report.messages.append(f"{card} was edited and is kept: see that it names all files of all splits.")
    else:
        with write_whole(card) as file:
            file.write(mark_card(_card(settings, target)).encode())
    if target.repo_id:
        report.url = push_dataset(target.folder, ["README.md", *_file_names(target.folder, [])], target.repo_id)
    return report


def _card(settings: Settings, target: Target) -> str:
    """The description of all splits in the folder, which may be from several runs."""
    files = _file_names(target.folder, [])
    splits = list(dict.fromkeys(Path(file).name.rsplit("-", 3)[0] for file in files))
    records = [existing[1] for file in files if (existing := read_record(target.folder / file))]
    is_on_hub = re.fullmatch(REPO_ID, settings.source) is not None
    return CARD.format(
        files="\n".join(f"  - split: {split}\n    path: data/{split}-*" for split in splits),
        name=target.repo_id or target.folder.name,
        column=settings.column,
        source=f"[{settings.source}](https://huggingface.co/datasets/{settings.source})"
        if is_on_hub
        else settings.source,
        model=settings.model,
        failed=sum(len(record.errors) for record in records),
    )


def _file_names(folder: Path, parts: list[Part]) -> list[str]:
    """The names of the files in the folder and of those that will be there, as they are on the Hub."""
    paths = {*(folder / "data").glob("*.parquet"), *(part.path for part in parts)}
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _public(name: str) -> str:
    """A name without the folders of this machine."""
    return Path(name).resolve().name if os.path.exists(name) else name
