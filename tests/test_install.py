"""The package as pip sees it: declared dependencies, what the command imports, the wheel and the sdist."""

import ast
import email.message
import graphlib
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from PIL import Image
from skimage import data

import colorgan
from colorgan import cli

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}  # of modules with another name
EXTRAS = ("gradio", "starlette", "datasets", "skimage", "accelerate", "tensorboard", "trackio", "pillow_heif", "av")
FORBID = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS})); "  # an import of them raises ImportError


def declared(*extras: str) -> set[str]:
    """Names of the distributions that `pip install colorgan[extras]` asks for."""
    requirements = list(PROJECT["dependencies"])
    for extra in extras:
        requirements += PROJECT["optional-dependencies"][extra]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in requirements}
    nested = [re.findall(r"\w+", each[8:]) for each in requirements if each.startswith("colorgan[")]
    return {name.replace("-", "_") for name in names}.union(*(declared(*each) for each in nested)) - {"colorgan"}


def imports(path: Path, *, anywhere: bool = True, guarded: bool = False) -> set[str]:
    """The modules and names that a file imports: `anywhere` in it, or only when it is imported itself.

    Imports for types only are left out, and those that may fail as well unless `guarded`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        is_guarded = isinstance(node, ast.With) and "suppress(ImportError)" in ast.unparse(node.items[0])
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        is_lazy = isinstance(node, ast.FunctionDef) and not anywhere
        if (is_guarded and not guarded) or is_for_types or is_lazy:
            skipped.update(ast.walk(node))
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def imported(path: Path, *, anywhere: bool = True) -> set[str]:
    """Names of the distributions that a file imports: `anywhere` in it, or only when it is imported itself."""
    names = {name.partition(".")[0] for name in imports(path, anywhere=anywhere)} - sys.stdlib_module_names
    local = {each.stem for each in path.parent.glob("*.py")} | {"colorgan"}
    return {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in names - local}


PARTS = ("demo", "film", "training", "evaluation", "dataset")
CORE = [path for path in ROOT.glob("colorgan/**/*.py") if path.relative_to(ROOT / "colorgan").parts[0] not in PARTS]


def test_the_core_imports_what_it_declares_and_extras_only_when_they_are_used() -> None:
    assert len(CORE) > 20
    for path in CORE:
        assert imported(path, anywhere=False) <= declared(), path
        assert imported(path) <= declared("app", "train", "heic"), path


def test_no_two_modules_import_each_other() -> None:
    """Imports inside functions count as well."""
    files = {}
    for path in ROOT.glob("colorgan/**/*.py"):
        words = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    graph = {}
    for module, path in files.items():
        found = imports(path, guarded=True)
        graph[module] = {name if name in files else name.rpartition(".")[0] for name in found} & files.keys() - {module}
    assert "colorgan.color" in graph["colorgan.inference.render"]
    list(graphlib.TopologicalSorter(graph).static_order())  # CycleError names a circle


@pytest.mark.parametrize(
    ("extra", "patterns"),
    [
        ("app", ["app.py", "colorgan/demo/*.py"]),
        ("train", ["train/*.py", "colorgan/training/*.py", "colorgan/evaluation/*.py", "colorgan/dataset/*.py"]),
        ("video", ["colorgan/film/*.py"]),
        ("bench", ["bench/*.py"]),
        ("test", ["tests/*.py", "space/*.py", "setup.py"]),
    ],
)
def test_an_extra_declares_what_its_part_imports(extra: str, patterns: list[str]) -> None:
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert len(paths) > 1
    for path in paths:
        assert imported(path) - {"spaces"} <= declared(extra), path  # a Space on ZeroGPU brings `spaces`


def test_every_requirement_has_its_version_in_the_constraints() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]}
    assert {name.lower() for name in declared("bench", "dev", "mcp")} <= {name.replace("-", "_") for name in pinned}


def test_the_extra_for_mcp_can_be_installed_with_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    pinned = {name.lower(): version for name, _, version in (line.partition("==") for line in lines)}
    required = [Requirement(each) for each in importlib.metadata.requires("gradio") or ()]
    required = [each for each in required if each.marker and each.marker.evaluate({"extra": "mcp"})]
    assert {"mcp", "pydantic"} <= {each.name for each in required}
    for each in required:
        assert each.specifier.contains(pinned[each.name.lower()]), each


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["info", "--help"], ["app", "--help"], ["photo.jpg", "--quality", "0"]]
)
def test_the_command_starts_without_heavy_imports(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "colorgan", *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    modules = set(re.findall(r"^import time: .*\| +(\S+)$", run.stderr, re.MULTILINE))
    assert "colorgan.cli" in modules
    assert not modules & {"torch", "numpy", "PIL", "huggingface_hub", "safetensors", "tqdm", "gradio"}


def test_wrong_inputs_are_refused_before_pytorch_is_imported() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "colorgan", "missing.jpg"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.endswith("There is no file or folder missing.jpg.\n")
    assert "colorgan.plan" in run.stderr
    assert "torch" not in run.stderr


@pytest.mark.parametrize("start", ["from colorgan.cli import main; sys.exit(main(['app']))", "app.py"])
def test_the_demo_without_its_extra_says_what_to_install(start: str) -> None:
    if start == "app.py":
        start = "import runpy; sys.argv = ['app.py']; runpy.run_path('app.py', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", FORBID + start], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == 'The demo needs Gradio, datasets and scikit-image: pip install "colorgan[app]"\n'


@pytest.mark.parametrize("command", ["colorgan app", "app.py"])
def test_the_help_of_the_demo_names_its_command(command: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [*command.split(), "--help"])
    with pytest.raises(SystemExit) as leaving:
        cli.main() if command == "colorgan app" else runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {command} [-h]")
    assert "--dataset-name" in shown
    assert not re.search(r"--\w+_", shown)


# the files that a release consists of


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built from a copy, because setuptools writes into the tree."""
    copy, folder = tmp_path_factory.mktemp("copy") / "colorgan", tmp_path_factory.mktemp("release")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "artifacts")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for kind in ("sdist", "wheel"):
        build = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
        run = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def unpacked(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the wheel, as they are installed."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(next(release.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder


def metadata(unpacked: Path) -> email.message.Message:
    return BytesParser().parsebytes(next(unpacked.glob("*.dist-info/METADATA")).read_bytes())


def test_the_wheel_colourizes_without_any_extra(unpacked: Path, tmp_path: Path) -> None:
    assert {path.name.partition("-")[0] for path in unpacked.iterdir()} == {"colorgan"}  # no tests beside it
    Image.fromarray(data.coffee()).convert("L").save(tmp_path / "photo.jpg")
    script = f"""{FORBID}
sys.path.insert(0, {str(unpacked)!r})
import colorgan
assert colorgan.__file__.startswith({str(unpacked)!r}), colorgan.__file__
from colorgan.cli import main
sys.exit(main(["photo.jpg"]))
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = Image.open(tmp_path / "photo.colorized.png")
    assert result.size == (600, 400)
    assert np.ptp(np.array(result).astype(int), axis=-1).mean() > 3  # it has colours


def test_the_version_is_in_one_place(unpacked: Path) -> None:
    assert metadata(unpacked)["Version"] == colorgan.__version__
    assert "version" in PROJECT["dynamic"]


def test_pictures_and_links_of_the_readme_work_on_pypi(unpacked: Path) -> None:
    page = str(metadata(unpacked).get_payload())
    links = re.findall(r'(?:\]\(|src=")([^)"#]+)', page)
    assert links
    assert all(re.match(r"https?://", link) for link in links)
    ours = [link for link in links if link.startswith(PROJECT["urls"]["Repository"] + "/")]
    assert any("/raw/main/docs/" in link for link in ours)  # a picture
    for link in ours:
        view, _, path = link.removeprefix(PROJECT["urls"]["Repository"] + "/").partition("/main/")
        assert view in ("raw", "blob", "tree"), link
        assert (ROOT / path).exists(), link


def test_the_sdist_has_what_a_checkout_has(release: Path) -> None:
    with tarfile.open(next(release.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"app.py", "setup.py", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md"}
    for folder in ("bench", "colorgan", "docs", "space", "tests", "train"):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        wanted.update(path.relative_to(ROOT).as_posix() for path in files)
    assert wanted <= names
