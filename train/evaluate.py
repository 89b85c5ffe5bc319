"""Measure colourizers on a data set at 32x32 pixels, beside grey and mean-colour baselines; write tables and figures.

python train/evaluate.py --models unet cgan nogan --dataset_name uoft-cs/cifar10 --output_dir runs/evaluation

The output folder gets metrics.json and table.md (every metric with its 95 % interval, and metrics of each class),
images.parquet (every metric of every image), comparison.png, and for each model a figure of 200 random outputs and
figures of its best and its worst images.
"""

import argparse
import json
import math
import shlex
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from colorgan.cards import update_metrics, update_table
from colorgan.data import DatasetError, ImageSet, is_grey, load_images
from colorgan.evaluation.evaluate import Evaluator, Row, class_metrics, colorize_all, evaluate, intervals, row_metrics
from colorgan.evaluation.grid import save_grid
from colorgan.evaluation.metrics import METRICS, grey_baseline, markdown_table
from colorgan.hub.checkpoint import CheckpointError, bundled_generators, cifar10_generators, locate
from colorgan.models import Generator
from colorgan.parallel import one_core_threads
from colorgan.training.checkpoints import TrainingError, make_folder

CLASS_METRICS = ("ab_mae", "colorfulness", "top1", "ab_bias")  # of each class in table.md; metrics.json has all
SHEET = 20, 10  # columns and rows of the figure of random outputs
FIRST = 500  # images of the short table in docs/results.md, which the tests measure again
ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results.md"
README_COLUMNS = {"PSNR": ("psnr", 2), "colourfulness": ("colorfulness", 1)}  # of the model table: metric, decimals
# checksums of test images: a copy with exactly these pixels is named by the data set's id on the Hub
KNOWN_TEST_SETS = {"f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04": "uoft-cs/cifar10"}


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        generators = {name: Generator.from_pretrained(name) for name in options.models}
        evaluator = None if options.comparison_only else Evaluator(device, options.inception_weights)
        images = load_images(
            options.dataset_name, options.split, image_column=options.image_column, label_column=options.label_column
        )
        options.dataset_name = public_name(images, options.dataset_name)
        index = torch.nonzero(~is_grey(images.images)).squeeze(1)
        greys = len(images) - len(index)
        index = index[: options.max_images]
        if len(index) < 2:
            raise DatasetError(f"{options.dataset_name} has {len(index)} images with colour; metrics need at least 2.")
        images = images[index].to(device)
        index = images.changes.rows(index)
        make_folder(options.output_dir)
        save_comparison(options, images, generators)
        if evaluator is None:
            return
        rows = evaluate(images, generators, evaluator)
        record = metrics_record(options, images, greys, rows)
        write_metrics(options.output_dir, record)
        write_images(options, images, index, rows)
        for name in generators:
            save_extremes(options, name, images, rows)
            save_sheet(options, name, rows[name])
        if options.update_cards:
            update_pages(options, record, images, rows)
            if is_known(record):
                options.max_images = FIRST
                images = images[torch.arange(FIRST)]
                update_table(RESULTS, metrics_record(options, images, greys, evaluate(images, generators, evaluator)))
    except (CheckpointError, DatasetError, TrainingError, ValueError) as error:
        sys.exit(f"evaluate.py: {error}")


def public_name(images: ImageSet, name: str) -> str:
    """Return the Hub id of a data set whose pixels are known; otherwise the name that the user gave."""
    return KNOWN_TEST_SETS.get(images.checksum(), name)


def metrics_record(options: argparse.Namespace, images: ImageSet, greys: int, rows: dict[str, Row]) -> dict:
    """Return the content of metrics.json: the table, its intervals, metrics of each class, and how to measure them."""

    def describe(row: Row) -> tuple[dict, dict, dict]:
        return row_metrics(row, rows["truth"]), intervals(row, rows["truth"]), class_metrics(row, images)

    with one_core_threads(torch.get_num_threads()) as pool:
        described = dict(zip(rows, pool.map(describe, rows.values()), strict=True))
    record = {
        "dataset": options.dataset_name,
        "split": options.split,
        "max_images": options.max_images,
        "num_images": len(images),
        "num_grey_removed": greys,
        **images.changes.record(),
        "command": command(options),
        "rows": {name: parts[0] for name, parts in described.items()},
        "intervals": {name: parts[1] for name, parts in described.items()},
        "classes": {name: parts[2] for name, parts in described.items()},
    }
    for classes in record["classes"].values():
        for name, values in classes.items():
            truth = record["classes"]["truth"][name]
            values["ab_bias"] = math.hypot(values["mean_a"] - truth["mean_a"], values["mean_b"] - truth["mean_b"])
    return record


