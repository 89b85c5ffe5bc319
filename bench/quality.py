"""Seconds from a cold start until the U-Net is so many dB above grey, and what its precision changes.

    python bench/quality.py --dataset_name FOLDER [-- options of train/unet.py]
    python bench/quality.py --dataset_name FOLDER --seeds 3 [-- options of train/unet.py]

The first runs `train/unet.py` and watches its validations (psnr_pooled on the validation images, less grey's): the
clock starts with the process, so that imports, decoding and compilation count, and so do the validations. The second
trains with several seeds (which choose the validation images too) in float32, in bf16 and, on a GPU, compiled.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

GAINS = (0.5, 1.0, 1.25, 1.5, 2.0)  # dB of psnr_pooled above grey's
SCRIPT = Path(__file__).parent.parent / "train" / "unet.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--seeds", type=int, help="compare precisions over this many seeds instead")
    parser.add_argument("options", nargs="*", help="of train/unet.py, after --")
    options = parser.parse_args()
    arguments = ["--dataset_name", options.dataset_name, *options.options]
    if options.seeds:
        compare_precisions(arguments, options.seeds)
    else:
        time_to_quality(arguments)


def time_to_quality(arguments: list[str]) -> None:
    """Print when each gain was reached, or the best there was."""
    waiting, best = list(GAINS), 0.0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        command = [sys.executable, str(SCRIPT), *arguments, "--output_dir", folder, "--logging_steps", "100"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if not line.startswith("step "):
                continue
            figures = dict(part.rsplit(" ", 1) for part in line.split(": ", 1)[1].split(", "))
            best = max(best, gain(figures))
            while waiting and best >= waiting[0]:
                step = line.split(":")[0]
                print(f"{waiting.pop(0):.2f} dB above grey after {time.monotonic() - began:.0f} s ({step})", flush=True)
        if process.wait():
            raise SystemExit(process.returncode)  # its message stands above
        print(f"best of the run: {best:.2f} dB, ended after {time.monotonic() - began:.0f} s")


def compare_precisions(arguments: list[str], seeds: int) -> None:
    """Print the last step's figures by precision: mean and standard deviation over seeds."""
    settings = {"float32": ["--mixed_precision", "no"], "bf16": ["--mixed_precision", "bf16"]}
    if torch.cuda.is_available():
        settings["bf16, compiled"] = ["--mixed_precision", "bf16", "--compile"]
    print("| | dB above grey | difference at the same seed | ab_mae | s of training |\n|---|---:|---:|---:|---:|")
    reference = None
    for name, setting in settings.items():
        runs = [last_figures([*arguments, *setting, "--seed", str(seed)]) for seed in range(seeds)]
        gains = [gain(run) for run in runs]
        reference = reference or gains
        columns = gains, [a - b for a, b in zip(gains, reference, strict=True)], [run["ab_mae"] for run in runs]
        cells = [f"{statistics.mean(column):.3f} ± {statistics.stdev(column):.3f}" for column in columns]
        print(f"| {name} | {' | '.join(cells)} | {statistics.mean(run['seconds'] for run in runs):.0f} |", flush=True)


def last_figures(arguments: list[str]) -> dict[str, float]:
    """The figures of the last step, and the seconds of training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(SCRIPT), *arguments, "--output_dir", folder, "--validation_steps", "1000000"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        record = json.loads((Path(folder) / "training.json").read_text())
    return record["figures"] | {"seconds": record["seconds"]}


def gain(figures: dict[str, float | str]) -> float:
    """dB of psnr_pooled above the grey images'."""
    return float(figures["psnr_pooled"]) - float(figures["grey_psnr_pooled"])


if __name__ == "__main__":
    main()
