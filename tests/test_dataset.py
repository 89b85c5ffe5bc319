"""`colorgan dataset`: one column of a data set is coloured and the rest stays, also by two processes and on the Hub."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
import skimage.data
import torch
from conftest import painting_network
from hub_server import HubServer
from PIL import Image
from test_processes import fork

from colorgan import Hint, cli
from colorgan.color import rgb_to_lab
from colorgan.photo import read_photo

CHELSEA = skimage.data.chelsea()[60:100, 100:160]
GREY = np.array(Image.fromarray(CHELSEA).convert("L"))
FEATURES = datasets.Features(
    {
        "id": datasets.Value("int64"),
        "scan": datasets.Image(),
        "place": datasets.ClassLabel(names=["attic", "barn"]),
        "words": datasets.List(datasets.Value("string")),
        "thumbnail": datasets.Image(mode="L"),
    }
)


def saved(pixels: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(file, kind, **options)
    return file.getvalue()


KINDS: list[tuple[str, bytes | None]] = [
    ("grey.jpg", saved(GREY, "JPEG")),
    ("alpha.png", saved(np.dstack([CHELSEA, GREY]), "PNG")),
    ("cmyk.jpeg", saved(CHELSEA, "JPEG", "CMYK")),
    ("deep.png", saved(GREY.astype(np.uint16) * 257, "PNG")),
    ("page.tif", saved(GREY, "TIFF")),
    ("web.webp", saved(np.stack([GREY] * 3, -1), "WEBP", lossless=True)),
    ("moving.gif", saved(GREY, "GIF")),
    ("no suffix", saved(GREY, "PNG")),
    ("damaged.jpg", b"no picture"),
    ("nothing", None),
]


def rows(count: int, begin: int = 0) -> dict[str, list]:
    kinds = [KINDS[i % len(KINDS)] for i in range(count)]
    return {
        "id": [begin + i for i in range(count)],
        "scan": [None if data is None else {"path": name, "bytes": data} for name, data in kinds],
        "place": [i % 2 for i in range(count)],
        "words": [["a", "b"][: i % 3] for i in range(count)],
        "thumbnail": [{"path": None, "bytes": saved(GREY[:8, :8], "PNG")}] * count,
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: source/ with a split of 40 rows and one of 10, and a checkpoint that paints something."""
    monkeypatch.chdir(tmp_path)
    painting_network().save_pretrained("checkpoint")
    Path("source/data").mkdir(parents=True)
    for split, count in (("train", 40), ("test", 10)):
        rows_of = datasets.Dataset.from_dict(rows(count), features=FEATURES)
        rows_of.to_parquet(f"source/data/{split}-00000-of-00001.parquet")
    return tmp_path


def load(name: str) -> datasets.DatasetDict:
    """The data set, not from the cache, which may have an older folder of that name."""
    loaded = datasets.load_dataset(name, download_mode="force_redownload")
    assert isinstance(loaded, datasets.DatasetDict)
    return loaded


def check(result: datasets.DatasetDict) -> None:
    """Assert that the result has the rows of `rows`, coloured."""
    assert {split: len(each) for split, each in result.items()} == {"train": 40, "test": 10}
    for each in result.values():
        assert each.features == FEATURES
        expected = rows(len(each))
        for column in ("id", "place", "words"):
            assert each[column][:] == expected[column]
        stored = each.cast_column("scan", datasets.Image(decode=False)).cast_column(
            "thumbnail", datasets.Image(decode=False)
        )
        assert stored["thumbnail"][:] == expected["thumbnail"]
        for i, scan in enumerate(stored["scan"]):
            name, data = KINDS[i % len(KINDS)]
            if name == "nothing":
                assert scan is None
            elif name == "damaged.jpg":
                assert scan == {"path": name, "bytes": data}
            else:
                compare(data, scan)