def write_metrics(folder: Path, record: dict) -> None:
    """Write metrics.json and table.md, and print the table."""
    (folder / "metrics.json").write_text(json.dumps(record, indent=2) + "\n")
    table = markdown_table(record["rows"])
    count = f"{record['num_images']} images, {record['num_grey_removed']} exactly grey ones left out"
    heading = f"{record['dataset']}, {record['split']}: {count}"
    print(f"{heading}\n\n{table}")
    sections = [f"{heading}\n\n{table}", f"## 95 % intervals\n\n{markdown_table(record['rows'], record['intervals'])}"]
    classes = record["classes"]
    measured = {name for values in classes["grey"].values() for name in values}  # empty if the set has no labels
    sections += [class_table(name, classes) for name in CLASS_METRICS if name in measured]
    sections += ["## Metrics\n\n" + "\n".join(f"- {name}: {METRICS[name][1]}" for name in record["rows"]["grey"])]
    (folder / "table.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def class_table(metric: str, classes: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return one metric of each class: one row per model, one column per class."""
    names = list(classes["grey"])
    digits, definition = METRICS[metric]
    lines = [
        f"## {metric} of each class\n\n{definition}\n",
        f"| | {' | '.join(names)} |",
        "|---" + "|---:" * len(names) + "|",
    ]
    for row, values in classes.items():
        lines.append(f"| {row} | " + " | ".join(f"{values[c][metric]:.{digits}f}" for c in names) + " |")
    return "\n".join(lines)


def write_images(options: argparse.Namespace, images: ImageSet, index: torch.Tensor, rows: dict[str, Row]) -> None:
    """Write images.parquet: every metric of each image in each row, with the image's index in its split."""
    tables = []
    for name, row in rows.items():
        columns = {"row": pa.array([name] * len(images)), "index": index.numpy()}
        if images.labels is not None:
            columns["label"] = images.labels.cpu().numpy()
        columns |= {metric: row.columns[metric].cpu().numpy() for metric in METRICS if metric in row.columns}
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), options.output_dir / "images.parquet", compression="zstd")


def save_comparison(options: argparse.Namespace, images: ImageSet, generators: dict[str, Generator]) -> None:
    """Save the usual figure of the literature: rows of random images; columns grey, each model, truth."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(options.seed))[: options.rows]
    truth = images[chosen].images
    columns = {name: colorize_all(generator, truth) for name, generator in generators.items()}
    path = options.output_dir / "comparison.png"
    save_grid(path, {"grey": grey_baseline(truth), **columns, "truth": truth}, cell=96)
    print(f"Wrote {path}.")


def save_sheet(options: argparse.Namespace, name: str, row: Row) -> None:
    """Save random outputs of a model in one figure: sepia and blotches are visible there and in no metric."""
    columns, height = SHEET
    chosen = torch.randperm(len(row.outputs), generator=torch.Generator().manual_seed(options.seed))[: columns * height]
    parts = row.outputs[chosen].chunk(columns)
    save_grid(figure_path(options, "sheet", name), {str(i): part for i, part in enumerate(parts, 1)}, cell=64)


def figure_path(options: argparse.Namespace, kind: str, name: str) -> Path:
    """Return the path of a figure of one model; a model's name may be a path."""
    return options.output_dir / f"{kind}-{name.strip('./').replace('/', '-')}.png"


def save_extremes(options: argparse.Namespace, name: str, images: ImageSet, rows: dict[str, Row]) -> None:
    """Save the best and the worst images of a model: those where its ab error less grey's is smallest and largest."""
    gain = rows["grey"].columns["ab_mae"] - rows[name].columns["ab_mae"]
    order = gain.argsort(descending=True)
    for which, chosen in (("best", order[: options.rows]), ("worst", order.flip(0)[: options.rows])):
        columns = {"grey": rows["grey"].outputs, name: rows[name].outputs, "truth": images.images}
        save_grid(
            figure_path(options, which, name), {title: stack[chosen] for title, stack in columns.items()}, cell=96
        )


