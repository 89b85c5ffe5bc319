"""How fast is one step of one training script? Used by training_speed.py and inference_speed.py.

    python bench/measuring.py SCRIPT SECONDS [options of train/SCRIPT.py]

Runs `train/SCRIPT.py` with random images and prints the timing of its step as JSON.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

import torch
from torch.utils.flop_counter import FlopCounterMode

from colorgan.data import Batches, ImageSet
from colorgan.models import Discriminator, Generator
from colorgan.training.config import parse_config
from colorgan.training.run import Run

ROOT = Path(__file__).parent.parent
WARM_UP = 3  # steps before the measurement starts
EPOCH = 45_000  # images: CIFAR-10's training set without the tenth for validation


@dataclass
class Timing:
    """The measured step of a training script."""

    images_per_s: float
    flops_per_image: float
    memory: int  # largest use, bytes: of the GPU's memory, or on a CPU of the process
    precision: str  # value of --mixed_precision


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the floating point operations per second of the fastest of a few large square matrix products."""
    best = 0.0
    for size in (1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = torch.randn(2, size, size, device=device).to(dtype).unbind()
        for _ in range(4):
            synchronize(device)
            began = time.perf_counter()
            _ = a @ b
            synchronize(device)
            best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


class Finished(Exception):
    """Raised inside a training script when its step has been timed; ends the script."""

    def __init__(self, timing: Timing):
        super().__init__(timing)
        self.timing = timing


class TimedRun(Run):
    """A run on random images that counts the operations of one step, times many steps, and raises `Finished`."""

    seconds_wanted = 5.0
    profiler: torch.profiler.profile | None = None

    def load_data(self) -> Batches:
        size, batch = self.config.resolution, self.config.train_batch_size
        generator = torch.Generator().manual_seed(0)
        count = max(2048 * 32 * 32 // size**2, 2 * batch * self.accelerator.num_processes, 100)
        images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (count,), generator=generator)
        pictures = ImageSet(images, labels, [str(i) for i in range(10)]).to(self.device)
        self.max_steps, self.validation = 10**9, pictures[torch.arange(100)]
        return Batches(pictures, batch, 0, self.accelerator.process_index, self.accelerator.num_processes)

    def validate(self, *_, **__) -> dict[str, float]:
        return {"fd_ab": 0.0}

    def save(self) -> None: ...

    def end_step(self, **losses: torch.Tensor) -> None:
        super().end_step(**losses)
        if self.step == 1:  # the second step is counted, in eager mode
            torch.compiler.set_stance("force_eager")
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()
        elif self.step == 2:
            self._counter.__exit__(None, None, None)
            torch.compiler.set_stance("default")
        elif self.step == WARM_UP:
            synchronize(self.device)
            if self.profiler:
                self.profiler.start()
            self._began = time.perf_counter()
        elif self.step > WARM_UP and self._agreed(time.perf_counter() - self._began > self.seconds_wanted):
            synchronize(self.device)
            seconds = (time.perf_counter() - self._began) / (self.step - WARM_UP)
            if self.profiler:
                self.profiler.stop()
            images = self.config.train_batch_size * self.accelerator.num_processes
            raise Finished(
                Timing(
                    images_per_s=images / seconds,
                    flops_per_image=self._counter.get_total_flops() / self.config.train_batch_size,
                    memory=_memory(self.device),
                    precision=self.config.mixed_precision,
                )
            )

    def _agreed(self, enough: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return enough
        return bool(self.accelerator.reduce(torch.tensor(float(enough), device=self.device), "sum"))


def _memory(device: torch.device) -> int:
    """Return the largest memory use in bytes: of the GPU, or on a CPU of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def time_script(
    script: str, arguments: list[str], seconds: float, profiler: torch.profiler.profile | None = None
) -> Timing:
    """Run `train/SCRIPT.py` on random images until its step has been timed.

    The script is imported under its own name, so use each script only once in a process.
    """
    spec = importlib.util.spec_from_file_location(script, ROOT / "train" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[script] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    TimedRun.seconds_wanted, TimedRun.profiler = seconds, profiler
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(module, "Run", TimedRun):
        arguments = [*arguments, "--output_dir", folder]
        if {"critic", "joint"} & set(arguments):  # these stages load the networks of earlier stages
            Generator().save_pretrained(f"{folder}/start")
            Discriminator().save_pretrained(f"{folder}/critic")
            arguments += ["--generator", f"{folder}/start"]
        config_class = next(c for name, c in vars(module).items() if name.endswith("Config") and c.__module__ == script)
        presets = getattr(module, "PRESETS", {"default": {}})
        try:
            module.main(parse_config(config_class, presets, "", arguments))
        except Finished as finished:
            return finished.timing
    raise RuntimeError(f"train/{script}.py ended before its step was timed.")


def in_new_process(script: str, *arguments: str, seconds: float = 5.0, processes: int = 1) -> Timing:
    """Run `time_script` in a new process (or several), so that memory and global settings are only that script's."""
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = os.environ | ({} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"})
    command = [*launch, __file__, script, str(seconds), *arguments]
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\ntrain/{script}.py {' '.join(arguments)} failed.")
    return Timing(**json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{"))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script")
    parser.add_argument("seconds", type=float)
    options, arguments = parser.parse_known_args()
    result = time_script(options.script, arguments, options.seconds)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(asdict(result)), flush=True)


if __name__ == "__main__":
    main()
