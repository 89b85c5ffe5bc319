"""train/evaluate.py as a user runs it, and the metrics in the cards of the bundled checkpoints."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image
from scripts import run_script
from skimage.metrics import peak_signal_noise_ratio

from colorgan import Colorizer
from colorgan.cards import update_metrics, update_table
from colorgan.data import load_images
from colorgan.evaluation.evaluate import intervals
from colorgan.evaluation.metrics import METRICS as DEFINITIONS
from colorgan.hub.checkpoint import BUNDLED, cifar10_generators

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results.md"
CIFAR10 = os.environ.get("COLORGAN_CIFAR10")
METRICS = [
    *("psnr", "psnr_pooled", "ssim", "ab_mae", "ciede2000", "acc@2", "acc@5", "auc_rebalanced"),
    *("colorfulness", "delta_colorfulness", "fd", "fid"),  # no top1: cat and cup are not the classes of CIFAR-10
]


def evaluate(*options: object) -> subprocess.CompletedProcess[str]:
    return run_script("train/evaluate.py", *options, timeout=1200)


class Inception(torch.nn.Module):
    """The interface of the TorchScript network, not the network: its features are the means of three channels."""

    def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return images.float().mean((2, 3))


@pytest.fixture(scope="module")
def out(photo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an evaluation of all bundled models."""
    folder = tmp_path_factory.mktemp("evaluation")
    weights = folder / "inception.pt"
    torch.jit.script(Inception()).save(weights)
    options = ("--output_dir", folder / "out", "--rows", 3, "--inception_weights", weights)
    result = evaluate("--dataset_name", photo_dataset, *options)
    assert result.returncode == 0, result.stderr
    assert "144/144" in result.stderr  # the progress bar came to its end
    return folder / "out"


def test_a_table_of_all_bundled_models(out: Path):
    record = json.loads((out / "metrics.json").read_text())
    assert record["num_images"] == 24
    assert record["num_grey_removed"] == 0
    assert list(record["rows"]) == ["grey", "mean", "unet", "cgan", "nogan", "truth"]
    for row in record["rows"].values():
        assert list(row) == METRICS
    assert record["rows"]["truth"]["ab_mae"] == record["rows"]["truth"]["fd"] == 0
    assert record["rows"]["grey"]["colorfulness"] < 1 < record["rows"]["unet"]["colorfulness"]
    assert 0 < record["intervals"]["unet"]["ab_mae"] < 0.5 * record["rows"]["unet"]["ab_mae"]
    assert list(record["classes"]["unet"]) == ["cat", "cup"]
    table = (out / "table.md").read_text()
    assert re.search(r"^\| unet \| \d+\.\d\d \|", table, re.MULTILINE)
    assert re.search(r"^\| unet \| \d+\.\d\d ± \d+\.\d\d \|", table, re.MULTILINE)
    assert "## ab_mae of each class" in table
    assert "## ab_bias of each class" in table
    assert record["classes"]["truth"]["cat"]["ab_bias"] == 0
    of_grey, truth = (record["classes"][row]["cup"] for row in ("grey", "truth"))  # grey's own mean is 0
    assert of_grey["ab_bias"] == pytest.approx(np.hypot(truth["mean_a"], truth["mean_b"]), abs=0.01)


def test_every_image_is_in_the_parquet_file(out: Path, photo_dataset: Path):
    """The metrics of an image agree with scikit-image; their mean over images is the number in the table."""
    table = pq.read_table(out / "images.parquet").to_pandas()
    assert len(table) == 6 * 24
    truth = load_images(photo_dataset, "test")
    rows = table[table["row"] == "cgan"]
    assert truth.labels is not None
    assert rows["label"].tolist() == truth.labels.tolist()
    assert rows["index"].tolist() == list(range(24))
    output = Colorizer.from_pretrained("cgan").colorize_batch(truth.images)
    expected = [peak_signal_noise_ratio(*pair) for pair in zip(truth.images.numpy(), output.numpy(), strict=True)]
    assert rows["psnr"].to_numpy() == pytest.approx(np.array(expected), abs=0.01)
    record = json.loads((out / "metrics.json").read_text())
    assert rows["psnr"].mean() == pytest.approx(record["rows"]["cgan"]["psnr"], abs=1e-3)
    of_cats = rows[rows["label"] == 0]["ab_mae"].mean()
    assert of_cats == pytest.approx(record["classes"]["cgan"]["cat"]["ab_mae"], abs=1e-3)


