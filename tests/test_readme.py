"""README's own lines, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from colorgan.photo import read_photo

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON, *_ = re.findall(r"## In Python\n(.*?)\n## ", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the examples name: photo.jpg, scan.tif of 16 bits, and an album of one picture."""
    grey = Image.fromarray(data.coffee()).convert("L")
    grey.save(tmp_path / "photo.jpg")
    tifffile.imwrite(tmp_path / "scan.tif", np.asarray(grey).astype(np.uint16) * 257)
    (tmp_path / "album").mkdir()
    grey.save(tmp_path / "album" / "cup.png")
    return tmp_path


def test_the_python_examples(folder: Path):
    blocks = re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL)
    assert len(blocks) == 2
    result = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert Image.open(folder / "photo.colorized.png").size == (600, 400)
    assert read_photo(folder / "scan.png").bits == 16


def test_the_command_line_examples(folder: Path):
    (block,) = re.findall(r"## On the command line\n\n```sh\n(.*?)```", README, re.DOTALL)
    command = block.replace("colorgan ", f"{Path(sys.executable).with_name('colorgan')} ").replace(
        "grey.jpg", "photo.jpg"
    )
    result = subprocess.run(["bash", "-euc", command], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for name in ("photo.colorized.png", "coloured/cup.colorized.png", "album/cup.colorized.png", "coloured.png"):
        assert Image.open(folder / name).size == (600, 400)
    assert "unet: Generator with" in result.stdout  # colorgan info


def test_the_map_names_what_is_there():
    for name in re.findall(r"^\| (`.*?`) \|", README, re.MULTILINE):
        folder = ROOT
        for part in re.findall(r"`(.*?)`", name):
            path = folder / part if (folder / part).exists() else ROOT / part
            assert path.exists(), part
            folder = path.parent