def compare(data: bytes | None, scan: dict) -> None:
    """Assert that a stored picture has the format, the size and the lightness of its source, and is in colour."""
    assert data is not None
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(scan["bytes"]))
    assert after.format == ("PNG" if before.format == "GIF" else before.format)
    assert after.size == before.size
    assert after.has_transparency_data == (before.mode == "RGBA")
    photo, coloured = read_photo(io.BytesIO(data)), read_photo(io.BytesIO(scan["bytes"]))
    assert photo.bits == coloured.bits
    assert np.abs(photo.lightness - coloured.lightness).mean() < 1.5
    assert not np.array_equal(np.asarray(after.convert("RGB"))[..., 0], np.asarray(after.convert("RGB"))[..., 2])


def test_one_column_is_coloured_and_all_others_are_kept(folder: Path, capsys) -> None:
    command = ["dataset", "source", "--output", "coloured", "--image-column", "scan", "--model", "checkpoint"]
    assert cli.main(command) == 1  # because of the damaged rows
    check(load("coloured"))
    messages = capsys.readouterr().err.splitlines()
    for split, row in (("train", 8), ("train", 38), ("test", 8)):
        assert sum(line.startswith(f"{split} row {row} (damaged.jpg) is not a picture") for line in messages) == 1
    assert "train row 19 has no picture." in messages
    gif = "It became a PNG, because colorgan does not write GIF. So it is with 4 other pictures."
    assert f"train row 6 (moving.gif): {gif}" in messages
    assert "10 of 50 photographs were in colour: their colours were replaced." in messages
    assert messages[-1] == "10 of 50 pictures were not colourized and are as they were."
    names = load("coloured")["train"].cast_column("scan", datasets.Image(decode=False))["scan"][6:8]
    assert [scan["path"] for scan in names] == ["moving.png", "no suffix.png"]
    assert {path.name for path in folder.joinpath("coloured").iterdir()} == {"README.md", "data"}
    card = Path("coloured/README.md").read_text()
    assert "`checkpoint`" in card
    assert "10 pictures could not be colourized" in card
    assert str(folder) not in card

    # what exists is neither replaced nor made again
    files = sorted(Path("coloured/data").iterdir())
    times = {path: path.stat().st_mtime_ns for path in files}
    assert cli.main(command) == 1
    assert capsys.readouterr().err == "coloured has results already: use --overwrite or --skip-existing.\n"
    assert cli.main([*command, "--skip-existing", "--saturation", "2"]) == 1
    assert "was made with saturation 1.0, not 2.0: use the same options, or --overwrite." in capsys.readouterr().err
    files[1].unlink()
    assert cli.main([*command, "--skip-existing"]) == 1
    assert {path for path in files if path.stat().st_mtime_ns == times.get(path)} == {*files} - {files[1]}
    assert capsys.readouterr().err.splitlines() == messages  # of all files, also of those of the first run
    check(load("coloured"))


def test_photographs_in_colour_can_be_left_and_single_splits_taken(folder: Path, capsys) -> None:
    command = ["dataset", "source", "-o", "some", "--image-column", "scan", "--model", "checkpoint", "--skip-coloured"]
    Path("some").mkdir()
    assert cli.main([*command, "--split", "test"]) == 1
    result = load("some")
    assert list(result) == ["test"]
    scans = result["test"].cast_column("scan", datasets.Image(decode=False))["scan"]
    assert [i for i in range(10) if scans[i] == rows(10)["scan"][i]] == [1, 2, 8, 9]
    assert "2 photographs in colour were left as they are." in capsys.readouterr().err
    assert cli.main([*command, "--split", "train"]) == 1
    assert {*load("some")} == {"train", "test"}  # a second split comes to the first


