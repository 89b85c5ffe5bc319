"""Model cards: the README.md of a checkpoint folder, written from the records of its training and its evaluation."""

import re
import shlex
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from colorgan.evaluation.metrics import markdown_table
from colorgan.hub.checkpoint import read_config

DESCRIPTIONS = {
    "unet": "A U-Net that learned to predict the mean colour of every pixel from lightness",
    "cgan": "A conditional DCGAN: a U-Net with an L1 term against a discriminator that sees lightness and colour",
    "nogan": "NoGAN: a U-Net trained alone with a feature loss, then for a short while together with a critic",
    "classifier": "A classifier of CIFAR-10 in CIE Lab, whose features serve NoGAN's feature loss",
    "evaluator": "A classifier of CIFAR-10 in CIE Lab that measures colourizers: `fd` and `top1` come from it",
}
USAGE = """```python
from colorgan import Colorizer

colorizer = Colorizer.from_pretrained("{name}")
colorizer.colorize("photo.jpg").save("photo.colorized.png")
```
"""
CLASSIFIER_USAGE = """```python
from colorgan.models import Classifier

classifier = Classifier.from_pretrained("{name}")  # lightness and chroma in, logits of the ten classes out
```
"""
DATA = """## Data

CIFAR-10 (Krizhevsky 2009): pictures of 32x32 pixels of ten kinds of things, found on the web in 2008 by the names of
these things, labels checked by hand. Exactly grey ones were left out. It was drawn from the 80 Million Tiny Images,
which their authors withdrew in 2020 for offensive pictures and labels among them.
"""
LIMITS_OF_CIFAR10 = """## Limits

Trained on 32x32 pictures of ten kinds of things: on photographs it knows sky, grass, horses and the like, and guesses
the rest. Colours are plausible at best, never evidence of what was there.
"""
LIMITS = """## Limits

Colours are plausible at best, never evidence of what was there.
"""
CITATION = """## Licence and citation

Apache-2.0. If you use it in research, please cite

```bibtex
@software{colorgan, title = {colorgan: colourizing with small networks trained on CIFAR-10}, year = {2026}}
```
"""
# settings of a training script that say nothing about its result, or are said elsewhere in the card
NO_HYPER_PARAMETERS = (
    *("output_dir", "dataset_name", "preset", "stage", "num_train_epochs", "max_train_steps", "train_batch_size"),
    *("validation_steps", "checkpoint", "resume", "logging", "report_to", "push", "hub", "overwrite"),
)
END = "<!-- end of figures -->"
SAMPLE = "![grey, output, truth](sample.png)\n"


def write_training_card(folder: Path, record: dict) -> None:
    """Write README.md for a checkpoint folder from the record of its training (its `training.json`)."""
    script = Path(shlex.split(record["command"])[2]).stem  # accelerate launch train/unet.py ...
    kind = "evaluator" if record["config"].get("preset") == "evaluator" else script
    colourizes = read_config(folder)["_class_name"] != "Classifier"
    dataset = record["config"]["dataset_name"]
    cifar10, hub_id = _is_cifar10(dataset), _hub_id(dataset)
    description = DESCRIPTIONS.get(kind, "A network of colorgan, trained by a script of its own")
    if not cifar10:
        description = description.replace("CIFAR-10", f"`{dataset}`")
    metadata = ModelCardData(
        license="apache-2.0",
        library_name="colorgan",
        pipeline_tag="image-to-image" if colourizes else "image-classification",
        tags=["colorization", *(["cifar-10"] if cifar10 else []), kind],
        datasets=[hub_id] if hub_id else None,
        metrics=["psnr", "ssim", "accuracy"] if colourizes else ["accuracy"],
    )
    usage = USAGE if colourizes else CLASSIFIER_USAGE
    sections = [
        f"# colorgan {kind}\n\n{description}.\n",
        SAMPLE if (folder / "sample.png").is_file() else "",
        usage.format(name=folder.name),
        _training(record),
        DATA if cifar10 else "",
        (LIMITS_OF_CIFAR10 if cifar10 else LIMITS) if colourizes else "",
        CITATION,
    ]
    _write(folder, metadata, "\n".join(section for section in sections if section))


def _is_cifar10(dataset: str) -> bool:
    """Whether a data set is CIFAR-10, as far as its name tells."""
    return re.search(r"cifar[-_]?10(?!\d)", dataset.lower()) is not None


