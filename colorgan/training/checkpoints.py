"""Training states on disk, and stopping in time to save one.

A state is a folder `checkpoint-STEP` in the output folder. It is complete whenever it has that name, so a process that
is killed at any moment leaves the state before it to resume from.
"""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import Tensor
from torch.optim import Optimizer


class TrainingError(RuntimeError):
    """Training cannot begin or continue; the message says why in one sentence."""


def make_folder(folder: Path) -> None:
    """Create an output folder before the work begins. Raises `TrainingError` if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"--output_dir {folder} cannot be created: {error.strerror}.") from error


# finding


def find_state(resume_from_checkpoint: str | None, output_dir: Path) -> Path | None:
    """The folder of the state that `--resume_from_checkpoint` names, or None without that option.

    Raises `TrainingError` if it does not exist, or if the output folder has a later state, which this run would delete.
    """
    newest, folder = last_state(output_dir), None
    if resume_from_checkpoint is not None:
        folder = newest if resume_from_checkpoint == "latest" else Path(resume_from_checkpoint)
        if folder is None:
            raise TrainingError(f"There is no training state in {output_dir} to resume from: leave out the option.")
        if not folder.is_dir():
            raise TrainingError(
                f"There is no training state {folder}: give 'latest' or one of {output_dir}/checkpoint-*."
            )
    if newest and not (folder and folder.samefile(newest)):
        raise TrainingError(
            f"{newest} is a training state of another run, or a later state of this run: resume from it with "
            "--resume_from_checkpoint latest, or choose another --output_dir."
        )
    return folder


def last_state(output_dir: Path) -> Path | None:
    """The training state of the highest step in an output folder, or None."""
    states = _states(output_dir)
    return states[-1] if states else None


def is_finished(output_dir: Path) -> bool:
    """Whether the training into this output folder was completed."""
    record = output_dir / "training.json"
    return record.is_file() and json.loads(record.read_text())["finished"]


def _states(output_dir: Path) -> list[Path]:
    """All complete states, in the order of their steps."""
    states = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(states, key=lambda path: int(path.name.removeprefix("checkpoint-")))


# saving and loading


def save_state(accelerator: Accelerator, output_dir: Path, step: int, limit: int) -> None:
    """Save to a temporary folder, rename it when complete, then delete all but the newest `limit` states."""
    final = output_dir / f"checkpoint-{step:06d}"
    temporary = final.with_suffix(".partial")
    if accelerator.is_main_process and temporary.exists():
        shutil.rmtree(temporary)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(temporary))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        for old in _states(output_dir)[:-limit]:
            shutil.rmtree(old)


def load_state(accelerator: Accelerator, folder: Path, optimizers: list[Optimizer]) -> None:
    """Load a state into everything that the accelerator has prepared.

    The options of the optimizers (learning rate, betas, weight decay) stay those of this run. Raises `TrainingError`
    if the state is damaged or does not fit the networks.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    own_options = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    try:
        accelerator.load_state(str(folder))
    except (RuntimeError, ValueError, OSError, EOFError, KeyError, SafetensorError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"The training state {folder} is damaged or of another run: {reason}") from error
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]  # loading makes new groups
    for group, options in zip(groups, own_options, strict=True):
        group.pop("peak_lr", None)  # the peak learning rate of the run that saved the state
        group.update(options)


class Attributes:
    """Some attributes of an object, as a part of the training state."""

    def __init__(self, owner: object, *names: str):
        self.owner, self.names = owner, names

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self.owner, name) for name in self.names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self.owner, name, value)


# stopping


class Stop:
    """Stops all processes of a run after the same step when one of them gets Ctrl-C or SIGTERM."""

    def __init__(self, accelerator: Accelerator, say: Callable[[str], None]):
        self.accelerator, self.say = accelerator, say
        self.interrupted = False  # all processes have agreed to stop
        self._signalled = False  # this process got a signal

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Inside the block, the first Ctrl-C or SIGTERM asks for a stop; the second raises `KeyboardInterrupt`."""
        previous = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def agree(self, ask: bool) -> None:
        """Set `interrupted` in all processes if one of them got a signal.

        Several processes communicate only when `ask` is true, which must be so in all of them at the same step: asking
        after every step would make them wait for each other.
        """
        if self.accelerator.num_processes == 1:
            self.interrupted = self._signalled
        elif ask:
            signals = self.accelerator.reduce(torch.tensor(float(self._signalled), device=self.accelerator.device))
            assert isinstance(signals, Tensor)
            self.interrupted = signals.item() > 0

    def _signal(self, number: int, frame: object) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
        self.say("Stopping after this step; press Ctrl-C again to stop at once.")
