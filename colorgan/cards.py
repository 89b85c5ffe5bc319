"""Model cards: the README.md of a checkpoint folder, written from the records of its training and its evaluation."""

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from colorgan.metrics import markdown_table

DESCRIPTIONS = {
    "unet": "A U-Net that learned to predict the mean colour of every pixel from lightness",
    "cgan": "A conditional DCGAN: a U-Net with an L1 term against a discriminator that sees lightness and colour",
    "nogan": "NoGAN: a U-Net trained alone with a feature loss, then for a short while together with a critic",
    "classifier": "A classifier of CIFAR-10 in CIE Lab, whose features serve NoGAN's feature loss",
}
USAGE = """```python
from colorgan import Colorizer

colorizer = Colorizer.from_pretrained("{name}")  # the folder or the Hub id, where this is not a bundled checkpoint
colorizer.colorize("photo.jpg").save("photo.colorized.png")
```
"""
LIMITS = """## Limits

Trained on 32x32 pictures of ten kinds of things: on photographs it knows sky, grass, horses and the like, and guesses
the rest. Colours are plausible at best, never evidence of what was there.
"""
BEGIN, END = "<!-- test figures: written by train/evaluate.py --update_cards -->", "<!-- end of test figures -->"


def write_training_card(folder: Path, record: dict) -> None:
    """Write README.md for a checkpoint folder from the record of its training (its `training.json`)."""
    script = Path(record["command"].split()[2]).stem  # accelerate launch train/unet.py ...
    colourizes = script != "classifier"
    metadata = ModelCardData(
        license="apache-2.0",
        library_name="colorgan",
        pipeline_tag="image-to-image" if colourizes else "image-classification",
        tags=["colorization", "cifar-10", script],
        datasets=["uoft-cs/cifar10"],
    )
    sections = [f"# colorgan {script}\n\n{DESCRIPTIONS[script]}.\n", _training(record)]
    if colourizes:
        sections.insert(1, USAGE.format(name=folder.name))
        sections += [f"{BEGIN}\n{END}\n", LIMITS]
    _write(folder, metadata, "\n".join(sections))


def _training(record: dict) -> str:
    config, images = record["config"], record["images"]
    figures = {name: value for name, value in record["figures"].items() if name not in ("step", "seconds")}
    return f"""## Training

```
{record["command"]}
```

{images["training"]} images of `{config["dataset_name"]}` ({images["grey_removed"]} exactly grey ones were left out), \
{record["steps"]} steps of {config["train_batch_size"]} images, {record["seconds"] / 60:.0f} minutes on \
{record["hardware"]}.

On the {images["validation"]} validation images, after step {record["figures"].get("step", record["steps"])}: \
{", ".join(f"{name} {value:.4g}" for name, value in figures.items())}.
"""


def update_figures(folder: Path, record: dict, name: str, command: str) -> None:
    """Write the evaluation's figures of the checkpoint `name` into its card; `record` is the `metrics.json`."""
    card = ModelCard.load(folder / "README.md")
    before, _, rest = card.text.partition(BEGIN)
    after = rest.partition(END)[2]
    rows = {row: values for row, values in record["rows"].items() if row in ("grey", "mean", name, "truth")}
    section = f"""{BEGIN}
## Figures

On the {record["num_images"]} images of `{record["dataset"]}` ({record["split"]}) that are not exactly grey \
({record["num_grey_removed"]} are), with
`{command}`:

{markdown_table(rows)}

"""
    _write(folder, card.data, before + section + END + after)


def _write(folder: Path, metadata: ModelCardData, text: str) -> None:
    """Write the card whole or not at all."""
    partial = folder / "README.md.partial"
    partial.write_text(f"---\n{metadata.to_yaml()}\n---\n{text.lstrip()}", encoding="utf-8")
    partial.replace(folder / "README.md")
