"""The command under `accelerate launch`: several processes share the files."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scripts import run_script

from colorgan import Generator
from colorgan.processes import Processes, join_processes

# like `python -m colorgan`, but writes down which pictures each process reads
WATCHED = """
import os, sys
from pathlib import Path
from colorgan import cli, execute
read = execute.read_photo

def read_photo(source, **options):
    with open(f"process-{os.environ['RANK']}-of-{os.environ['WORLD_SIZE']}.txt", "a") as file:
        file.write(f"{source}\\n")
    return read(source, **options)

execute.read_photo = read_photo
sys.exit(cli.main())
"""


def launch(*arguments: str, program: str = WATCHED) -> subprocess.CompletedProcess:
    """Run a program with these arguments in two processes, as `accelerate launch` does."""
    Path("watched.py").write_text(program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", port]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *launcher, "watched.py", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def fork(*arguments: str, program: str = WATCHED) -> subprocess.CompletedProcess:
    """Run a program like `launch`, but without the launcher."""
    Path("watched.py").write_text(program)
    return run_script("watched.py", *arguments, folder=Path.cwd(), processes=2)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: archive/ with seven grey pictures, and a checkpoint."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    Generator(width=8).save_pretrained("checkpoint")
    (tmp_path / "archive" / "sub").mkdir(parents=True)
    for i in range(7):
        grey = np.random.default_rng(i).integers(0, 255, (40, 50), np.uint8)
        Image.fromarray(grey).save(f"archive/{'sub/' if i > 4 else ''}{i}.png")
    return tmp_path


def read_by(process: int) -> list[str]:
    path = Path(f"process-{process}-of-2.txt")
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def test_two_processes_share_an_archive(archive: Path) -> None:
    options = ["archive", "--output", "coloured", "--model", "checkpoint"]
    run = launch(*options)
    assert run.returncode == 0, run.stderr
    first, second = read_by(0), read_by(1)
    assert first == ["archive/0.png", "archive/2.png", "archive/4.png", "archive/sub/6.png"]
    assert second == ["archive/1.png", "archive/3.png", "archive/sub/5.png"]
    results = {path.relative_to("coloured").as_posix() for path in Path("coloured").rglob("*.*")}
    assert results == {f"{'sub/' if i > 4 else ''}{i}.colorized.png" for i in range(7)}

    for name in ("1.png", "2.png"):
        Path("archive", name).write_bytes(b"damaged")
    for name in ("1", "2", "3", "sub/6"):
        Path(f"coloured/{name}.colorized.png").unlink()
    run = fork(*options, "--skip-existing")
    assert run.returncode == 1
    assert read_by(0) == ["archive/2.png", "archive/sub/6.png"]
    assert read_by(1) == ["archive/1.png", "archive/3.png"]
    assert run.stderr.count("2 of 7 pictures were not colourized.") == 1  # one summary of all processes
    for name in ("archive/1.png", "archive/2.png"):
        assert run.stderr.count(f"{name} is not a picture") == 1
    assert len(list(Path("coloured").rglob("*.*"))) == 5


def test_one_process_has_everything(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    processes = join_processes()
    assert (processes.index, processes.count, processes.is_main, processes.device) == (0, 1, True, None)
    assert processes.share("abc") == processes.gather("abc") == ["a", "b", "c"]
    assert isinstance(processes, Processes)
    processes.close()


def test_several_processes_without_accelerate_are_told_what_to_install(archive: Path) -> None:
    program = "import sys; sys.modules['accelerate'] = None; import importlib.util as u; find = u.find_spec; "
    program += "u.find_spec = lambda name, *a: None if name == 'accelerate' else find(name, *a); "
    program += "from colorgan import cli; sys.exit(cli.main())"
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    command = [sys.executable, "-c", program, "archive", "--model", "checkpoint"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, 'Several processes need Accelerate: pip install "colorgan[train]"\n')
