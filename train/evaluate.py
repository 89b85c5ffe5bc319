"""Measure colourizers on a data set, beside grey and beside the images' mean colour; write a table and a picture.

python train/evaluate.py --models unet cgan nogan --dataset_name uoft-cs/cifar10 --output_dir runs/evaluation
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from colorgan.cards import update_figures
from colorgan.color import rgb_to_lab
from colorgan.data import DatasetError, ImageSet, load_images
from colorgan.figure import save_grid
from colorgan.hub import CheckpointError, bundled_generators, locate
from colorgan.metrics import constant_baseline, grey_baseline, markdown_table, summarize
from colorgan.models import Generator
from colorgan.validation import colorize_all


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        generators = {name: Generator.from_pretrained(name) for name in options.models}
        images, greys = load_images(options.dataset_name, options.split).without_grey()
        if options.max_images:
            images = images[torch.arange(min(options.max_images, len(images)))]
        images = images.to(device)
        save_comparison(options, images, generators)
        if not options.figure:
            measure(options, images, greys, generators)
    except (CheckpointError, DatasetError) as error:
        sys.exit(f"evaluate.py: {error}")


def measure(options: argparse.Namespace, images: ImageSet, greys: int, generators: dict[str, Generator]) -> None:
    """Write metrics.json and table.md; with --update_cards also the cards of the bundled checkpoints."""
    truth = images.images
    rows = {
        "grey": summarize(grey_baseline(truth), truth),
        "mean": summarize(constant_baseline(truth, mean_ab(truth)), truth),
        **{name: summarize(colorize_all(generator, truth), truth) for name, generator in generators.items()},
        "truth": summarize(truth, truth),
    }
    record = {
        "dataset": options.dataset_name,
        "split": options.split,
        "num_images": len(images),
        "num_grey_removed": greys,
        "rows": rows,
    }
    (options.output_dir / "metrics.json").write_text(json.dumps(record, indent=2) + "\n")
    table = markdown_table(rows)
    (options.output_dir / "table.md").write_text(table + "\n")
    print(
        f"{options.dataset_name}, {options.split}: {len(images)} images, {greys} exactly grey ones left out\n\n{table}"
    )
    if options.update_cards:
        for name in set(generators) & set(bundled_generators()):
            command = f"python train/evaluate.py --models {name} --dataset_name {options.dataset_name}"
            command += "" if options.split == "test" else f" --split {options.split}"
            update_figures(locate(name), record, name, command)


def save_comparison(options: argparse.Namespace, images: ImageSet, generators: dict[str, Generator]) -> None:
    """The picture of the literature: rows of random images; columns grey, each model, truth."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(options.seed))[: options.rows]
    truth = images[chosen].images
    columns = {name: colorize_all(generator, truth) for name, generator in generators.items()}
    path = options.output_dir / "comparison.png"
    save_grid(path, {"grey": grey_baseline(truth), **columns, "truth": truth}, cell=96)
    print(f"Wrote {path}.")


def mean_ab(images: Tensor) -> Tensor:
    """Mean a and b (2,) over all pixels of uint8 images (N, 3, H, W), Lab units."""
    parts = [rgb_to_lab(part.float() / 255)[:, 1:].sum((0, 2, 3), dtype=torch.float64) for part in images.split(1000)]
    return (torch.stack(parts).sum(0) / (images[:, 0].numel())).float()


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=bundled_generators(), help="short names, folders or Hub ids")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10", help="Hub id or folder of an image data set")
    parser.add_argument("--split", default="test", help="split to measure on (default: test)")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/evaluation"), help="folder for what is written")
    parser.add_argument("--max_images", type=int, help="measure on the first few images only")
    parser.add_argument("--figure", action="store_true", help="make only the picture")
    parser.add_argument("--rows", type=int, default=8, help="images in the picture")
    parser.add_argument("--seed", type=int, default=0, help="which images the picture shows")
    parser.add_argument("--update_cards", action="store_true", help="write the figures into bundled checkpoints' cards")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