def test_pictures(out: Path):
    picture = Image.open(out / "comparison.png")
    assert picture.width == 5 * 100 + 4  # grey, unet, cgan, nogan, truth
    assert picture.height == 24 + 3 * 100
    for name in ("best-unet", "worst-unet", "best-nogan", "worst-nogan"):
        assert Image.open(out / f"{name}.png").size == (3 * 100 + 4, 24 + 3 * 100)
    assert Image.open(out / "sheet-unet.png").size == (12 * 68 + 4, 24 + 2 * 68)  # all 24 images


def test_comparison_only_writes_one_figure(photo_dataset: Path, tmp_path: Path):
    options = ("--dataset_name", photo_dataset, "--output_dir", tmp_path, "--comparison_only")
    result = evaluate("--models", "unet", *options)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.png"]


def test_a_parquet_file_with_a_damaged_row_and_named_columns(photo_dataset: Path, tmp_path: Path):
    pictures = [path.read_bytes() for path in sorted((photo_dataset / "test").rglob("*.png"))][:6]
    rows = {"photo": [{"bytes": picture, "path": None} for picture in pictures], "kind": [1, 0, 1, 0, 1, 0]}
    rows["photo"][2] = {"bytes": b"damaged", "path": None}
    pq.write_table(pa.table(rows), tmp_path / "mine.parquet")
    options = ["--dataset_name", tmp_path / "mine.parquet", "--image_column", "photo", "--label_column", "kind"]
    result = evaluate("--models", "unet", *options, "--output_dir", tmp_path / "out", "--rows", 2)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("mine.parquet (test): 1 image was unreadable and left out: row 2.\n") == 1
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (record["num_images"], record["num_left_out"]) == (5, 1)
    assert "mine.parquet --image_column photo --label_column kind" in record["command"]
    table = pq.read_table(tmp_path / "out" / "images.parquet").to_pandas()
    truth = table[table["row"] == "truth"]
    assert truth["index"].tolist() == [0, 1, 3, 4, 5]
    assert truth["label"].tolist() == [1, 0, 0, 1, 0]


def test_bad_options_get_one_sentence(tmp_path: Path):
    (tmp_path / "weights.pt").write_bytes(b"no network")
    for options in (["nowhere"], ["unet", "--dataset_name", "./nowhere"], ["unet", "--inception_weights", tmp_path]):
        result = evaluate("--models", *options)
        assert result.returncode == 1
        assert re.fullmatch(r"evaluate.py: .*\.\n", result.stderr)
    result = evaluate("--max_images", 9, "--update_cards")
    assert result.returncode == 2
    assert result.stderr.endswith("--update_cards writes metrics of all images: leave --max_images out.\n")


