"""Texts of the Models tab, read from the model cards."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import ModelCard

from colorgan.hub.checkpoint import BUNDLED, CheckpointError, locate

HUB = "https://huggingface.co"


@dataclass
class About:
    """Parts of a checkpoint's model card, and the address of the checkpoint on the Hub."""

    summary: str = ""  # the first paragraph
    metrics: str = ""  # a Markdown table, one row for each metric
    picture: Path | None = None
    picture_label: str = ""
    text: str = ""  # the whole card in Markdown, without relative pictures
    link: str | None = None  # None for a bundled checkpoint or a folder


def about(source: str) -> About:
    """Return the texts about a model: a bundled name, a folder, or `owner/name[@revision]` on the Hub.

    They are empty where the model has no readable card.
    """
    try:
        folder = locate(source, local_files_only=True)
        text = ModelCard.load(folder / "README.md").text.strip()
    except (CheckpointError, OSError, ValueError, yaml.YAMLError):
        return About(link=_link(source))
    result = About(text=text, link=_link(source))
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    result.summary = next((part for part in paragraphs if not part.startswith(("#", "!", "`", "|", "<"))), "")
    if section := re.search(r"^## (?:Metrics|Figures)\n(.*?)(?=^## |^<!-- end|\Z)", text, re.DOTALL | re.MULTILINE):
        result.metrics = _transposed([line for line in section[1].splitlines() if line.startswith("|")])
    if (image := re.search(r"!\[(.*?)\]\(([\w.-]+)\)", text)) and (folder / image[2]).is_file():
        result.picture, result.picture_label = folder / image[2], image[1]
    result.text = re.sub(r"!\[.*?\]\([\w.-]+\)\n?", "", text)  # the page shows these beside the text
    return result


def _transposed(table: list[str]) -> str:
    """Return a Markdown table with one row for each metric: a card has one column for each, too many for the page."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    columns = list(zip(*(row for row in rows if not set("".join(row)) <= set("-: ")), strict=False))
    if not columns:
        return ""
    rule = ["---", *["---:"] * (len(columns[0]) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns[0], rule, *columns[1:]))


def _link(source: str) -> str | None:
    if (BUNDLED / source).is_dir() or Path(source).is_dir():
        return None
    name, _, revision = source.partition("@")
    return f"{os.environ.get('HF_ENDPOINT', HUB)}/{name}" + (f"/tree/{revision}" if revision else "")
