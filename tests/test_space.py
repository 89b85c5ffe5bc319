"""The Space's settings, and a Space that is published on a local Hub, downloaded again and used.

The downloaded Space runs in the tests' Python environment, because installing another one takes minutes, but it imports
its own copy of the package.
"""

import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, running_app
from gradio_client import Client, handle_file
from hub_server import HubServer
from huggingface_hub import RepoCard
from PIL import Image
from scripts import run_script

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
MODELS = ["user/colorgan-unet", "user/colorgan-cgan"]


def test_the_card_keeps_the_limits_of_the_hub() -> None:
    card: Any = RepoCard.load(ROOT / "space" / "README.md").data
    assert len(card.short_description) <= 60
    assert {card.colorFrom, card.colorTo} <= COLOURS
    assert card.sdk == "gradio"
    assert (ROOT / card.app_file).is_file()


def test_the_requirements_are_the_packages_without_what_a_space_brings_along() -> None:
    listed = (ROOT / "space" / "requirements.txt").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["app"]
    packages = {re.split("[<>=~!]", requirement)[0] for requirement in needed}
    assert {re.split("[<>=~!]", line)[0] for line in listed} == packages - {"gradio", "huggingface_hub", "spaces"}
    assert "torch" in listed  # without a version, because ZeroGPU brings its own


def deploy(*options: str, **environment: str) -> subprocess.CompletedProcess:
    return run_script("space/deploy.py", *options, **environment)


