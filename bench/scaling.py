"""How training speed and memory grow with batch size, width, resolution and processes; a table and a picture.

    python bench/scaling.py [--output docs/scaling.png]

Each point is `train/unet.py`'s step (the default network, bf16 where the hardware has it), in a process of its own. On
a CPU memory is that of the whole process, libraries included; several processes are on one machine and share its cores.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from measuring import in_new_process

BASE = {"train_batch_size": 64, "width": 48, "resolution": 32}
SERIES = {  # what is varied, and the base's other options where they must differ
    "train_batch_size": ((4, 16, 64, 256), {}),
    "width": ((16, 32, 48, 64, 96), {}),
    "resolution": ((32, 64, 128, 256), {"train_batch_size": 4}),
}
GPU_SERIES = {
    "train_batch_size": ((32, 128, 512, 2048), {}),
    "width": ((16, 32, 48, 64, 96, 128), {"train_batch_size": 512}),
    "resolution": ((32, 64, 128, 256), {"train_batch_size": 64}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--output", type=Path, default=Path("docs/scaling.png"))
    options = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    series = GPU_SERIES if on_gpu else SERIES
    _, axes = plt.subplots(2, len(series), figsize=(10, 5), sharex="col", layout="constrained")
    for column, (name, (values, others)) in enumerate(series.items()):
        base = BASE | others
        print(f"\n{name} (otherwise " + ", ".join(f"{k} {v}" for k, v in base.items() if k != name) + ")")
        print("| | images/s | Mpixel/s | memory, MB |\n|---:|---:|---:|---:|")
        points = [measure(base | {name: value}, options.seconds) for value in values]
        for value, (speed, memory) in zip(values, points, strict=True):
            side = (base | {name: value})["resolution"]
            print(f"| {value} | {speed:.1f} | {speed * side**2 / 1e6:.3f} | {memory:.0f} |", flush=True)
        for row, unit in enumerate(("images/s", "memory, MB")):
            axis, figures = axes[row, column], [point[row] for point in points]
            axis.plot(values, figures, "o-")
            axis.set(xscale="log", xticks=values, xticklabels=values, ylabel=unit)
            axis.set_ylim(bottom=0)
            axis.minorticks_off()
        axes[1, column].set_xlabel(name.removeprefix("train_").replace("_", " "))
    plt.savefig(options.output, dpi=110)

    print(f"\nprocesses ({', '.join(f'{k} {v}' for k, v in BASE.items())} each)\n| | images/s |\n|---:|---:|")
    for processes in (1, 2):
        if on_gpu and processes > torch.cuda.device_count():
            continue
        print(f"| {processes} | {measure(BASE, options.seconds, processes)[0]:.1f} |", flush=True)


def measure(options: dict[str, int], seconds: float, processes: int = 1) -> tuple[float, float]:
    """Images a second, and memory in MB."""
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    result = in_new_process("unet", *arguments, seconds=seconds, processes=processes)
    return result["images_per_s"], result["memory"] / 1e6


if __name__ == "__main__":
    main()
