"""train/evaluate_photographs.py as a user runs it, against scikit-image's arithmetic, and the choice of photographs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scripts import run_script
from skimage import data
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from colorgan import Colorizer
from colorgan.evaluation.contact_sheet import Largest
from colorgan.evaluation.photo_set import open_photographs
from colorgan.pictures import decode, square
from colorgan.splits import DatasetError
from colorgan.training.config import TrainingConfig
from colorgan.training.images import load_split_images

PICTURES = {"cat.png": data.chelsea(), "cup.png": data.coffee(), "rocket.png": data.rocket()}  # rocket has two strips


def evaluate(*options: object) -> subprocess.CompletedProcess[str]:
    return run_script("train/evaluate_photographs.py", *options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs, a grey one, one with almost no colour, a damaged one, and a file of another kind."""
    folder = tmp_path_factory.mktemp("photographs")
    for name, pixels in PICTURES.items():
        Image.fromarray(pixels).save(folder / name)
    Image.fromarray(data.camera()).save(folder / "grey.png")
    Image.fromarray(np.stack([data.camera() // 2] * 2 + [data.camera() // 2 + 1], axis=-1)).save(folder / "bluish.png")
    (folder / "damaged.jpg").write_bytes(b"damaged")
    (folder / "notes.txt").write_text("three photographs")
    return folder


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "out"
    result = evaluate(folder, "--models", "unet", "cgan", "--saturation", 1.5, "--output_dir", out)
    assert result.returncode == 0, result.stderr
    assert "6/6" in result.stderr  # the progress bar came to its end
    assert result.stderr.count("(train): 1 image was unreadable and left out: damaged.jpg.\n") == 1
    assert "1 file of another kind was left out (.txt)" in result.stderr
    return out


def colourfulness(rgb: np.ndarray) -> float:
    red, green, blue = rgb.astype(float).transpose(2, 0, 1)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def test_the_metrics_agree_with_those_of_scikit_image(out: Path):
    """They are those of `Colorizer.colorize` at full size, for a grey picture made with scikit-image."""
    table = pq.read_table(out / "images.parquet").to_pandas()
    record = json.loads((out / "metrics.json").read_text())
    colorizer = Colorizer.from_pretrained("unet")
    expected: dict[str, list[float]] = {}
    ab_errors = {"unet": 0.0, "grey": 0.0}
    for name, truth in PICTURES.items():
        lab = rgb2lab(truth)
        grey = (lab2rgb(lab * [1, 0, 0])[..., 1] * 255).round().astype(np.uint8)
        output = np.asarray(colorizer.colorize(grey, saturation=1.5))
        lab_output, lab_grey = rgb2lab(output), rgb2lab(np.stack([grey] * 3, axis=-1))
        ab, of_grey = (np.abs(each - lab)[..., 1:].mean() for each in (lab_output, lab_grey))
        ab_errors["unet"] += ab
        ab_errors["grey"] += of_grey
        values = {
            "psnr": peak_signal_noise_ratio(truth, output),
            "ab_ratio": ab / of_grey,
            "ciede2000_ratio": deltaE_ciede2000(lab_output, lab).mean() / deltaE_ciede2000(lab_grey, lab).mean(),
            "colorfulness_ratio": colourfulness(output) / colourfulness(truth),
            "better": 100.0 * (ab < of_grey),
        }
        row = table[(table["row"] == "unet") & (table["name"] == name)].iloc[0]
        for metric, value in values.items():
            assert row[metric] == pytest.approx(value, rel=3e-3), (name, metric)
            expected.setdefault(metric, []).append(float(value))
    measured = record["rows"]["unet"]
    assert measured["ab_ratio_pooled"] == pytest.approx(ab_errors["unet"] / ab_errors["grey"], rel=3e-3)
    for metric, values in expected.items():
        assert measured[metric] == pytest.approx(np.mean(values), rel=3e-3), metric
        interval = 1.96 * np.std(values) / np.sqrt(3)  # of a mean, which the bootstrap estimates
        assert record["intervals"]["unet"][metric] == pytest.approx(interval, rel=0.1, abs=1e-6), metric
    assert measured["fd"] > 0


def test_grey_is_exactly_one_and_what_was_left_out_is_counted(out: Path, folder: Path):
    record = json.loads((out / "metrics.json").read_text())
    assert list(record["rows"]) == ["grey", "unet", "cgan"]
    grey = record["rows"]["grey"]
    assert grey["ab_ratio"] == grey["ab_ratio_pooled"] == grey["ciede2000_ratio"] == 1
    assert grey["colorfulness_ratio"] == grey["better"] == 0
    assert record["intervals"]["grey"]["ab_ratio"] == 0
    assert (record["num_images"], record["num_grey_removed"], record["num_left_out"]) == (3, 2, 1)
    assert record["num_converted"] == 1  # the grey picture of mode L
    assert record["dataset"] == str(folder)
    assert record["split"] == "train"
    assert re.fullmatch("[0-9a-f]{64}", record["checksum"])
    assert record["command"] == f"python train/evaluate_photographs.py {folder} --models unet cgan --saturation 1.5"
    text = (out / "table.md").read_text()
    assert "3 photographs; 2 grey photographs were left out; 1 could not be read (damaged.jpg)" in text
    assert re.search(r"^\| grey \| \d+\.\d\d ± \d+\.\d\d \| 1\.000 ± 0\.000 \|", text, re.MULTILINE)


def test_figures(out: Path):
    height = 24 + 2 * 164  # two of the three photographs are in the left block
    assert Image.open(out / "sheet.png").size == (2 * (4 * 164 + 4), height)
    best, worst = (Image.open(out / f"{which}-unet.png") for which in ("best", "worst"))
    assert best.size == worst.size == (3 * 164 + 4, 24 + 3 * 164)
    top, bottom = (4, 24, 3 * 164 + 4, 184), (4, 24 + 2 * 164, 3 * 164 + 4, 184 + 2 * 164)
    assert best.crop(top).tobytes() == worst.crop(bottom).tobytes()  # the best of three is the last of the worst


def test_sources_and_a_choice_of_photographs(tmp_path: Path):
    """A Parquet file: 9 tiles of two sources, one of which is damaged."""
    rows = {"picture": [], "from": ["cat", "cup", "cup"] * 3}
    for i in range(9):
        pixels = (data.chelsea() if i % 3 == 0 else data.coffee())[20 * i : 20 * i + 90, :120]
        Image.fromarray(pixels).save(tmp_path / "tile.png")
        rows["picture"].append({"bytes": (tmp_path / "tile.png").read_bytes(), "path": None})
    rows["picture"][4] = {"bytes": b"damaged", "path": None}
    pq.write_table(pa.table(rows), tmp_path / "tiles.parquet")
    columns = ("--image_column", "picture", "--source_column", "from")
    result = evaluate(tmp_path / "tiles.parquet", "--models", "unet", *columns, "--output_dir", tmp_path / "all")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("1 image was unreadable and left out: row 4.\n") == 1
    record = json.loads((tmp_path / "all" / "metrics.json").read_text())
    assert {name: each["num_images"] for name, each in record["sources"].items()} == {"cat": 3, "cup": 5}
    table = pq.read_table(tmp_path / "all" / "images.parquet").to_pandas()
    of_cups = table[(table["row"] == "unet") & (table["source"] == "cup")]
    assert of_cups["index"].tolist() == [1, 2, 5, 7, 8]
    assert record["sources"]["cup"]["rows"]["unet"]["ab_ratio"] == pytest.approx(of_cups["ab_ratio"].mean())
    assert "| cat (3) | cup (5) |" in (tmp_path / "all" / "table.md").read_text()

    name, options = str(tmp_path / "tiles.parquet"), {"image_column": "picture", "max_images": 5}
    chosen = open_photographs(name, **options).chosen
    assert len(set(chosen)) == 5
    assert chosen == sorted(chosen) == open_photographs(name, **options).chosen
    assert chosen != open_photographs(name, seed=1, **options).chosen


def test_validation_photographs_are_those_that_a_training_leaves_out(images: Path, tmp_path: Path):
    """Also where the training did not count grey and damaged images, so that row numbers are not positions."""
    folder = tmp_path / "images"
    shutil.copytree(images / "train", folder / "train")
    Image.new("RGB", (64, 64), "grey").save(folder / "train" / "cat" / "000.png")
    (folder / "train" / "cat" / "031.png").write_bytes(b"damaged")
    config = TrainingConfig(dataset_name=str(folder), resolution=80, seed=3)
    _, expected, _ = load_split_images(config)
    photographs = open_photographs(str(folder), "validation", seed=3)
    pictures = [square(decode(row["image"]), 80) for _, row in photographs]
    assert len(photographs) == len(pictures) == 11  # a tenth of 118
    assert torch.equal(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), expected.images)
    assert len(open_photographs(str(folder), "validation", max_images=4)) == 4


def test_the_default_split_is_test_or_train(images: Path, folder: Path):
    assert len(open_photographs(str(images))) == 20
    assert open_photographs(str(folder)).split == "train"
    with pytest.raises(DatasetError, match="has no split 'valid'"):
        open_photographs(str(images), "valid")


def test_bad_input_gets_one_sentence(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "grey").mkdir()
    for i in range(2):
        Image.fromarray(data.camera()).save(tmp_path / "grey" / f"{i}.png")
    cases = {
        (tmp_path / "empty", "--models", "unet"): "empty",
        (tmp_path / "grey", "--models", "unet"): "has 0 photographs in colour (2 are grey, and 0 cannot be read)",
        (tmp_path / "grey", "--models", "unet", "--source_column", "from"): "has no column from",
        (tmp_path / "grey", "--models", "unet", "--temperature", "0.5"): "unet has no temperature",
        (tmp_path / "grey", "--models", "nowhere"): "There is no checkpoint nowhere",
    }
    for options, words in cases.items():
        result = evaluate(*options, "--output_dir", tmp_path / "out")
        assert result.returncode == 1, options
        assert words in result.stderr, options
        assert re.search(r"(^|\n)evaluate_photographs.py: [^\n]+\n$", result.stderr), result.stderr
        assert "Traceback" not in result.stderr


def test_the_largest_items_are_kept():
    kept = Largest[str](2)
    for key, item in ((1.0, "b"), (3.0, "a"), (0.0, "d"), (1.0, "c")):
        kept.offer(key, item)
    assert kept.items() == ["a", "b"]
