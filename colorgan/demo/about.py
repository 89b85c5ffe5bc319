"""The Models tab's words: what each model's card says of it."""

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
    """What a checkpoint's card says: its first sentence, its figures, its picture, all of it; and where it lives."""

    summary: str = ""
    figures: str = ""  # a Markdown table
    picture: Path | None = None
    picture_label: str = ""
    card: str = ""
    link: str | None = None


def about(source: str) -> About:
    """What is known of a model (bundled name, folder, `owner/name[@revision]`); empty where there is no card."""
    try:
        folder = locate(source, local_files_only=True)
        text = ModelCard.load(folder / "README.md").text.strip()
    except (CheckpointError, OSError, ValueError, yaml.YAMLError):
        return About(link=_link(source))
    result = About(card=text, link=_link(source))
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    result.summary = next((part for part in paragraphs if not part.startswith(("#", "!", "`", "|", "<"))), "")
    if section := re.search(r"^## Figures\n(.*?)(?=^## |^<!-- end|\Z)", text, re.DOTALL | re.MULTILINE):
        result.figures = "\n".join(line for line in section[1].splitlines() if line.startswith("|"))
    if (image := re.search(r"!\[(.*?)\]\(([\w.-]+)\)", text)) and (folder / image[2]).is_file():
        result.picture, result.picture_label = folder / image[2], image[1]
    result.card = re.sub(r"!\[.*?\]\([\w.-]+\)\n?", "", text)  # relative pictures, shown beside it
    return result


def _link(source: str) -> str | None:
    if (BUNDLED / source).is_dir() or Path(source).is_dir():
        return None
    name, _, revision = source.partition("@")
    return f"{os.environ.get('HF_ENDPOINT', HUB)}/{name}" + (f"/tree/{revision}" if revision else "")