def test_a_dry_run_shows_everything_and_contacts_nobody() -> None:
    run = deploy("--space", "user/demo", "--models", *MODELS, "--dry-run", HF_ENDPOINT="http://127.0.0.1:9")
    assert run.returncode == 0, run.stderr
    for line in (
        "app.py",
        "colorgan/demo/page.py",
        "requirements.txt",
        "models.txt",
        "sdk_version:",
        "preload_from_hub:",
    ):
        assert line in run.stdout
    assert "tests/" not in run.stdout


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub with two models, one of them without a card, and two that a Space cannot show."""
    with HubServer(tmp_path_factory.mktemp("hub")) as hub:
        pretrained, names = ROOT / "colorgan" / "pretrained", ("README.md", "config.json", "model.safetensors")
        for repo, name in ((MODELS[0], "unet"), (MODELS[1], "cgan"), ("user/classifier", "classifier")):
            hub.commit("models", repo, {file: (pretrained / name / file).read_bytes() for file in names})
        hub.commit("models", MODELS[1], {"README.md": None})
        hub.commit("models", "user/bare", {"config.json": (pretrained / "cgan" / "config.json").read_bytes()})
        yield hub


@pytest.mark.parametrize("readme", ["---\ntitle: My: demo\n---\n", "# My demo\n"])
def test_a_space_whose_settings_cannot_be_read_is_left_alone(readme: str) -> None:
    with pytest.raises(Exception, match=r"^The Space's README\.md has"):
        runpy.run_path(str(ROOT / "space" / "deploy.py"))["space_files"]([], {}, readme)


def test_what_goes_wrong_is_said_in_one_sentence(hub: HubServer, tmp_path: Path) -> None:
    cases = [
        ({"HF_TOKEN": ""}, "user/demo", MODELS[0], "there is no token: log in"),
        ({"HF_TOKEN": "hf_write"}, "other/demo", MODELS[0], "The Space other/demo cannot be used: .* right"),
        ({"HF_TOKEN": "hf_write"}, "user/demo", "user/gone", "The model user/gone cannot be used: the Hub has no such"),
        ({"HF_TOKEN": "hf_write"}, "user/demo", "user/bare", "The model user/bare .* has no model.safetensors"),
        ({"HF_TOKEN": "hf_write"}, "user/demo", "user/classifier", "a checkpoint of Classifier, not of a Generator"),
        ({"HF_TOKEN": "hf_write"}, "user/demo", "evaluator", "a checkpoint of Classifier, not of a Generator"),
    ]
    for environment, space, model, message in cases:
        run = deploy("--space", space, "--models", model, **hub.environment(tmp_path) | environment)
        assert run.returncode == 1
        assert re.search(message, run.stderr), run.stderr
        assert run.stderr.count("\n") == 1
    assert not hub.exists("spaces", "user/demo")


@pytest.fixture(scope="module")
def space(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Space that was deployed, downloaded into an empty folder, and started there."""
    home = tmp_path_factory.mktemp("home")
    options = ["--space", "user/demo", "--models", *MODELS, MODELS[0], "--private"]

    def deployed_card() -> bytes:
        run = deploy(*options, **hub.environment(home / "owner", token="hf_write"))
        assert run.returncode == 0, run.stderr
        assert run.stdout == f"{hub.url}/spaces/user/demo\n"
        return hub.files("spaces", "user/demo")["README.md"]

    hub.commit("models", "user/secret", hub.files("models", MODELS[0]), private=True)
    hub.commit("models", "user/gated", hub.files("models", MODELS[0]))
    hub.write("models", "user/gated", hub.read("models", "user/gated") | {"gated": "manual"})
    run = deploy("--space", "user/second", "--models", "user/secret", "user/gated", f"{MODELS[0]}@main",
                 **hub.environment(home / "owner", token="hf_write"))  # fmt: skip
    assert run.returncode == 0, run.stderr
    second: Any = RepoCard(hub.files("spaces", "user/second")["README.md"].decode()).data
    assert second.models == ["user/secret", "user/gated", MODELS[0]]
    assert "preload_from_hub" not in second.to_dict()  # the build cannot read any of them
    card = deployed_card().replace(b"title: colorgan\n", b"title: Grandma's album\npinned: true\n") + b"Of my own.\n"
    hub.commit("spaces", "user/demo", {"README.md": card, "colorgan/old.py": b"", "notes.txt": b"mine"})
    assert deployed_card() == card
    assert deployed_card() == card  # the third time nothing is new
    there = hub.files("spaces", "user/demo")
    assert "colorgan/old.py" not in there
    assert there["notes.txt"] == b"mine"
    assert hub.commits("spaces", "user/demo").count("Deploy the demo of colorgan") == 2
    settings: Any = RepoCard(card.decode()).data
    assert settings.models == MODELS
    assert settings.preload_from_hub == [
        f"{MODELS[0]} config.json,model.safetensors,README.md",
        f"{MODELS[1]} config.json,model.safetensors",
    ]
    folder = tmp_path_factory.mktemp("space")
    for path, content in hub.files("spaces", "user/demo").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    where = "import importlib.util as u; print(u.find_spec('colorgan').origin)"
    found = subprocess.run([sys.executable, "-c", where], cwd=folder, capture_output=True, text=True).stdout
    assert Path(found.strip()) == folder / "colorgan" / "__init__.py"
    with running_app(folder=folder, **hub.environment(home / "visitor")) as url:
        yield url


def test_a_deployed_space_colourizes_with_models_of_the_hub(space: str, hub: HubServer, grey_photo: Path) -> None:
    client = Client(space, verbose=False)
    api: Any = client.view_api(return_format="dict", print_info=False)
    api = api["named_endpoints"]
    assert api["/colorize"]["parameters"][1]["type"]["enum"] == MODELS
    result = client.predict(handle_file(str(grey_photo)), model=MODELS[1], api_name="/colorize")
    assert Image.open(result).size == Image.open(grey_photo).size
    assert f"{hub.url}/{MODELS[0]}" in str(client.config)  # the link in the Models tab


def test_a_deployed_space_is_a_page(space: str, grey_photo: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    import test_browser

    if test_browser.CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with test_browser.chromium() as browser:
        page = test_browser.open_page(browser, space)
        test_browser.upload(page, grey_photo)
        assert test_browser.colour(test_browser.shown(page, 1)) > 2
