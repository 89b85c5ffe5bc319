"""Runs the project's scripts in processes that are forked from one which has imported PyTorch and Accelerate already.

Each run is a new process with a state of its own; only the imports, which take most of the time of a short training,
are not repeated. Other tests start the scripts as a user does.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        *("colorgan.training.run", "colorgan.training.launch", "colorgan.evaluation.evaluate"),
        *("colorgan.evaluation.photographs", "datasets", "torch._dynamo", "scipy.io", "jinja2"),
    ]
)


def run_script(*words: object, timeout: int = 600) -> subprocess.CompletedProcess[str]:
    """Run `python words...` in the root of the repository, and return its status and what it printed."""
    command = list(map(str, words))
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _PROCESSES.Process(target=_run, args=(command, outputs))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout, *(path.read_text() for path in outputs))
        printed = [path.read_text(encoding="utf-8") for path in outputs]
    return subprocess.CompletedProcess(command, process.exitcode, *printed)


def _run(command: list[str], outputs: list[Path]) -> None:
    """Become the process of `command`: what it prints goes into two files."""
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ["ACCELERATE_USE_CPU"] = "true"
    os.chdir(ROOT)
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without them
