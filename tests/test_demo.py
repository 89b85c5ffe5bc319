"""The demo for its users: `python app.py` in another process, and gradio_client at the public endpoints."""

import io
import itertools
import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
import torch
from conftest import PATIENCE, PHOTOS, ROOT, connect, running_app
from films import pan, write_film
from gradio.exceptions import Error
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from pictures import EXACT, LOSSY
from PIL import Image

from colorgan import DEFAULT_MODEL
from colorgan.color import rgb_to_lab
from colorgan.demo import jobs, uploads
from colorgan.demo.about import about
from colorgan.demo.jobs import Jobs, Known
from colorgan.demo.options import QUEUE, new_parser
from colorgan.demo.page import example_photos
from colorgan.demo.samples import MAX_SAMPLES, TILE
from colorgan.demo.start import default_models
from colorgan.demo.uploads import EXAMPLE_HINTS, MAX_FILES
from colorgan.evaluation.evaluate import evaluate
from colorgan.hub.checkpoint import bundled_generators
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.hints import Hint, as_hints
from colorgan.models import Generator
from colorgan.photo import read_photo
from colorgan.photo.png import write_png


@pytest.fixture(scope="module")
def client(app: str) -> Client:
    return connect(app)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo as a Space configures it, with an empty Hub cache and without a network."""
    home = str(tmp_path_factory.mktemp("home"))
    models = "unet cgan someone/gone@v1"
    with running_app("--queue", "2", HF_HOME=home, HF_HUB_OFFLINE="1", COLORGAN_MODELS=models) as url:
        yield url


def read_lab(path: Path | str) -> torch.Tensor:
    rgb = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    return rgb_to_lab(rgb.float() / 255)


def mean_chroma(path: Path | str) -> float:
    return read_lab(path)[1:].abs().mean().item()


def colorize(client: Client, photo: Path | str, **settings: object) -> str:
    return client.predict(handle_file(str(photo)), **settings, api_name="/colorize")


# colours


def test_a_grey_photograph_gets_colours_and_keeps_its_size_and_lightness(client: Client, grey_photo: Path) -> None:
    result = colorize(client, grey_photo)
    assert Path(result).name == "breakfast.colorized.png"
    assert Image.open(result).size == Image.open(grey_photo).size
    difference = (read_lab(result)[0] - read_lab(grey_photo)[0]).abs()
    assert difference.max() < 0.5  # half an 8-bit step of each channel
    assert mean_chroma(result) > 2


@pytest.mark.parametrize(
    ("name", "result"), [("a.JPG", "a.colorized.JPG"), ("b.webp", "b.colorized.webp"), ("c.gif", "c.colorized.png")]
)
def test_a_photograph_comes_back_in_its_own_format(client: Client, tmp_path: Path, name: str, result: str) -> None:
    Image.open(PHOTOS / "chelsea.png").convert("L").save(tmp_path / name)
    coloured = Path(colorize(client, tmp_path / name))
    assert coloured.name == result
    assert mean_chroma(coloured) > 2
    if not result.endswith("png"):
        assert Image.open(coloured).format == Image.open(tmp_path / name).format


def test_the_format_of_a_result_is_that_of_the_photograph_and_not_of_its_name(tmp_path: Path) -> None:
    grey = np.asarray(Image.open(PHOTOS / "coffee.png").convert("L"))[:64, :96]
    deep = np.dstack([grey.astype(np.uint16) * 257, np.full(grey.shape, 30000, np.uint16)])
    with open(tmp_path / "scan.jpg", "wb") as stream:
        write_png(stream, deep)
    Image.fromarray(grey).save(tmp_path / "photo.PNG", "JPEG")
    Image.fromarray(grey).save(tmp_path / "photo", "WEBP")
    tifffile.imwrite(tmp_path / "film.webp", deep[..., 0])
    demo = Jobs({"unet": Colorizer.from_pretrained("unet")}, "no data set", tmp_path)
    names = {}
    for name in ("scan.jpg", "photo.PNG", "photo", "film.webp"):
        results = [demo.colorize(str(tmp_path / name), for_browser=shown) for shown in (False, True)]
        names[name] = [result.name for result in results]
        if name == "scan.jpg":
            head = results[0].read_bytes()[:26]
            assert (head[1:4], head[24], head[25]) == (b"PNG", 16, 6)  # bits per channel, and RGB with alpha
    assert names == {
        "scan.jpg": ["scan.colorized.png"] * 2,
        "photo.PNG": ["photo.colorized.jpg"] * 2,
        "photo": ["photo.colorized.webp"] * 2,
        "film.webp": ["film.colorized.tiff", "film.colorized.png"],
    }


def test_16_bits_stay_16_bits(client: Client, tmp_path: Path) -> None:
    grey = np.asarray(Image.open(PHOTOS / "coffee.png").convert("L")).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "scan.tif", grey)
    coloured = tifffile.imread(colorize(client, tmp_path / "scan.tif"))
    assert coloured.dtype == np.uint16
    assert coloured.shape == (*grey.shape, 3)


def test_saturation_multiplies_the_colours(client: Client, grey_photo: Path) -> None:
    none, half, full = (mean_chroma(colorize(client, grey_photo, saturation=s)) for s in (0, 0.5, 1))
    assert none < 0.01
    assert half == pytest.approx(full / 2, rel=0.1)


def test_every_sample_is_another_colouring(client: Client, grey_photo: Path) -> None:
    plain, *samples = (read_lab(colorize(client, grey_photo, model="unet", sample=number)) for number in range(3))
    for a, b in itertools.combinations([plain, *samples], 2):
        assert (a - b)[1:].abs().mean() > 0.3
        assert (a - b)[0].abs().mean() < 0.1
    again = read_lab(colorize(client, grey_photo, model="unet", sample=1))
    assert torch.equal(again, samples[0])


def test_the_network_runs_once_for_all_saturations(grey_photo: Path, tmp_path: Path) -> None:
    class Counting(Colorizer):
        runs = 0

        def network_chroma(self, *arguments: object, **options: object) -> torch.Tensor:
            Counting.runs += 1
            return super().network_chroma(*arguments, **options)

    demo = Jobs({"unet": Counting.from_pretrained("unet")}, "no data set", tmp_path)
    results = {demo.colorize(str(grey_photo), "unet", saturation) for saturation in (0, 0.5, 1, 2)}
    assert len(results) == 4
    assert len(demo.suggest(str(grey_photo), 0.2, 0.3)) > 2
    assert Counting.runs == 1
    demo.colorize(str(grey_photo), "unet", 1, 64)
    assert Counting.runs == 2


def test_a_network_with_a_classification_sees_a_photograph_once_for_all_suggestions(
    grey_photo: Path, tmp_path: Path
) -> None:
    colorizer = Colorizer.from_pretrained("photo")
    seen: list[tuple] = []
    colorizer.generator.register_forward_hook(lambda network, inputs, output: seen.append(inputs[0].shape))
    demo = Jobs({"photo": colorizer}, "no data set", tmp_path)
    found = {tuple(demo.suggest(str(grey_photo), x, 0.3)) for x in (0.1, 0.5, 0.9)}
    assert len(found) == 3
    assert len(seen) == 1
    demo.suggest(str(grey_photo), 0.1, 0.3, "photo", 64)
    assert len(seen) == 2


def test_without_colours_there_are_no_hints_either(grey_photo: Path, tmp_path: Path) -> None:
    demo = Jobs({"photo": Colorizer.from_pretrained("photo")}, "no data set", tmp_path)
    known = Known((Hint(0.2, 0.3, "red"),), str(PHOTOS / "astronaut.png"))
    assert mean_chroma(demo.colorize(str(grey_photo), saturation=0, known=known)) < 0.01
    assert mean_chroma(demo.colorize(str(grey_photo), known=known)) > 2


def test_captions_that_a_result_cannot_hold_are_named(client: Client, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"ASCII\0\0\0" + b"c" * 60000, 0x927C: b"n" * 60000}  # user comment and maker note
    content = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    file = io.BytesIO()
    Image.new("L", (64, 64), 90).save(file, "JPEG")
    segments = [content[:65000], b"Exif\0\0" + content[65000:]]
    marked = b"".join(b"\xff\xe1" + struct.pack(">H", len(each) + 2) + each for each in segments)
    path = tmp_path / "long.jpg"
    path.write_bytes(file.getvalue()[:2] + marked + file.getvalue()[2:])
    _, report = client.predict([handle_file(path)], api_name="/colorize_batch")
    note = "long.jpg: Its camera maker's note was left out, because a JPEG holds at most 64 kB of EXIF."
    assert report["notes"] == [note]
    demo = Jobs({"unet": Colorizer.from_pretrained("unet")}, "no data set", tmp_path)
    for _ in range(2):  # the second time, the result is there already
        assert demo.notes(str(path), demo.colorize(str(path))) == [note]
    assert demo.notes(str(path)) == []


def test_two_visitors_may_ask_for_the_same_at_the_same_time(grey_photo: Path, tmp_path: Path) -> None:
    demo = Jobs({"unet": Colorizer.from_pretrained("unet")}, "no data set", tmp_path)
    with ThreadPoolExecutor(4) as pool:
        results = set(pool.map(lambda _: demo.colorize(str(grey_photo)), range(4)))
    assert mean_chroma(results.pop()) > 2
    assert not results
    assert [path.name for path in tmp_path.rglob("*.png")] == ["breakfast.colorized.png"]


def test_the_memory_for_photographs_is_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files_read = []
    monkeypatch.setattr(jobs, "PHOTO_CACHE", 2 * 4 * 64 * 64)  # two photographs of 64 x 64 pixels, float32
    monkeypatch.setattr(jobs, "read_photo", lambda path, **_: files_read.append(Path(path).stem) or read_photo(path))
    for name in "abc":
        Image.new("L", (64, 64), 90).save(tmp_path / f"{name}.png")
    photographs = Jobs({}, "no data set", tmp_path)
    for name in "abbacab":
        photographs.notes(str(tmp_path / f"{name}.png"))
    assert files_read == ["a", "b", "c", "b"]  # c replaced b, because a was used more recently


def test_each_model_can_be_asked_for_and_all_be_compared(client: Client, grey_photo: Path) -> None:
    results = [colorize(client, grey_photo, model=model) for model in ("unet", "second")]
    first, second = (np.array(Image.open(path)) for path in results)
    np.testing.assert_array_equal(first, second)  # `second` is a copy of `unet`
    compared = client.predict(handle_file(str(grey_photo)), api_name="/compare")
    assert [picture["caption"] for picture in compared] == ["grey", "U-Net", "second"]
    assert mean_chroma(compared[0]["image"]) < 0.01
    np.testing.assert_array_equal(np.array(Image.open(compared[1]["image"])), first)
    with pytest.raises(AppError, match="nowhere"):
        colorize(client, grey_photo, model="nowhere")
    with pytest.raises(
        AppError, match="The render size must be a multiple of 32 up to 128, or 0 for the network's own, not 40"
    ):
        colorize(client, grey_photo, render_size=40)


def test_hints_and_a_reference_reach_every_endpoint(client: Client, grey_photo: Path) -> None:
    hints = [EXAMPLE_HINTS[0] | {"color": "#7a5a4e"}, EXAMPLE_HINTS[1]]
    (_, picture, _) = compared = client.predict(handle_file(str(grey_photo)), hints=hints, api_name="/compare")
    result = colorize(client, grey_photo, hints=hints)
    for path in (result, picture["image"]):
        lab = read_lab(path)
        for hint in as_hints(hints):
            row, column = hint.pixel(400, 600)
            assert (lab[1:, row, column] - torch.tensor(hint.ab)).abs().max() < 2
    assert mean_chroma(compared[0]["image"]) < 0.01
    assert mean_chroma(colorize(client, grey_photo, hints=hints, saturation=0)) < 0.01
    reference = handle_file(str(PHOTOS / "astronaut.png"))
    toned = colorize(client, grey_photo, reference=reference, reference_strength=1)
    goal = read_lab(PHOTOS / "astronaut.png")[1:].mean((1, 2))
    before, after = (read_lab(path)[1:].mean((1, 2)) for path in (colorize(client, grey_photo), toned))
    assert (after - goal).norm() < (before - goal).norm() / 2
    photos = [handle_file(str(grey_photo))]
    archive, _ = client.predict(photos, reference=reference, reference_strength=1, api_name="/colorize_batch")
    with zipfile.ZipFile(archive) as content:
        assert content.read(content.namelist()[0]) == Path(toned).read_bytes()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hints": [{"x": 2, "y": 0, "color": "red"}]}, "The x of a hint is a fraction of the photograph, from 0 to 1"),
        ({"hints": [{"x": 0, "y": 0, "color": "reddish"}]}, "'reddish' is not a colour: write #7a2e2e"),
        ({"hints": [EXAMPLE_HINTS[0]] * 501}, "501 hints are too many: give at most 500."),
        ({"hints": 3}, "Hints are a list, with a place and a colour each, not one int."),
        ({"hints": "[{"}, "Hints are a list in JSON, with x, y and color for each."),
        ({"reference_strength": 2}, "Strength of the reference must be between 0 and 1, not 2."),
    ],
)
def test_wrong_hints_are_answered_with_one_sentence(
    client: Client, grey_photo: Path, settings: dict, sentence: str
) -> None:
    with pytest.raises(AppError) as error:
        colorize(client, grey_photo, **settings)
    assert str(error.value).startswith(sentence)


def test_suggestions_are_colours_of_hints(client: Client, grey_photo: Path) -> None:
    photo = handle_file(str(grey_photo))
    colors = client.predict(photo, x=0.2, y=0.3, api_name="/suggest")
    assert len(set(colors)) == 6
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
    assert colors != client.predict(photo, x=0.8, y=0.3, api_name="/suggest")
    hint = {"x": 0.2, "y": 0.3, "color": colors[-1]}
    row, column = as_hints([hint])[0].pixel(400, 600)
    pixel = np.array(Image.open(colorize(client, grey_photo, hints=[hint])).convert("RGB"))[row, column].astype(int)
    assert abs(pixel - list(bytes.fromhex(colors[-1][1:]))).max() <= 2
    with pytest.raises(AppError, match="There is no photograph: upload one first"):
        client.predict(None, x=0.2, y=0.3, api_name="/suggest")


def test_a_reference_without_colours_is_named(client: Client, grey_photo: Path) -> None:
    with pytest.raises(AppError, match=f"^{grey_photo.name} has no colours: give a picture in colour"):
        colorize(client, grey_photo, reference=handle_file(str(grey_photo)))


def test_a_batch_comes_back_as_a_zip_with_a_sentence_for_what_failed(client: Client, tmp_path: Path) -> None:
    files = []
    for folder, size in (("one", 64), ("two", 96)):  # two photographs of one name
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "photo.jpg")
        Image.open(PHOTOS / "chelsea.png").convert("L").resize((size, size)).save(files[-1])
    files.append(tmp_path / "letter.png")
    files[-1].write_text("Dear colorgan, I am a letter.")
    files.append(tmp_path / "pages.tif")
    Image.new("L", (64, 64), 90).save(files[-1], save_all=True, append_images=[Image.new("L", (64, 64))])
    for _ in range(2):  # the note is shown again for a known photograph
        *_, report = client.predict([handle_file(str(files[-1]))], api_name="/colorize_batch")
        assert report["notes"] == ["pages.tif: Only the first of its 2 pages was taken."]
    archive, report = client.predict([handle_file(str(file)) for file in files], api_name="/colorize_batch")
    assert report["done"] == 3
    assert report["count"] == 4
    (failure,) = report["failures"]
    assert failure.startswith("letter.png is not a picture")
    with zipfile.ZipFile(archive) as content:
        assert content.namelist() == ["photo.colorized.jpg", "photo (2).colorized.jpg", "pages.colorized.tif"]
        sizes = [Image.open(content.open(name)).size for name in content.namelist()[:2]]
    assert sizes == [(64, 64), (96, 96)]


def test_too_large_a_batch_is_refused(client: Client, grey_photo: Path) -> None:
    with pytest.raises(AppError, match=f"{MAX_FILES + 1} photographs are too many at once: upload at most {MAX_FILES}"):
        client.predict([handle_file(str(grey_photo))] * (MAX_FILES + 1), api_name="/colorize_batch")


# samples


def test_samples_show_grey_each_model_and_the_truth(client: Client, photo_dataset: Path) -> None:
    pictures, metrics = client.predict(class_name="cat", seed=3, count=5, api_name="/sample")
    assert len(pictures) == 5 * 4
    assert len(metrics) == 5
    truths = [np.array(Image.open(path)) for path in sorted((photo_dataset / "test" / "cat").iterdir())]
    for i, values in enumerate(metrics):
        row = pictures[4 * i : 4 * i + 4]
        assert values["class"] == "cat"
        assert list(values["psnr"]) == ["grey", "U-Net", "second"]
        assert [picture["caption"].split()[0] for picture in row] == ["grey", "U-Net", "second", "truth:"]
        tiles = [np.array(Image.open(picture["image"])) for picture in row]
        assert {tile.shape for tile in tiles} == {(TILE, TILE, 3)}
        grey, first, second, truth = (tile[4::8, 4::8] for tile in tiles)
        np.testing.assert_array_equal(truth.repeat(8, 0).repeat(8, 1), tiles[3])  # enlarged without smoothing
        assert any(np.array_equal(truth, image) for image in truths)
        assert np.ptp(grey, axis=2).max() <= 1  # rounding
        np.testing.assert_array_equal(first, second)
        assert values["psnr"]["grey"] == pytest.approx(psnr_of(grey, truth), abs=0.01)
        assert values["psnr"]["U-Net"] == pytest.approx(psnr_of(first, truth), abs=0.01)
        assert float(row[1]["caption"].split()[1]) == pytest.approx(values["psnr"]["U-Net"], abs=0.06)


def psnr_of(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def test_the_psnr_of_each_image_is_that_of_the_evaluation(photo_dataset: Path, tmp_path: Path) -> None:
    demo = Jobs({"unet": Colorizer.from_pretrained("unet")}, str(photo_dataset), tmp_path)
    images = demo.samples.images()
    _, metrics = demo.samples.colorize(count=len(images))
    no_evaluator = lambda images: ({"fd": torch.zeros(len(images), 2)}, torch.zeros(len(images)))  # noqa: E731
    rows = evaluate(images, {"unet": Generator.from_pretrained("unet")}, no_evaluator)
    for title, name in (("grey", "grey"), ("U-Net", "unet")):
        shown = sorted(values["psnr"][title] for values in metrics)
        assert shown == pytest.approx(sorted(rows[name].columns["psnr"].tolist()), abs=0.006)


def test_the_seed_chooses_the_samples(client: Client) -> None:
    def metrics(seed: int) -> list[dict]:
        return client.predict(seed=seed, count=6, api_name="/sample")[1]

    assert metrics(1) == metrics(1) != metrics(2)


def test_an_unknown_class_is_answered_with_the_known_ones(client: Client) -> None:
    with pytest.raises(AppError, match="no class dragon: choose one of all classes, cat, cup"):
        client.predict(class_name="dragon", api_name="/sample")


def test_images_that_are_all_grey_are_not_compared(photo_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "test" / "fog").mkdir(parents=True)
    for i in range(2):
        Image.new("RGB", (32, 32), (90 + i,) * 3).save(tmp_path / "images" / "test" / "fog" / f"{i}.png")
    with pytest.raises(Error, match="All test images are grey, so there are no colours to compare"):
        Jobs({}, str(tmp_path / "images"), tmp_path).samples.colorize()
    shutil.copytree(photo_dataset / "test" / "cat", tmp_path / "images" / "test" / "cat")
    demo = Jobs({}, str(tmp_path / "images"), tmp_path)
    with pytest.raises(Error, match="All test images of the class fog are grey, so there are no colours to compare"):
        demo.samples.colorize("fog")
    assert {values["class"] for values in demo.samples.colorize()[1]} == {"cat"}


def test_without_network_and_data_set_sampling_says_what_to_do_and_photographs_are_colourized(
    offline: str, grey_photo: Path
) -> None:
    client = connect(offline)
    with pytest.raises(AppError, match=r"^The data set uoft-cs/cifar10 cannot be loaded \(.*use a folder.*\.$"):
        client.predict(api_name="/sample")
    assert mean_chroma(colorize(client, grey_photo)) > 2


# models


def test_models_come_from_the_environment_and_a_missing_one_is_named(offline: str) -> None:
    client = connect(offline)
    api = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert api["/colorize"]["parameters"][1]["type"]["enum"] == ["unet", "cgan"]
    assert "someone/gone" in urllib.request.urlopen(offline + "config").read().decode()


def test_all_bundled_models_are_offered_and_the_default_one_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORGAN_MODELS", raising=False)
    assert default_models() == bundled_generators()
    assert bundled_generators()[0] == DEFAULT_MODEL


def test_the_cifar_10_tab_shows_the_networks_for_small_images(photo_dataset: Path, tmp_path: Path) -> None:
    photo = Colorizer(Generator("photo", width=8, bins=2), "cpu")
    demo = Jobs({"photo": photo, "unet": Colorizer.from_pretrained("unet")}, str(photo_dataset), tmp_path)
    _, metrics = demo.samples.colorize(count=1)
    assert list(metrics[0]["psnr"]) == ["grey", "U-Net"]
    _, metrics = Jobs({"photo": photo}, str(photo_dataset), tmp_path).samples.colorize(count=1)
    assert list(metrics[0]["psnr"]) == ["grey", "Photo"]


def test_the_page_names_a_missing_model_and_no_folder_of_the_server(app: str) -> None:
    page = urllib.request.urlopen(app + "config").read().decode()
    assert "There is no checkpoint nowhere" in page
    assert "/models0/second" not in page
    assert str(ROOT) not in page
    assert str(PHOTOS) not in page


def test_a_model_is_described_by_its_card(tmp_path: Path) -> None:
    known = about("unet")
    assert known.summary.startswith("A U-Net")
    assert known.metrics.startswith("|  | grey |")
    assert "\n| psnr |" in known.metrics
    assert "## Training" in known.text
    assert known.link is None
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text(
        "# mine\n\n![grey, output, truth](sample.png)\n\nIt is mine.\n\n## Limits\n\nNone.\n"
    )
    for name in ("config.json", "model.safetensors", "sample.png"):
        (mine / name).touch()
    known = about(str(mine))
    assert (known.picture, known.picture_label) == (mine / "sample.png", "grey, output, truth")
    assert (known.summary, known.metrics) == ("It is mine.", "")
    bare = tmp_path / "bare"
    shutil.copytree(ROOT / "colorgan" / "pretrained" / "unet", bare, ignore=shutil.ignore_patterns("README.md"))
    assert about(str(bare)).summary == ""
    (bare / "README.md").write_text("---\nlicense: [\n---\nIt is broken.\n")
    assert about(str(bare)).summary == ""
    assert about("someone/gone@v1").link == "https://huggingface.co/someone/gone/tree/v1"


def test_the_examples_are_grey_copies_of_photographs_in_the_scikit_image_package(tmp_path: Path) -> None:
    examples = example_photos(tmp_path)
    assert {Path(path).stem for path in examples} == {"astronaut", "chelsea", "coffee", "rocket"}
    assert {Image.open(path).mode for path in examples} == {"L"}


def test_the_network_runs_where_a_space_lends_its_gpu(tmp_path: Path, grey_photo: Path) -> None:
    (tmp_path / "spaces.py").write_text(
        "import sys\nassert 'torch' not in sys.modules, 'too late for ZeroGPU'\ncalls = []\n"
        "def GPU(function):\n    return lambda *arguments: calls.append(1) or function(*arguments)\n"
    )
    script = (
        "import app, spaces, sys; from pathlib import Path; from colorgan import Colorizer\n"
        "from colorgan.demo.jobs import Jobs\n"
        "jobs = Jobs({'unet': Colorizer.from_pretrained('unet')}, 'none', Path(sys.argv[1]))\n"
        "jobs.colorize(sys.argv[2]); print(len(spaces.calls))"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-c", script, str(tmp_path), str(grey_photo)]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
    assert run.stdout.strip() == "1", run.stderr


# endpoints, load and abuse


def test_only_the_six_named_endpoints_are_public_and_say_what_they_take(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert endpoints["unnamed_endpoints"] == {}
    parameters = {
        name: [p["parameter_name"] for p in e["parameters"]] for name, e in endpoints["named_endpoints"].items()
    }
    settings, reference = ["model", "saturation", "render_size"], ["reference", "reference_strength"]
    assert parameters == {
        "/colorize": ["photo", *settings, "sample", "hints", *reference],
        "/colorize_batch": ["photos", *settings, *reference],
        "/colorize_video": ["film", *settings[:2], *reference],
        "/compare": ["photo", *settings[1:], "hints", *reference],
        "/suggest": ["photo", "model", "render_size", "x", "y", "hints"],
        "/sample": ["class_name", "seed", "count"],
    }
    assert all(endpoint["description"].endswith(".") for endpoint in endpoints["named_endpoints"].values())


def client_examples(page: str) -> list[str]:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for block in blocks if "gradio_client" in block]


@pytest.mark.parametrize("code", [*client_examples("README.md"), *client_examples("docs/demo.md")])
def test_the_examples_of_the_documentation(
    app: str, grey_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    for name in ("photo.jpg", "scan.tif"):
        Image.open(grey_photo).save(tmp_path / name)
    write_film(tmp_path / "film.mpg", pan(10), codec="mpeg2video")
    monkeypatch.chdir(tmp_path)
    mine = {"http://127.0.0.1:7860": app, "horse": "cat", 'model="photo"': 'model="unet"'}  # what this app has
    for documented, here in mine.items():
        code = code.replace(documented, here)
    exec(code, names := {})
    assert Image.open(names["coloured"]).size == (600, 400)


def test_the_documentation_has_every_endpoint_option_and_limit() -> None:
    text = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    (example,) = client_examples("docs/demo.md")
    for endpoint in ("/colorize", "/colorize_batch", "/colorize_video", "/compare", "/suggest", "/sample"):
        assert f'"{endpoint}"' in example
        assert f"| `{endpoint}` |" in text
    for action in new_parser()._actions:
        option = action.option_strings[-1]
        assert option == "--help" or f"| `{option}" in text
    assert f"{uploads.MAX_PHOTO_BYTES // 2**20} MB, {uploads.MAX_PIXELS // 10**6} megapixels" in text
    assert f"{MAX_FILES} photographs; {uploads.MAX_UPLOAD_BYTES // 10**9} GB" in text
    assert f"a request without files | {uploads.MAX_REQUEST_BYTES // 10**6} MB" in text
    assert f"0 to {jobs.MAX_SATURATION}; 0 to {jobs.MAX_RENDER_SIZE} pixels" in text
    assert f"1 to {MAX_SAMPLES} at once" in text
    assert f"{QUEUE} (`--queue`)" in text
    assert uploads.KEPT_SECONDS == 3600
    assert "deleted one hour after it" in text
    assert f"exceed {uploads.MAX_DISK_BYTES // 10**9} GB" in text
    assert f"Up to {(jobs.PHOTO_CACHE + jobs.CHROMA_CACHE + jobs.DISTRIBUTION_CACHE) // 10**6} MB" in text


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def answer(app: str, endpoint: str, data: list) -> str:
    """Return the answer to a request that is written by hand."""
    call = f"{app}gradio_api/call/{endpoint}"
    event = post(call, {"data": data})["event_id"]
    return urllib.request.urlopen(f"{call}/{event}").read().decode()


def upload_file(app: str, name: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{app}gradio_api/upload", files={"files": (name, content)}, timeout=PATIENCE)


MARK = {"meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("mark", [{}, MARK])
@pytest.mark.parametrize("path", [str(PHOTOS / "coffee.png"), "docs/comparison.png", "../../etc/passwd"])
def test_a_file_of_the_server_is_no_upload(app: str, path: str, mark: dict) -> None:
    upload = {"path": upload_file(app, "coffee.png", (PHOTOS / "coffee.png").read_bytes()).json()[0], **MARK}
    photo = {"path": path, **mark}
    reference = [None, 0.7]
    calls = {
        "colorize": lambda x: [x, "unet", 1, 0, 0, [], *reference],
        "colorize_batch": lambda x: [[x], "unet", 1, 0, *reference],
        "suggest": lambda x: [x, "unet", 0, 0.5, 0.5, []],
    }
    for endpoint, data in calls.items():
        assert "event: complete" in answer(app, endpoint, data(upload))  # so the refusal below is about the file
        said = answer(app, endpoint, data(photo))
        assert "event: error" in said
        assert str(ROOT) not in said
        assert "coffee" not in said
        assert "Traceback" not in said


def test_only_files_of_visitors_are_served(app: str, server_files: Path) -> None:
    (folder,) = server_files.glob("colorgan-*")
    up = "/.." * 12
    for path in ("/etc/passwd", f"{ROOT}/app.py", "app.py", f"{folder}{up}/etc/passwd", str(folder), "http://[::1]"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{app}gradio_api/file={path}")
        assert refused.value.code in (400, 403, 404)


def test_no_request_skips_the_queue(app: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post(f"{app}gradio_api/run/sample", {"data": ["cat", 0, 1]})


@pytest.mark.parametrize("name", ["call/sample", "call/upload", "run/upload"])
def test_a_large_request_is_refused(app: str, name: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="413"):
        post(f"{app}gradio_api/{name}", {"data": ["cat" * 500_000, 0, 1]})
    assert upload_file(app, "a.png", bytes(2_000_000)).status_code == 200


@pytest.mark.parametrize(
    ("endpoint", "position", "value", "sentence"),
    [
        ("colorize", 1, "U-Net", "Network must be one of unet, second, not 'U-Net'."),
        ("colorize", 2, None, "Saturation must be a number, not None."),
        ("colorize", 2, "strong", "Saturation must be a number, not 'strong'."),
        ("colorize", 2, 2.5, "Saturation must be between 0 and 2, not 2.5."),
        ("colorize", 4, 10**400, "Colouring must be between 0 and 9007199254740992, not 1000"),
        ("colorize", 3, math.nan, "Render size must be a number, not nan."),
        ("colorize", 3, 160, "Render size must be between 0 and 128, not 160."),
        ("colorize", 4, "second", "Colouring must be a number, not 'second'."),
        ("suggest", 3, 1.5, "x must be between 0 and 1, not 1.5."),
        ("suggest", 4, "top", "y must be a number, not 'top'."),
        ("suggest", 2, 40, "There is no photograph: upload one first."),
        ("sample", 1, [1], "Seed must be a number, not [1]."),
        ("sample", 2, None, "Images must be a number, not None."),
    ],
)
def test_invalid_values_get_a_sentence(app: str, endpoint: str, position: int, value: object, sentence: str) -> None:
    data = {
        "colorize": [None, "unet", 1, 0, 0, [], None, 0.7],
        "suggest": [None, "unet", 0, 0.5, 0.5, []],
        "sample": ["cat", 0, 1],
    }[endpoint]
    data[position] = value
    assert sentence in json.loads(answer(app, endpoint, data).partition("data: ")[2])["error"]


def test_an_empty_seed_is_0(client: Client) -> None:
    assert client.predict(seed=None, count=1, api_name="/sample") == client.predict(seed=0, count=1, api_name="/sample")


def damaged_files(folder: Path) -> dict[str, Path]:
    """Write files that are not pictures or are damaged, and return their paths by kind."""
    photo = (PHOTOS / "coffee.png").read_bytes()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)  # 10 GB when decoded
    bomb = photo[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + photo[33:]
    contents = {"letter": b"Dear colorgan, I am a letter.", "empty": b"", "truncated": photo[:100_000], "bomb": bomb}
    contents["drawing"] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    return {name: folder / f"{name}.png" for name in contents}


@pytest.mark.parametrize("kind", ["letter", "empty", "truncated", "bomb", "drawing"])
def test_a_file_that_is_no_picture_gets_one_clean_sentence(client: Client, tmp_path: Path, kind: str) -> None:
    with pytest.raises(AppError) as caught:
        colorize(client, damaged_files(tmp_path)[kind])
    message = str(caught.value)
    assert message.startswith(f"{kind}.png ")
    assert message.endswith(".")
    assert "\n" not in message
    assert "/" not in message, "a path of the server"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it found
def test_broken_files_leave_the_server_serving(client: Client, grey_photo: Path, tmp_path: Path) -> None:
    originals = [data for data, *_ in EXACT.values()] + list(LOSSY.values())
    chance, files = random.Random(1), []
    for i in range(2 * MAX_FILES):
        data = bytearray(originals[i % len(originals)])
        if i % 2:
            del data[chance.randrange(len(data)) :]
        for _ in range(chance.choice((0, 1, 20))):
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        files.append(tmp_path / f"broken-{i}.png")
        files[-1].write_bytes(data)
    for batch in (files[:MAX_FILES], files[MAX_FILES:]):
        _, report = client.predict([handle_file(str(file)) for file in batch], api_name="/colorize_batch")
        assert report["done"] + len(report["failures"]) == MAX_FILES
        for sentence in report["failures"]:
            assert sentence.startswith("broken-")
            assert "/" not in sentence.replace("47 x 33", "")
    assert mean_chroma(colorize(client, grey_photo)) > 2


def test_a_large_file_is_refused(client: Client, tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(Exception, match=r"exceed|413|larger than 64 MB"):
        colorize(client, tmp_path / "large.png")


def test_visitors_at_the_same_time_get_their_own_pictures(app: str, tmp_path: Path) -> None:
    def visit(i: int) -> list[tuple[tuple[int, int], int]]:
        client = connect(app)
        photos = [tmp_path / f"{i}-{j}.jpg" for j in range(3)]
        for j, photo in enumerate(photos):
            Image.open(PHOTOS / "chelsea.png").convert("L").resize((100 + i, 100 + j)).save(photo)
        jobs = [client.submit(handle_file(str(photo)), api_name="/colorize") for photo in photos]
        return [Image.open(job.result(timeout=PATIENCE)).size for job in jobs]

    with ThreadPoolExecutor(6) as pool:
        for i, sizes in enumerate(pool.map(visit, range(6))):
            assert sizes == [(100 + i, 100 + j) for j in range(3)]


def test_a_full_queue_says_so_and_everyone_in_it_is_served(offline: str, grey_photo: Path) -> None:
    client = connect(offline)
    photo = handle_file(str(grey_photo))
    jobs = [client.submit(photo, saturation=i / 20, api_name="/colorize") for i in range(1, 20)]
    outcomes = []
    for job in jobs:
        try:
            outcomes.append(Path(job.result(timeout=PATIENCE)).name)
        except Exception as error:
            outcomes.append(str(error))
    assert set(outcomes) == {"breakfast.colorized.png", "Queue is full! Please try again."}


def test_a_closed_tab_frees_its_work(app: str, client: Client, tmp_path: Path, server_files: Path) -> None:
    files = []
    for i in range(MAX_FILES):
        Image.open(PHOTOS / "chelsea.png").convert("L").resize((1200 + i, 900)).save(tmp_path / f"left-{i}.jpg")
        response = upload_file(app, f"left-{i}.jpg", (tmp_path / f"left-{i}.jpg").read_bytes())
        files.append({"path": response.json()[0], **MARK})
    call = f"{app}gradio_api/call/colorize_batch"
    event = post(call, {"data": [files, "unet", 1, 0, None, 0.7]})["event_id"]
    with urllib.request.urlopen(f"{call}/{event}") as tab:
        while b"generating" not in tab.readline():
            pass

    def results() -> int:
        return len(list(server_files.rglob("left-*.colorized.jpg")))

    count = -1
    while count < (count := results()):  # until no further photograph is finished within 3 s
        time.sleep(3)
    assert count < MAX_FILES
    colorize(client, tmp_path / "left-0.jpg")