def test_a_folder_of_images_with_labels(folder: Path, capsys) -> None:
    for label in ("cat", "cup"):
        Path("images", label).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(GREY).save(f"images/{label}/{i}.png")
    assert cli.main(["dataset", "images", "--output", "owner/name", "--model", "checkpoint"]) == 0
    assert (
        capsys.readouterr().err == "The result is in the folder owner/name. With --push-to-hub it is published, too.\n"
    )
    result = load("./owner/name")["train"]
    assert result.features["label"].names == ["cat", "cup"]
    assert result["label"][:] == [0, 0, 1, 1]
    assert all(np.asarray(picture).shape == (40, 60, 3) for picture in result["image"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source"], "source has several columns of pictures among id, scan, place, words, thumbnail: name one with"),
        (["source", "--image-column", "id"], "The column id of source holds Value('int64'), not pictures."),
        (["source", "--image-column", "no"], "source has no column no; it has the columns id, scan,"),
        (["source", "--image-column", "scan", "--split", "dev"], "source has no split dev; it has train, test."),
        (["./nowhere"], "The data set ./nowhere does not exist."),
        (["source", "--output", "source/new"], "--output source/new lies in the data set source: choose a folder out"),
        (["source", "--output", "checkpoint"], "The folder checkpoint has other files, such as "),
        (["source", "--output", "source.txt/a"], "The folder source.txt/a cannot be created: Not a directory."),
        (["source", "--image-column", "scan", "--model", "no/where/"], "no/where"),
    ],
)
def test_what_is_wrong_is_one_sentence(folder: Path, arguments: list[str], message: str, capsys) -> None:
    Path("source.txt").write_text("")
    assert cli.main(["dataset", "--output", "new", "--model", "checkpoint", *arguments]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(folder.glob("new/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source"], "the following arguments are required: -o/--output"),
        (
            ["source", "--output", "new", "--push-to-hub"],
            "--push-to-hub needs an --output of the form owner/name, not ",
        ),
        (["a/b", "--output", "a/b", "--push-to-hub"], "--output a/b would replace the data set that is read"),
        (["source", "--output", "new", "--private"], "--private is for --push-to-hub."),
        (["source", "--output", "new", "--saturation", "-1"], "--saturation must be from 0"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["dataset", *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


# several processes; the Hub

# like `python -m colorgan`, but writes down which files each process makes, and can be killed at one of them
WATCHED = """
import os, signal, sys
from colorgan import Hint, cli
from colorgan.color import rgb_to_lab
from colorgan.dataset import run as dataset
colour_part = dataset.colour_part

def watched(part, *arguments, **options):
    if part.path.name.startswith(os.environ.get("KILL_AT", "nothing")):
        part.path.with_name(".colorgan-1-2-3.part").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with open(f"process-{os.environ.get('RANK')}.txt", "a") as file:
        file.write(part.path.name[:11] + " ")
    colour_part(part, *arguments, **options)

dataset.colour_part = watched
sys.exit(cli.main())
"""


def test_two_processes_go_on_where_one_was_killed(folder: Path) -> None:
    command = ["dataset", "source", "--output", "coloured", "--image-column", "scan", "--model", "checkpoint"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KILL_AT": "train-00001"}
    assert subprocess.run([sys.executable, "-c", WATCHED, *command], env=environment).returncode == -signal.SIGKILL
    (first,) = Path("coloured/data").glob("*.parquet")
    assert first.name == "train-00000-of-00003.parquet"
    time = first.stat().st_mtime_ns

    run = fork(*command, "--skip-existing", program=WATCHED)
    assert run.returncode == 1
    assert first.stat().st_mtime_ns == time
    assert Path("process-0.txt").read_text() == "train-00001 test-00000- "
    assert Path("process-1.txt").read_text() == "train-00002 "
    check(load("coloured"))
    assert {path.name for path in folder.joinpath("coloured").iterdir()} == {"README.md", "data"}
    assert len([*Path("coloured/data").iterdir()]) == 4
    for message in ("train row 8 (damaged.jpg) is not", "train row 18 (damaged.jpg) is not", "10 of 50 pictures were"):
        assert run.stderr.count(message) == 1  # the first is of the process that was killed


def test_the_main_process_says_what_is_wrong_with_the_usage(monkeypatch, capsys) -> None:
    def killed(seconds: float) -> None:  # as the launcher does when the main process has ended
        raise InterruptedError

    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("colorgan.processes.time.sleep", killed)
    for arguments in (["dataset", "a/b", "-o", "new", "--saturation", "-1"], ["no.jpg"], ["--batch-size"]):
        with pytest.raises(InterruptedError):
            cli.main(arguments)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SystemExit):
        cli.main(["no.jpg"])
    assert "There is no file or folder no.jpg." in capsys.readouterr().err


def test_a_data_set_of_the_hub_is_published_when_that_is_asked_for(folder: Path) -> None:
    with HubServer(folder / "hub") as hub:
        files = {path.relative_to("source").as_posix(): path.read_bytes() for path in Path("source/data").iterdir()}
        hub.commit("datasets", "user/scans", files)

        hub.commit("datasets", "user/taken", {"data/mine.parquet": b"mine"})
        hub.fail("commit", "late-503")
        options = ["--image-column", "scan", "--model", "checkpoint", "--push-to-hub"]
        commands = [
            ["dataset", "user/scans", "--output", "user/taken", *options],
            ["dataset", "user/scans", "--output", "user/coloured", "--private", *options],
        ]
        program = f"from colorgan import cli; print([cli.main(command) for command in {commands}])"
        environment = os.environ | hub.environment(folder / "home", "hf_write", OMP_NUM_THREADS="1")
        environment.pop("HF_DATASETS_CACHE", None)
        run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert run.stdout == f"{hub.url}/datasets/user/coloured\n[1, 1]\n", run.stderr
        assert run.stderr.startswith(  # before hours of work
            "The data set user/taken has other files already, such as data/mine.parquet: choose a new name.\n"
        )
        assert {*hub.files("datasets", "user/taken")} == {".gitattributes", "data/mine.parquet"}

        assert hub.read("datasets", "user/coloured")["private"]
        assert len(hub.commits("datasets", "user/coloured")) == 2  # the first one, and one of all files
        published = hub.files("datasets", "user/coloured")
        assert {*published} == {
            *(".gitattributes", "README.md", "data/test-00000-of-00001.parquet"),
            *(f"data/train-0000{i}-of-00003.parquet" for i in range(3)),
        }
        assert "[user/scans](https://huggingface.co/datasets/user/scans)" in published["README.md"].decode()
        assert 'load_dataset("user/coloured")' in published["README.md"].decode()
        for name, content in published.items():
            Path("published", name).parent.mkdir(parents=True, exist_ok=True)
            Path("published", name).write_bytes(content)
    check(load("published"))


def test_a_reference_gives_its_tone_and_provenance_can_be_left_out(folder: Path, capsys) -> None:
    for name, color in (("known.png", "#a06040"), ("other.png", "#4060a0")):
        Image.new("RGB", (40, 30), color).save(name)
    common = ["dataset", "source", "--model", "checkpoint", "--image-column", "scan", "--split", "test"]
    reference = [*common, "-o", "toned", "--reference", "known.png", "--reference-strength", "1"]
    assert cli.main([*common, "-o", "plain"]) == cli.main([*reference, "--no-metadata"]) == 1  # 2 cannot be coloured
    plain, toned = results = [
        load(name)["test"].cast_column("scan", datasets.Image(decode=False))[0]["scan"]["bytes"]
        for name in ("plain", "toned")
    ]
    assert b"colorgan" in plain
    assert b"colorgan" not in toned
    pixels = [torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1) for data in results]
    goal = torch.tensor(Hint(0, 0, "#a06040").ab)
    distances = [(rgb_to_lab(each / 255)[1:].mean((1, 2)) - goal).norm().item() for each in pixels]
    assert distances[1] < 0.5 * distances[0]
    capsys.readouterr()
    assert cli.main([*reference, "--no-metadata", "--skip-existing", "--reference", "other.png"]) == 1
    assert "with reference known.png (" in capsys.readouterr().err
    assert cli.main([*common, "-o", "none", "--reference", "nowhere.png"]) == 1
    assert "nowhere.png" in capsys.readouterr().err
