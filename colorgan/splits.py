"""Open a split of an image data set through Hugging Face `datasets`: of the Hub, a folder, or a Parquet file."""

import functools
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from colorgan.hub.client import download_dataset_file
from colorgan.hub.retry import HUB_ERRORS, reason, retry

# the Hub's file with one split: to show a few test images, `load_dataset` would download the training images as well
SPLIT_FILES = {"uoft-cs/cifar10": "plain_text/{split}-00000-of-00001.parquet"}
TABLES, ARCHIVES = (".parquet", ".arrow"), (".tar", ".zip", ".gz")  # suffixes of files that can hold images

logger = logging.getLogger(__name__)


class DatasetError(ValueError):
    """A data set cannot be used; the message says in one sentence what is wrong and what would be right."""


class SplitError(DatasetError):
    """A data set has no split of the given name."""


@functools.cache  # the stages of a training load the same data set again
def warn_once(sentence: str) -> None:
    logger.warning("%s", sentence)


def open_split(name: str, split: str) -> Any:
    """Open a split as a `datasets.Dataset` or `IterableDataset`. Raises `DatasetError`."""
    import datasets
    from datasets.exceptions import DatasetsError

    if is_local(name):
        return _open_local(Path(name), split, functools.partial(_open_files, split=split))
    try:
        file = download_dataset_file(name, SPLIT_FILES[name].format(split=split)) if name in SPLIT_FILES else None
        if file:
            return _open_files("parquet", split=split, data_files={split: str(file)})
        return retry(lambda: datasets.load_dataset(name, split=split))
    except ValueError as error:
        raise _refusal(name, split, error) from error
    except (*HUB_ERRORS, DatasetsError) as error:
        raise _unreachable(name, error) from error


def open_splits(name: str, config: str | None, cache: Path) -> dict[str, Any]:
    """Open all splits of a data set as `datasets.Dataset`, which are read from the disk as they are needed.

    `config` is one of the Hub data set's configurations. Local data sets are converted to Arrow files in the folder
    `cache`, those of the Hub in the cache of `datasets`. Raises `DatasetError`.
    """
    import datasets
    from datasets.exceptions import DatasetsError

    if is_local(name):
        opened = _open_local(Path(name), "train", functools.partial(datasets.load_dataset, cache_dir=str(cache)))
        return {str(split): rows for split, rows in opened.items()}
    try:
        opened = retry(lambda: datasets.load_dataset(name, config))
        return {str(split): rows for split, rows in opened.items()}
    except ValueError as error:
        raise _refusal(name, None, error) from error
    except (*HUB_ERRORS, DatasetsError) as error:
        raise _unreachable(name, error) from error


def is_local(name: str) -> bool:
    """Whether a data set is a folder or a file. Raises `DatasetError` if its name is that of one that is missing."""
    if Path(name).exists():
        return True
    if name.startswith((".", "/", "~")) or name.endswith(".parquet"):
        raise DatasetError(f"The data set {name} does not exist.")
    return False


def _open_local(path: Path, split: str, open_files: Callable[..., Any]) -> Any:
    """Open a folder, or a Parquet file as the split, with `open_files`. Raises `DatasetError`."""
    name, path = str(path), path.resolve()
    if "[" in str(path):
        raise DatasetError(f"{name} cannot be read, because its path has the character [: rename the folder.")
    try:
        if path.is_dir():
            others = _count_other_files(path)
            if others is None:
                return open_files(str(path))
            if others:
                warn_once(_other_files_sentence(name, others))
            return open_files("imagefolder", data_dir=str(path))
        if path.suffix != ".parquet":
            raise DatasetError(f"{name} is a file, but not a Parquet file: give a folder or a .parquet file.")
        return open_files("parquet", data_files={split: str(path)})
    except DatasetError:
        raise
    except Exception as error:  # the readers of file formats raise errors of many types
        raise _refusal(name, split, error) from error


def _unreachable(name: str, error: BaseException) -> DatasetError:
    return DatasetError(
        f"The data set {name} cannot be loaded ({reason(error)}); "
        "use a folder of images, or connect to the Hub once so that it is cached."
    )


def _refusal(name: str, split: str | None, error: Exception) -> DatasetError:
    if split and isinstance(error, ValueError) and "split" in str(error).lower():
        return SplitError(f"{name} has no split {split!r}: {_first_line(error)}")
    return DatasetError(f"{name} cannot be read as a data set: {_first_line(error)}")


def _count_other_files(folder: Path) -> Counter[str] | None:
    """Count the files by their suffixes that are no images, in a folder of images; None if it is no such folder.

    `datasets` takes a folder for what most of its files are, so that files with captions would hide the images. Data
    sets in other formats, and those that have a description in their README.md, are left to it.
    """
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    readme = folder / "README.md"
    if readme.is_file() and readme.read_bytes().startswith(b"---"):
        return None
    images, others = 0, Counter[str]()
    for _, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith((".", "__"))]  # as `datasets` does
        for file in files:
            suffix = Path(file).suffix.lower()
            known = (*ImageFolder.METADATA_FILENAMES, "README.md")
            if file.startswith((".", "__")) or file in known or suffix in ARCHIVES:  # which `datasets` unpacks
                continue
            if suffix in TABLES:
                return None
            if suffix in ImageFolder.EXTENSIONS:
                images += 1
            else:
                others[suffix or "without suffix"] += 1
    return others if images else None


def _other_files_sentence(name: str, others: Counter[str]) -> str:
    count = others.total()
    files = "1 file of another kind was" if count == 1 else f"{count:,} files of other kinds were"
    return f"{name}: {files} left out ({', '.join(sorted(others))})."


def _open_files(path: str, *, split: str, **options: Any) -> Any:
    """Open a split of local files without the cache of `datasets`, which would return the images of an older folder.

    `datasets` identifies a folder whose README has `configs` by the folder's name alone: neither replaced files nor
    another folder of the same name are noticed. Streaming reads the files themselves. Even then the description of
    the columns would come from the cache, so the cache is an empty folder.
    """
    import datasets

    with tempfile.TemporaryDirectory() as empty:
        return datasets.load_dataset(path, split=split, streaming=True, cache_dir=empty, **options)


def read_rows(rows: Iterable[dict[str, Any]], title: str) -> Iterator[dict[str, Any]]:
    """Yield the rows. Raises `DatasetError` if a file is damaged."""
    try:
        yield from rows
    except Exception as error:  # the readers of file formats raise errors of many types
        raise DatasetError(f"{title} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
