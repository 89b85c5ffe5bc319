"""train/evaluate.py as a user runs it, and the figures in the cards of the bundled checkpoints."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from colorgan.hub import BUNDLED, bundled_generators

ROOT = Path(__file__).parent.parent
CIFAR10 = os.environ.get("COLORGAN_CIFAR10")


def evaluate(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train/evaluate.py", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_table_and_a_picture_of_all_bundled_models(photo_dataset: Path, tmp_path: Path):
    result = evaluate("--dataset_name", photo_dataset, "--output_dir", tmp_path / "out", "--rows", 3)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["num_images"] == 24
    assert record["num_grey_removed"] == 0
    assert list(record["rows"]) == ["grey", "mean", "unet", "cgan", "nogan", "truth"]
    assert record["rows"]["truth"]["ab_mae"] == 0
    assert record["rows"]["grey"]["colorfulness"] < 1 < record["rows"]["unet"]["colorfulness"]
    table = (tmp_path / "out" / "table.md").read_text()
    assert re.search(r"^\| unet \| \d+\.\d\d \|", table, re.MULTILINE)
    picture = Image.open(tmp_path / "out" / "comparison.png")
    assert picture.width == 5 * 100 + 4  # grey, unet, cgan, nogan, truth
    assert picture.height == 24 + 3 * 100


def test_figure_makes_only_the_picture(photo_dataset: Path, tmp_path: Path):
    result = evaluate("--models", "unet", "--dataset_name", photo_dataset, "--output_dir", tmp_path, "--figure")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.png"]


def test_bad_options_get_one_sentence(photo_dataset: Path):
    for options in (["--models", "nowhere"], ["--models", "unet", "--dataset_name", "./nowhere"]):
        result = evaluate(*options)
        assert result.returncode == 1
        assert re.fullmatch(r"evaluate.py: .*\.\n", result.stderr)


@pytest.mark.skipif(not CIFAR10, reason="COLORGAN_CIFAR10 names no folder with CIFAR-10")
@pytest.mark.parametrize("name", bundled_generators())
def test_the_figures_of_the_card_come_out_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command in the card, on all test images, gives the row that stands in the card."""
    card = (BUNDLED / name / "README.md").read_text(encoding="utf-8")
    command = re.search(r"`python (train/evaluate\.py .*)`", card).group(1).split()
    command[command.index("--dataset_name") + 1] = CIFAR10
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", [*command, "--output_dir", str(tmp_path)])
    runpy.run_path(command[0], run_name="__main__")
    fresh = json.loads((tmp_path / "metrics.json").read_text())
    assert f"On the {fresh['num_images']} images" in card
    for row in ("grey", name):
        written = [float(cell) for cell in re.search(rf"^\| {row} \|(.*)\|$", card, re.MULTILINE).group(1).split("|")]
        assert written == pytest.approx(list(fresh["rows"][row].values()), abs=0.06)  # other processors round otherwise
