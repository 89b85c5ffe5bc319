"""How the demo starts and ends, and how it deletes the visitors' files. No test here starts a server."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import PATIENCE
from gradio.exceptions import Error

from colorgan.demo import main, start, uploads
from colorgan.demo.start import _has_mcp
from colorgan.demo.uploads import checked_upload, delete_old_files, start_cleanup

Start = Callable[..., Path]


def test_nothing_starts_without_a_model(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--model", "nowhere"])
    assert "There is no checkpoint nowhere" in capsys.readouterr().out


@pytest.fixture
def start_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs `main` with another `launch`, and returns the parent of the folder for uploads."""
    folder = tmp_path / "not" / "there yet"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    monkeypatch.setattr(start, "load_models", lambda names: ({"unet": None}, {}, []))
    monkeypatch.setattr(start, "start_cleanup", lambda folder: None)

    def run(launch: Callable[[], None], *options: str) -> Path:
        page = SimpleNamespace(queue=lambda **_: None, launch=lambda **_: launch())
        monkeypatch.setattr(start, "build", lambda *_: page)
        main(list(options))
        return folder

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, lambda *_: None)  # otherwise it would end the tests
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_closed_terminal_ends_the_demo_and_deletes_its_files(start_with: Start, tmp_path: Path) -> None:
    def close_terminal() -> None:
        (folder,) = (tmp_path / "not" / "there yet").iterdir()
        (folder / "photo.jpg").touch()
        signal.raise_signal(signal.SIGHUP)

    with pytest.raises(SystemExit):
        start_with(close_terminal)
    assert list((tmp_path / "not" / "there yet").iterdir()) == []


def test_nohup_keeps_the_demo_running(start_with: Start) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert list(start_with(lambda: signal.raise_signal(signal.SIGHUP)).iterdir()) == []


@pytest.mark.parametrize(
    ("port", "problem", "said"),
    [
        ("99999", "", "--port must be between 1 and 65535, not 99999."),
        ("-5", "", "--port must be between 1 and 65535, not -5."),
        ("80", "Cannot find empty port in range: 80-80. You can", "port 80 is in use: choose another"),
        ("80", "No space left on device", "the server cannot start: No space left on device."),
    ],
)
def test_a_page_that_cannot_be_served_says_why(
    start_with: Start, capsys: pytest.CaptureFixture, port: str, problem: str, said: str
) -> None:
    def launch() -> None:
        raise OSError(problem)

    with pytest.raises(SystemExit, match="2"):
        start_with(launch, f"--port={port}")
    assert said in capsys.readouterr().err


@pytest.mark.skipif(_has_mcp(), reason="the mcp extra is installed")
def test_mcp_without_its_extra_says_what_to_install(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--mcp"])
    assert "pip install 'colorgan[mcp]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\0b.png", f"{'a' * 5000}.png"])
def test_an_impossible_path_is_no_upload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with pytest.raises(Error, match="There is no such upload"):
        checked_upload(str(tmp_path / name))


def test_old_files_are_deleted_and_the_page_keeps_its_own(tmp_path: Path) -> None:
    for name, age in {"own/example.jpg": 9999, "a/old.png": 5000, "b/new.png": 10, "c/newest.png": 1}.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes(bytes(100))
        os.utime(path, (time.time() - age,) * 2)
        os.utime(path.parent, (time.time() - age,) * 2)
    own = {tmp_path / "own", tmp_path / "own" / "example.jpg"}
    delete_old_files(tmp_path, own)
    assert {path.name for path in tmp_path.rglob("*.*")} == {"example.jpg", "new.png", "newest.png"}
    delete_old_files(tmp_path, own, max_bytes=150)
    assert {path.name for path in tmp_path.rglob("*.*")} == {"example.jpg", "newest.png"}
    delete_old_files(tmp_path, own, max_age=0)
    delete_old_files(tmp_path, own, max_age=0)  # folders once they are empty
    assert set(tmp_path.rglob("*")) == own


def test_a_photograph_in_use_is_not_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    photo = tmp_path / "photo.png"
    photo.touch()
    os.utime(photo, (0, 0))
    checked_upload(str(photo))
    delete_old_files(tmp_path, set())
    assert photo.exists()


def test_a_folder_that_vanishes_does_not_stop_the_cleanup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scandir = os.scandir

    def losing(path: str) -> Iterator[os.DirEntry]:
        if Path(path).name == "vanishes":
            Path(path).rmdir()
        return scandir(path)

    for name in ("a", "vanishes", "z"):
        (tmp_path / name).mkdir()
    old = [tmp_path / "a" / "old.png", tmp_path / "z" / "old.png"]
    for path in old:
        path.touch()
        os.utime(path, (0, 0))
    monkeypatch.setattr(os, "scandir", losing)
    delete_old_files(tmp_path, set())
    assert not any(path.exists() for path in (*old, tmp_path / "vanishes"))


def test_an_error_does_not_end_the_cleanup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    waits, rounds, ended = iter(range(3)), [], threading.Event()

    def sleep(_: float) -> None:
        if next(waits, None) is None:
            ended.set()
            threading.Event().wait()  # stop this thread here

    def failing(*arguments: object) -> None:
        rounds.append(arguments)
        raise OSError

    monkeypatch.setattr(uploads, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(uploads, "delete_old_files", failing)
    start_cleanup(tmp_path)
    assert ended.wait(PATIENCE)
    assert len(rounds) == 3
