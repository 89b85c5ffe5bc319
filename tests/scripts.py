"""Runs the project's scripts in processes that are forked from one which has imported PyTorch and Accelerate already.

Each run is a new process with a state of its own; only the imports, which take most of the time of a short run, are not
repeated. Other tests start the scripts as a user does.
"""

import atexit
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch._logging

ROOT = Path(__file__).parent.parent
READERS = ("colorgan", "huggingface_hub", "accelerate")  # they read the environment when they are imported
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *("colorgan.training.run", "colorgan.training.launch", "colorgan.evaluation.evaluate"),
        *("colorgan.evaluation.photographs", "datasets", "torch._dynamo", "scipy.io", "jinja2"),
    ]
)


def run_script(
    *words: object, folder: Path = ROOT, timeout: int = 600, processes: int = 1, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `python words...` in a folder, and return its status and what it printed.

    `words` are a script and its options, or `-c` and code. With `variables` of the environment, `READERS` are imported
    anew; `datasets` cannot be. More than one of `processes` are started like those of torchrun; the status is the
    highest, and what they printed is joined.
    """
    command = list(map(str, words))
    with tempfile.TemporaryDirectory() as temporary:
        running, outputs = [], []
        for rank, place in enumerate(_places(processes)):
            outputs.append([Path(temporary) / f"{name}-{rank}" for name in ("stdout", "stderr")])
            running.append(_PROCESSES.Process(target=_run, args=(command, outputs[-1], folder, variables, place)))
            running[-1].start()
        deadline = time.monotonic() + timeout
        for process in running:
            process.join(max(0, deadline - time.monotonic()))
        late = [process for process in running if process.exitcode is None]
        for process in late:
            process.kill()
            process.join()
        printed = ["".join(path.read_text(encoding="utf-8") for path in paths) for paths in zip(*outputs, strict=True)]
        if late:
            raise subprocess.TimeoutExpired(command, timeout, *printed)
    return subprocess.CompletedProcess(command, max(abs(process.exitcode) for process in running), *printed)


def _places(processes: int) -> list[dict[str, str]]:
    """The variables by which torchrun tells each process its place among the others; none for a single process."""
    if processes == 1:
        return [{}]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1]), "WORLD_SIZE": str(processes)}
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def _run(
    command: list[str], outputs: list[Path], folder: Path, variables: dict[str, str], place: dict[str, str]
) -> None:
    """Become the process of `command`: what it prints goes into two files."""
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update({"ACCELERATE_USE_CPU": "true"} | variables | place)
    if variables:
        for name in [name for name in sys.modules if name.partition(".")[0] in READERS]:
            del sys.modules[name]
        sys.path[:0] = variables.get("PYTHONPATH", "").split(os.pathsep)
        torch._logging._init_logs()  # reads TORCH_LOGS
    os.chdir(folder)
    sys.argv = command if command[0] != "-c" else ["-c", *command[2:]]
    try:
        if command[0] == "-c":
            exec(command[1], {"__name__": "__main__"})
        else:
            runpy.run_path(command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without them
