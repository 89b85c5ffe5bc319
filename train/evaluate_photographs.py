"""Measure colourizers on photographs at full size, beside the grey photographs; write tables and figures.

python train/evaluate_photographs.py FOLDER --models unet cgan nogan --output_dir runs/photographs

Every photograph is made grey by its lightness and colourized by `Colorizer`, as users do it. FOLDER has pictures, or is
a data set with a column of images. The output folder gets metrics.json and table.md (every metric with its 95 %
interval, in all and of each source), images.parquet (every metric of every photograph), sheet.png with 40 photographs
chosen at random, and figures of the best and the worst results of each network.

Sizes, saturation and temperature are chosen on validation photographs, which no network was trained on: with
`--split validation`, they are the tenth of the training images that `train/*.py --resolution 80` leaves out.
"""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from colorgan import Colorizer
from colorgan.data import DatasetError
from colorgan.evaluation.contact_sheet import save_contact_sheet
from colorgan.evaluation.metrics import markdown_table
from colorgan.evaluation.photo_set import Photographs, open_photographs
from colorgan.evaluation.photographs import (
    FEATURE_SIDE,
    PHOTO_METRICS,
    Measurement,
    Results,
    columns_of,
    measure_photographs,
    summarize_rows,
)
from colorgan.hub.checkpoint import CheckpointError, bundled_generators
from colorgan.inference.render import render
from colorgan.models import Classifier
from colorgan.photo import read_photo
from colorgan.training.checkpoints import TrainingError, make_folder

SOURCE_METRICS = (
    "ab_ratio",
    "colorfulness_ratio",
    "better",
    "psnr",
)  # of each source in table.md; metrics.json has all
FADED = 0.4, 35.0  # gain and offset of the lightness of a faded print


def main(argv: list[str] | None = None) -> None:
    options = parse(argv)
    try:
        colourize = {name: partial(colourize_levels, load(name, options), options) for name in options.models}
        evaluator = Classifier.from_pretrained("photo-evaluator")
        photographs = open_photographs(
            options.dataset_name,
            options.split,
            image_column=options.image_column,
            source_column=options.source_column,
            max_images=options.max_images,
            seed=options.seed,
        )
        make_folder(options.output_dir)
        results = measure_photographs(photographs, colourize, evaluator, seed=options.seed)
        write_metrics(options, photographs, results)
        write_images(options, results)
        save_figures(options, results)
    except (CheckpointError, DatasetError, TrainingError, ValueError) as error:
        sys.exit(f"evaluate_photographs.py: {error}")


def load(name: str, options: argparse.Namespace) -> Colorizer:
    """Load a network, with the temperature of the options. Raises `CheckpointError`."""
    colorizer = Colorizer.from_pretrained(name)
    if options.temperature is not None:
        if colorizer.generator.stride == 1:
            raise CheckpointError(f"{name} has no temperature: only networks of the architecture photo have one.")
        colorizer.generator.temperature = options.temperature
    return colorizer


def colourize_levels(colorizer: Colorizer, options: argparse.Namespace, grey: np.ndarray) -> np.ndarray:
    """Colourize grey levels (H, W) as users do; uint8 RGB (H, W, 3).

    With `--faded`, the network sees a faded print, whose colours are put on the true lightness.
    """
    if not options.faded:
        return np.asarray(colorizer.colorize(grey, render_size=options.render_size, saturation=options.saturation))
    photo, (gain, offset) = read_photo(grey), FADED
    seen = replace(photo, lightness=gain * photo.lightness + np.float32(offset))
    return render(photo, colorizer.predict(seen, render_size=options.render_size), saturation=options.saturation)


