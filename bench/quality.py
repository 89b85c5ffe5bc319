"""Seconds from a cold start until the U-Net is so many dB above grey.

    python bench/quality.py --dataset_name FOLDER [-- options of train/unet.py]

Runs `train/unet.py` and watches its validations (psnr_pooled on the validation images, less grey's): the clock starts
with the process, so that imports, decoding and compilation count, and so do the validations.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GAINS = (0.5, 1.0, 1.25, 1.5, 2.0)  # dB of psnr_pooled above grey's
SCRIPT = Path(__file__).parent.parent / "train" / "unet.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("options", nargs="*", help="of train/unet.py, after --")
    options = parser.parse_args()
    time_to_quality(["--dataset_name", options.dataset_name, *options.options])


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


def gain(figures: dict[str, float | str]) -> float:
    """dB of psnr_pooled above the grey images'."""
    return float(figures["psnr_pooled"]) - float(figures["grey_psnr_pooled"])


if __name__ == "__main__":
    main()
