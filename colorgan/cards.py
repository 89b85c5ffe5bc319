"""Model cards: the README.md of a checkpoint folder, written from the records of its training and its evaluation."""

import re
import shlex
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from colorgan.evaluation.metrics import markdown_table
from colorgan.files import write_whole
from colorgan.hub.checkpoint import read_config

DESCRIPTIONS = {  # of each kind of network
    "unet": "A U-Net that predicts the mean colour of every pixel from lightness",
    "photo": "A U-Net for photographs that predicts one colour for each cell of 4x4 pixels",
    "cgan": "A conditional DCGAN: a U-Net trained with an L1 loss and a discriminator that sees lightness and colour",
    "nogan": "NoGAN: a U-Net trained alone with a feature loss, then for a short while together with a critic",
    "classifier": "A classifier of CIFAR-10 in CIE Lab, whose features are used by NoGAN's feature loss",
    "evaluator": "A classifier of CIFAR-10 in CIE Lab that measures colourizers, by the metrics `fd` and `top1`",
}
USAGE = """```python
from colorgan import Colorizer

colorizer = Colorizer.from_pretrained("{name}")
colorizer.colorize("photo.jpg").save("photo.colorized.png")
```
"""
CLASSIFIER_USAGE = """```python
from colorgan.models import Classifier

classifier = Classifier.from_pretrained("{name}")  # lightness and chroma -> logits of its classes
```
"""
DATA = """## Data

CIFAR-10 (Krizhevsky 2009): 32x32 pictures of ten classes of animals and vehicles. They were found on the web in 2008 by
searching for the names of such things, and their labels were checked by hand. Exactly grey pictures were left out.
CIFAR-10 is a part of 80 Million Tiny Images, which its authors withdrew in 2020 because it contains offensive pictures
and labels.
"""
DATA_OF_PHOTOGRAPHS = """## Data

44,543 photographs of seven sources, with a shorter side of 80 pixels. Nearly grey and one-tint pictures were left out.

| source | photographs | terms of the source, as far as known |
|---|---:|---|
| MiniPlaces (Zhou et al. 2017), 99 classes of scenes | 18,720 | non-commercial research and education |
| Flickr8k (Hodosh et al. 2013) | 7,760 | non-commercial research and education |
| FairFace (Karkkainen and Joo 2021) | 7,000 | CC BY 4.0 |
| mini-ImageNet (Vinyals et al. 2016), 100 classes | 5,000 | non-commercial research and education |
| COCO 2014 (Lin et al. 2014) | 4,763 | various Creative Commons licences |
| Clothing Co-Parsing (Yang et al. 2014) | 900 | non-commercial research and education |
| flower photographs | 400 | CC BY |

The photographs belong to their owners, and are not part of colorgan. Apache-2.0 is the licence of the code and of the
weights; who wants to use the network commercially has to judge what the terms of these sources mean for it.
"""
LIMITS_OF_PHOTOGRAPHS = """## Limits

What can have any colour, such as clothes, cars and painted walls, is a guess, which is often pale or brown, and one
thing may get two colours. The network was trained on photographs of 80 pixels, so small things, such as faces in a
crowd, may stay grey. Colours are plausible at best, never evidence of what was there.
"""
LIMITS_OF_CIFAR10 = """## Limits

The network was trained on 32x32 pictures of ten classes. On photographs it recognizes sky, grass, horses and the like,
and guesses the rest. Colours are plausible at best, never evidence of what was there.
"""
LIMITS = """## Limits

Colours are plausible at best, never evidence of what was there.
"""
CITATION = """## Licence and citation

Apache-2.0. If you use it in research, please cite

```bibtex
@software{colorgan, title = {colorgan: colourizing with small networks}, year = {2026}}
```
"""
# SHA-256 of all pixels of the photographs above, at 80 pixels
PHOTOGRAPHS = "1a9109b204b71bff03ec5204f1c5a66ca5884875e2530e72447f634c06789098"
# beginnings of the names of options that do not change the result, or are stated elsewhere in the card
NO_HYPER_PARAMETERS = (
    *("output_dir", "dataset_name", "image_column", "label_column", "preset", "stage"),
    *("num_train_epochs", "max_train_steps", "train_batch_size"),
    *("validation_steps", "checkpoint", "resume", "logging", "report_to", "push", "hub", "overwrite"),
)
END = "<!-- end of metrics -->"
SAMPLE = "![grey, output, truth](sample.png)\n"


def write_training_card(folder: Path, record: dict[str, Any]) -> None:
    """Write README.md for a checkpoint folder from the record of its training (its `training.json`)."""
    config, record = read_config(folder), _public(record)
    kind = "photo" if record["kind"] == "unet" and config.get("architecture") == "photo" else record["kind"]
    colourizes = config["_class_name"] != "Classifier"
    dataset = record["data"]["name"]
    cifar10, hub_id = _is_cifar10(dataset), _hub_id(dataset)
    photographs = record["data"]["checksum"] == PHOTOGRAPHS
    data = DATA if cifar10 else DATA_OF_PHOTOGRAPHS if photographs else ""
    limits = LIMITS_OF_CIFAR10 if cifar10 else LIMITS_OF_PHOTOGRAPHS if photographs else LIMITS
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
        data,
        limits if colourizes else "",
        CITATION,
    ]
    _write(folder, metadata, "\n".join(section for section in sections if section))


def _public(record: dict[str, Any]) -> dict[str, Any]:
    """A record without folders of this machine: they are named `FOLDER`, and the output folder `runs/<its name>`."""
    name, output, command = record["data"]["name"], record["config"].get("output_dir"), record["command"]
    if output and Path(output).is_absolute():
        command = command.replace(shlex.quote(output), f"runs/{Path(output).name}")
    if Path(name).is_absolute() and not _is_cifar10(name):
        command, name = command.replace(shlex.quote(name), "FOLDER"), "FOLDER"
    return record | {"command": command, "data": record["data"] | {"name": name}}


