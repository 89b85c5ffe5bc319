"""The demo as its users meet it: `python app.py` in a process of its own, and gradio_client at its public endpoints."""

import json
import struct
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PHOTOS, ROOT, running_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from colorgan.color import rgb_to_lab
from colorgan.colorizer import Colorizer
from colorgan.demo import EXAMPLES, GAP, TILE, Demo
from colorgan.hub import bundled_generators


@pytest.fixture(scope="module")
def client(app: str) -> Client:
    return Client(app, verbose=False)


@pytest.fixture(scope="module")
def offline_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The demo without options, in a home that has never seen a data set, and without a network."""
    home = str(tmp_path_factory.mktemp("home"))
    with running_app(HF_HOME=home, HF_HUB_OFFLINE="1") as url:
        yield Client(url, verbose=False)


def read_lab(path: Path | str) -> torch.Tensor:
    rgb = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    return rgb_to_lab(rgb.float() / 255)


def mean_chroma(path: Path | str) -> float:
    return read_lab(path)[1:].abs().mean().item()


def test_a_grey_photograph_gets_colours_and_keeps_its_size_and_lightness(client: Client, grey_photo: Path) -> None:
    result = client.predict(handle_file(str(grey_photo)), api_name="/colorize")
    assert Path(result).name == "breakfast.colorized.png"
    assert Image.open(result).size == Image.open(grey_photo).size
    difference = (read_lab(result)[0] - read_lab(grey_photo)[0]).abs()
    assert difference.max() < 0.5  # half an 8-bit step of each channel
    assert mean_chroma(result) > 2


def test_saturation_multiplies_the_colours(client: Client, grey_photo: Path) -> None:
    none, half, full = (
        mean_chroma(client.predict(handle_file(str(grey_photo)), saturation=s, api_name="/colorize"))
        for s in (0, 0.5, 1)
    )
    assert none < 0.01
    assert half == pytest.approx(full / 2, rel=0.1)


def test_the_network_runs_once_for_all_saturations(
    grey_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    colorizer, runs = Colorizer.from_pretrained("unet"), []
    monkeypatch.setattr(colorizer, "predict", lambda photo: runs.append(photo) or Colorizer.predict(colorizer, photo))
    demo = Demo({"unet": colorizer}, "no data set", [])
    results = {demo.colorize(str(grey_photo), "unet", saturation) for saturation in (0.5, 1, 2)}
    assert len(results) == 3
    assert len(runs) == 1


def test_each_model_can_be_asked_for(client: Client, grey_photo: Path) -> None:
    results = [client.predict(handle_file(str(grey_photo)), model=m, api_name="/colorize") for m in ("unet", "second")]
    first, second = (np.array(Image.open(path)) for path in results)
    np.testing.assert_array_equal(first, second)  # `second` is a copy of `unet`
    with pytest.raises(AppError, match="nowhere"):
        client.predict(handle_file(str(grey_photo)), model="nowhere", api_name="/colorize")


def test_the_page_names_a_model_that_cannot_be_had_and_no_folder_of_the_server(app: str) -> None:
    page = urllib.request.urlopen(app + "config").read().decode()
    assert "There is no checkpoint nowhere" in page
    assert "/models0/second" not in page


def test_only_the_two_named_endpoints_are_public(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert set(endpoints["named_endpoints"]) == {"/colorize", "/sample"}
    assert endpoints["unnamed_endpoints"] == {}
    parameters = {
        name: [p["parameter_name"] for p in e["parameters"]] for name, e in endpoints["named_endpoints"].items()
    }
    assert parameters == {"/colorize": ["photo", "model", "saturation"], "/sample": ["class_name", "seed", "count"]}


def damaged_files(folder: Path) -> dict[str, Path]:
    """Uploads that are no pictures, each in its own way."""
    photo = (PHOTOS / "coffee.png").read_bytes()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)  # 10 GB when decoded
    bomb = photo[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + photo[33:]
    contents = {"letter": b"Dear colorgan, I am a letter.", "empty": b"", "truncated": photo[:100_000], "bomb": bomb}
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    return {name: folder / f"{name}.png" for name in contents}


@pytest.mark.parametrize("kind", ["letter", "empty", "truncated", "bomb"])
def test_a_file_that_is_no_picture_gets_one_clean_sentence(
    client: Client, grey_photo: Path, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(str(damaged_files(tmp_path)[kind])), api_name="/colorize")
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert "/" not in message.replace("and/or", ""), "a path of the server"
    assert Path(client.predict(handle_file(str(grey_photo)), api_name="/colorize")).is_file()


@pytest.mark.parametrize("mark", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_a_file_of_the_server_is_no_upload(app: str, mark: dict) -> None:
    call = app + "gradio_api/call/colorize"
    body = json.dumps({"data": [{"path": str(PHOTOS / "coffee.png"), **mark}, "unet", 1]}).encode()
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request))["event_id"]
    answer = urllib.request.urlopen(f"{call}/{event}").read().decode()
    assert "event: error" in answer
    assert "coffee" not in answer


def test_samples_show_grey_each_model_and_the_truth(client: Client, photo_dataset: Path) -> None:
    rows = client.predict(class_name="cat", seed=3, count=5, api_name="/sample")
    assert len(rows) == 5
    truths = [np.array(Image.open(path)) for path in sorted((photo_dataset / "test" / "cat").iterdir())]
    for row in rows:
        name, figures = row["caption"].split(": ")
        assert name == "cat"
        assert [figure.split()[0] for figure in figures.split(" | ")] == ["grey", "U-Net", "second", "truth"]
        strip = np.array(Image.open(row["image"]))
        assert strip.shape == (TILE, 4 * TILE + 3 * GAP, 4)
        grey, first, second, truth = (strip[2::5, i * (TILE + GAP) + 2 :: 5, :3][:, :32] for i in range(4))
        assert any(np.array_equal(truth, image) for image in truths)
        assert np.ptp(grey, axis=2).max() <= 1  # rounding
        np.testing.assert_array_equal(first, second)
        assert float(figures.split()[1]) == pytest.approx(psnr(grey, truth), abs=0.06)
        assert float(figures.split(" | ")[1].split()[1]) == pytest.approx(psnr(first, truth), abs=0.06)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def test_the_seed_chooses_the_samples(client: Client) -> None:
    def captions(seed: int) -> list[str]:
        return [row["caption"] for row in client.predict(seed=seed, count=6, api_name="/sample")]

    assert captions(1) == captions(1) != captions(2)


def test_an_unknown_class_is_answered_with_the_known_ones(client: Client) -> None:
    with pytest.raises(AppError, match="no class dragon: choose one of all classes, cat, cup"):
        client.predict(class_name="dragon", api_name="/sample")


def test_without_network_and_data_set_sampling_says_what_to_do_and_photographs_are_colourized(
    offline_client: Client, grey_photo: Path
) -> None:
    with pytest.raises(AppError, match=r"^The data set uoft-cs/cifar10 cannot be had \(.*--dataset_name a folder.*\.$"):
        offline_client.predict(api_name="/sample")
    assert mean_chroma(offline_client.predict(handle_file(str(grey_photo)), api_name="/colorize")) > 2


def test_all_bundled_models_are_shown_by_default_the_unet_first(offline_client: Client) -> None:
    parameters = offline_client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/colorize"][
        "parameters"
    ]
    assert parameters[1]["type"]["enum"] == bundled_generators()
    assert bundled_generators()[0] == "unet"


def test_the_examples_lie_in_the_installed_package() -> None:
    assert {Path(path).stem for path in EXAMPLES} == {"astronaut", "chelsea", "coffee", "rocket"}
    assert all(Path(path).is_file() for path in EXAMPLES)


def test_nothing_starts_when_no_model_can_be_had() -> None:
    run = subprocess.run([sys.executable, "app.py", "--model", "nowhere"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "There is no checkpoint nowhere" in run.stdout
    assert "Traceback" not in run.stderr
