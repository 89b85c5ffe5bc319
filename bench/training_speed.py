"""How fast is a training step, how does it grow, and is it faster than the usual way?

    python bench/training_speed.py [--scripts NAME ...] [--settings auto no compile] [--seconds 5]
    python bench/training_speed.py --profile     # which operations the time of a step goes to
    python bench/training_speed.py --growth      # by batch size, width, resolution and processes; docs/scaling.png
    python bench/training_speed.py --peers       # in turns with the usual way of training the pix2pix cGAN

Without an option, each row runs `train/*.py` itself, in a new process, on random images that lie on the device, and
times its complete step: batch, flips, Lab, forward and backward passes, optimizers, moving average. `share of peak` is
the operations counted in the step, relative to those of a large matrix product in the same precision. An epoch has
45,000 images. The setting `auto` is the scripts' default (bf16 where the hardware has it), `no` is float32, `compile`
adds --compile. Memory is the GPU's, or on a CPU that of the whole process with its libraries.

The usual way of `--peers` was written from descriptions (karoly-hars/GAN_image_colorizing and others): PNG files are
read, converted to Lab and flipped one by one by scikit-image in the four workers of a DataLoader; the networks are
those of the pix2pix preset (16.65 M parameters, and a discriminator) in float32 and the default memory layout; losses
are read in every step. The two ways take turns, so that other work on the machine slows down both.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import EPOCH, Timing, in_new_process, peak_flops, synchronize, time_script
from PIL import Image
from skimage import data
from skimage.color import rgb2lab
from torch.utils.data import DataLoader, Dataset

from colorgan.models import Discriminator, Generator

SCRIPTS = {
    "unet, default": ("unet", "--train_batch_size", "128"),
    "unet, pix2pix": ("unet", "--preset", "pix2pix", "--train_batch_size", "128"),
    "cgan, default": ("cgan", "--train_batch_size", "128"),
    "cgan, pix2pix": ("cgan", "--preset", "pix2pix", "--train_batch_size", "64"),
    "nogan, generator": ("nogan", "--stage", "generator", "--train_batch_size", "128"),
    "nogan, joint": ("nogan", "--stage", "joint", "--train_batch_size", "128"),
}
SETTINGS = {"auto": (), "no": ("--mixed_precision", "no"), "compile": ("--compile",)}
PROFILED = 8  # operations that --profile prints
BASE = {"train_batch_size": 64, "width": 48, "resolution": 32}  # of --growth
GROWTH = {  # the option that is varied: its values, and other options that differ from BASE
    "train_batch_size": ((4, 16, 64, 256), {}),
    "width": ((16, 32, 48, 64, 96), {}),
    "resolution": ((32, 64, 128, 256), {"train_batch_size": 4}),
}
GPU_GROWTH = {
    "train_batch_size": ((32, 128, 512, 2048), {}),
    "width": ((16, 32, 48, 64, 96, 128), {"train_batch_size": 512}),
    "resolution": ((32, 64, 128, 256), {"train_batch_size": 64}),
}
PICTURE = Path(__file__).parent.parent / "docs" / "scaling.png"
PEER_BATCH, PEER_LAMBDA_L1, PEER_REPEATS = 64, 100.0, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", choices=list(SCRIPTS), default=list(SCRIPTS))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=["auto", "no"])
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each measurement")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--profile", action="store_true", help="print the most expensive operations of each step")
    mode.add_argument("--growth", action="store_true", help="vary batch size, width, resolution and processes")
    mode.add_argument("--peers", action="store_true", help="compare with the usual way of training")
    options = parser.parse_args()
    if options.growth:
        growth(options.seconds)
    elif options.peers:
        peers(options.seconds)
    elif options.profile:
        for script in options.scripts:
            profile(script, SETTINGS[options.settings[0]], options.seconds)
    else:
        table(options.scripts, options.settings, options.seconds)


# the step of each script


def table(scripts: list[str], settings: list[str], seconds: float) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{name}, torch {torch.__version__}")
    print("| | batch | precision | setting | images/s | s/epoch | GFLOP/image | peak TFLOP/s | share of peak | MB |")
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---:|")
    for script in scripts:
        for setting in settings:
            result = in_new_process(*SCRIPTS[script], *SETTINGS[setting], seconds=seconds)
            precision = "float32" if result.precision == "no" else result.precision
            peak = peak_flops(device, torch.bfloat16 if precision == "bf16" else torch.float32)
            speed, work = result.images_per_s, result.flops_per_image
            print(
                f"| {script} | {SCRIPTS[script][-1]} | {precision} | {setting} | {speed:.0f} | {EPOCH / speed:.1f} "
                f"| {work / 1e9:.2f} | {peak / 1e12:.2f} | {100 * speed * work / peak:.0f} % "
                f"| {result.memory / 1e6:.0f} |",
                flush=True,
            )


def profile(script: str, setting: tuple[str, ...], seconds: float) -> None:
    """Print the operations that take most of a step's time. The scripts share this process, and so a precision."""
    profiler = torch.profiler.profile()
    time_script(SCRIPTS[script][0], [*SCRIPTS[script][1:], *setting], seconds, profiler)
    on_gpu = torch.cuda.is_available()
    events = [event for event in profiler.key_averages() if not event.is_user_annotation]
    cost = {e.key: e.self_device_time_total if on_gpu else e.self_cpu_time_total for e in events}
    total = sum(cost.values())
    print(f"\n{script}: share of the time" + (" on the GPU" if on_gpu else ""))
    for key, value in sorted(cost.items(), key=lambda item: item[1], reverse=True)[:PROFILED]:
        print(f"  {100 * value / total:5.1f} %  {key[:90]}")


