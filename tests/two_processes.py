"""Run a training script under torchrun, and write down the batch and the weights of every step in each process.

torchrun tests/two_processes.py FOLDER train/cgan.py OPTIONS
"""

import hashlib
import json
import runpy
import sys
from pathlib import Path

import torch

from colorgan.data import Batches
from colorgan.training import run as training


def digest(*tensors: torch.Tensor) -> str:
    return hashlib.sha256(b"".join(t.detach().cpu().contiguous().numpy().tobytes() for t in tensors)).hexdigest()[:16]


class WatchedBatches(Batches):
    def __getitem__(self, k: int):
        rgb, labels = super().__getitem__(k)
        seen["batches"].append(digest(rgb))
        return rgb, labels


class WatchedRun(training.Run):
    def end_step(self, **losses: torch.Tensor):
        super().end_step(**losses)
        seen["weights"].append(digest(*(t for module in self._modules for t in module.state_dict().values())))
        name = f"process-{self.accelerator.process_index}-of-{self.accelerator.num_processes}.json"
        (folder / name).write_text(json.dumps(seen))


seen: dict[str, list[str]] = {"weights": [], "batches": []}
folder = Path(sys.argv.pop(1))
sys.argv.pop(0)
training.Run, training.Batches = WatchedRun, WatchedBatches
runpy.run_path(sys.argv[0], run_name="__main__")
