"""A file is written completely or not at all."""

import os
import stat
from pathlib import Path

import pytest

from colorgan.files import write_whole


def test_the_new_file_replaces_the_old_one_when_it_is_complete(tmp_path: Path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"old")
    with write_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), write_whole(path) as file:
        file.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError), write_whole(tmp_path / "nowhere" / "note.txt"):
        pass


def test_the_permissions_are_those_of_any_new_file_and_long_names_fit(tmp_path: Path):
    path = tmp_path / ("n" * 250 + ".png")
    before = os.umask(0o022)
    try:
        with write_whole(path) as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
