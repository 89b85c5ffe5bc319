"""The training benchmarks time the scripts themselves; only that they run and count right is tested, never speed."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from scripts import run_script
from torch.utils.flop_counter import FlopCounterMode

from colorgan.models import Generator

BENCH = Path(__file__).parent.parent / "bench"


def time_script(*arguments: str) -> dict:
    done = run_script(BENCH / "measuring.py", *arguments, "--train_batch_size", "8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_step_is_timed_and_its_operations_counted() -> None:
    result = time_script("unet", "0.2", "--architecture", "pix2pix", "--width", "16", "--mixed_precision", "no")
    generator, lightness = Generator("pix2pix", 16).train(), torch.zeros(8, 1, 32, 32)
    with FlopCounterMode(display=False) as counter:
        generator(lightness).sum().backward()
    to_lab = 2 * 3 * 3 * 32 * 32  # a 3x3 matrix for each pixel
    assert result["flops_per_image"] == counter.get_total_flops() / 8 + to_lab
    assert result["images_per_s"] > 0
    assert result["memory"] > 50e6


@pytest.mark.parametrize("stage", ["generator", "critic", "joint"])
def test_each_stage_of_nogan_can_be_timed(stage: str) -> None:
    assert time_script("nogan", "0.2", "--stage", stage)["images_per_s"] > 0


def test_recipes_are_compared_at_the_same_seeds(images: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: run_script(*command[1:]))  # the trainings are forked
    options = ["precision", "--dataset_name", str(images), "--seeds", "2", "--steps", "2"]
    monkeypatch.setattr(sys, "argv", ["bench/recipes.py", *options])
    runpy.run_path(str(BENCH / "recipes.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    header, _, first, second = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")
    )
    assert len(header) == len(first) == len(second) == 9
    assert first[3] == "0.000 ± 0.000"
    gains, others, differences = (float(cell.split()[0]) for cell in (first[2], second[2], second[3]))
    assert differences == pytest.approx(others - gains, abs=0.0011)