def write_metrics(options: argparse.Namespace, photographs: Photographs, results: Results) -> None:
    """Write metrics.json and table.md, and print the first table."""
    rows, intervals = summarize_rows(results.measurements)
    sources = sorted({each.source for each in results.measurements} - {""})
    parts = {source: [each for each in results.measurements if each.source == source] for source in sources}
    described = {source: summarize_rows(part, features=False) for source, part in parts.items()}
    record = {
        "dataset": options.dataset_name,
        "split": photographs.split,
        "num_images": len(results.measurements),
        "num_grey_removed": len(results.grey),
        "num_left_out": len(results.changes.left_out),
        "num_converted": results.changes.converted.total(),
        "checksum": results.checksum,
        "command": command(options),
        "rows": rows,
        "intervals": intervals,
        "sources": {
            source: {"num_images": len(parts[source]), "rows": metrics, "intervals": errors}
            for source, (metrics, errors) in described.items()
        },
    }
    (options.output_dir / "metrics.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    heading = f"{photographs.title}: {len(results.measurements)} photographs"
    if results.grey:
        heading += f"; {len(results.grey)} grey photographs were left out"
    if results.changes.left_out:
        heading += f"; {len(results.changes.left_out)} could not be read ({results.changes.names()})"
    table = markdown_table(rows, intervals, PHOTO_METRICS)
    print(f"{heading}\n\n{table}")
    sections = [f"{heading}\n\n{table}\n\n`{record['command']}`\n\nAfter ± is half the width of the 95 % interval."]
    if described:
        sections += [source_table(name, record["sources"]) for name in SOURCE_METRICS]
    for name in options.models:
        sections += [
            extremes_table("Best", name, results.best[name]),
            extremes_table("Worst", name, results.worst[name]),
        ]
    definitions = [f"- {name}: {definition}" for name, (_, definition) in PHOTO_METRICS.items()]
    sections += ["## Metrics\n\n" + "\n".join(definitions)]
    sections[-1] += f"\n\nFor fd, photographs are scaled to {FEATURE_SIDE} pixels of the shorter side."
    (options.output_dir / "table.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def source_table(metric: str, sources: dict[str, dict]) -> str:
    """One metric of each source: one row per network, one column per source."""
    digits, definition = PHOTO_METRICS[metric]
    titles = [f"{source} ({values['num_images']})" for source, values in sources.items()]
    lines = [
        f"## {metric} of each source (photographs)\n\n{definition}\n",
        f"| | {' | '.join(titles)} |",
        "|---" + "|---:" * len(titles) + "|",
    ]
    for row in next(iter(sources.values()))["rows"]:
        pairs = [(each["rows"][row][metric], each["intervals"][row][metric]) for each in sources.values()]
        lines.append(
            f"| {row} | " + " | ".join(f"{value:.{digits}f} ± {half:.{digits}f}" for value, half in pairs) + " |"
        )
    return "\n".join(lines)


def extremes_table(which: str, network: str, chosen: list[Measurement]) -> str:
    """The names of the photographs in a figure of the best or the worst results of a network, from top to bottom."""
    lines = [f"## {which} photographs of {network}\n", "| photograph | source | ab_ratio |", "|---|---|---:|"]
    lines += [f"| {each.name} | {each.source} | {each.metrics[network]['ab_ratio']:.3f} |" for each in chosen]
    return "\n".join(lines)


def write_images(options: argparse.Namespace, results: Results) -> None:
    """Write images.parquet: every metric of each photograph in each row, with its name, source and row number."""
    tables, measurements = [], results.measurements
    for row in measurements[0].metrics:
        columns = {
            "row": [row] * len(measurements),
            "index": [each.number for each in measurements],
            "name": [each.name for each in measurements],
            "source": [each.source for each in measurements],
        }
        metrics = {name: values.numpy() for name, values in columns_of(measurements, row).items()}
        tables.append(pa.table(columns | metrics))
    pq.write_table(pa.concat_tables(tables), options.output_dir / "images.parquet", compression="zstd")


def save_figures(options: argparse.Namespace, results: Results) -> None:
    """Save sheet.png, and best-NAME.png and worst-NAME.png of every network; a network's name may be a path."""
    save_contact_sheet(options.output_dir / "sheet.png", [each.pictures for each in results.sheet], blocks=2)
    for name in options.models:
        for which, chosen in (("best", results.best[name]), ("worst", results.worst[name])):
            pictures = [{title: each.pictures[title] for title in ("grey", name, "truth")} for each in chosen]
            file = f"{which}-{name.strip('./').replace('/', '-')}.png"
            save_contact_sheet(options.output_dir / file, pictures)
    print(f"Wrote tables and figures into {options.output_dir}.")


def command(options: argparse.Namespace) -> str:
    """The command that measures these tables again, without options that only change where they are written."""
    words = ["python", "train/evaluate_photographs.py", options.dataset_name, "--models", *options.models]
    for name, default in NEUTRAL.items():
        value = getattr(options, name)
        if value != default:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(words)


# the options that change what is measured, with the values that need not be written
NEUTRAL = {
    **dict.fromkeys(("split", "image_column", "source_column", "max_images", "render_size", "temperature")),
    "saturation": 1.0,
    "faded": False,
    "seed": 0,
}


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_name", metavar="FOLDER", help="folder, Parquet file or Hub id of photographs")
    parser.add_argument("--models", nargs="+", default=bundled_generators(), help="short names, folders or Hub ids")
    parser.add_argument("--split", help="split of the data set (default: test, or train if there is no test)")
    parser.add_argument("--image_column", help="column of the images (default: img or image)")
    parser.add_argument("--source_column", help="column that divides the photographs into sources (default: source)")
    parser.add_argument("--max_images", type=int, help="measure only this many photographs, chosen at random")
    parser.add_argument("--render_size", type=int, help="size at which the networks see a photograph (default: theirs)")
    parser.add_argument("--saturation", type=float, default=1.0, help="factor of the chroma (default: 1)")
    parser.add_argument("--temperature", type=float, help="temperature of the annealed mean (default: theirs)")
    parser.add_argument("--faded", action="store_true", help="show the networks faded prints (0.4 L + 35)")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/photographs"), help="folder for all files")
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the choice of photographs; for validation, the training's"
    )
    options = parser.parse_args(argv)
    for name in {"grey", "truth"} & set(options.models):
        parser.error(f"{name} is the name of a row in every table; write ./{name} for a folder of this name.")
    if options.max_images is not None and options.max_images < 2:
        parser.error(f"--max_images must be at least 2, not {options.max_images}.")
    if options.temperature is not None and not options.temperature > 0:
        parser.error(f"--temperature must be more than 0, not {options.temperature}.")
    return options


if __name__ == "__main__":
    main()
