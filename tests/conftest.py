"""Fixtures of several test files: photographs and data sets made at test time, and the demo as a user starts it."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several test processes run at once; read when torch is imported

import atexit
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if "HF_DATASETS_CACHE" not in os.environ:  # read when datasets is imported; the user's own cache is not changed
    os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="colorgan-datasets-")
    atexit.register(shutil.rmtree, os.environ["HF_DATASETS_CACHE"], ignore_errors=True)

import pytest
import skimage
import torch
from PIL import Image
from skimage import data

from colorgan.models import Generator

if TYPE_CHECKING:
    from gradio_client import Client

ROOT = Path(__file__).parent.parent
PHOTOS = Path(skimage.__file__).parent / "data"  # photographs that are files of the package
SLOW_FILES = ("evaluate", "training", "push", "demo", "browser", "publishing", "space")
PATIENCE = 180  # seconds until a test gives up waiting: a busy machine is slow, and no test measures time


def pytest_configure(config: pytest.Config) -> None:
    """With `--dist loadfile`, begin with the slow files; pytest-xdist would begin with those of the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first, so that no process is left alone with one of them at the end."""
    order = {f"test_{name}": place for place, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session")
def grey_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph made grey: a PNG of 600 x 400 pixels, mode L."""
    path = tmp_path_factory.mktemp("photos") / "breakfast.png"
    Image.open(PHOTOS / "coffee.png").convert("L").save(path)
    return path


@pytest.fixture(scope="session")
def photo_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image data set with a test split only: 2 classes of 12 images, 32 x 32, cut from photographs."""
    folder = tmp_path_factory.mktemp("dataset")
    for label, name in (("cat", "chelsea.png"), ("cup", "coffee.png")):
        (folder / "test" / label).mkdir(parents=True)
        photo = Image.open(PHOTOS / name).convert("RGB")
        for i in range(12):
            left, top = 100 * (i % 4), 90 * (i // 4)
            photo.crop((left, top, left + 96, top + 96)).resize((32, 32)).save(folder / "test" / label / f"{i:02}.png")
    return folder


def painting_network(architecture: str = "residual", **options: int) -> Generator:
    """A small untrained network that paints strong colours, the same one at every call."""
    torch.manual_seed(0)
    generator = Generator(architecture, width=8, **options)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return generator


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint folder of a small untrained network that paints something."""
    folder = tmp_path_factory.mktemp("checkpoint")
    painting_network().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An imagefolder of 120 tiles of 64 x 64 pixels, two classes, cut from photographs, and a test split of 20."""
    folder = tmp_path_factory.mktemp("images")
    for split, count in (("train", 60), ("test", 10)):
        for name, photo in (("cat", data.chelsea()), ("cup", data.coffee())):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                top, left = 17 * i % (photo.shape[0] - 64), 29 * i % (photo.shape[1] - 64)
                tile = Image.fromarray(photo[top : top + 64, left : left + 64])
                tile.save(folder / split / name / f"{i:03}.png")
    return folder


@contextmanager
def running_app(*options: str | Path, folder: Path = ROOT, **environment: str) -> Iterator[str]:
    """Run `python app.py` in a folder on a free port, and yield its address when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), *map(str, options)]
    url, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
    with subprocess.Popen(command, cwd=folder, env=os.environ | environment) as app:
        try:
            while True:
                assert app.poll() is None, f"{' '.join(command)} ended with status {app.returncode}"
                assert time.monotonic() < deadline, f"{' '.join(command)} does not answer"
                try:
                    urllib.request.urlopen(url, timeout=PATIENCE).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield url
        finally:
            app.terminate()


def connect(url: str) -> "Client":
    """Return a client of the demo that waits for a busy machine: its default timeout is 5 s."""
    from gradio_client import Client  # here, because most tests do not need Gradio

    return Client(url, verbose=False, httpx_kwargs={"timeout": PATIENCE})


@pytest.fixture(scope="session")
def server_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for the visitors' files."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, photo_dataset: Path, server_files: Path) -> Iterator[str]:
    """The demo with two models, a third that does not exist, and the small data set."""
    second = tmp_path_factory.mktemp("models") / "second"
    shutil.copytree(ROOT / "colorgan" / "pretrained" / "unet", second)
    options = ["--model", "unet", second, "nowhere", "--dataset-name", photo_dataset]
    options += ["--film-minutes", "0.5", "--film-megabytes", "66"]
    with running_app(*options, GRADIO_TEMP_DIR=str(server_files)) as url:
        yield url
    assert not list(server_files.glob("colorgan-*")), "the demo leaves files behind when it ends"