def test_cards_and_pages_get_the_metrics(out: Path, tmp_path: Path):
    """A second writing replaces the first; what people wrote around it stays."""
    record = json.loads((out / "metrics.json").read_text())
    shutil.copytree(BUNDLED / "unet", tmp_path / "unet")
    card = tmp_path / "unet" / "README.md"
    card.write_text(card.read_text() + "\nWritten by hand.\n")
    for _ in range(2):
        update_metrics(tmp_path / "unet", record, "unet")
    text = card.read_text()
    assert text.count("On the 24 images") == 1
    assert text.count("## Metrics") == 1
    assert re.search(r"On the 9\d\d\d images", text)  # metrics of other data sets stay
    assert text.endswith("Written by hand.\n")
    assert f"| unet | {record['rows']['unet']['psnr']:.2f} |" in text
    data = ModelCard.load(card).data
    assert isinstance(data, ModelCardData)
    results = data.eval_results or []
    written = {result.metric_type: result for result in results if result.dataset_config == record["dataset"]}
    assert written["ab_mae"].metric_value == pytest.approx(record["rows"]["unet"]["ab_mae"], abs=1e-4)
    assert written["ab_mae"].dataset_split == "test"
    assert (written["ab_mae"].dataset_args or {})["num_images"] == 24
    assert (written["ab_mae"].metric_args or {})["command"] == record["command"]

    readme = tmp_path / "README.md"
    readme.write_text(f"before\n<!-- metrics: {record['dataset']} test -->\nold\n<!-- end of metrics -->\nafter\n")
    update_table(readme, record)
    text = readme.read_text()
    assert re.fullmatch(r"before\n<!-- .* -->\nOn the 24 images(.|\n)*\| truth \|.*\n\n<!-- .* -->\nafter\n", text)
    assert "old" not in text


def evaluate_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluate_script", ROOT / "train" / "evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_model_table_of_readme_gets_psnr_and_colourfulness():
    script = evaluate_script()
    rows = {name: {"psnr": 25.678, "colorfulness": 14.56} for name in ("grey", "unet")}
    header = "| name | PSNR | good at | colourfulness |\n|---|---:|---|---:|\n"
    text = header + "| `unet` | 1 | colour | 2 |\n| `mine` | 3 | grey | 4 |\n"
    updated = text.replace("| 1 | colour | 2 |", "| 25.68 | colour | 14.6 |")
    assert script.update_model_table(text, rows) == updated
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script.update_model_table(readme, rows).count("| 25.68 |") == 1  # README has such a table


def table_of(page: str, marker: str) -> tuple[str, dict[str, dict[str, float]]]:
    """The command and the rows of the table behind a marker in the text of a page."""
    text = page.partition(f"<!-- metrics: {marker} -->")[2].partition("<!-- end of metrics -->")[0]
    header, _, *lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\|.*", text, re.M)]
    rows = {name: dict(zip(header[1:], map(float, cells), strict=True)) for name, *cells in lines}
    return first_group(r"`python train/evaluate\.py (.*)`", text), rows


def unit(metric: str) -> float:
    """The value of a metric's last decimal in a table."""
    return 10.0 ** -DEFINITIONS[metric][0]


def test_results_cards_and_readme_show_the_same_metrics():
    command, rows = table_of(RESULTS.read_text(encoding="utf-8"), "uoft-cs/cifar10 test")
    assert list(rows) == ["grey", "mean", *cifar10_generators(), "truth"]
    measured = {}
    for name in cifar10_generators():
        card = ModelCard.load(BUNDLED / name / "README.md")
        of_card = {row: rows[row] for row in ("grey", "mean", name, "truth")}
        assert table_of(card.text, "uoft-cs/cifar10 test") == (command, of_card)
        results = card.data.to_dict()["model-index"][0]["results"]
        (metrics,) = (each["metrics"] for each in results if each["dataset"]["config"] == "uoft-cs/cifar10")
        assert {metric["args"]["command"] for metric in metrics} == {f"python train/evaluate.py {command}"}
        measured[name] = {metric["type"]: metric["value"] for metric in metrics}
        assert measured[name].keys() == rows[name].keys()
        for metric, number in rows[name].items():
            assert measured[name][metric] == pytest.approx(number, abs=0.51 * unit(metric)), metric
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert evaluate_script().update_model_table(readme, measured) == readme


