"""How fast is each training script's step, and how much of that is arithmetic?

    python bench/train.py [--settings auto no compile] [--profile]

Each row runs `train/*.py` itself, in a new process, on random pictures that lie on the device as a data set would, and
times its whole step: batch, flips, Lab, forward and backward passes, optimizers, moving average. `share of peak` is
the operations counted in the step against those of a large matrix product in the same precision, just after: 100 %
would be a step that is nothing but arithmetic at full speed. An epoch has 45,000 images. `auto` is what the scripts
choose by themselves (bf16 where the hardware has it), `no` float32, `compile` adds --compile. `--profile` shows where
the time of the first setting goes.
"""

import argparse

import torch
from measuring import EPOCH, in_new_process, peak_flops, time_script

SCRIPTS = {
    "unet, default": ("unet", "--train_batch_size", "128"),
    "unet, pix2pix": ("unet", "--preset", "pix2pix", "--train_batch_size", "128"),
    "cgan, default": ("cgan", "--train_batch_size", "128"),
    "cgan, pix2pix": ("cgan", "--preset", "pix2pix", "--train_batch_size", "64"),
    "nogan, generator": ("nogan", "--stage", "generator", "--train_batch_size", "128"),
    "nogan, joint": ("nogan", "--stage", "joint", "--train_batch_size", "128"),
}
SETTINGS = {"auto": (), "no": ("--mixed_precision", "no"), "compile": ("--compile",)}
PROFILED = 8  # operations shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", choices=list(SCRIPTS), default=list(SCRIPTS))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=["auto", "no"])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    if options.profile:
        for script in options.scripts:
            profile(script, SETTINGS[options.settings[0]], options.seconds)
        return
    print(f"{name}, torch {torch.__version__}")
    print("| | batch | precision | setting | images/s | s/epoch | GFLOP/image | peak TFLOP/s | share of peak | MB |")
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---:|")
    for script in options.scripts:
        for setting in options.settings:
            row(script, setting, device, options.seconds)


def row(script: str, setting: str, device: torch.device, seconds: float) -> None:
    arguments = SCRIPTS[script]
    result = in_new_process(*arguments, *SETTINGS[setting], seconds=seconds)
    peak = peak_flops(device, torch.bfloat16 if result["precision"] == "bf16" else torch.float32)
    speed, work = result["images_per_s"], result["flops_per_image"]
    print(
        f"| {script} | {arguments[-1]} | {'float32' if result['precision'] == 'no' else result['precision']} "
        f"| {setting} | {speed:.0f} | {EPOCH / speed:.1f} | {work / 1e9:.2f} | {peak / 1e12:.2f} "
        f"| {100 * speed * work / peak:.0f} % | {result['memory'] / 1e6:.0f} |",
        flush=True,
    )


def profile(script: str, setting: tuple[str, ...], seconds: float) -> None:
    """Print which operations one script's step spends its time in. The scripts share a process, and so a precision."""
    profiler = torch.profiler.profile()
    time_script(SCRIPTS[script][0], [*SCRIPTS[script][1:], *setting], seconds, profiler)
    on_gpu = torch.cuda.is_available()
    events = [e for e in profiler.key_averages() if not e.is_user_annotation]
    cost = {e.key: e.self_device_time_total if on_gpu else e.self_cpu_time_total for e in events}
    total = sum(cost.values())
    print(f"\n{script}: share of the time" + (" on the GPU" if on_gpu else ""))
    for key in sorted(cost, key=cost.get, reverse=True)[:PROFILED]:
        print(f"  {100 * cost[key] / total:5.1f} %  {key[:90]}")


if __name__ == "__main__":
    main()
