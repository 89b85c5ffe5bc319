"""Find the pictures and films in a folder, and count the files of other kinds."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from colorgan.photo.formats import HEIC_SUFFIXES, readable_suffixes

MARK = ".colorized"  # between the name of a result and its suffix
# Suffixes of pictures that some installations cannot read, or that colorgan refuses. Each picture gets its own message.
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".k25", ".kdc", ".mef", ".mos"),
    *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
FILM_SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
OTHER_SUFFIXES = (".avif", ".avifs", ".dib", ".j2k", ".jp2", ".jxl", ".mpo", ".pcx", ".sgi", ".tga", ".webp")
FIRST_BYTES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF and BigTIFF, also the raw files of most cameras
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),  # JPEG 2000
    *(b"\0\0\0\x0cJXL \r\n\x87\n", b"FUJIFILMCCD-RAW"),
)
BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ")
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the second header of a BMP


def picture_suffixes() -> frozenset[str]:
    """The suffixes that name pictures, readable here or not, in lower case and with the dot."""
    return readable_suffixes().union(HEIC_SUFFIXES, RAW_SUFFIXES, OTHER_SUFFIXES)


def begins_like_a_picture(head: bytes) -> bool:
    """Return whether a file with these first 32 bytes is a picture of a known format, or damaged."""
    if head.startswith(FIRST_BYTES):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return True
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return True
    if head[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"):  # PPM: two numbers follow, or a comment
        return head[2:3] in (b"\n", b"\r", b"\t", b" ") and head[3:4] in b"#0123456789"
    return head[4:8] == b"ftyp" and head[8:12] in BRANDS


def is_film(path: str | Path) -> bool:
    """Return whether a file is a film, by its suffix. A `.ts` file is one if it begins as films do: many are texts."""
    suffix = Path(path).suffix.lower()
    return suffix in FILM_SUFFIXES and (suffix != ".ts" or _first_bytes(Path(path))[:1] == b"G")


def pictures_in(folder: Path, left_out: Counter[str]) -> Iterator[Path]:
    """Yield pictures and films in a folder and its subfolders, sorted, without hidden files and this program's results.

    A file with the suffix of a picture is one, even if it cannot be read; a file with any other suffix, or none, is one
    if its first bytes say so. All other files are counted in `left_out`, by their suffix in lower case. Links to
    folders are followed, but every folder is visited only once.
    """
    suffixes = picture_suffixes()
    for path in sorted(_files_below(folder)):
        suffix = path.suffix.lower()
        if path.stem.endswith(MARK) and suffix in suffixes.union(FILM_SUFFIXES):
            continue
        if suffix in suffixes or is_film(path) or begins_like_a_picture(_first_bytes(path)):
            yield path
        else:
            left_out[suffix] += 1


def describe_left_out(left_out: Counter[str]) -> str:
    """A sentence such as `12 files of other kinds were left out (.psd, .txt).`, for at least one file."""
    kinds = [suffix or "without a suffix" for suffix in sorted(left_out)]
    shown = ", ".join(kinds[:10]) + (", ..." if len(kinds) > 10 else "")
    count = left_out.total()
    if count == 1:
        return f"1 file of another kind was left out ({shown})."
    return f"{count} files of other kinds were left out ({shown})."


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files that are not hidden, and links to files that are missing. Links to folders come last."""
    visited: set[tuple[int, int]] = set()
    links = [folder]
    while links:
        folders, links = links, []  # real folders first, so that a picture has the path without links if there is one
        while folders:
            current = folders.pop()
            try:
                status = os.stat(current)
                entries = sorted(os.scandir(current), key=lambda entry: entry.name)
            except OSError:  # no permission, or the folder was deleted
                continue
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            for entry in entries:
                path = current / entry.name
                if entry.name.startswith("."):
                    continue
                if os.path.isdir(path):
                    (links if entry.is_symlink() else folders).append(path)
                elif os.path.isfile(path) or (entry.is_symlink() and not os.path.exists(path)):
                    yield path  # not a pipe or a device, which could block the reader


def _first_bytes(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(32)
    except OSError:
        return b""