def update_pages(options: argparse.Namespace, record: dict, images: ImageSet, rows: dict[str, Row]) -> None:
    """Write metrics and figures into the bundled checkpoints' cards.

    Those of a known test set are written into docs/ and into README's model table as well.
    """
    for name in set(options.models) & set(bundled_generators()):
        update_metrics(locate(name), record, name)
        columns = {"grey": rows["grey"].outputs, name: rows[name].outputs, "truth": images.images}
        save_grid(locate(name) / "sample.png", {title: stack[:8] for title, stack in columns.items()}, cell=64)
    readme = ROOT / "README.md"
    if is_known(record):
        update_table(RESULTS, record)
        readme.write_text(update_model_table(readme.read_text(encoding="utf-8"), record["rows"]), encoding="utf-8")
        figures = {"comparison.png": "comparison.png", "best-nogan.png": "best.png", "worst-nogan.png": "worst.png"}
        for source, target in figures.items():
            if (options.output_dir / source).is_file():
                shutil.copyfile(options.output_dir / source, RESULTS.with_name(target))


def is_known(record: dict) -> bool:
    """Whether docs/results.md shows metrics of this data set; only a checkout has that page."""
    return record["dataset"] in KNOWN_TEST_SETS.values() and RESULTS.is_file()


def update_model_table(text: str, rows: dict[str, dict[str, float]]) -> str:
    """Return README with the metrics of `rows` in its model table: the one with the columns of `README_COLUMNS`."""
    lines, header = text.split("\n"), []
    for i, line in enumerate(lines):
        cells = line.split("|")
        titles = [cell.strip() for cell in cells]
        if README_COLUMNS.keys() <= set(titles):
            header = titles
        elif len(cells) == len(header) and titles[1].strip("`") in rows:
            for title, (metric, decimals) in README_COLUMNS.items():
                cells[header.index(title)] = f" {rows[titles[1].strip('`')][metric]:.{decimals}f} "
            lines[i] = "|".join(cells)
    return "\n".join(lines)


def command(options: argparse.Namespace) -> str:
    """Return the command that measures this table again, without options that only change what is written where."""
    words = ["python", "train/evaluate.py", "--models", *options.models, "--dataset_name", options.dataset_name]
    words += ["--image_column", options.image_column] if options.image_column else []
    words += ["--label_column", options.label_column] if options.label_column else []
    words += [] if options.split == "test" else ["--split", options.split]
    words += ["--max_images", str(options.max_images)] if options.max_images else []
    return shlex.join(words)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=cifar10_generators(), help="short names, folders or Hub ids")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10", help="Hub id, folder or Parquet file of images")
    parser.add_argument("--image_column", help="column of the images (default: img or image)")
    parser.add_argument("--label_column", help="column of the labels (default: label or fine_label, if there is one)")
    parser.add_argument("--split", default="test", help="split of the data set (default: test); a file has only one")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("runs/evaluation"), help="folder for tables and figures"
    )
    parser.add_argument("--max_images", type=int, help="measure only this many images, the first of the split")
    parser.add_argument("--inception_weights", type=Path, help="TorchScript Inception network; adds the metric fid")
    parser.add_argument("--comparison_only", action="store_true", help="write only comparison.png")
    parser.add_argument("--rows", type=int, default=8, help="images in each figure")
    parser.add_argument("--seed", type=int, default=0, help="random seed that chooses the images of the figures")
    parser.add_argument(
        "--update_cards", action="store_true", help="write metrics of all images into bundled cards, docs/ and README"
    )
    options = parser.parse_args(argv)
    for name in {"grey", "mean", "truth"} & set(options.models):
        parser.error(f"{name} is the name of a row in every table; write ./{name} for a folder of this name.")
    for name in ("max_images", "rows"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}.")
    if options.update_cards and options.max_images:
        parser.error("--update_cards writes metrics of all images: leave --max_images out.")
    return options


if __name__ == "__main__":
    main()