def test_update_cards_writes_the_tables_of_all_and_of_the_first_images(
    photo_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script, name = evaluate_script(), "uoft-cs/cifar10 test"
    (tmp_path / "docs").mkdir()
    for page in ("README.md", "docs/results.md"):
        (tmp_path / page).write_text((ROOT / page).read_text(encoding="utf-8").replace("first 500", "first 10"))
    shutil.copytree(BUNDLED / "unet", tmp_path / "unet")
    for constant, value in {
        "KNOWN_TEST_SETS": {load_images(photo_dataset, "test").checksum(): "uoft-cs/cifar10"},
        "FIRST": 10,
        "intervals": partial(intervals, samples=40),
        "ROOT": tmp_path,
        "RESULTS": tmp_path / "docs" / "results.md",
        "locate": lambda model: tmp_path / model,
    }.items():
        monkeypatch.setattr(script, constant, value)
    options = ["--models", "unet", "--dataset_name", str(photo_dataset), "--output_dir", str(tmp_path / "out")]
    script.main([*options, "--update_cards"])
    results, card = (tmp_path / page for page in ("docs/results.md", "unet/README.md"))
    command, rows = table_of(results.read_text(), name)
    assert table_of(card.read_text(), name) == (command, rows)
    first = table_of(results.read_text(), f"{name}, first 10")
    assert first[0] == f"{command} --max_images 10"
    assert first[1] != rows
    script.main([*options, "--max_images", "10"])  # that command
    measured = json.loads((tmp_path / "out" / "metrics.json").read_text())["rows"]
    assert first[1] == {
        row: {m: float(f"{v:.{DEFINITIONS[m][0]}f}") for m, v in measured[row].items()} for row in measured
    }
    assert f"| {rows['unet']['psnr']:.2f} |" in (tmp_path / "README.md").read_text()


@pytest.mark.skipif(not CIFAR10, reason="COLORGAN_CIFAR10 names no folder with CIFAR-10")
def test_the_metrics_of_the_first_images_come_out_again(tmp_path: Path):
    """The command in docs/results.md measures its table of the first test images; that of all images is near to it."""
    page = RESULTS.read_text(encoding="utf-8")
    command, written = table_of(page, "uoft-cs/cifar10 test, first 500")
    options = command.split()
    options[options.index("--dataset_name") + 1] = str(CIFAR10)
    result = evaluate(*options, "--output_dir", tmp_path)
    assert result.returncode == 0, result.stderr
    fresh = json.loads((tmp_path / "metrics.json").read_text())
    assert fresh["dataset"] == "uoft-cs/cifar10"  # by its pixels: the folder has another name
    assert fresh["command"] == f"python train/evaluate.py {command}"
    assert list(fresh["rows"]) == list(written)
    for row, numbers in written.items():
        assert list(fresh["rows"][row]) == list(numbers)
        for metric, number in numbers.items():  # other processors round differently; one image is 0.2 of top1
            near = 0.4 if metric == "top1" else 2 * unit(metric)
            assert number == pytest.approx(fresh["rows"][row][metric], abs=near), (row, metric)

    all_images, greys = map(int, re.findall(r"On the (\d+) images .*\((\d+) are\)", page)[0])
    assert (all_images + greys, greys) == (10_000, fresh["num_grey_removed"])
    finite = (1 - fresh["num_images"] / all_images) ** 0.5  # the factor of a sample without replacement
    _, whole = table_of(page, "uoft-cs/cifar10 test")
    for row in whole.keys() - {"mean"}:  # the colour of this row, auc_rebalanced and fd depend on the number of images
        for metric in whole[row].keys() - {"auc_rebalanced", "fd"}:
            near = 4 * finite * fresh["intervals"][row][metric] / 1.96 + unit(metric)  # 4 standard errors
            assert whole[row][metric] == pytest.approx(fresh["rows"][row][metric], abs=near), (row, metric)


def test_the_card_of_the_evaluator_has_its_accuracy():
    """The card has it from the training, docs/results.md from the evaluation; both are of all coloured test images."""
    _, rows = table_of(RESULTS.read_text(encoding="utf-8"), "uoft-cs/cifar10 test")
    card = (BUNDLED / "evaluator" / "README.md").read_text(encoding="utf-8")
    assert float(first_group(r"test_top1 ([\d.]+)", card)) == pytest.approx(rows["truth"]["top1"], abs=0.1)
    assert rows["truth"]["top1"] >= 88


def first_group(pattern: str, text: str) -> str:
    """The first group of the pattern's first match, which must exist."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, pattern
    return match.group(1)
