"""How fast the bundled networks predict, by size and batch; on a GPU in half precision and in float32.

    python bench/inference.py [--models unet cgan nogan] [--device cuda]

A picture is seen with its mirror image, as `Colorizer.predict_chroma` does. Latency is the median of one call; `share
of peak` is the operations counted in it against those of a large matrix product in the same precision.
"""

import argparse
import statistics
import time

import torch
from measuring import peak_flops, synchronize
from torch.utils.flop_counter import FlopCounterMode

from colorgan import Colorizer

SIZES, BATCHES = (32, 64, 128), (1, 16, 256)
SECONDS = 1.0  # of each measurement, with three calls at least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["unet", "cgan", "nogan"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    print(torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.get_num_threads()} threads")
    print("| | precision | side | batch | ms | images/s | share of peak |\n|---|---|---:|---:|---:|---:|---:|")
    for model in options.models:
        colorizer = Colorizer.from_pretrained(model, device=options.device)
        for precision in (torch.float16, torch.float32) if on_gpu else (torch.float32,):
            colorizer.precision = precision
            peak = peak_flops(device, precision)
            for size in SIZES:
                for batch in BATCHES:
                    seconds, work = measure(colorizer, torch.rand(batch, 1, size, size, device=device) * 2 - 1)
                    what = f"| {model} | {str(precision).removeprefix('torch.')} | {size} | {batch} "
                    share = 100 * work / seconds / peak
                    print(what + f"| {1000 * seconds:.2f} | {batch / seconds:.0f} | {share:.0f} % |", flush=True)


def measure(colorizer: Colorizer, lightness: torch.Tensor) -> tuple[float, int]:
    """Median seconds of one call, and the floating point operations in it."""
    with FlopCounterMode(display=False) as counter:
        colorizer.predict_chroma(lightness)
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS:
        synchronize(lightness.device)
        began = time.perf_counter()
        colorizer.predict_chroma(lightness)
        synchronize(lightness.device)
        times.append(time.perf_counter() - began)
    return statistics.median(times), counter.get_total_flops()


if __name__ == "__main__":
    main()
