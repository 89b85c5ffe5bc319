"""How fast is colourizing, from photograph to file and in the network alone, and how much memory does it need?

    python bench/inference_speed.py [--model unet] [--folder FOLDER]
    python bench/inference_speed.py --network [--model unet] [--device cuda]
    python bench/inference_speed.py --processes 1 2 [--model unet]

The first measures photographs tiled from scikit-image's: reading, colourizing and writing. "The plain way" is the usual
one with the same network in the same run: scikit-image's Lab, bilinear chroma, Pillow, one picture at a time. With
`--folder`, it also prints the largest difference in lightness between each photograph there and its result.

`--processes` measures the photographs per second of the command under `accelerate launch`, for each number of
processes, without their start: from the difference between a small and a large folder, and between a small and a large
data set (`colorgan dataset`). Each process has one thread on a CPU.

`--network` measures the network by image size and batch size, on a GPU in half precision and in float32. An image is
predicted together with its mirror image, as `Colorizer.run_network` does. `ms` is the median of one call; `share of
peak` is the operations counted in it, relative to those of a large matrix product in the same precision (on a GPU,
float32 is TF32, torch's default for convolutions). `8-bit steps` is the mean absolute difference between scikit-image's
photographs, colourized at that render size, and the same on a CPU in float32.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import psutil
import skimage.color
import skimage.data
import torch
import torch.nn.functional as F
from measuring import peak_flops, synchronize
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from colorgan import Colorizer, cli
from colorgan.inference.render import render
from colorgan.photo import read_photo, write_photo

SIZES, BATCHES = (32, 64, 128), (1, 16, 256)
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SECONDS = 1.0  # smallest duration of a measurement of the network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unet")
    parser.add_argument("--folder", type=Path, help="photographs whose lightness is compared with the result's")
    parser.add_argument("--network", action="store_true", help="measure the network alone")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="for --network")
    parser.add_argument("--processes", type=int, nargs="+", help="numbers of processes that share a folder")
    options = parser.parse_args()
    if options.processes:
        measure_processes(options.model, options.processes)
    elif options.network:
        measure_network(options.model, torch.device(options.device))
    else:
        measure_photographs(options.model)
        if options.folder:
            compare_lightness(options.model, options.folder)


# from photograph to file


def measure_photographs(model: str) -> None:
    colorizer = Colorizer.from_pretrained(model, device="cpu")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small, large = folder / "1 megapixel.jpg", folder / "12 megapixels.jpg"
        picture(1224, 816).save(small, quality=92)
        picture(4000, 3000).save(large, quality=92)
        ours(colorizer, small, folder / "warm.png")
        idle = psutil.Process().memory_info().rss
        ours(colorizer, large, folder / "warm.png")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - idle / 2**20
        print(f"{torch.get_num_threads()} threads; 12 megapixels need {peak:.0f} MB above the process with its network")
        for source in (small, large):
            usual, _ = timed(partial(plain, colorizer, source, folder / "out.png"), repeats=1)
            for kind in ("png", "jpg"):
                took, processor = timed(partial(ours, colorizer, source, folder / f"out.{kind}"))
                print(
                    f"{source.stem} JPEG to {kind}: {took:.2f} s ({processor:.2f} s of processors); "
                    f"the plain way to png: {usual:.2f} s, {usual / took:.1f} times as long"
                )
        (folder / "many").mkdir()
        for i in range(100):
            picture(640 + i, 480).crop((i, 0, 640 + i, 480)).save(folder / "many" / f"{i:03}.jpg", quality=92)
        took, _ = timed(partial(cli.main, [str(folder / "many"), "--overwrite", "--model", model]), repeats=1)
        sources = sorted((folder / "many").glob("*.jpg"))[:20]
        usual, _ = timed(lambda: [plain(colorizer, path, folder / "out.png") for path in sources], repeats=1)
        rate, usual_rate = 100 / took, len(sources) / usual
        print(f"a folder of 100 at 640x480: {rate:.1f} per second, with the start; the plain way {usual_rate:.1f}")


def measure_processes(model: str, counts: list[int], sizes: tuple[int, int] = (20, 220)) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if not torch.cuda.is_available():
        environment["ACCELERATE_USE_CPU"] = "true"
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            (Path(scratch) / str(size)).mkdir()
            for i in range(size):
                picture(640, 480).save(Path(scratch) / str(size) / f"{i:03}.jpg", quality=92)
            photographs = [{"bytes": path.read_bytes(), "path": None} for path in (Path(scratch) / str(size)).iterdir()]
            rows = datasets.Dataset.from_dict({"image": photographs}).cast_column("image", datasets.Image())
            rows.to_parquet(Path(scratch) / f"{size}.parquet")
        for count in counts:
            launcher = ["accelerate.commands.launch", "--multi_gpu", f"--num_processes={count}"] if count > 1 else []
            program = [sys.executable, "-m", *launcher, *(["-m"] if launcher else []), "colorgan"]
            rates = []
            for arguments in (["{}"], ["dataset", "{}.parquet", "--output", "{}-coloured"]):
                took = []
                for size in sizes:
                    began = time.perf_counter()
                    command = [*program, *(each.format(f"{scratch}/{size}") for each in arguments)]
                    command += ["--overwrite", "--model", model]
                    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
                    took.append(time.perf_counter() - began)
                rates.append((sizes[1] - sizes[0]) / (took[1] - took[0]))
            print(f"{count} processes: {rates[0]:.1f} photographs of 640x480 per second, {rates[1]:.1f} of a data set")


def picture(width: int, height: int) -> Image.Image:
    """Return a picture of any size, tiled from photographs."""
    photographs = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    row = np.concatenate([photograph[:300] for photograph in photographs], axis=1)
    tiles = np.tile(row, (height // 300 + 1, width // row.shape[1] + 1, 1))
    return Image.fromarray(tiles[:height, :width])


def ours(colorizer: Colorizer, source: Path, target: Path) -> None:
    photo = read_photo(source)
    write_photo(target, render(photo, colorizer.predict(photo)), photo)


@torch.inference_mode()
def plain(colorizer: Colorizer, source: Path, target: Path) -> None:
    lab = skimage.color.rgb2lab(np.asarray(Image.open(source).convert("RGB")))
    lightness = torch.from_numpy(lab[..., 0]).float()[None, None]
    height, width = lightness.shape[-2:]
    scale = 32 / min(height, width)
    small = F.interpolate(lightness, (round(height * scale), round(width * scale)), mode="bilinear", antialias=True)
    chroma = F.interpolate(colorizer.run_network(small / 50 - 1), (height, width), mode="bilinear")[0] * 110
    lab[..., 1:] = chroma.permute(1, 2, 0).numpy()
    Image.fromarray((skimage.color.lab2rgb(lab) * 255).round().astype(np.uint8)).save(target)


def timed(function: Callable[[], object], repeats: int = 3) -> tuple[float, float]:
    """Return the shortest time of a call, and the processor time of that call, in seconds."""
    results = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        function()
        results.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(results)


def compare_lightness(model: str, folder: Path) -> None:
    colorizer = Colorizer.from_pretrained(model, device="cpu")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            photo = read_photo(path)
            chroma = colorizer.predict(photo)
            results = [read_photo(render(photo, chroma, bits=bits)).lightness for bits in (8, 16)]
            difference = [np.abs(np.asarray(result - photo.lightness)).max() for result in results]
            print(f"{path.name}: L differs by {difference[0]:.3f} at most in 8 bits, {difference[1]:.5f} in 16")


# the network alone


def measure_network(model: str, device: torch.device) -> None:
    on_gpu = device.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = True  # for the peak; convolutions use it by default
    print(torch.cuda.get_device_name(device) if on_gpu else f"CPU, {torch.get_num_threads()} threads")
    print("| | precision | side | batch | ms | images/s | share of peak | 8-bit steps |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    exact = Colorizer.from_pretrained(model, device="cpu")
    colorizer = Colorizer.from_pretrained(model, device=device)
    for precision in (torch.float16, torch.float32) if on_gpu else (torch.float32,):
        colorizer.precision = precision
        peak = peak_flops(device, precision)
        for size in SIZES:
            steps = difference_in_steps(colorizer, exact, size)
            for batch in BATCHES:
                seconds, work = measure_call(colorizer, torch.rand(batch, 1, size, size, device=device) * 2 - 1)
                name = f"| {model} | {str(precision).removeprefix('torch.')} | {size} | {batch} "
                speed = f"| {1000 * seconds:.2f} | {batch / seconds:.0f} | {100 * work / seconds / peak:.0f} % "
                print(f"{name}{speed}| {steps:.4f} |", flush=True)


def measure_call(colorizer: Colorizer, lightness: torch.Tensor) -> tuple[float, int]:
    """Return the median seconds of one call, and its floating point operations."""
    with FlopCounterMode(display=False) as counter:
        colorizer.run_network(lightness)
    times: list[float] = []
    while sum(times) < SECONDS:
        synchronize(lightness.device)
        began = time.perf_counter()
        colorizer.run_network(lightness)
        synchronize(lightness.device)
        times.append(time.perf_counter() - began)
    return statistics.median(times), counter.get_total_flops()


def difference_in_steps(colorizer: Colorizer, exact: Colorizer, render_size: int) -> float:
    """Return the mean absolute difference of two colourizers' results on the photographs, in 8-bit steps."""
    means = []
    for name in PHOTOGRAPHS:
        photo = getattr(skimage.data, name)()
        ours, theirs = (np.asarray(c.colorize(photo, render_size=render_size)) for c in (colorizer, exact))
        means.append(np.abs(ours.astype(int) - theirs).mean())
    return float(np.mean(means))


if __name__ == "__main__":
    main()
