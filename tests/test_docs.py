"""README and docs/: their code blocks run, and their links, files, commands and options exist."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from films import pan, write_film
from PIL import Image
from scripts import run_script
from skimage import data

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
MAX_README_WORDS = 900
MAX_LINE = 120
FENCED = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
PROGRAMS = re.compile(r"(colorgan|(?:app|train/\w+|bench/\w+|space/deploy)(?:\.py))$")
SUBCOMMANDS = ("app", "dataset", "info", "push")


@dataclass(frozen=True)
class Block:
    """A fenced code block of a page, with the HTML comment on the line before it."""

    language: str
    mark: str
    code: str


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["mark"] or "", m["code"]) for m in FENCED.finditer(text_of(page))]


def python_blocks(page: Path) -> list[str]:
    """The Python blocks of a page without those after `<!-- not run: reason -->`."""
    return [b.code for b in blocks(page) if b.language == "python" and not b.mark.startswith("not run: ")]


def shell_blocks(page: Path) -> list[str]:
    """The shell blocks of a page after `<!-- run -->`."""
    return [b.code for b in blocks(page) if b.language == "sh" and b.mark == "run"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages_with(find: Callable[[Path], list[str]]) -> list:
    """The pages with such blocks, without README, which has a test of its own."""
    return [pytest.param(page, id=name_of(page)) for page in PAGES[1:] if find(page)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the examples name: photographs, film.mpg of 2 s, a picture in colour, an album of one picture."""
    grey = Image.fromarray(data.coffee()).convert("L")
    for name in ("photo.jpg", "grey.jpg"):
        grey.save(tmp_path / name)
    tifffile.imwrite(tmp_path / "scan.tif", np.asarray(grey).astype(np.uint16) * 257)
    Image.fromarray(data.coffee()).save(tmp_path / "scene.jpg")
    write_film(tmp_path / "film.mpg", pan(50), codec="mpeg2video", sound="mp2")
    (tmp_path / "album").mkdir()
    grey.save(tmp_path / "album" / "cup.png")
    return tmp_path


def run(command: list[str], folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", pages_with(python_blocks))
def test_python_blocks_run(page: Path, folder: Path):
    result = run_script("-c", "\n".join(python_blocks(page)), folder=folder)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", pages_with(shell_blocks))
def test_shell_blocks_run(page: Path, folder: Path):
    run(["bash", "-euc", "\n".join(shell_blocks(page))], folder)


def test_the_readme_colourizes_a_photograph_and_an_album(folder: Path):
    readme = ROOT / "README.md"
    run([sys.executable, "-c", "\n".join(python_blocks(readme))], folder)
    assert Image.open(folder / "photo.colorized.png").size == (600, 400)
    (folder / "photo.colorized.png").unlink()
    run(["bash", "-euc", "\n".join(shell_blocks(readme))], folder)
    for name in ("photo.colorized.png", "coloured/cup.colorized.png"):
        assert Image.open(folder / name).size == (600, 400)


def test_the_readme_is_short():
    assert len(text_of(ROOT / "README.md").split()) <= MAX_README_WORDS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_short_and_no_data_lies_beside_the_repository(page: Path):
    text = text_of(page)
    prose = FENCED.sub("", text).splitlines()
    assert not [line for line in prose if len(line) > MAX_LINE and not line.startswith("|") and "](" not in line]
    assert "../shared" not in text


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text_of(page))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text_of(target)), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_the_index_lists_every_page():
    index = text_of(ROOT / "docs" / "README.md")
    assert [page.name for page in DOCS if page.name != "README.md" and f"]({page.name})" not in index] == []


def tree(text: str) -> set[str]:
    """The paths of the tree in architecture.md, whose lines are indented by two spaces for each folder."""
    (block,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    paths, parents = set(), []
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [name.rstrip("/")]
        paths.add("/".join(parents))
    return paths


def test_the_architecture_names_every_file_and_no_other():
    text = text_of(ARCHITECTURE)
    named = tree(text)
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    modules = [ROOT / "app.py", *(p for d in ("colorgan", "train", "space") for p in (ROOT / d).rglob("*.py"))]
    missing = {name_of(path) for path in modules if path.name != "__init__.py"} - named
    assert missing == set()
    for path in re.findall(r"`([\w./-]+/[\w./-]+\.\w+)`", FENCED.sub("", text)):
        assert (ROOT / path).exists(), path
    for name, path in re.findall(r"\| `(\w+)` \| `([\w./]+\.py)` \|", text):  # the steps of the ways
        assert re.search(rf"^ *(def|class) {name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


def commands(page: Path) -> list[list[str]]:
    """The words of every command of ours on a page, from the program on: in shell blocks and in `code`."""
    text = text_of(page)
    shell = [b.code.replace("\\\n", " ") for b in blocks(page) if b.language == "sh"]
    inline = re.findall(r"`([^`]+)`", FENCED.sub("", text))
    found = []
    for line in [*"\n".join(shell).splitlines(), *(code.replace("\n", " ") for code in inline)]:
        for part in re.split(r"&&|\||;", re.sub(r"(^| )#.*", "", line)):
            try:
                words = shlex.split(part)
            except ValueError:  # a quotation mark in `code` that is no command
                continue
            # leave out what comes before the program: variables, python, accelerate launch and its options
            while words and (re.match(r"\w+=", words[0]) or not PROGRAMS.search(words[0])):
                words.pop(0)
            if len(words) > 1:
                found.append(words[: words.index("--")] if "--" in words else words)
    return found


@cache
def help_of(program: str, subcommand: str = "") -> str:
    """What `--help` prints; for measurements, which may need the [bench] extra, the source."""
    if program.startswith("bench/"):
        return (ROOT / program).read_text(encoding="utf-8")
    if program == "colorgan":
        command = [sys.executable, "-m", "colorgan", *subcommand.split(), "--help"]
        result = subprocess.run(command, capture_output=True, text=True)
    else:
        result = run_script(program, "--help")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path):
    for words in commands(page):
        program = PROGRAMS.search(words[0])[1]
        subcommand = words[1] if program == "colorgan" and words[1] in SUBCOMMANDS else ""
        options = [word.partition("=")[0] for word in words if re.match(r"--\w", word)]
        for option in options:
            assert re.search(rf"{option}\b(?![-_])", help_of(program, subcommand)), shlex.join(words)
