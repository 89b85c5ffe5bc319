"""What the speed benchmarks share: the device's peak, waiting for it, and a training script's step as it really is."""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch
from torch.utils.flop_counter import FlopCounterMode

from colorgan.data import Batches, ImageSet
from colorgan.models import Discriminator, Generator
from colorgan.training.config import parse_config
from colorgan.training.run import Run

ROOT = Path(__file__).parent.parent
WARM_UP = 3  # steps before the clock starts
EPOCH = 45_000  # CIFAR-10's training images, less a tenth for validation


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was told to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating point operations a second in the fastest of a few large square matrix products."""
    best = 0.0
    for size in (1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = torch.randn(2, size, size, device=device).to(dtype).unbind()
        for _ in range(4):
            synchronize(device)
            began = time.perf_counter()
            a @ b
            synchronize(device)
            best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


class Enough(Exception):
    """The clock has seen enough of a training script; holds what it saw."""


class TimedRun(Run):
    """A run on random pictures that counts the operations of one step, times many and leaves its script."""

    seconds_wanted = 5.0
    profiler = None

    def load_data(self) -> Batches:
        size, batch = self.config.resolution, self.config.train_batch_size
        generator = torch.Generator().manual_seed(0)
        count = max(2048 * 32 * 32 // size**2, 2 * batch * self.accelerator.num_processes, 100)
        images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (count,), generator=generator)
        pictures = ImageSet(images, labels, [str(i) for i in range(10)]).to(self.device)
        self.max_steps, self.validation = 10**9, pictures[torch.arange(100)]
        return Batches(pictures, batch, 0, self.accelerator.process_index, self.accelerator.num_processes)

    def validate(self) -> None: ...

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
            raise Enough(
                {
                    "images_per_s": images / seconds,
                    "flops_per_image": self._counter.get_total_flops() / self.config.train_batch_size,
                    "memory": _memory(self.device),
                    "precision": self.config.mixed_precision,
                }
            )

    def _agreed(self, enough: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return enough
        return bool(self.accelerator.reduce(torch.tensor(float(enough), device=self.device), "sum"))


def _memory(device: torch.device) -> int:
    """Bytes held at most: on a GPU of its memory, on a CPU of this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def time_script(script: str, arguments: list[str], seconds: float, profiler=None) -> dict[str, float | str]:
    """Run `train/SCRIPT.py` with these options on random pictures until its step has been timed; once a process."""
    spec = importlib.util.spec_from_file_location(script, ROOT / "train" / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[script] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    TimedRun.seconds_wanted, TimedRun.profiler = seconds, profiler
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(module, "Run", TimedRun):
        arguments = [*arguments, "--output_dir", folder]
        if {"critic", "joint"} & set(arguments):  # these stages begin from what earlier ones left
            Generator().save_pretrained(f"{folder}/start")
            Discriminator().save_pretrained(f"{folder}/critic")
            arguments += ["--generator", f"{folder}/start"]
        config_class = next(c for name, c in vars(module).items() if name.endswith("Config") and c.__module__ == script)
        presets = getattr(module, "PRESETS", {"default": {}})
        try:
            module.main(parse_config(config_class, presets, "", arguments))
        except Enough as enough:
            return enough.args[0]
    raise RuntimeError(f"train/{script}.py ended before its step was timed.")


def in_new_process(script: str, *arguments: str, seconds: float = 5.0, processes: int = 1) -> dict[str, float | str]:
    """`time_script` in a process of its own (or several), so that memory and settings are that script's alone."""
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = os.environ | ({} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"})
    command = [*launch, __file__, script, str(seconds), *arguments]
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\ntrain/{script}.py {' '.join(arguments)} failed.")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training script's step; used by the benchmarks.")
    parser.add_argument("script")
    parser.add_argument("seconds", type=float)
    options, arguments = parser.parse_known_args()
    result = time_script(options.script, arguments, options.seconds)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
