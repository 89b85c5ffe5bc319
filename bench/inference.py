"""How fast the bundled networks predict, by size and batch; on a GPU in half precision and in float32.

    python bench/inference.py [--models unet cgan nogan] [--device cuda]

A picture is seen with its mirror image, as `Colorizer.predict_chroma` does. Latency is the median of one call; `share
of peak` is the operations counted in it against those of a large matrix product in the same precision (on a GPU,
float32 is TF32, as torch convolves by default). `8-bit steps` is the mean absolute difference between photographs of
scikit-image, colourized at that render size, and the same on a CPU in float32.
"""

import argparse
import statistics
import time

import numpy as np
import skimage.data
import torch
from measuring import peak_flops, synchronize
from torch.utils.flop_counter import FlopCounterMode

from colorgan import Colorizer

SIZES, BATCHES = (32, 64, 128), (1, 16, 256)
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SECONDS = 1.0  # of each measurement at least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["unet", "cgan", "nogan"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = True  # for the peak; convolutions do so anyway
    print(torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.get_num_threads()} threads")
    print("| | precision | side | batch | ms | images/s | share of peak | 8-bit steps |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for model in options.models:
        exact = Colorizer.from_pretrained(model, device="cpu")
        colorizer = Colorizer.from_pretrained(model, device=device)
        for precision in (torch.float16, torch.float32) if on_gpu else (torch.float32,):
            colorizer.precision = precision
            peak = peak_flops(device, precision)
            for size in SIZES:
                steps = difference(colorizer, exact, size)
                for batch in BATCHES:
                    seconds, work = measure(colorizer, torch.rand(batch, 1, size, size, device=device) * 2 - 1)
                    what = f"| {model} | {str(precision).removeprefix('torch.')} | {size} | {batch} "
                    speed = f"| {1000 * seconds:.2f} | {batch / seconds:.0f} | {100 * work / seconds / peak:.0f} % "
                    print(f"{what}{speed}| {steps:.4f} |", flush=True)


def measure(colorizer: Colorizer, lightness: torch.Tensor) -> tuple[float, int]:
    """Median seconds of one call, and the floating point operations in it."""
    with FlopCounterMode(display=False) as counter:
        colorizer.predict_chroma(lightness)
    times: list[float] = []
    while sum(times) < SECONDS:
        synchronize(lightness.device)
        began = time.perf_counter()
        colorizer.predict_chroma(lightness)
        synchronize(lightness.device)
        times.append(time.perf_counter() - began)
    return statistics.median(times), counter.get_total_flops()


def difference(colorizer: Colorizer, exact: Colorizer, render_size: int) -> float:
    """Mean absolute difference of what two colourizers make of the photographs, in 8-bit steps."""
    means = []
    for name in PHOTOGRAPHS:
        photo = getattr(skimage.data, name)()
        ours, theirs = (np.asarray(c.colorize(photo, render_size=render_size)) for c in (colorizer, exact))
        means.append(np.abs(ours.astype(int) - theirs).mean())
    return float(np.mean(means))


if __name__ == "__main__":
    main()