# growth


def growth(seconds: float) -> None:
    import matplotlib  # pyright: ignore[reportMissingImports]  # part of the [bench] extra only

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

    on_gpu = torch.cuda.is_available()
    series = GPU_GROWTH if on_gpu else GROWTH
    _, axes = plt.subplots(2, len(series), figsize=(10, 5), sharex="col", layout="constrained")
    for column, (name, (values, others)) in enumerate(series.items()):
        base = BASE | others
        print(f"\n{name} (otherwise " + ", ".join(f"{k} {v}" for k, v in base.items() if k != name) + ")")
        print("| | images/s | Mpixel/s | memory, MB |\n|---:|---:|---:|---:|")
        points = [unet_step(base | {name: value}, seconds) for value in values]
        for value, point in zip(values, points, strict=True):
            pixels = point.images_per_s * (base | {name: value})["resolution"] ** 2
            print(f"| {value} | {point.images_per_s:.1f} | {pixels / 1e6:.3f} | {point.memory / 1e6:.0f} |", flush=True)
        speeds, memories = [point.images_per_s for point in points], [point.memory / 1e6 for point in points]
        for axis, numbers, unit in zip(axes[:, column], (speeds, memories), ("images/s", "memory, MB"), strict=True):
            axis.plot(values, numbers, "o-")
            axis.set(xscale="log", xticks=values, xticklabels=values, ylabel=unit)
            axis.set_ylim(bottom=0)
            axis.minorticks_off()
        axes[1, column].set_xlabel(name.removeprefix("train_").replace("_", " "))
    plt.savefig(PICTURE, dpi=110)

    print(f"\nprocesses ({', '.join(f'{k} {v}' for k, v in BASE.items())} each)\n| | images/s |\n|---:|---:|")
    for processes in (1, 2):
        if not on_gpu or processes <= torch.cuda.device_count():
            print(f"| {processes} | {unet_step(BASE, seconds, processes).images_per_s:.1f} |", flush=True)


def unet_step(options: dict[str, int], seconds: float, processes: int = 1) -> Timing:
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return in_new_process("unet", *arguments, seconds=seconds, processes=processes)


# the usual way


class Files(Dataset):
    """Lightness and chroma of PNG files, one file at a time."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.glob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        rgb = np.asarray(Image.open(self.paths[index]).convert("RGB"))
        if np.random.rand() < 0.5:
            rgb = rgb[:, ::-1]
        lab = torch.from_numpy(rgb2lab(rgb)).permute(2, 0, 1).float()
        return lab[:1] / 50 - 1, lab[1:] / 110


def peers(seconds: float) -> None:
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        write_crops(Path(folder))
        for _ in range(PEER_REPEATS):
            usual = usual_way(Path(folder), seconds)
            arguments = ("--preset", "pix2pix", "--train_batch_size", str(PEER_BATCH))
            ours = in_new_process("cgan", *arguments, seconds=seconds).images_per_s
            ratios.append(ours / usual)
            print(f"the usual way {usual:.1f} images/s, ours {ours:.1f}: {ratios[-1]:.2f} times as fast", flush=True)
    print(f"median of {PEER_REPEATS}: {statistics.median(ratios):.2f} times as fast")


def write_crops(folder: Path) -> None:
    """Write some thousand images of 32 x 32 pixels, cut out of scikit-image's photographs."""
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = getattr(data, name)()
        for top in range(0, picture.shape[0] - 31, 16):
            for left in range(0, picture.shape[1] - 31, 16):
                Image.fromarray(picture[top : top + 32, left : left + 32]).save(folder / f"{name}-{top}-{left}.png")


def usual_way(folder: Path, seconds: float) -> float:
    """Return the images per second of the cGAN's joint step, after three steps of warm-up."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = Generator("pix2pix", 64).to(device).train()
    discriminator = Discriminator("pix2pix", 64).to(device).train()
    optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    loader = DataLoader(Files(folder), PEER_BATCH, shuffle=True, num_workers=4, drop_last=True)
    steps, began = 0, 0.0
    while True:
        for batch in loader:
            lightness, chroma = (x.to(device) for x in batch)
            generated = generator(lightness)
            real, fake = discriminator(lightness, chroma), discriminator(lightness, generated.detach())
            loss_d = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            loss_d = loss_d + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
            optimizer_d.zero_grad()
            loss_d.backward()
            optimizer_d.step()

            logits = discriminator(lightness, generated)
            loss_g = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            loss_g = loss_g + PEER_LAMBDA_L1 * F.l1_loss(generated, chroma)
            optimizer_g.zero_grad()
            loss_g.backward()
            optimizer_g.step()
            _ = loss_d.item(), loss_g.item()  # waits for the device, as the usual way does

            steps += 1
            if steps == 3:
                synchronize(device)
                began = time.perf_counter()
            elif steps > 3 and time.perf_counter() - began > seconds:
                synchronize(device)
                return PEER_BATCH * (steps - 3) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
