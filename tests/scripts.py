"""Runs the project's scripts in processes that are forked from one which has imported PyTorch and Accelerate already.

Each run is a new process with a state of its own; only the imports, which take most of the time of a short training,
are not repeated. Other tests start the scripts as a user does.
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
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *("colorgan.training.run", "colorgan.training.launch", "colorgan.evaluation.evaluate"),
        *("colorgan.evaluation.photographs", "datasets", "torch._dynamo", "scipy.io", "jinja2"),
    ]
)


def run_script(
    *words: object, timeout: int = 600, processes: int = 1, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `python words...` in the root of the repository, and return its status and what it printed.

    `words` are a script and its options, or `-c` and code. `variables` are of the environment; those that a library
    reads when it is imported have no effect, except for `TORCH_LOGS`. More than one of `processes` are started like
    those of torchrun; the status is the highest, and what they printed is joined.
    """
    command = list(map(str, words))
    with tempfile.TemporaryDirectory() as folder:
        running, outputs = [], []
        for rank, place in enumerate(_places(processes)):
            outputs.append([Path(folder) / f"{name}-{rank}" for name in ("stdout", "stderr")])
            running.append(_PROCESSES.Process(target=_run, args=(command, outputs[-1], variables | place)))
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


def _run(command: list[str], outputs: list[Path], variables: dict[str, str]) -> None:
    """Become the process of `command`: what it prints goes into two files."""
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update({"ACCELERATE_USE_CPU": "true"} | variables)
    if "TORCH_LOGS" in variables:
        torch._logging._init_logs()  # as when it is imported
    os.chdir(ROOT)
    sys.argv = command if command[0] != "-c" else ["-c", *command[2:]]
    try:
        if command[0] == "-c":
            exec(command[1], {"__name__": "__main__"})
        else:
            runpy.run_path(command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without them
