"""Colour one column of a data set and keep all others: Parquet files in a folder that `datasets.load_dataset` reads.

Each file has some rows of a split. One process writes it, completely or not at all, with a record of what was not
coloured, so that a run that was stopped goes on with the files that are missing.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.table import embed_table_storage
from torch import Tensor
from tqdm import tqdm

from colorgan.files import write_whole
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.render import render
from colorgan.inference.tone import STRENGTH, Tone, apply_tone
from colorgan.photo import FORMATS, Photo, PhotoError, holds_16_bits, read_photo, write_photo
from colorgan.photo.errors import TooLargeError
from colorgan.photo.provenance import with_provenance
from colorgan.photo.read import MAX_PIXELS
from colorgan.splits import DatasetError

MIN_ROWS, MAX_ROWS, FILES = 16, 1000, 64  # rows of a file; files of a split, unless they would have more or fewer rows
GROUP_ROWS, GROUP_BYTES = 100, 64_000_000  # of the rows that are written at once: the results in memory
SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tiff"}  # of formats that are written
RECORD = b"colorgan"  # the key of the record among a Parquet file's metadata


@dataclass(frozen=True)
class Part:
    """Rows of a split that become one file."""

    split: str
    rows: range
    path: Path


@dataclass(frozen=True)
class Settings:
    """What is coloured, and how. Files of an earlier run belong to the same result only if these were the same.

    `source` is the data set, `column` that of the pictures; `reference` names the reference picture and its content;
    `no_metadata` is the command's option; the others are as in `colorize_files`.
    """

    source: str = ""
    column: str = ""
    model: str = ""
    render_size: int | None = None
    saturation: float = 1.0
    quality: int = 92
    max_pixels: int = MAX_PIXELS
    skip_coloured: bool = False
    reference: str = ""
    reference_strength: float = STRENGTH
    no_metadata: bool = False


@dataclass
class Record:
    """What became of the pictures of one file, or of several.

    `errors` has a sentence for each picture that was kept as it was because it could not be coloured. `coloured` counts
    those that were in colour. `notes` are sentences about results, each with the first picture's name and the number.
    """

    errors: list[str] = field(default_factory=list)
    coloured: int = 0
    notes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, other: "Record") -> None:
        """Add what became of further pictures."""
        self.errors += other.errors
        self.coloured += other.coloured
        for note, (name, count) in other.notes.items():
            self.add_note(note, name, count)

    def add_note(self, note: str, name: str, count: int = 1) -> None:
        """Count a sentence about the picture `name`."""
        first, before = self.notes.get(note, (name, 0))
        self.notes[note] = (first, before + count)


class _KeptError(PhotoError):
    """A picture is kept as it is: `stored`. The message is empty if that is on purpose."""

    def __init__(self, message: str, stored: dict[str, Any] | None, in_colour: bool = False):
        super().__init__(message)
        self.stored, self.in_colour = stored, in_colour


def parts_of(split: str, count: int, folder: Path) -> list[Part]:
    """The files of a split with `count` rows; the same ones for any number of processes."""
    size = min(MAX_ROWS, max(MIN_ROWS, -(-count // FILES)))
    number = max(1, -(-count // size))
    return [
        Part(
            split,
            range(i * size, min(count, (i + 1) * size)),
            folder / "data" / f"{split}-{i:05}-of-{number:05}.parquet",
        )
        for i in range(number)
    ]


def find_image_column(features: dict[str, Any], wanted: str | None, name: str) -> str:
    """The column of the pictures: the wanted one, or the only one that holds pictures. Raises `DatasetError`."""
    if wanted is not None and wanted not in features:
        raise DatasetError(f"{name} has no column {wanted}; it has the columns {', '.join(features)}.")
    columns = [key for key, feature in features.items() if isinstance(feature, datasets.Image)]
    if wanted is None and len(columns) != 1:
        which = "several columns" if columns else "no column"
        raise DatasetError(f"{name} has {which} of pictures among {', '.join(features)}: name one with --image-column.")
    column = wanted or columns[0]
    feature = features[column]
    is_binary = isinstance(feature, datasets.Value) and feature.dtype in ("binary", "large_binary")
    if not (column in columns or is_binary or (isinstance(feature, dict) and set(feature) == {"bytes", "path"})):
        raise DatasetError(f"The column {column} of {name} holds {feature}, not pictures.")
    return column


def colour_part(
    part: Part,
    rows: Any,
    colorizer: Colorizer,
    settings: Settings,
    *,
    tone: Tone | None = None,
    batch_size: int = 8,
    bar: tqdm | None = None,
) -> None:
    """Write the file of a part, with its pictures coloured. `rows` is the split, a `datasets.Dataset`.

    A picture keeps its size, and its format if colorgan writes it; other formats become PNG. Pictures that cannot be
    coloured stay as they are. All other columns keep their values and features. `tone` is that of the reference in the
    settings. Raises `DatasetError` if a file cannot be read or written.
    """
    features = datasets.Features({**rows.features, settings.column: datasets.Image()})
    table = rows.cast_column(settings.column, datasets.Image(decode=False)).with_format("arrow")
    others = table.remove_columns(settings.column)
    pictures = table.select_columns(settings.column)
    record = Record()
    try:
        part.path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(part.path) as file, pq.ParquetWriter(file, features.arrow_schema) as writer:
            results = _colour(part, _stored(pictures, part.rows), colorizer, settings, tone, record, batch_size)
            group: list[dict[str, Any] | None] = []
            begin = part.rows.start
            for row in part.rows:
                group.append(next(results))
                if bar is not None:
                    bar.update()
                full = len(group) == GROUP_ROWS or sum(len(s["bytes"] or b"") for s in group if s) > GROUP_BYTES
                if full or row == part.rows[-1]:
                    writer.write_table(_join(others, range(begin, row + 1), group, settings.column, features))
                    group, begin = [], row + 1
            writer.add_key_value_metadata(
                {RECORD: json.dumps({"settings": asdict(settings), "record": asdict(record)})}
            )
    except OSError as error:
        what = f": {error.strerror}" if error.strerror else f", or a file of the data set cannot be read: {error}"
        raise DatasetError(f"{error.filename or part.path} cannot be written{what}.") from error


def read_record(path: Path) -> tuple[Settings, Record] | None:
    """The record in a file of an earlier run; None if the file is not one."""
    try:
        stored = json.loads((pq.read_metadata(path).metadata or {})[RECORD])
        record = Record(**stored["record"])
        record.notes = {note: (name, count) for note, (name, count) in record.notes.items()}
        return Settings(**stored["settings"]), record
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def _stored(pictures: Any, rows: range) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The numbers of the rows and their pictures as `datasets` stores them, read when they are asked for."""
    for row in rows:
        yield row, pictures[row : row + 1].column(0)[0].as_py()


