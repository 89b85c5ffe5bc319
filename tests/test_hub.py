"""Saved checkpoints are loaded exactly, and any other folder is refused in one sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from colorgan import CheckpointError, Colorizer, Generator
from colorgan.hub.checkpoint import BUNDLED, bundled_names
from colorgan.models import Discriminator


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    Generator(width=8).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_generator_comes_back(tmp_path: Path):
    torch.manual_seed(0)
    for architecture in ("residual", "pix2pix"):
        model = Generator(architecture, width=8).half().float().eval()  # values that half precision holds
        model.save_pretrained(tmp_path / architecture)
        lightness = torch.rand(2, 1, 32, 32) * 2 - 1
        with torch.no_grad():
            assert torch.equal(Generator.from_pretrained(tmp_path / architecture)(lightness), model(lightness))


def test_bundled_checkpoints_are_complete_small_and_in_half_precision():
    assert "unet" in bundled_names()
    for name in bundled_names():
        folder = BUNDLED / name
        assert (folder / "README.md").read_text(encoding="utf-8").startswith("---\n")
        assert (folder / "model.safetensors").stat().st_size <= 10_000_000
        weights = load_file(folder / "model.safetensors")
        assert {w.dtype for w in weights.values() if w.ndim > 1} == {torch.float16}


def test_values_beyond_half_precision_are_saved_exactly(tmp_path: Path):
    """The variances of BatchNorm can be that large; all other weights are still saved in half precision."""
    model = Generator(width=8).half().float().eval()
    name = next(name for name in model.state_dict() if name.endswith("running_var"))
    model.get_buffer(name)[0] = 100_001
    model.save_pretrained(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    kept = {key for key, value in weights.items() if value.dtype == torch.float32}
    assert kept == {name}
    again = Generator.from_pretrained(tmp_path / "model")
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


def test_an_unknown_name_is_refused():
    for name in ("unett", "./nowhere", "a/b/c"):
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            Colorizer.from_pretrained(name)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint: Path, file: str):
    (checkpoint / file).unlink()
    with pytest.raises(CheckpointError, match=f"has no {file}"):
        Generator.from_pretrained(checkpoint)


def change_config(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_other_networks_are_refused(checkpoint: Path, tmp_path: Path):
    Discriminator(width=8).save_pretrained(tmp_path / "critic")
    with pytest.raises(CheckpointError, match="a checkpoint of Discriminator, not of a Generator"):
        Generator.from_pretrained(tmp_path / "critic")
    for settings in ({"width": 16}, {"architecture": "pix2pix"}, {"architecture": "transformer"}, {"depth": 3}):
        folder = shutil.copytree(checkpoint, tmp_path / "changed", dirs_exist_ok=True)
        change_config(folder, **settings)
        with pytest.raises(CheckpointError, match="do not fit this Generator") as caught:
            Generator.from_pretrained(folder)
        assert "\n" not in str(caught.value)


def test_missing_and_surplus_weights_are_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    for changed in (
        {k: v for k, v in weights.items() if k != "network.head.weight"},
        weights | {"surplus": torch.zeros(1)},
    ):
        save_file(changed, checkpoint / "model.safetensors")
        with pytest.raises(CheckpointError, match="do not fit"):
            Generator.from_pretrained(checkpoint)


def test_weights_of_other_types_and_infinite_weights_are_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    bias = weights["network.head.bias"]
    for changed, why in (
        (bias.to(torch.int8), "is of type torch.int8"),
        (bias.to(torch.complex64), "is of type torch.complex64"),
        (bias / 0, "infinite or not a number"),
        (bias.double() + 1e39, "infinite or not a number"),  # in single precision
    ):
        save_file(weights | {"network.head.bias": changed}, checkpoint / "model.safetensors")
        with pytest.raises(CheckpointError, match=f"network.head.bias .*{why}"):
            Generator.from_pretrained(checkpoint)


def test_damaged_files_are_refused(checkpoint: Path):
    path = checkpoint / "model.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:100], b"\x80\x04" + whole[2:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged or incomplete"):
            Generator.from_pretrained(checkpoint)
    path.write_bytes(whole)
    for text in ("{", "[1, 2]"):
        (checkpoint / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            Generator.from_pretrained(checkpoint)
