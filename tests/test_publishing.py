"""Training scripts load data sets from the Hub and publish checkpoints there, without showing tokens; cards."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from hub_server import HubServer
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image
from scripts import run_script
from skimage import data

from colorgan.cards import PHOTOGRAPHS, update_metrics, write_training_card
from colorgan.models import Generator
from colorgan.training.config import TrainingConfig, parse_config
from colorgan.training.launch import command_of

ROOT = Path(__file__).parent.parent
CIFAR10 = """---
configs:
- config_name: plain_text
  data_files:
  - split: train
    path: plain_text/train-*
  - split: test
    path: plain_text/test-*
  default: true
---
"""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
SMALL = ["--max_train_steps", "2", "--train_batch_size", "8", "--width", "8", "--output_dir", "runs/tiny"]


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of `uoft-cs/cifar10`, with 40 and 10 images."""
    folder, photo = tmp_path_factory.mktemp("cifar10"), data.coffee()
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cup", "spoon"])})
    files = {"README.md": CIFAR10.encode()}
    for split, count in (("train", 40), ("test", 10)):
        tiles = [Image.fromarray(photo[9 * i : 9 * i + 32, 11 * i : 11 * i + 32]) for i in range(count)]
        rows = {"img": tiles, "label": [i % 2 for i in range(count)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
        files[f"plain_text/{split}-00000-of-00001.parquet"] = (folder / f"{split}.parquet").read_bytes()
    return files


@pytest.fixture
def hub(tmp_path: Path, cifar10: dict[str, bytes]):
    with HubServer(tmp_path / "hub") as server:
        server.commit("datasets", "uoft-cs/cifar10", cifar10)
        yield server


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"} | environment
    run = subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=600)
    assert "hf_w" not in run.stdout + run.stderr, "a token was shown"
    return run


def python(code: str, cwd: Path, **environment: str) -> str:
    """Run code that loads data sets, and return what it printed."""
    result = run([sys.executable, "-c", code], cwd, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def fork(words: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python, without data sets of the Hub, in a forked process."""
    result = run_script(*words, folder=cwd, **environment)
    assert "hf_w" not in result.stdout + result.stderr, "a token was shown"
    return result


def train(cwd: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, str(ROOT / "train" / "unet.py"), *SMALL, *options], cwd, **environment)


def test_the_data_set_of_the_hub_is_there_again_without_it(hub: HubServer, tmp_path: Path):
    both = "import datasets; d = datasets.load_dataset('uoft-cs/cifar10'); print(len(d['train']), len(d['test']))"
    ours = "from colorgan.data import load_images; print(*(len(load_images('uoft-cs/cifar10', s)) for s in {}))"
    environment = hub.environment(tmp_path / "home")
    assert python(both, tmp_path, **environment) == "40 10"
    assert {"info", "tree", "head", "get"} <= set(hub.calls)
    again = f"{both}; {ours.format(['train', 'test'])}"
    hub.heal()
    assert python(again, tmp_path, **environment, **OFFLINE) == "40 10\n40 10"
    assert hub.calls == []
    # to show a few test images, only the file with these is downloaded, even if each kind of call fails once
    for call, fault in (("info", "503"), ("head", "cut"), ("get", "503"), ("get", "corrupt")):
        hub.fail(call, fault)
    assert python(ours.format(["test"]), tmp_path, **hub.environment(tmp_path / "another")) == "10"
    assert {line.split("/")[-1] for line in hub.log if line.startswith("GET /datasets")} == {
        "test-00000-of-00001.parquet"
    }


def test_a_training_run_is_published_and_pulled(hub: HubServer, tmp_path: Path):
    publish = ["--push_to_hub", "--hub_token", "hf_write", "--report_to", "tensorboard"]
    trained = train(tmp_path, *publish, "--hub_private_repo", **hub.environment(tmp_path / "home"))
    assert trained.returncode == 0, trained.stderr
    assert f"Published at {hub.url}/user/tiny" in trained.stdout + trained.stderr
    assert hub.calls.index("create") < hub.log.index(
        next(line for line in hub.log if line.startswith("GET /api/datasets"))
    )
    assert hub.read("models", "user/tiny")["private"]
    assert len(hub.commits("models", "user/tiny")) == 2
    files, folder = hub.files("models", "user/tiny"), tmp_path / "runs" / "tiny"
    assert set(files) == {".gitattributes", "README.md", "sample.png", "config.json", "model.safetensors"}
    assert (folder / "sample.png").read_bytes() == (folder / "samples" / "step-000002.png").read_bytes()
    record = json.loads((folder / "training.json").read_text())
    assert "--push_to_hub" in record["command"]
    assert (record["kind"], record["data"]["name"], record["data"]["num_images"]) == ("unet", "uoft-cs/cifar10", 40)
    assert re.fullmatch("[0-9a-f]{64}", record["data"]["checksum"])
    assert record["data"]["checksum"] in files["README.md"].decode()
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + list(files.values())
    assert not any(b"hf_write" in content for content in written)
    Image.fromarray(data.coffee()).save(tmp_path / "photo.jpg")
    (snippet,) = re.findall("```python\n(.*?)```", files["README.md"].decode(), re.DOTALL)
    assert '"user/tiny"' in snippet
    code = f"{snippet}\nColorizer.from_pretrained('runs/tiny').colorize('photo.jpg').save('local.png')"
    result = fork(["-c", code], tmp_path, **hub.environment(tmp_path / "empty", "hf_read"))  # with an empty cache
    assert result.returncode == 0, result.stderr
    pulled, local = (np.asarray(Image.open(tmp_path / name)) for name in ("photo.colorized.png", "local.png"))
    assert np.array_equal(pulled, local)


def test_a_push_that_fails_loses_nothing(hub: HubServer, tmp_path: Path):
    environment = hub.environment(tmp_path / "home", "hf_write")
    hub.fail("commit", "403", times=-1)
    failed = train(tmp_path, "--push_to_hub", "--hub_model_id", "user/late", **environment)
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("unet.py: The checkpoint could not be pushed to user/late: the token in use has no right")
    (command,) = re.findall("The checkpoint lies in runs/tiny; push it later with `(.*)`[.]$", last)
    assert command == "colorgan push runs/tiny user/late"
    hub.heal()
    words = [str(Path(sys.executable).with_name("colorgan")), *shlex.split(command)[1:]]
    later = run(words, tmp_path, **environment)
    assert (later.returncode, later.stdout.strip()) == (0, f"{hub.url}/user/late")
    assert len(hub.files("models", "user/late")) == 5


def test_a_token_without_the_right_to_write_is_refused_before_training(hub: HubServer, tmp_path: Path):
    script = [str(ROOT / "train" / "unet.py"), *SMALL, "--push_to_hub", "--hub_model_id", "user/x"]
    refused = fork(script, tmp_path, **hub.environment(tmp_path, "hf_read"))
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith("unet.py: The token in use has no right to write")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert set(hub.calls) == {"whoami"}
    assert not (tmp_path / "runs").exists()


def test_a_token_is_neither_shown_nor_recorded():
    config = parse_config(TrainingConfig, {"default": {}}, "", ["--push_to_hub", "--hub_token", "hf_write"])
    assert (config.push_to_hub, config.hub_private_repo, config.hub_token) == (True, False, "hf_write")
    assert "hf_write" not in repr(config)
    assert "hub_token" not in config.record()
    assert config.record()["push_to_hub"] is True
    for words in (["--hub_token", "hf_write"], ["--hub_token=hf_write"]):
        shown = command_of(["train/unet.py", *words, "--push_to_hub", "--resume_from_checkpoint", "latest"])
        assert shown == "accelerate launch train/unet.py --push_to_hub"
    with pytest.raises(SystemExit):  # an abbreviation would be recorded
        parse_config(TrainingConfig, {"default": {}}, "", ["--hub_tok", "hf_write"])


def load_card(folder: Path) -> tuple[ModelCardData, str]:
    """The metadata and the text of a folder's card."""
    card = ModelCard.load(folder / "README.md")
    assert isinstance(card.data, ModelCardData)
    return card.data, card.text


def card_of(folder: Path, dataset_name: str, kind: str = "unet") -> tuple[ModelCardData, str]:
    """The card that a training on this data set writes."""
    record = {
        "kind": kind,
        "command": f"accelerate launch train/{kind}.py --dataset_name {dataset_name}",
        "config": {"train_batch_size": 8},
        "data": {
            "name": dataset_name,
            "split": "train",
            "num_images": 51,
            "num_grey_removed": 1,
            "checksum": "47af8b02",
        },
        "images": {"training": 40, "validation": 10},
        "metrics": {"psnr": 20.0},
        "steps": 2,
        "seconds": 60,
        "hardware": "1 CPU thread",
    }
    name = "Classifier" if kind in ("classifier", "evaluator") else "Generator"
    (folder / "config.json").write_text(json.dumps({"_class_name": name}))
    write_training_card(folder, record)
    return load_card(folder)


def test_a_card_is_of_the_kind_of_its_training(tmp_path: Path):
    for kind, description in (
        ("cgan", "A conditional DCGAN"),
        ("evaluator", "A classifier of CIFAR-10 in CIE Lab that measures"),
        ("mine", "A network of colorgan, trained by a script of its own"),
    ):
        metadata, text = card_of(tmp_path, "uoft-cs/cifar10", kind)
        assert text.startswith(f"# colorgan {kind}\n\n{description}")
        assert kind in (metadata.tags or [])


def test_a_card_names_the_data_of_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared" / "flowers").mkdir(parents=True)
    for name, on_hub in (
        ("uoft-cs/cifar10", ["uoft-cs/cifar10"]),
        ("../shared/cifar10", ["uoft-cs/cifar10"]),
        ("uoft-cs/cifar100", ["uoft-cs/cifar100"]),
        ("me/flowers", ["me/flowers"]),
        ("shared/flowers", None),
    ):
        (metadata, text), cifar10 = card_of(tmp_path, name), name.endswith("/cifar10")
        assert metadata.datasets == on_hub
        assert ("cifar-10" in (metadata.tags or [])) == cifar10
        assert ("## Data\n\nCIFAR-10" in text) == ("32x32" in text) == cifar10
        assert "never evidence of what was there" in text
        assert f"40 of the 51 images of `{name}` (split `train`, 1 exactly grey" in text
        assert "SHA-256 of all pixels `47af8b02`" in text
    _, text = card_of(tmp_path, "me/flowers", "classifier")
    assert text.startswith("# colorgan classifier\n\nA classifier of `me/flowers` in CIE Lab")


def test_the_card_of_photographs_has_their_sources_and_no_folder_of_this_machine(tmp_path: Path):
    folder = "/home/me/my photographs"
    record = {
        "kind": "unet",
        "command": shlex.join(["train/unet.py", "--dataset_name", folder, "--output_dir", str(tmp_path / "photo")]),
        "config": {"train_batch_size": 8, "output_dir": str(tmp_path / "photo")},
        "data": {"name": folder, "split": "train", "num_images": 51, "num_grey_removed": 1, "checksum": PHOTOGRAPHS},
        "images": {"training": 40, "validation": 10},
        "metrics": {"ab_ratio": 0.9},
        "steps": 2,
        "seconds": 60,
        "hardware": "1 CPU thread",
    }
    Generator("photo", width=8, bins=2).save_pretrained(tmp_path / "photo")
    write_training_card(tmp_path / "photo", record)
    metadata, text = load_card(tmp_path / "photo")
    assert text.startswith("# colorgan photo\n\nA U-Net for photographs")
    assert "train/unet.py --dataset_name FOLDER --output_dir runs/photo\n" in text
    assert "40 of the 51 images of `FOLDER`" in text
    assert "/home" not in text
    assert str(tmp_path) not in text
    assert "FairFace (Karkkainen and Joo 2021) | 7,000 | CC BY 4.0" in text
    assert "non-commercial research" in text
    assert metadata.datasets is None
    write_training_card(tmp_path / "photo", record | {"data": record["data"] | {"checksum": "another"}})
    assert "FairFace" not in load_card(tmp_path / "photo")[1]


def test_metrics_name_the_data_they_come_from(tmp_path: Path):
    card_of(tmp_path, "me/flowers")
    for dataset in ("me/flowers", "../shared/cifar10"):
        rows = {"grey": {"psnr": 20.0}, "mine": {"psnr": 21.0}}
        record = {"dataset": dataset, "split": "test", "command": "python train/evaluate.py", "rows": rows}
        update_metrics(tmp_path, record | {"num_images": 9, "num_grey_removed": 1}, "mine")
    results = load_card(tmp_path)[0].eval_results or []
    assert {(result.dataset_type, result.dataset_name) for result in results} == {
        ("me/flowers", "me/flowers"),
        ("uoft-cs/cifar10", "CIFAR-10 (../shared/cifar10)"),
    }


def test_the_commands_of_readme_publish_and_use(hub: HubServer, tmp_path: Path):
    (block,) = re.findall(r"## Share\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copytree(ROOT / "colorgan" / "pretrained" / "cgan", tmp_path / "runs" / "cgan")
    Image.fromarray(data.coffee()).save(tmp_path / "photo.jpg")
    command = block.replace("colorgan ", f"{Path(sys.executable).with_name('colorgan')} ").replace("owner/", "user/")
    result = run(["bash", "-euc", command], tmp_path, **hub.environment(tmp_path / "home", "hf_write"))
    assert result.returncode == 0, result.stderr
    assert len(hub.commits("models", "user/name")) == 2
    assert Image.open(tmp_path / "photo.colorized.png").size == (600, 400)


def test_the_commands_and_examples_of_the_page_run(hub: HubServer, tmp_path: Path):
    """Those of docs/publishing.md, in their order, except for blocks that say why they are not run."""
    page = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "colorgan" / "pretrained" / "unet", tmp_path / "runs" / "unet")
    Image.fromarray(data.coffee()).save(tmp_path / "photo.jpg")
    environment = hub.environment(tmp_path / "home", "hf_write")
    ran = 0
    for skipped, language, code in re.findall(r"(<!-- not run: .*? -->\n)?```(\w+)\n(.*?)```", page, re.DOTALL):
        if skipped:
            continue
        if language == "python":
            result = fork(["-c", code], tmp_path, HF_HUB_OFFLINE="1")
        else:
            words = shlex.split(code.replace("owner/", "user/"))
            assert words[0] == "colorgan"
            result = run([str(Path(sys.executable).with_name("colorgan")), *words[1:]], tmp_path, **environment)
        assert result.returncode == 0, result.stderr
        ran += 1
    assert ran == 4
    assert len(hub.commits("models", "user/name")) == 2
    assert (tmp_path / "photo.colorized.png").is_file()
