"""The training scripts as a user runs them: real commands, stopped, killed, resumed and run as two processes.

Most runs are forked by `scripts.run_script`; the others are started as a user starts them.
"""

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from hub_server import HubServer
from PIL import Image
from safetensors.numpy import load_file
from scripts import run_script
from skimage import data

from colorgan import Colorizer
from colorgan.data import ImageSet, load_images
from colorgan.evaluation.evaluate import colorize_all, evaluate_heads
from colorgan.evaluation.metrics import colorfulness
from colorgan.models import Classifier, Discriminator, Generator
from colorgan.training.checkpoints import Stop
from colorgan.training.colorfulness import scale_colors
from colorgan.training.config import TrainingConfig, parse_config
from colorgan.training.images import load_split_images
from colorgan.training.launch import fastest_precision
from colorgan.training.optimization import learning_rate_factor, new_optimizer
from colorgan.unets import PhotoUNet

ROOT = Path(__file__).parent.parent
SMALL = ["--train_batch_size", "8", "--width", "8", "--logging_steps", "1"]


OPTIMIZERS = ("optimizer.bin", "optimizer_1.bin")  # in a training state
UNET, CGAN, CLASSIFIER, NOGAN = (
    runpy.run_path(str(ROOT / "train" / f"{name}.py")) for name in ("unet", "cgan", "classifier", "nogan")
)


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def run(command: Sequence[object]) -> str:
    """Run a command as a user would, and return what it printed."""
    result = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def train(
    script: str,
    folder: Path,
    images: Path,
    *options: object,
    launch: Sequence[object] = (),
    processes: int = 1,
    **variables: str,
) -> str:
    """Train, and return what was printed: in forked processes, or with a launcher in new ones."""
    command = [f"train/{script}.py", "--dataset_name", images, "--output_dir", folder, *SMALL, *options]
    if launch:
        return run([*launch, *command])
    result = run_script(*command, processes=processes, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a training script in this process, which must refuse its options, and returns its one sentence."""

    def refuse(script: str, *options: object) -> str:
        AcceleratorState._reset_state(True)  # of an earlier call, as if this were a new process
        monkeypatch.setattr(sys, "argv", [f"train/{script}.py", *map(str, options)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(ROOT / "train" / f"{script}.py"), run_name="__main__")
        printed = capsys.readouterr().err.strip().splitlines()
        message = caught.value.code if isinstance(caught.value.code, str) else printed[-1]
        assert message
        assert "\n" not in message
        return message

    return refuse


def same_weights(a: Path, b: Path) -> bool:
    one, other = load_file(a), load_file(b)
    same = (one[key].tobytes() == other[key].tobytes() for key in one)  # by bits: NaN may be among them
    return one.keys() == other.keys() and all(same)


def state_files(state: Path) -> list[Path]:
    return sorted(path for path in state.iterdir() if path.suffix == ".safetensors")


@pytest.fixture(scope="module")
def vivid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that never changes, unlike the bundled ones; its colours are 0.8 times as strong as the images'."""
    folder = tmp_path_factory.mktemp("checkpoints") / "vivid"
    torch.manual_seed(0)
    generator = Generator(width=8)
    with torch.no_grad():
        generator.network.head.weight.mul_(2)
    generator.save_pretrained(folder)
    return folder


# the scripts


README_COMMANDS = [
    line.split() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("accelerate launch train/")
]  # fmt: skip


@pytest.mark.parametrize("command", README_COMMANDS, ids=lambda command: Path(command[2]).stem)
def test_the_commands_of_readme_leave_checkpoints(command: list[str], images: Path, tmp_path: Path):
    folder = tmp_path / Path(command[-1]).name
    shortened = ["--dataset_name", images, "--max_train_steps", 2, "--train_batch_size", 8, "--validation_steps", 1]
    words = [word.replace("runs/classifier", "classifier") for word in command[1:-1]]  # for that of the line before
    if command == README_COMMANDS[0]:  # as pasted, but for the folders
        printed = run([Path(sys.executable).with_name(command[0]), *words, folder, *shortened])
    else:
        result = run_script(*words[1:], folder, *shortened)
        assert result.returncode == 0, result.stdout + result.stderr
        printed = result.stdout + result.stderr
    assert "108 training and 12 validation images" in printed
    assert "Done at step 2" in printed
    record = json.loads((folder / "training.json").read_text())
    assert record["finished"]
    assert [metrics["step"] for metrics in record["validation"]] == [1, 2]
    assert f"{' '.join([command[0], *words])} " in (folder / "README.md").read_text(encoding="utf-8")
    if folder.name == "classifier":
        assert 0 <= record["metrics"]["test_top1"] <= 100
        assert isinstance(Classifier.from_pretrained(folder), Classifier)
        return
    assert re.search(r"step 2: psnr \d+\.\d\d.*grey_psnr_pooled \d+\.\d\d", printed)
    sheet = Image.open(next(folder.glob("**/samples/step-000002.png")))
    assert sheet.height > 8 * 128
    photo = Image.fromarray(data.coffee()).convert("L")
    coloured = Colorizer.from_pretrained(folder).colorize(photo)
    assert coloured.size == photo.size
    assert coloured.mode == "RGB"


def test_readme_trains_all_four():
    assert [Path(command[2]).stem for command in README_COMMANDS] == ["unet", "cgan", "classifier", "nogan"]


@pytest.mark.parametrize("script", ["unet", "cgan"])
def test_the_pix2pix_preset_runs_at_64_pixels_in_bf16(script: str, images: Path, tmp_path: Path):
    train(script, tmp_path / "pix2pix", images, "--preset", "pix2pix", "--resolution", 64, "--max_train_steps", 2,
          "--mixed_precision", "bf16", "--validation_split", "hue")  # fmt: skip
    assert json.loads((tmp_path / "pix2pix" / "config.json").read_text())["architecture"] == "pix2pix"


def test_a_network_begins_from_and_learns_from_others(images: Path, tmp_path: Path):
    """The literature's network by its preset, then on from its checkpoint, with shifts, alone and with a teacher."""
    train("unet", tmp_path / "first", images, "--preset", "m4mbo-ae", "--max_train_steps", 2)
    assert json.loads((tmp_path / "first" / "config.json").read_text())["architecture"] == "classic"
    common, shift = ["--generator", tmp_path / "first", "--max_train_steps", 2], ["--augmentation", "shift"]
    options = {"alone": [], "shifted": shift, "taught": [*shift, "--teachers", tmp_path / "first"]}
    for name, more in options.items():
        train("unet", tmp_path / name, images, *common, *more)
    errors = {json.loads((tmp_path / name / "training.json").read_text())["metrics"]["ab_mae"] for name in options}
    assert len(errors) == 3  # each of them made a difference
    assert Colorizer.from_pretrained(tmp_path / "taught").generator.network.head.in_channels == 8


def bins_of(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The centres and the weights of the bins of a checkpoint."""
    network = Generator.from_pretrained(folder).network
    assert isinstance(network, PhotoUNet)
    return network.centres, network.weights


def test_the_photo_preset_trains_two_heads_and_resumes_bit_for_bit(images: Path, tmp_path: Path):
    options = ["--preset", "photo", "--max_train_steps", 4, "--train_batch_size", 8, "--checkpointing_steps", 2]
    printed = train("unet", tmp_path / "whole", images, *options)
    state = tmp_path / "whole" / "checkpoint-000002"
    train("unet", tmp_path / "resumed", images, *options, "--resume_from_checkpoint", state)
    assert same_weights(tmp_path / "whole/model.safetensors", tmp_path / "resumed/model.safetensors")
    assert "regression_ab_ratio" in printed
    assert "T0.38_relative_colorfulness" in printed
    assert Generator.from_pretrained(tmp_path / "whole").takes_hints
    centres, weights = bins_of(tmp_path / "whole")
    assert len(centres) > 10
    assert centres[weights.argmin()].norm() < 30  # common colours, whose weights are smallest, are near grey
    train("unet", tmp_path / "on", images, *options[:4], "--generator", tmp_path / "whole", "--max_train_steps", 1)
    assert torch.equal(bins_of(tmp_path / "on")[0], centres)


def test_a_state_becomes_a_checkpoint_without_further_steps(images: Path, tmp_path: Path):
    options = ["--preset", "photo", "--train_batch_size", 8]
    train("unet", tmp_path / "run", images, *options, "--max_train_steps", 4, "--checkpointing_steps", 2)
    train("unet", tmp_path / "two", images, *options, "--max_train_steps", 2)
    state = tmp_path / "run" / "checkpoint-000002"
    train("unet", tmp_path / "at-2", images, *options, "--max_train_steps", 2, "--resume_from_checkpoint", state)
    record = json.loads((tmp_path / "at-2" / "training.json").read_text())
    assert record["steps"] == 2
    assert not list((tmp_path / "at-2").glob("checkpoint-*"))
    average = torch.load(state / "custom_checkpoint_0.pkl", weights_only=False)
    kept = load_file(tmp_path / "at-2" / "model.safetensors")
    assert all(
        np.array_equal(kept[name], average[f"module.{name}"].half().numpy()) for name in kept if "norm" not in name
    )
    assert Colorizer.from_pretrained(tmp_path / "at-2").colorize(data.coffee()).size == (600, 400)


@pytest.mark.parametrize(
    ("script", "temperature", "options"),
    [("cgan", None, []), ("nogan", 0.38, ["--classifier", "classifier", "--critic_steps", 1, "--joint_steps", 1])],
)
def test_gans_of_photographs_go_on_from_one_head(
    images: Path, tmp_path: Path, script: str, temperature: float | None, options: list[object]
):
    generator = Generator("photo", width=8, bins=5, temperature=temperature)
    assert isinstance(generator.network, PhotoUNet)
    generator.network.centres.copy_(torch.tensor([[0, 0], [50, 0], [-50, 0], [0, 50], [0, -50]]))
    generator.save_pretrained(tmp_path / "start")
    small = ["--train_batch_size", 8, "--max_train_steps", 1, "--learning_rate", 0.1, *options]
    train(script, tmp_path / "end", images, "--preset", "photo", "--generator", tmp_path / "start", *small)
    begin, end = load_file(tmp_path / "start" / "model.safetensors"), load_file(tmp_path / "end" / "model.safetensors")
    keys = {head: f"network.{head}.weight" for head in ("chroma", "bins")}
    same = {head: np.array_equal(begin[key], end[key]) for head, key in keys.items()}
    assert same == {"chroma": temperature is not None, "bins": temperature is None}
    assert Generator.from_pretrained(tmp_path / "end").temperature == temperature


def test_heads_that_predict_grey_have_the_metrics_of_grey(images: Path):
    generator = Generator("photo", width=8, bins=3).eval()  # all its bins are grey
    assert isinstance(generator.network, PhotoUNet)
    torch.nn.init.zeros_(generator.network.chroma.weight)
    torch.nn.init.zeros_(cast(torch.Tensor, generator.network.chroma.bias))
    metrics, columns = evaluate_heads(generator, load_images(str(images), "test", 80))
    for output in ("regression", "T0.38", "T0.6", "T0.8", "T1"):
        assert metrics[f"{output}_psnr_pooled"] == metrics["grey_psnr_pooled"]
        assert metrics[f"{output}_ab_mae"] == metrics["grey_ab_mae"]
        assert metrics[f"{output}_ab_ratio"] == metrics[f"{output}_ab_ratio_pooled"] == 1
        assert metrics[f"{output}_relative_colorfulness"] < 0.02
    assert {name: tuple(part.shape) for name, part in columns.items()} == dict.fromkeys(columns, (8, 3, 64, 64))


def test_classifiers_of_photographs_see_crops_of_64_pixels(images: Path, tmp_path: Path):
    train("classifier", tmp_path / "photo", images, "--preset", "photo", "--max_train_steps", 2)
    record = json.loads((tmp_path / "photo" / "training.json").read_text())
    assert (record["config"]["resolution"], record["config"]["crop"]) == (80, 64)
    train("classifier", tmp_path / "other", images, "--preset", "photo-evaluator", "--max_train_steps", 2)
    assert "# colorgan evaluator" in (tmp_path / "other" / "README.md").read_text(encoding="utf-8")


def test_a_state_from_before_the_first_validation_becomes_a_classifier(images: Path, tmp_path: Path):
    train("classifier", tmp_path / "run", images, "--max_train_steps", 2, "--checkpointing_steps", 1)
    state = tmp_path / "run" / "checkpoint-000001"
    train("classifier", tmp_path / "at-1", images, "--max_train_steps", 1, "--resume_from_checkpoint", state)
    metrics = json.loads((tmp_path / "at-1" / "training.json").read_text())["metrics"]
    assert metrics["step"] == 1
    assert 0 <= metrics["top1"] <= 100


def test_a_classifier_learns_from_labels_and_from_a_teacher(images: Path, tmp_path: Path):
    train("classifier", tmp_path / "first", images, "--max_train_steps", 2)
    begin = ["--classifier", tmp_path / "first", "--max_train_steps", 2]
    for name, more in {"again": [], "taught": ["--teacher", tmp_path / "first"]}.items():
        train("classifier", tmp_path / name, images, *begin, *more)
    assert not same_weights(tmp_path / "again/model.safetensors", tmp_path / "taught/model.safetensors")


def test_test_labels_of_other_classes_are_not_measured(images: Path, tmp_path: Path):
    folder = shutil.copytree(images, tmp_path / "images")
    for before, after in (("cat", "dog"), ("cup", "mug")):
        (folder / "test" / before).rename(folder / "test" / after)
    train("classifier", tmp_path / "run", folder, "--max_train_steps", 2)
    metrics = json.loads((tmp_path / "run" / "training.json").read_text())["metrics"]
    assert "top1" in metrics
    assert "test_top1" not in metrics


def test_compiled_and_automatic_precision_have_the_same_metrics(images: Path, tmp_path: Path):
    errors = {}
    for name, options in {"plain": ["--mixed_precision", "no"], "auto": [], "compiled": ["--compile"]}.items():
        common = ["--architecture", "pix2pix", "--max_train_steps", 4]
        printed = train("unet", tmp_path / name, images, *common, *options, TORCH_LOGS="graph_code")
        assert ("TRACED GRAPH" in printed) == (name == "compiled")
        record = json.loads((tmp_path / name / "training.json").read_text())
        errors[name] = record["metrics"]["ab_mae"]
        if name != "plain":  # what was chosen is what is recorded
            assert record["config"]["mixed_precision"] == fastest_precision(torch.device("cpu"))
    assert errors["auto"] == pytest.approx(errors["plain"], abs=0.02)
    assert errors["compiled"] == pytest.approx(errors["plain"], abs=0.02)


def test_training_learns(images: Path, tmp_path: Path):
    train("unet", tmp_path / "run", images, "--max_train_steps", 60, "--validation_steps", 30)
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["metrics"]["psnr_pooled"] > record["metrics"]["grey_psnr_pooled"] + 1


def test_nogan_keeps_its_best_step_and_runs_stages_alone(images: Path, tmp_path: Path):
    common = ["--discriminator_width", 8, "--max_train_steps", 3, "--validation_steps", 1]
    with HubServer(tmp_path / "hub") as hub:
        variables = hub.environment(tmp_path / "home", "hf_write")
        printed = train("nogan", tmp_path / "nogan", images, *common, "--push_to_hub", **variables)
        assert f"Published at {hub.url}/user/nogan" in printed
        assert hub.commits("models", "user/nogan") == ["Upload with colorgan", "initial commit"]  # once, not per stage
        sample = hub.files("models", "user/nogan")["sample.png"]
    stages = {
        stage: json.loads((tmp_path / "nogan" / stage / "training.json").read_text())
        for stage in ("generator", "critic", "joint")
    }
    assert "accuracy" in stages["critic"]["metrics"]
    # the critic that was trained is judged and kept, not an average: spectral norms cannot be averaged
    trained = load_file(tmp_path / "nogan" / "critic" / "checkpoint-000003" / "model.safetensors")
    kept = load_file(tmp_path / "nogan" / "critic" / "model.safetensors")
    assert all(np.array_equal(kept[name], trained[name].astype(kept[name].dtype)) for name in kept)
    distances = [metrics["fd_ab"] for metrics in stages["joint"]["validation"]]
    assert stages["joint"]["metrics"]["fd_ab"] == min(distances)
    assert same_weights(tmp_path / "nogan/model.safetensors", tmp_path / "nogan/joint/model.safetensors")
    kept = tmp_path / "nogan" / "joint" / "samples" / f"step-{stages['joint']['metrics']['step']:06}.png"
    assert sample == kept.read_bytes()
    # one stage by itself, from checkpoints named
    train("nogan", tmp_path / "alone", images, *common, "--stage", "joint",
          "--generator", tmp_path / "nogan/generator", "--critic", tmp_path / "nogan/critic")  # fmt: skip
    assert same_weights(tmp_path / "nogan/model.safetensors", tmp_path / "alone/model.safetensors")
    # resumed though it is finished, it obeys what is new
    more = [*common, "--resume_from_checkpoint", "latest", "--colorfulness", "0.01"]
    assert "The critic stage was finished before." in train("nogan", tmp_path / "nogan", images, *more)
    assert json.loads((tmp_path / "nogan" / "training.json").read_text())["metrics"]["factor"] < 1
    assert (tmp_path / "nogan" / "sample.png").read_bytes() != sample
    train("nogan", tmp_path / "nogan", images, *common, "--resume_from_checkpoint", "latest")
    assert (tmp_path / "nogan" / "sample.png").read_bytes() == sample  # as it was


def test_the_colours_of_a_gan_become_as_strong_as_asked_for(images: Path, vivid: Path, tmp_path: Path):
    start = ["--generator", vivid, "--max_train_steps", 2, "--train_batch_size", 8, "--learning_rate", "1e-3"]
    for script in ("cgan", "nogan"):
        stage = ["--stage", "joint", "--critic", tmp_path / "critic"] if script == "nogan" else []
        if stage:
            Discriminator(width=8).save_pretrained(tmp_path / "critic")
        results = {}
        for wanted in (0.2, 0.4):
            folder = tmp_path / script / str(wanted)
            train(script, folder, images, *start, *stage, "--colorfulness", wanted, "--validation_steps", 1)
            record = json.loads((folder / "training.json").read_text())
            measured = [past for past in record["validation"] if "factor" not in past]
            kept = min(measured, key=lambda past: past["fd_ab"]) if stage else measured[-1]
            assert record["metrics"]["step"] == kept["step"]  # NoGAN keeps its best one
            results[wanted] = record["metrics"]
        assert results[0.2]["factor"] < results[0.4]["factor"]
        assert results[0.4]["colorfulness"] == pytest.approx(2 * results[0.2]["colorfulness"], rel=0.1)
        assert Colorizer.from_pretrained(folder).colorize(data.coffee()).size == (600, 400)
    assert "not enough for --colorfulness" in train("cgan", tmp_path / "most", images, *start, "--colorfulness", 100)


def test_colours_are_scaled_up_and_down():
    torch.manual_seed(0)
    truth = torch.from_numpy(data.astronaut()[:256, :256].copy()).permute(2, 0, 1)
    tiles = truth.unfold(1, 32, 32).unfold(2, 32, 32).permute(1, 2, 0, 3, 4).reshape(-1, 3, 32, 32)
    validation = ImageSet(tiles, None, [])
    for generator in (Generator(width=8), Generator("photo", 8, bins=3)):
        generator.eval().chroma_layer.weight.data.mul_(5)

        def strength(generator: Generator = generator) -> float:
            return (colorfulness(colorize_all(generator, tiles)).mean() / colorfulness(tiles).mean()).item()

        full = strength()
        assert full > 0.1
        assert scale_colors(generator, validation, 0.5 * full) == pytest.approx(0.5, abs=0.1)
        assert strength() == pytest.approx(0.5 * full, rel=0.02)
        assert scale_colors(generator, validation, full) == pytest.approx(2, abs=0.3)
        assert strength() == pytest.approx(full, rel=0.02)


def test_tensorboard_gets_losses_metrics_and_samples(images: Path, tmp_path: Path):
    train("unet", tmp_path / "run", images, "--max_train_steps", 2, "--report_to", "tensorboard")
    (events,) = (tmp_path / "run" / "logs").glob("**/events*.0")
    written = events.read_bytes()
    for tag in (b"train/loss", b"validation/psnr_pooled", b"samples", b"PNG"):
        assert tag in written


WANDB = '''
"""A stand-in for the package wandb that writes down what it is told."""
import json, types
config = types.SimpleNamespace(update=lambda values, **_: note("config", sorted(values)))
def note(kind, what):
    with open(PATH, "a") as file:
        file.write(json.dumps([kind, what]) + chr(10))
class Image:
    def __init__(self, pixels): self.shape = pixels.shape
class Run:
    def log(self, values, step):
        pictures = values.pop("samples", [])
        note("log", values)
        note("pictures", [image.shape for image in pictures])
    def finish(self): note("finish", None)
def init(project, **_):
    note("init", project)
    return Run()
'''


def test_wandb_gets_losses_metrics_and_samples(images: Path, tmp_path: Path):
    (tmp_path / "wandb.py").write_text(WANDB.replace("PATH", repr(str(tmp_path / "notes"))))
    (tmp_path / "wandb-1.dist-info").mkdir()
    (tmp_path / "wandb-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 1\n")
    train("unet", tmp_path / "run", images, "--max_train_steps", 2, "--report_to", "wandb", PYTHONPATH=str(tmp_path))
    notes = [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]
    assert notes[0] == ["init", "colorgan"]
    assert notes[-1] == ["finish", None]
    logged = {name for kind, values in notes if kind == "log" for name in values}
    assert {"train/loss", "validation/psnr_pooled"} <= logged
    assert [shape[-1] for kind, shapes in notes if kind == "pictures" for shape in shapes] == [3]


@pytest.mark.parametrize("package", ["accelerate", "datasets"])
@pytest.mark.parametrize("script", ["unet", "cgan", "classifier", "nogan"])
def test_without_the_train_extra_a_script_names_it(script: str, package: str):
    code = f"""
import runpy, sys
for name in [name for name in sys.modules if name.partition(".")[0] in ("colorgan", {package!r})]:
    del sys.modules[name]  # a forked process has imported them
sys.modules[{package!r}] = None
runpy.run_path("train/{script}.py", run_name="__main__")
"""
    done = run_script("-c", code)
    assert done.returncode == 1
    wanted = f'Training needs the package {package}: install it with pip install "colorgan[train]".\n'
    assert done.stderr == wanted


# stopping and resuming


def test_a_killed_run_resumes_bit_for_bit_in_mid_epoch(images: Path, tmp_path: Path):
    options = ["--max_train_steps", 17, "--checkpointing_steps", 3, "--validation_steps", 4]  # 13 steps are an epoch
    train("cgan", tmp_path / "whole", images, *options)
    command = [sys.executable, "train/cgan.py", "--dataset_name", images, "--output_dir", tmp_path / "killed"]
    with subprocess.Popen(
        [str(part) for part in [*command, *SMALL, *options]], cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
    ) as process:
        while not (tmp_path / "killed" / "checkpoint-000006").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    states = sorted((tmp_path / "killed").glob("checkpoint-??????"))
    assert len(states) in (2, 3)  # two are kept; a kill may come before the third is removed
    (tmp_path / "killed" / "checkpoint-000999.partial").mkdir()  # what a kill in mid-save leaves
    printed = train("cgan", tmp_path / "killed", images, *options, "--resume_from_checkpoint", "latest")
    assert f"Resumed from {states[-1]}" in printed
    record = json.loads((tmp_path / "killed" / "training.json").read_text())
    assert [metrics["step"] for metrics in record["validation"]] == [4, 8, 12, 16, 17]  # those from before as well
    assert same_weights(tmp_path / "whole/model.safetensors", tmp_path / "killed/model.safetensors")
    for whole in state_files(tmp_path / "whole/checkpoint-000017"):
        assert same_weights(whole, tmp_path / "killed/checkpoint-000017" / whole.name)


def test_ctrl_c_leaves_a_usable_checkpoint(images: Path, tmp_path: Path):
    launcher = Path(sys.executable).with_name("accelerate")
    command = [launcher, "launch", "train/unet.py", "--dataset_name", images, "--output_dir", tmp_path / "run", *SMALL]
    with subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        printed = ""
        assert process.stdout is not None
        while not re.search(r"\b[5-9]/", printed):
            printed += process.stdout.read(1)
            assert process.poll() is None, printed
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the launcher gets it too
        printed += process.stdout.read()
    assert "Stopped at step" in printed
    assert not json.loads((tmp_path / "run" / "training.json").read_text())["finished"]
    assert len(list((tmp_path / "run").glob("checkpoint-??????"))) == 1
    assert Colorizer.from_pretrained(tmp_path / "run").colorize(data.coffee()).size == (600, 400)


def test_the_second_ctrl_c_stops_at_once():
    said: list[str] = []
    stop, before = (
        Stop(cast(Accelerator, SimpleNamespace(num_processes=1)), said.append),
        signal.getsignal(signal.SIGINT),
    )
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert said == ["Stopping after this step; press Ctrl-C again to stop at once."]
        assert not stop.interrupted
        stop.agree(ask=False)
        assert stop.interrupted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_diverging_run_stops_and_names_the_last_good_state(images: Path, tmp_path: Path, refusal: Callable[..., str]):
    options = ["--dataset_name", images, "--output_dir", tmp_path / "run", *SMALL, "--max_train_steps", 30]
    message = refusal("unet", *options, "--learning_rate", "1e38", "--checkpointing_steps", 1)
    assert re.search(r"became (nan|inf)", message, re.IGNORECASE)
    assert "resume from the last good state" in message


def test_a_resumed_run_obeys_its_own_options(images: Path, tmp_path: Path):
    options = ["--max_train_steps", 4, "--checkpointing_steps", 2, "--lr_warmup_steps", 0]
    train("unet", tmp_path / "run", images, *options)
    state = ["--resume_from_checkpoint", tmp_path / "run" / "checkpoint-000002"]
    train("unet", tmp_path / "same", images, *options, *state)
    train("unet", tmp_path / "slower", images, *options, *state, "--learning_rate", "2e-7")
    whole = tmp_path / "run" / "model.safetensors"
    assert same_weights(whole, tmp_path / "same" / "model.safetensors")
    assert not same_weights(whole, tmp_path / "slower" / "model.safetensors")


def test_a_stopped_joint_stage_keeps_the_same_step(images: Path, tmp_path: Path):
    """The best weights so far are a part of the training state."""
    torch.manual_seed(0)
    Discriminator(width=8).save_pretrained(tmp_path / "critic")
    options = ["--stage", "joint", "--generator", "unet", "--critic", tmp_path / "critic", "--seed", 1]
    options += ["--joint_learning_rate", "1", "--max_train_steps", 6, "--validation_steps", 2]
    train("nogan", tmp_path / "whole", images, *options, "--checkpointing_steps", 5)
    kept = json.loads((tmp_path / "whole" / "training.json").read_text())["metrics"]["step"]
    state = tmp_path / "whole" / "joint" / "checkpoint-000005"
    train("nogan", tmp_path / "resumed", images, *options, "--resume_from_checkpoint", state)  # no folder but this
    assert kept < 5  # at this rate the network is soon ruined, and nothing changes any more
    assert same_weights(tmp_path / "whole/model.safetensors", tmp_path / "resumed/model.safetensors")


def test_a_critic_that_has_won_in_its_history_is_finished(images: Path, vivid: Path, tmp_path: Path):
    options = ["--stage", "critic", "--generator", vivid, "--critic_accuracy", 0, "--critic_steps", 9]
    options += ["--validation_steps", 2, "--checkpointing_steps", 1, "--discriminator_width", 8]
    train("nogan", tmp_path / "whole", images, *options)
    assert json.loads((tmp_path / "whole/critic/training.json").read_text())["steps"] == 2  # its first validation
    for step in (1, 2):  # it has not won yet, and it has won
        state = ["--resume_from_checkpoint", tmp_path / "whole" / "critic" / f"checkpoint-{step:06d}"]
        train("nogan", tmp_path / str(step), images, *options, *state)
        record = json.loads((tmp_path / str(step) / "critic" / "training.json").read_text())
        assert [metrics["step"] for metrics in record["validation"]] == [2]
        weights = "critic/model.safetensors"
        assert same_weights(tmp_path / "whole" / weights, tmp_path / str(step) / weights)


@pytest.mark.parametrize(
    ("scheduler", "factors"),
    [
        ("cosine", {0: 1 / 4, 2: 3 / 4, 3: 1, 28: 0.85355, 53: 0.5, 103: 0}),
        ("linear", {0: 1 / 4, 2: 3 / 4, 3: 1, 28: 0.75, 53: 0.5, 103: 0}),
        ("constant", {0: 1 / 4, 2: 3 / 4, 3: 1, 28: 1, 53: 1, 102: 1}),
    ],
)
def test_the_learning_rate_rises_and_then_obeys_its_schedule(scheduler: Any, factors: dict[int, float]):
    config = TrainingConfig(lr_warmup_steps=3, lr_scheduler=scheduler)
    seen = {step: learning_rate_factor(config, step, 103) for step in factors}
    assert seen == pytest.approx(factors, abs=1e-5)
    assert learning_rate_factor(TrainingConfig(lr_warmup_steps=50), 10, 100) == 1  # a tenth of all steps at most


@pytest.mark.parametrize(("scheduler", "half", "last"), [("cosine", 0.5, 0.00616), ("linear", 0.5, 0.05)])
def test_the_learning_rate_may_fall_in_the_last_steps_only(scheduler: Any, half: float, last: float):
    config = TrainingConfig(lr_warmup_steps=3, lr_scheduler=scheduler, lr_decay_steps=20)
    factors = {0: 1 / 4, 3: 1, 79: 1, 80: 1, 90: half, 99: last}
    assert {step: learning_rate_factor(config, step, 100) for step in factors} == pytest.approx(factors, abs=1e-5)
    longer = TrainingConfig(lr_warmup_steps=3, lr_scheduler=scheduler, lr_decay_steps=999)  # than all steps
    whole = TrainingConfig(lr_warmup_steps=3, lr_scheduler=scheduler)
    assert learning_rate_factor(longer, 50, 100) == learning_rate_factor(whole, 50, 100)


def test_every_optimizer_has_its_own_rate(images: Path, tmp_path: Path):
    options = ["--learning_rate", "4e-3", "--discriminator_learning_rate", "1e-3", "--lr_warmup_steps", 0]
    train("cgan", tmp_path, images, *options, "--max_train_steps", 4)
    rates = [torch.load(tmp_path / "checkpoint-000004" / name)["param_groups"][0]["lr"] for name in OPTIMIZERS]
    last = learning_rate_factor(TrainingConfig(lr_warmup_steps=0), 3, 4)
    assert rates == pytest.approx([4e-3 * last, 1e-3 * last])


def test_the_defaults_of_adam_are_those_of_each_recipe():
    generator = Generator(width=8)
    expected = {
        UNET["UNetConfig"]: ((0.9, 0.99), 0.01),
        CGAN["CGANConfig"]: ((0.5, 0.99), 0.0),
        CLASSIFIER["ClassifierConfig"]: ((0.9, 0.999), 0.05),
        NOGAN["NoGANConfig"]: ((0.9, 0.99), 0.01),
    }
    for config, values in expected.items():
        group = new_optimizer(config(), generator, 1e-3).param_groups[0]
        assert (group["betas"], group["weight_decay"]) == values
    pix2pix = parse_config(CGAN["CGANConfig"], CGAN["PRESETS"], None, ["--preset", "pix2pix"])
    assert new_optimizer(pix2pix, generator, 1e-3).param_groups[0]["betas"] == (0.5, 0.999)


def test_the_stages_of_nogan_have_their_own_adam(images: Path, tmp_path: Path):
    options = ["--discriminator_width", 8, "--max_train_steps", 1, "--adversarial_adam_weight_decay", "0.3"]
    train("nogan", tmp_path, images, *options)
    seen = {}
    for stage in ("generator", "critic", "joint"):
        group = torch.load(tmp_path / stage / "checkpoint-000001" / "optimizer.bin")["param_groups"][0]
        seen[stage] = (*group["betas"], group["weight_decay"])
    assert seen == {"generator": (0.9, 0.99, 0.01), "critic": (0.5, 0.99, 0.3), "joint": (0.5, 0.99, 0.3)}


def test_gradients_are_limited_in_their_norm(images: Path, tmp_path: Path):
    """Adam's first average of the gradient is 0.1 times the gradient, so its norm shows the gradient's."""
    common = ["--max_train_steps", 1, "--gradient_accumulation_steps", 2, "--mixed_precision", "no"]

    def norm(name: str, *options: object) -> float:
        train("unet", tmp_path / name, images, *common, *options)
        state = torch.load(tmp_path / name / "checkpoint-000001" / "optimizer.bin")["state"]
        return torch.stack([moment["exp_avg"].norm() for moment in state.values()]).norm().item() / 0.1

    free = norm("free")
    assert norm("limited", "--max_grad_norm", free / 4) == pytest.approx(free / 4, rel=1e-3)
    assert norm("wide", "--max_grad_norm", free * 2) == pytest.approx(free, rel=1e-6)


def test_fewer_training_images_leave_the_validation_images_as_they_are(images: Path):
    splits = [load_split_images(TrainingConfig(dataset_name=str(images), max_train_samples=n)) for n in (None, 20, 999)]
    (everything, validation, _), (some, same, _), (all_again, _, _) = splits
    assert [len(everything), len(some), len(all_again)] == [108, 20, 108]
    assert torch.equal(validation.images, same.images)
    known = {image.numpy().tobytes() for image in everything.images}
    assert {image.numpy().tobytes() for image in some.images} < known
    assert some.labels is not None
    assert set(some.labels.tolist()) == {0, 1}  # chosen at random: a folder is sorted by its classes


def test_accelerates_gradient_accumulation_is_counted(images: Path, tmp_path: Path):
    """Accelerate prefers its environment variable: four batches make a step, and every batch is used once."""
    options = ["--num_train_epochs", 1, "--checkpointing_steps", 1]
    by_environment = train("unet", tmp_path / "a", images, *options, ACCELERATE_GRADIENT_ACCUMULATION_STEPS="4")
    assert "3 steps of 4 x 1 x 8" in by_environment  # 13 batches of 8 are an epoch
    record = json.loads((tmp_path / "a" / "training.json").read_text())
    assert record["steps"] == 3
    assert record["config"]["gradient_accumulation_steps"] == 4
    train("unet", tmp_path / "b", images, *options, "--gradient_accumulation_steps", 4)
    assert same_weights(tmp_path / "a/model.safetensors", tmp_path / "b/model.safetensors")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("unet", ["--adam_weight_decay 10", "--adam_beta1 0.1", "--lr_scheduler constant", "--max_train_samples 30"]),
        ("cgan", ["--lambda_l1 100", "--discriminator_learning_rate 1e-6", "--adam_beta2 0.9"]),
        ("classifier", ["--label_smoothing 0.9"]),
    ],
)
def test_a_recipe_does_what_it_is_told(images: Path, tmp_path: Path, script: str, told: list[str]):
    for options in ("", *told):
        train(script, tmp_path / options, images, "--max_train_steps", 3, "--lr_warmup_steps", 0, *options.split())
        same = same_weights(tmp_path / "model.safetensors", tmp_path / options / "model.safetensors")
        assert same == (not options), options


def test_gradients_accumulate_for_both_networks(images: Path, tmp_path: Path):
    train("cgan", tmp_path / "run", images, "--max_train_steps", 3, "--gradient_accumulation_steps", 2)
    for name in OPTIMIZERS:
        state = torch.load(tmp_path / "run" / "checkpoint-000003" / name)["state"]
        assert {int(parameter["step"]) for parameter in state.values()} == {3}


# several processes


def test_two_processes_share_the_data_and_keep_the_same_weights(images: Path, tmp_path: Path):
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc_per_node", "2"]
    train("cgan", tmp_path / "run", images, "--max_train_steps", 4, "--checkpointing_steps", 4, "--seed", 1,
          launch=[*torchrun, "tests/two_processes.py", tmp_path])  # fmt: skip
    one, other = (json.loads((tmp_path / f"process-{i}-of-2.json").read_text()) for i in range(2))
    assert len(one["weights"]) == 4
    assert len(set(one["weights"])) == 4
    assert one["weights"] == other["weights"]
    assert not set(one["batches"]) & set(other["batches"])
    assert len(list((tmp_path / "run" / "checkpoint-000004").glob("random_states_*.pkl"))) == 2
    assert Colorizer.from_pretrained(tmp_path / "run").colorize(data.coffee()).size == (600, 400)


def test_two_processes_go_through_all_stages_of_nogan(images: Path, tmp_path: Path):
    options = ["--discriminator_width", 8, "--max_train_steps", 2, "--validation_steps", 1, "--colorfulness", "0.1"]
    train("nogan", tmp_path / "run", images, *options, processes=2)
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "run" / "joint")  # as if it had been killed after the critic's stage
    again = train("nogan", tmp_path / "run", images, *options, "--resume_from_checkpoint", "latest", processes=2)
    assert again.count("The critic stage was finished before.") == 1
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["processes"] == 2
    assert "2 steps of 16 images" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert Colorizer.from_pretrained(tmp_path / "run").colorize(data.coffee()).size == (600, 400)


# refusals, before any training begins


def test_bad_options_get_one_sentence(images: Path, tmp_path: Path, refusal: Callable[..., str]):
    here = ["--dataset_name", images, "--output_dir", tmp_path / "run", "--train_batch_size", 8]
    assert "invalid choice: 'huge'" in refusal("unet", *here, "--preset", "huge")
    assert "at most 108" in refusal("unet", *here, "--train_batch_size", 500)
    assert "no training state" in refusal("unet", *here, "--resume_from_checkpoint", "latest")
    assert "no training state" in refusal("cgan", *here, "--resume_from_checkpoint", tmp_path / "checkpoint-000001")
    assert "--num_train_epochs must be at least 1" in refusal("unet", *here, "--num_train_epochs", 0)
    assert "does not exist" in refusal("cgan", "--dataset_name", "./nowhere", "--output_dir", tmp_path / "run")
    assert "There is no checkpoint" in refusal("cgan", *here, "--generator", "nowhere")
    assert "Only networks of --architecture photo take hints" in refusal("unet", *here, "--hint_share", 0.5)
    assert "does not have the --architecture photo" in refusal(
        "unet", *here, "--generator", "unet", "--architecture", "photo"
    )
    Generator("photo", 8, bins=3).save_pretrained(tmp_path / "photo")
    assert "does not have the --architecture residual" in refusal("cgan", *here, "--generator", tmp_path / "photo")
    assert "not of a Classifier" in refusal("nogan", *here, "--classifier", "unet")
    Generator("photo", 8, bins=3, temperature=0.4).save_pretrained(tmp_path / "annealed")
    annealed = ["--architecture", "photo", "--generator", tmp_path / "annealed", "--colorfulness", 0.9]
    assert "leave out --colorfulness" in refusal("cgan", *here, *annealed)
    assert "name that --stage as well" in refusal("nogan", *here, "--resume_from_checkpoint", tmp_path)
    assert "--resolution must be at least 16, not 8." in refusal("unet", *here, "--resolution", 8)
    assert "--learning_rate must be more than 0" in refusal("unet", *here, "--learning_rate", "0")
    assert "--adam_beta1 must be at least 0 and less than 1, not 1.0." in refusal("cgan", *here, "--adam_beta1", 1)
    assert "--adam_beta2 must be at least 0 and less than 1, not -0.1." in refusal("unet", *here, "--adam_beta2", -0.1)
    assert "--adam_weight_decay must be at least 0, not -1.0" in refusal("unet", *here, "--adam_weight_decay", -1)
    assert "--max_grad_norm must be at least 0, not nan." in refusal("nogan", *here, "--max_grad_norm", "nan")
    assert "--max_train_samples must be at least 1, not 0." in refusal("unet", *here, "--max_train_samples", 0)
    assert "batch_size of at most 5" in refusal("unet", *here, "--max_train_samples", 5)
    assert "invalid choice: 'cyclic'" in refusal("unet", *here, "--lr_scheduler", "cyclic")
    if find_spec("wandb") is None:
        assert "wandb needs a package: pip install wandb." in refusal("unet", *here, "--report_to", "wandb")
    assert "--seed must be at least 0 and less than 4294967296, not -1." in refusal("unet", *here, "--seed", "-1")
    assert "--ema_decay must be at least 0 and less than 1, not 1.5." in refusal("unet", *here, "--ema_decay", "1.5")
    assert "--lambda_l1 must be at least 0, not nan." in refusal("cgan", *here, "--lambda_l1", "nan")
    assert "--train_batch_size must be at least 2" in refusal(
        "unet", *here, "--resolution", 16, "--train_batch_size", 1
    )
    assert "distinguishes 10 classes, but the classifier to train" in refusal(
        "classifier", *here, "--teacher", "classifier"
    )
    Classifier(1, 8).save_pretrained(tmp_path / "one")
    assert "distinguishes 1 classes, but the images have 2" in refusal(
        "classifier", *here, "--classifier", tmp_path / "one"
    )
    assert "--stage all has no use for it" in refusal("nogan", *here, "--critic", "critic")
    (tmp_path / "file").touch()
    assert "file cannot be created: File exists." in refusal("unet", *here, "--output_dir", tmp_path / "file")
    for step in (7, 1_000_000):
        (tmp_path / "run" / f"checkpoint-{step:06d}").mkdir(parents=True)
    for state in ([], ["--resume_from_checkpoint", tmp_path / "run" / "checkpoint-000007"]):  # the later would be lost
        assert "checkpoint-1000000 is a training state of another run" in refusal("unet", *here, *state)
    shutil.rmtree(tmp_path / "run")
    assert "not of --stage critic" in refusal("nogan", *here, "--stage", "critic", "--push_to_hub")
    assert not list(tmp_path.glob("run/checkpoint-*"))


def test_an_ordinary_folder_is_trained_on(images: Path, tmp_path: Path):
    """Pictures of other modes are converted and damaged ones left out; it is said once, and recorded."""
    folder = shutil.copytree(images, tmp_path / "images")
    cats = sorted((folder / "train" / "cat").iterdir())
    for i, mode in enumerate(("L", "RGBA", "P")):
        Image.open(cats[i]).convert(mode).save(cats[i])
    cats[3].write_bytes(cats[3].read_bytes()[:900])
    cats[4].write_text("This is no picture.")
    printed = train("unet", tmp_path / "run", folder, "--max_train_steps", 2, processes=2)
    message = f"{folder} (train): 3 images were converted to RGB (1 RGB with transparency, 1 grey, 1 palette)."
    assert printed.count(message) == 1
    assert printed.count("2 images were unreadable and left out: train/cat/003.png, train/cat/004.png.") == 1
    assert "(1 exactly grey ones left out)" in printed
    data = json.loads((tmp_path / "run" / "training.json").read_text())["data"]
    assert {name: data[name] for name in data if name.startswith("num_")} == {
        "num_images": 118, "num_grey_removed": 1, "num_converted": 3, "num_enlarged": 0, "num_left_out": 2
    }  # fmt: skip
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "1 exactly grey ones were left out, 3 were converted to RGB, 2 more could not be read, SHA-256" in card


def test_nogan_says_it_once_and_columns_can_be_named(images: Path, tmp_path: Path):
    rows: dict[str, list] = {"photo": [], "what": []}
    for path in sorted((images / "train").rglob("*.png")):
        rows["photo"].append({"bytes": path.read_bytes(), "path": None})
        rows["what"].append(len(rows["what"]) % 3)
    rows["photo"][7]["bytes"] = b"damaged"
    pq.write_table(pa.table(rows), tmp_path / "mine.parquet")
    columns = ["--image_column", "photo", "--label_column", "what", "--max_train_steps", 1]
    printed = train("classifier", tmp_path / "classifier", tmp_path / "mine.parquet", *columns)
    assert "test_top1" not in json.loads((tmp_path / "classifier" / "training.json").read_text())["metrics"]
    assert printed.count("1 image was unreadable and left out: row 7.") == 1
    assert Classifier.from_pretrained(tmp_path / "classifier").head.out_features == 3
    printed = train("nogan", tmp_path / "nogan", tmp_path / "mine.parquet", *columns, "--discriminator_width", 8)
    assert printed.count("1 image was unreadable and left out: row 7.") == 1


def test_words_are_no_labels(images: Path, tmp_path: Path, refusal: Callable[..., str]):
    folder = shutil.copytree(images, tmp_path / "images")
    shutil.rmtree(folder / "train" / "cup")
    for path in sorted((folder / "train" / "cat").iterdir()):
        path.rename(folder / "train" / path.name)
    (folder / "train" / "cat").rmdir()
    names = [path.name for path in sorted((folder / "train").iterdir())]
    lines = [json.dumps({"file_name": name, "label": "cat"}) for name in names]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(lines))
    train("unet", tmp_path / "run", folder, "--max_train_steps", 1)
    message = refusal("classifier", "--dataset_name", folder, "--output_dir", tmp_path / "classifier", *SMALL)
    wanted = "which a classifier needs: --label_column must name a column of integers from 0 on."
    assert message == f"classifier.py: {folder} has no labels, {wanted}"


def test_half_written_and_foreign_states_are_refused(images: Path, tmp_path: Path, refusal: Callable[..., str]):
    train("unet", tmp_path / "run", images, "--max_train_steps", 2)
    here = ["--dataset_name", images, *SMALL, "--max_train_steps", 4]
    half = shutil.copytree(tmp_path / "run", tmp_path / "half")
    weights = half / "checkpoint-000002" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    message = refusal("unet", *here, "--output_dir", half, "--resume_from_checkpoint", "latest")
    assert "is damaged or of another run" in message
    state = tmp_path / "run" / "checkpoint-000002"
    other = [*here, "--output_dir", tmp_path / "other", "--width", "16", "--resume_from_checkpoint", state]
    assert "is damaged or of another run" in refusal("unet", *other)