def _colour(
    part: Part,
    sources: Iterator[tuple[int, dict[str, Any] | None]],
    colorizer: Colorizer,
    settings: Settings,
    tone: Tone | None,
    record: Record,
    batch_size: int,
) -> Iterator[dict[str, Any] | None]:
    """The coloured pictures as `datasets` stores them, in order. What is not coloured is added to the record."""

    def read(source: tuple[int, dict[str, Any] | None]) -> Photo:
        row, stored = source
        name = _name(part.split, row, stored)
        try:
            stored = _with_bytes(stored, name)
            photo = read_photo(io.BytesIO(stored["bytes"]), max_pixels=settings.max_pixels, name=name)
        except TooLargeError as error:
            raise _KeptError(f"{error.fact}; --max-pixels allows more.", stored) from error
        except PhotoError as error:
            raise _KeptError(str(error), stored) from error
        if photo.is_coloured and settings.skip_coloured:
            raise _KeptError("", stored, in_colour=True)
        return photo

    def finish(source: tuple[int, dict[str, Any] | None], photo: Photo, chroma: Tensor) -> tuple[str, Photo, Any, list]:
        row, stored = source
        name = _name(part.split, row, stored)
        kind = SUFFIXES.get(photo.format, "png")
        notes = list(photo.notes)
        photo = photo if settings.no_metadata else with_provenance(photo, settings.model)
        chroma = apply_tone(chroma, photo, tone, settings.reference_strength)
        if photo.format not in SUFFIXES:
            notes.append(f"It became a PNG, because colorgan does not write {photo.format or 'its format'}.")
        pixels = render(photo, chroma, saturation=settings.saturation, bits=photo.bits if holds_16_bits(kind) else 8)
        file = io.BytesIO()
        try:
            notes += write_photo(file, pixels, photo, file_format=kind, quality=settings.quality)
        except PhotoError as error:
            raise _KeptError(f"{name}: {error}", _with_bytes(stored, name)) from error
        return name, photo, {"bytes": file.getvalue(), "path": _renamed(stored, kind)}, notes

    results = colorizer.stream(sources, read, finish, render_size=settings.render_size, batch_size=batch_size)
    for result in results:
        if isinstance(result, _KeptError):
            record.coloured += result.in_colour
            record.errors += [str(result)] if str(result) else []
            stored = result.stored
            yield stored and {**stored, "path": stored["path"] if stored["bytes"] is None else _base(stored["path"])}
        elif isinstance(result, PhotoError):
            raise AssertionError from result  # `read` and `finish` raise no other one
        else:
            name, photo, stored, notes = result
            record.coloured += photo.is_coloured
            for note in notes:
                record.add_note(note, name)
            yield stored


def _with_bytes(stored: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """The picture with the content of its file, if it was stored by its path. Raises `PhotoError`."""
    if stored is None or (stored["bytes"] is None and not stored["path"]):
        raise PhotoError(f"{name} has no picture.")
    if stored["bytes"] is not None:
        return stored
    try:
        return {**stored, "bytes": Path(stored["path"]).read_bytes()}
    except OSError as error:
        raise PhotoError(f"{name} cannot be read: {error.strerror}.") from error


def _join(others: Any, rows: range, coloured: Sequence[dict[str, Any] | None], column: str, features: Any) -> pa.Table:
    """The rows with their coloured pictures, in the order of the columns of the data set.

    Other files that the rows name by a path, such as sounds, are taken into the table.
    """
    schema = features.arrow_schema
    columns = {column: pa.array(coloured, schema.field(column).type)}
    if others.column_names:
        rest = datasets.Features({key: feature for key, feature in features.items() if key != column})
        table = embed_table_storage(others[rows.start : rows.stop].cast(rest.arrow_schema))
        columns.update(zip(table.column_names, table.columns, strict=True))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _name(split: str, row: int, stored: dict[str, Any] | None) -> str:
    """The name of a picture in messages, such as `train row 17 (photo.jpg)`. The first row is number 0."""
    file = _base(stored["path"]) if stored else None
    return f"{split} row {row}" + (f" ({file})" if file else "")


def _base(path: str | None) -> str | None:
    return Path(path).name if path else None


def _renamed(stored: dict[str, Any] | None, kind: str) -> str | None:
    """The file name of a result, which ends as its format says."""
    name = _base(stored["path"]) if stored else None
    if name is None:
        return None
    suffix = Path(name).suffix
    return name if FORMATS.get(suffix[1:].lower()) == FORMATS[kind] else f"{name.removesuffix(suffix)}.{kind}"