def _hub_id(dataset: str) -> str | None:
    """The Hub's id of a data set, if it is there; folders with CIFAR-10 hold a copy of it."""
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", dataset) and not Path(dataset).is_dir():
        return dataset
    return "uoft-cs/cifar10" if _is_cifar10(dataset) else None


def _training(record: dict) -> str:
    config, images = record["config"], record["images"]
    hidden = (*NO_HYPER_PARAMETERS, *(("architecture", "width") if config.get("generator") else ()))  # those of another
    shown = {name: value for name, value in config.items() if not name.startswith(hidden)}
    figures = {name: value for name, value in record["metrics"].items() if name not in ("step", "seconds")}
    processes, passes = record.get("processes", 1), config.get("gradient_accumulation_steps", 1)
    batch = config["train_batch_size"] * passes * processes
    hardware = record["hardware"] + (f", in {processes} processes" if processes > 1 else "")
    options = ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None and value is not False)
    return f"""## Training

```
{record["command"]}
```

{images["training"]} images of `{config["dataset_name"]}` ({images["grey_removed"]} exactly grey ones were left out), \
{record["steps"]} steps of {batch} images, {max(1, round(record["seconds"] / 60))} min on \
{hardware}. Hyper-parameters: {options}.

On the {images["validation"]} validation images, after step {record["metrics"].get("step", record["steps"])}: \
{", ".join(f"{name} {value:.4g}" for name, value in figures.items())}.
"""


def update_figures(folder: Path, record: dict, name: str) -> None:
    """Write the evaluation's figures of the checkpoint `name` into its card, as a table and as `model-index`.

    `record` is what evaluate.py's `metrics.json` holds. Figures of other data sets stay.
    """
    card = ModelCard.load(folder / "README.md")
    text = card.text if SAMPLE in card.text else card.text.replace("```python", f"{SAMPLE}\n```python", 1)
    if _begin(record) not in text:
        before, data, after = text.partition("## Data\n")
        heading = "" if "## Figures\n" in text else "## Figures\n\n"
        text = f"{before.rstrip()}\n\n{heading}{_begin(record)}\n{END}\n\n{data}{after}"
    rows = {row: values for row, values in record["rows"].items() if row in ("grey", "mean", name, "truth")}
    others = [result for result in card.data.eval_results or [] if result.dataset_config != record["dataset"]]
    card.data.model_name = f"colorgan {name}"
    card.data.eval_results = others + [
        EvalResult(
            task_type="image-to-image",
            task_name="colorization",
            dataset_type=_hub_id(record["dataset"]) or "imagefolder",
            dataset_name=f"CIFAR-10 ({record['dataset']})" if _is_cifar10(record["dataset"]) else record["dataset"],
            dataset_config=record["dataset"],  # results are told apart by this, not by the name
            dataset_split=record["split"],
            dataset_args={key: record[key] for key in ("num_images", "num_grey_removed")},
            metric_type=figure,
            metric_value=round(value, 4),
            metric_args={"command": record["command"]},
        )
        for figure, value in record["rows"][name].items()
    ]
    _write(folder, card.data, _with_table(text, record, rows))


def update_readme(path: Path, record: dict) -> None:
    """Write the evaluation's table into README, if it has this data set's markers."""
    text = path.read_text(encoding="utf-8")
    if _begin(record) in text:
        path.write_text(_with_table(text, record, record["rows"]), encoding="utf-8")


def _begin(record: dict) -> str:
    return f"<!-- figures: {record['dataset']} {record['split']} -->"


def _with_table(text: str, record: dict, rows: dict[str, dict[str, float]]) -> str:
    """The text with this table between the markers of its data set."""
    before, begin, rest = text.partition(_begin(record))
    after = rest.partition(END)[2]
    return f"{before}{begin}\n{_tested_on(record)}\n\n{markdown_table(rows)}\n\n{END}{after}"


def _tested_on(record: dict) -> str:
    return (
        f"On the {record['num_images']} images of `{record['dataset']}` ({record['split']}) that are not exactly grey "
        f"({record['num_grey_removed']} are), with\n`{record['command']}`:"
    )


def _write(folder: Path, metadata: ModelCardData, text: str) -> None:
    """Write the card whole or not at all."""
    partial = folder / "README.md.partial"
    partial.write_text(f"---\n{metadata.to_yaml()}\n---\n{text.lstrip()}", encoding="utf-8")
    partial.replace(folder / "README.md")