def _is_cifar10(dataset: str) -> bool:
    """Whether a data set is CIFAR-10, judged by its name."""
    return re.search(r"cifar[-_]?10(?!\d)", dataset.lower()) is not None


def _hub_id(dataset: str) -> str | None:
    """The Hub id of a data set, or None; a folder with CIFAR-10 in its name holds a copy of that data set."""
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", dataset) and not Path(dataset).is_dir():
        return dataset
    return "uoft-cs/cifar10" if _is_cifar10(dataset) else None


def _training(record: dict[str, Any]) -> str:
    config, images, data, metrics = record["config"], record["images"], record["data"], dict(record["metrics"])
    hidden = NO_HYPER_PARAMETERS
    if config.get("generator"):
        hidden = (*hidden, "architecture", "width")  # those of the checkpoint that training began from apply
    shown = {name: value for name, value in config.items() if not name.startswith(hidden)}
    processes, passes = record.get("processes", 1), config.get("gradient_accumulation_steps", 1)
    batch = config["train_batch_size"] * passes * processes
    hardware = record["hardware"] + (f", in {processes} processes" if processes > 1 else "")
    options = ", ".join(f"{name} {value}" for name, value in shown.items() if value is not None and value is not False)
    step, _ = metrics.pop("step", record["steps"]), metrics.pop("seconds", None)
    return f"""## Training

```
{record["command"]}
```

{images["training"]} of the {data["num_images"]} images of `{data["name"]}` (split `{data["split"]}`, \
{data["num_grey_removed"]} exactly grey ones were left out, {_changes(data)}\
SHA-256 of all pixels `{data["checksum"]}`), {record["steps"]} steps of {batch} images, \
{max(1, round(record["seconds"] / 60))} min on {hardware}. Hyper-parameters: {options}.

On the {images["validation"]} validation images, after step {step}: \
{", ".join(f"{name} {value:.4g}" for name, value in metrics.items())}.
"""


def _changes(data: dict[str, Any]) -> str:
    """How the images were changed when they were loaded, as the beginning of a list; empty for records of CIFAR-10."""
    parts = {
        "num_converted": "were converted to RGB",
        "num_enlarged": "were enlarged",
        "num_left_out": "more could not be read",
    }
    return "".join(f"{data[name]} {text}, " for name, text in parts.items() if data.get(name))


def update_metrics(folder: Path, record: dict[str, Any], name: str) -> None:
    """Write the metrics of the checkpoint `name` into its card, as a table and as `model-index`.

    `record` is the content of evaluate.py's `metrics.json`. Metrics of other data sets are kept.
    """
    card = ModelCard.load(folder / "README.md")
    metadata = card.data
    assert isinstance(metadata, ModelCardData)
    text = card.text if SAMPLE in card.text else card.text.replace("```python", f"{SAMPLE}\n```python", 1)
    if _begin(record) not in text:
        before, data, after = text.partition("## Data\n")
        heading = "" if "## Metrics\n" in text else "## Metrics\n\n"
        text = f"{before.rstrip()}\n\n{heading}{_begin(record)}\n{END}\n\n{data}{after}"
    rows = {row: values for row, values in record["rows"].items() if row in ("grey", "mean", name, "truth")}
    others = [result for result in metadata.eval_results or [] if result.dataset_config != record["dataset"]]
    metadata.model_name = f"colorgan {name}"
    metadata.eval_results = others + [
        EvalResult(
            task_type="image-to-image",
            task_name="colorization",
            dataset_type=_hub_id(record["dataset"]) or "imagefolder",
            dataset_name=f"CIFAR-10 ({record['dataset']})" if _is_cifar10(record["dataset"]) else record["dataset"],
            dataset_config=record["dataset"],  # by this field, not by the name, results are told apart
            dataset_split=record["split"],
            dataset_args={key: record[key] for key in ("num_images", "num_grey_removed")},
            metric_type=metric,
            metric_value=round(value, 4),
            metric_args={"command": record["command"]},
        )
        for metric, value in record["rows"][name].items()
    ]
    _write(folder, metadata, _with_table(text, record, rows))


def update_table(page: Path, record: dict[str, Any]) -> None:
    """Write the table with all rows into a page, if the page has the markers of this data set."""
    text = page.read_text(encoding="utf-8")
    if _begin(record) in text:
        with write_whole(page) as file:
            file.write(_with_table(text, record, record["rows"]).encode())


def _begin(record: dict[str, Any]) -> str:
    """The marker before the table of a data set and split, or of its first images; `END` is the marker after it."""
    first = f", first {record['max_images']}" if record.get("max_images") else ""
    return f"<!-- metrics: {record['dataset']} {record['split']}{first} -->"


def _with_table(text: str, record: dict[str, Any], rows: dict[str, dict[str, float]]) -> str:
    """The text with this table between the markers of its data set."""
    before, begin, rest = text.partition(_begin(record))
    after = rest.partition(END)[2]
    return f"{before}{begin}\n{_caption(record)}\n\n{markdown_table(rows)}\n\n{END}{after}"


def _caption(record: dict[str, Any]) -> str:
    which = f"{'first ' if record.get('max_images') else ''}{record['num_images']}"
    return (
        f"On the {which} images of `{record['dataset']}` ({record['split']}) that are not exactly grey "
        f"({record['num_grey_removed']} are), measured with\n`{record['command']}`:"
    )


def _write(folder: Path, metadata: ModelCardData, text: str) -> None:
    with write_whole(folder / "README.md") as file:
        file.write(f"---\n{metadata.to_yaml()}\n---\n{text.lstrip()}".encode())
