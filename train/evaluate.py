"""Measure colourizers on a data set at 32x32, beside grey and the images' mean colour; write tables and pictures.

python train/evaluate.py --models unet cgan nogan --dataset_name uoft-cs/cifar10 --output_dir runs/evaluation

Into the output folder come metrics.json and table.md (every figure, its 95 % interval, each class), images.parquet
(every figure of every image), comparison.png, and for each model 200 random outputs on a sheet, and its best and worst
images.
"""

import argparse
import json
import math
import shlex
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from colorgan.cards import update_figures, update_readme
from colorgan.data import DatasetError, ImageSet, is_grey, load_images
from colorgan.evaluation.evaluate import Evaluator, Row, by_class, colorize_all, evaluate, figures, intervals
from colorgan.evaluation.grid import save_grid
from colorgan.evaluation.metrics import FIGURES, grey_baseline, markdown_table
from colorgan.hub.checkpoint import CheckpointError, bundled_generators, locate
from colorgan.models import Generator
from colorgan.parallel import one_core_threads
from colorgan.training.checkpoints import TrainingError, make_folder

PER_CLASS = ("ab_mae", "colorfulness", "top1", "ab_bias")  # of each class in table.md; metrics.json has all figures
SHEET = 20, 10  # columns and rows of the sheet of random outputs
README = Path(__file__).parent.parent / "README.md"


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        generators = {name: Generator.from_pretrained(name) for name in options.models}
        evaluator = None if options.figure else Evaluator(device, options.inception_weights)
        images = load_images(options.dataset_name, options.split)
        index = torch.nonzero(~is_grey(images.images)).squeeze(1)
        greys = len(images) - len(index)
        index = index[: options.max_images]
        if len(index) < 2:
            raise DatasetError(f"{options.dataset_name} has {len(index)} images with colour; figures need 2.")
        images = images[index].to(device)
        make_folder(options.output_dir)
        save_comparison(options, images, generators)
        if options.figure:
            return
        rows = evaluate(images, generators, evaluator)
        record = write_figures(options, images, greys, rows)
        write_images(options, images, index, rows)
        for name in generators:
            save_extremes(options, name, images, rows)
            save_sheet(options, name, rows[name])
        if options.update_cards:
            update_cards(options, record, images, rows)
    except (CheckpointError, DatasetError, TrainingError, ValueError) as error:
        sys.exit(f"evaluate.py: {error}")


def write_figures(options: argparse.Namespace, images: ImageSet, greys: int, rows: dict[str, Row]) -> dict:
    """Write metrics.json and table.md; gives what the former holds."""

    def describe(row: Row) -> tuple[dict, dict, dict]:
        return figures(row, rows["truth"]), intervals(row, rows["truth"]), by_class(row, images)

    with one_core_threads(torch.get_num_threads()) as pool:
        described = dict(zip(rows, pool.map(describe, rows.values()), strict=True))
    record = {
        "dataset": options.dataset_name,
        "split": options.split,
        "num_images": len(images),
        "num_grey_removed": greys,
        "command": command(options),
        "rows": {name: parts[0] for name, parts in described.items()},
        "intervals": {name: parts[1] for name, parts in described.items()},
        "classes": {name: parts[2] for name, parts in described.items()},
    }
    for classes in record["classes"].values():
        for name, values in classes.items():
            truth = record["classes"]["truth"][name]
            values["ab_bias"] = math.hypot(values["mean_a"] - truth["mean_a"], values["mean_b"] - truth["mean_b"])
    (options.output_dir / "metrics.json").write_text(json.dumps(record, indent=2) + "\n")
    table = markdown_table(record["rows"])
    heading = f"{options.dataset_name}, {options.split}: {len(images)} images, {greys} exactly grey ones left out"
    print(f"{heading}\n\n{table}")
    sections = [f"{heading}\n\n{table}", f"## 95 % intervals\n\n{markdown_table(record['rows'], record['intervals'])}"]
    classes = record["classes"]
    sections += [class_table(name, classes) for name in PER_CLASS if any(name in c for c in classes["grey"].values())]
    sections += ["## Figures\n\n" + "\n".join(f"- {name}: {FIGURES[name][1]}" for name in record["rows"]["grey"])]
    (options.output_dir / "table.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    return record


def class_table(figure: str, classes: dict[str, dict[str, dict[str, float]]]) -> str:
    """One figure of each class: a row for each model, a column for each class."""
    names = list(classes["grey"])
    digits, meaning = FIGURES[figure]
    lines = [
        f"## {figure} of each class\n\n{meaning}\n",
        f"| | {' | '.join(names)} |",
        "|---" + "|---:" * len(names) + "|",
    ]
    for row, values in classes.items():
        lines.append(f"| {row} | " + " | ".join(f"{values[c][figure]:.{digits}f}" for c in names) + " |")
    return "\n".join(lines)


def write_images(options: argparse.Namespace, images: ImageSet, index: torch.Tensor, rows: dict[str, Row]) -> None:
    """Write images.parquet: a line for each row and image, with the image's index in its split, and every figure."""
    tables = []
    for name, row in rows.items():
        columns = {"row": pa.array([name] * len(images)), "index": index.numpy()}
        if images.labels is not None:
            columns["label"] = images.labels.cpu().numpy()
        columns |= {figure: row.columns[figure].cpu().numpy() for figure in FIGURES if figure in row.columns}
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), options.output_dir / "images.parquet", compression="zstd")


