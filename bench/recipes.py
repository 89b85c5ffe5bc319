"""Which ideas of a recipe help? Each idea alone, compared with the literature's recipe: same steps, images and seeds.

    python bench/recipes.py unet [--dataset_name uoft-cs/cifar10] [--seeds 3] [--steps 694]
    python bench/recipes.py cgan
    python bench/recipes.py precision

Every row runs `train/*.py` in a new process, once for each seed; the seed chooses the validation images as well. The
metrics are those of the validation images after the last step, mean and standard deviation over seeds. psnr_pooled is
printed in dB above that of the grey images, and as the difference to the first row at the same seed. Networks are
narrow and steps are few, so that a row takes minutes on a CPU.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

TRAIN = Path(__file__).parent.parent / "train"
DEFAULT_GAN = "--adversarial_loss hinge --discriminator_architecture spectral --lambda_l1 15"
IDEAS = {  # by name: options that are added to the first row's
    "unet": {
        "pix2pix recipe": "",
        "ten times the learning rate": "--learning_rate 2e-3",
        "l1": "--loss l1",
        "huber": "--loss huber",
        "no moving average": "--ema_decay 0",
        "shifts": "--augmentation shift",
        "residual blocks, attention": "--architecture residual --width 24",
        "... and ten times the rate": "--architecture residual --width 24 --learning_rate 2e-3",
    },
    "cgan": {
        "pix2pix recipe": "",
        "L1 x 15 instead of x 100": "--lambda_l1 15",
        "hinge": "--adversarial_loss hinge",
        "spectral norm": "--discriminator_architecture spectral",
        "all three": DEFAULT_GAN,
        "... and residual blocks, attention": f"{DEFAULT_GAN} --architecture residual --width 24",
    },
    "precision": {"float32": "--mixed_precision no", "bf16": "--mixed_precision bf16"},
}
FIRST = {
    "unet": "unet.py --preset pix2pix --width 16",
    "cgan": "cgan.py --preset pix2pix --width 16 --discriminator_width 16",
    "precision": "unet.py --architecture pix2pix --width 16",
}
METRICS = ("ab_mae", "colorfulness", "fd_ab", "auc_rebalanced")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=list(IDEAS))
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=694, help="steps of 64 images; an epoch has 694")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error(f"--seeds must be at least 2 for a standard deviation, not {options.seeds}.")
    ideas = IDEAS[options.table]
    if options.table == "precision" and torch.cuda.is_available():
        ideas = ideas | {"bf16, compiled": "--mixed_precision bf16 --compile"}
    print(f"`python train/{FIRST[options.table]} --train_batch_size 64 --max_train_steps {options.steps}`, and:\n")
    print(f"| | options | dB above grey | difference | {' | '.join(METRICS)} | s |\n|---|---|{'---:|' * 7}")
    reference = None
    for name, more in ideas.items():
        command = f"{FIRST[options.table]} {more} --train_batch_size 64 --max_train_steps {options.steps}".split()
        runs = [last_metrics([*command, "--dataset_name", options.dataset_name], s) for s in range(options.seeds)]
        gains = [run["psnr_pooled"] - run["grey_psnr_pooled"] for run in runs]
        reference = reference or gains
        columns = [gains, [a - b for a, b in zip(gains, reference, strict=True)]]
        columns += [[run[metric] for run in runs] for metric in METRICS]
        cells = [f"{statistics.mean(column):.3f} ± {statistics.stdev(column):.3f}" for column in columns]
        seconds = statistics.mean(run["seconds"] for run in runs)
        print(f"| {name} | {f'`{more}`' if more else ''} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


def last_metrics(command: list[str], seed: int) -> dict[str, float]:
    """Return the metrics after a run's last step, and `seconds`, its duration of training."""
    with tempfile.TemporaryDirectory() as folder:
        script, *arguments = command
        arguments += ["--seed", str(seed), "--output_dir", folder, "--validation_steps", "1000000"]
        done = subprocess.run([sys.executable, str(TRAIN / script), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        record = json.loads((Path(folder) / "training.json").read_text())
    return record["metrics"] | {"seconds": record["seconds"]}


if __name__ == "__main__":
    main()
