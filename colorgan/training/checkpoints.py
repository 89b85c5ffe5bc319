"""Training states on disk: written so that a kill at any moment leaves the last one whole, found and loaded again."""

import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch.optim import Optimizer


class TrainingError(RuntimeError):
    """Training cannot begin or go on; the message says why in one sentence."""


def make_folder(folder: Path) -> None:
    """Make an output folder before there is anything to lose. Raises `TrainingError` if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"--output_dir {folder} cannot be made: {error.strerror}.") from error


def save_state(accelerator: Accelerator, output_dir: Path, step: int, limit: int) -> None:
    """Write a training state; it gets its name only when whole, and then all but the newest `limit` go."""
    final = output_dir / f"checkpoint-{step:06d}"
    partial = final.with_suffix(".partial")
    if accelerator.is_main_process and partial.exists():
        shutil.rmtree(partial)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        for old in _states(output_dir)[:-limit]:
            shutil.rmtree(old)


def load_state(accelerator: Accelerator, folder: Path, optimizers: list[Optimizer]) -> None:
    """Load a training state into what the accelerator has prepared; the optimizers' options stay as this run has them.

    Raises `TrainingError` if it does not fit.
    """
    wanted = [{k: v for k, v in group.items() if k != "params"} for each in optimizers for group in each.param_groups]
    try:
        accelerator.load_state(str(folder))
    except (RuntimeError, ValueError, OSError, EOFError, KeyError, SafetensorError, UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"The training state {folder} is damaged or of another run: {reason}") from error
    for group, options in zip((group for each in optimizers for group in each.param_groups), wanted, strict=True):
        group.pop("peak_lr", None)  # of the run that left the state
        group.update(options)


class Attributes:
    """Attributes of an object as a part of the training state."""

    def __init__(self, owner: object, *names: str):
        self.owner, self.names = owner, names

    def state_dict(self) -> dict[str, object]:
        return {name: getattr(self.owner, name) for name in self.names}

    def load_state_dict(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self.owner, name, value)


def find_state(wanted: str | None, output_dir: Path) -> Path | None:
    """The folder that `--resume_from_checkpoint` names. Raises `TrainingError` if there is none."""
    if wanted is None:
        return None
    folder = last_state(output_dir) if wanted == "latest" else Path(wanted)
    if folder is None:
        raise TrainingError(f"There is no training state in {output_dir} to resume from: leave out the option.")
    if not folder.is_dir():
        raise TrainingError(f"There is no training state {folder}: give 'latest' or one of {output_dir}/checkpoint-*.")
    return folder


def last_state(folder: Path) -> Path | None:
    """The newest whole training state in an output folder, if there is one."""
    return (_states(folder) or [None])[-1]


def is_finished(folder: Path) -> bool:
    """Whether training into this folder came to its end."""
    record = folder / "training.json"
    return record.is_file() and json.loads(record.read_text())["finished"]


def _states(folder: Path) -> list[Path]:
    states = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(states, key=lambda path: int(path.name.removeprefix("checkpoint-")))


class Stop:
    """Whether all processes have agreed to stop: `interrupted` because somebody asked, `ended` because it is enough."""

    def __init__(self, accelerator: Accelerator, say: Callable[[str], None]):
        self.accelerator, self.say = accelerator, say
        self.interrupted = self.ended = False
        self._signalled = self._enough = False  # what this process wishes

    def __bool__(self) -> bool:
        return self.interrupted or self.ended

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within it, the first Ctrl-C (or SIGTERM) is a wish to stop; the second is a KeyboardInterrupt."""
        previous = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def early(self) -> None:
        """Wish the next step to be the last one, because it is enough."""
        self._enough = True

    def agree(self, ask: bool) -> None:
        """Make the wishes of all processes what all do; several do so only when told to `ask`, to save waiting."""
        if self.accelerator.num_processes == 1:
            self.interrupted, self.ended = self._signalled, self._enough
        elif ask:
            wishes = torch.tensor([float(self._signalled), float(self._enough)], device=self.accelerator.device)
            self.interrupted, self.ended = (self.accelerator.reduce(wishes, "sum") > 0).tolist()

    def _signal(self, number: int, frame: object) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
        self.say("Stopping after this step; once more to stop at once.")