def save_comparison(options: argparse.Namespace, images: ImageSet, generators: dict[str, Generator]) -> None:
    """The picture of the literature: rows of random images; columns grey, each model, truth."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(options.seed))[: options.rows]
    truth = images[chosen].images
    columns = {name: colorize_all(generator, truth) for name, generator in generators.items()}
    path = options.output_dir / "comparison.png"
    save_grid(path, {"grey": grey_baseline(truth), **columns, "truth": truth}, cell=96)
    print(f"Wrote {path}.")


def save_sheet(options: argparse.Namespace, name: str, row: Row) -> None:
    """Random outputs of a model, to be looked at all at once: what sepia and blotches look like, no figure says."""
    columns, height = SHEET
    chosen = torch.randperm(len(row.outputs), generator=torch.Generator().manual_seed(options.seed))[: columns * height]
    parts = row.outputs[chosen].chunk(columns)
    save_grid(picture_path(options, "sheet", name), {str(i): part for i, part in enumerate(parts, 1)}, cell=64)


def picture_path(options: argparse.Namespace, kind: str, name: str) -> Path:
    """Where a picture of one model lies, whatever the model is called."""
    return options.output_dir / f"{kind}-{name.strip('./').replace('/', '-')}.png"


def save_extremes(options: argparse.Namespace, name: str, images: ImageSet, rows: dict[str, Row]) -> None:
    """The images a model colours best and worst: those whose ab error falls most below grey's, or rises above it."""
    gain = rows["grey"].columns["ab_mae"] - rows[name].columns["ab_mae"]
    order = gain.argsort(descending=True)
    for which, chosen in (("best", order[: options.rows]), ("worst", order.flip(0)[: options.rows])):
        columns = {"grey": rows["grey"].outputs, name: rows[name].outputs, "truth": images.images}
        save_grid(
            picture_path(options, which, name), {title: stack[chosen] for title, stack in columns.items()}, cell=96
        )


def update_cards(options: argparse.Namespace, record: dict, images: ImageSet, rows: dict[str, Row]) -> None:
    """Write the figures into the bundled checkpoints' cards, with a sample picture beside, and into README's table."""
    for name in set(options.models) & set(bundled_generators()):
        update_figures(locate(name), record, name)
        columns = {"grey": rows["grey"].outputs, name: rows[name].outputs, "truth": images.images}
        save_grid(locate(name) / "sample.png", {title: stack[:8] for title, stack in columns.items()}, cell=64)
    if README.is_file():
        update_readme(README, record)


def command(options: argparse.Namespace) -> str:
    """The command that gives these figures again; what it writes besides does not matter."""
    words = ["python", "train/evaluate.py", "--models", *options.models, "--dataset_name", options.dataset_name]
    words += [] if options.split == "test" else ["--split", options.split]
    words += ["--max_images", str(options.max_images)] if options.max_images else []
    return shlex.join(words)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=bundled_generators(), help="short names, folders or Hub ids")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10", help="Hub id or folder of an image data set")
    parser.add_argument("--split", default="test", help="split to measure on (default: test)")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/evaluation"), help="folder for what is written")
    parser.add_argument("--max_images", type=int, help="measure on the first few images only")
    parser.add_argument("--inception_weights", type=Path, help="TorchScript Inception network, for a column fid")
    parser.add_argument("--figure", action="store_true", help="make only the picture")
    parser.add_argument("--rows", type=int, default=8, help="images in each picture")
    parser.add_argument("--seed", type=int, default=0, help="which images the comparison shows")
    parser.add_argument("--update_cards", action="store_true", help="write the figures into bundled cards and README")
    options = parser.parse_args(argv)
    for name in {"grey", "mean", "truth"} & set(options.models):
        parser.error(f"{name} is a row of every table: give the folder as ./{name}.")
    for name in ("max_images", "rows"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}.")
    return options


if __name__ == "__main__":
    main()
