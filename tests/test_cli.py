"""The `colorgan` command as a user types it: files, folders, pipes, damage, interruption."""

import io
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from colorgan import Generator, Hint, cli, execute
from colorgan.color import rgb_to_lab
from colorgan.folders import begins_like_a_picture
from colorgan.photo import read_photo
from colorgan.plan import Job, plan

CHELSEA = skimage.data.chelsea()[:120, :160]
GREY = CHELSEA[..., 1]


@pytest.fixture(scope="module")
def model(model: Path) -> str:
    return str(model)


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a.jpg, deep.png (16 bits), sub/b.png, sub/c.gif, and a file that is no picture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album" / "sub").mkdir(parents=True)
    Image.fromarray(CHELSEA).save("album/a.jpg")
    Image.fromarray(CHELSEA[..., 0].astype(np.uint16) * 250).save("album/deep.png")
    Image.fromarray(CHELSEA).save("album/sub/b.png")
    Image.fromarray(CHELSEA).save("album/sub/c.gif")
    Path("album/notes.txt").write_text("no picture")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_one_file_lands_beside_its_source(album: Path, model: str) -> None:
    assert cli.main(["album/a.jpg", "--model", model]) == 0
    result = Image.open("album/a.colorized.png")
    assert (result.size, result.mode) == ((160, 120), "RGB")
    before, after = read_photo("album/a.jpg"), read_photo("album/a.colorized.png")
    assert np.abs(before.lightness - after.lightness).max() < 0.5
    assert np.ptp(np.array(result).astype(int), axis=-1).mean() > 3  # there are colours


def test_a_folder_is_mirrored_and_results_are_not_taken_for_pictures(album: Path, model: str) -> None:
    assert cli.main(["album", "--output", "out", "--model", model, "--batch-size", "2"]) == 0
    expected = {"a.colorized.png", "deep.colorized.png", "sub/b.colorized.png", "sub/c.colorized.png"}
    assert files(album / "out") == expected
    assert read_photo("out/deep.colorized.png").bits == 16
    assert cli.main(["album", "--model", model]) == 0
    assert cli.main(["album", "--model", model, "--skip-existing"]) == 0
    given = [str(path) for path in Path("album").rglob("*.[jpg][pni][gf]")]  # as a shell does, results and all
    assert cli.main([*given, "--model", model, "--overwrite"]) == 0
    assert len(files(album / "album")) == 5 + 4


def test_globs_formats_and_same_names(album: Path, model: str) -> None:
    shutil.copy("album/sub/b.png", "album/a.png")
    assert cli.main(["album/*.[jp][pn]g", "-o", "out", "--format", "jpg", "--quality", "80", "--model", model]) == 0
    assert files(album / "out") == {"a.jpg.colorized.jpg", "a.png.colorized.jpg", "deep.colorized.jpg"}
    Path("folder.png").mkdir()
    assert cli.main(["album/a.jpg", "-o", "folder.png", "--format", "jpg", "--model", model]) == 0
    assert files(album / "folder.png") == {"a.colorized.jpg"}
    assert cli.main(["album/a.jpg", "-o", "here.webp", "--model", model, "--render-size", "48"]) == 0
    assert Image.open("here.webp").format == "WEBP"


def test_a_render_size_that_is_wrong_for_the_network_is_one_sentence(album: Path, capsys) -> None:
    Generator("photo", width=8, bins=2).save_pretrained("net")
    assert cli.main(["album/a.jpg", "--model", "net", "--render-size", "48"]) == 1
    assert capsys.readouterr().err == "The render size of this network must be a multiple of 32, such as 64, not 48.\n"
    assert cli.main(["album/a.jpg", "--model", "net", "--render-size", "32"]) == 0


def test_compare_puts_grey_beside_colour(album: Path, model: str) -> None:
    assert cli.main(["album/a.jpg", "--compare", "--model", model]) == 0
    pixels = np.array(Image.open("album/a.colorized.png"))
    assert pixels.shape == (120, 320, 3)
    assert (pixels[:, :160] == pixels[:, :160, :1]).all()
    assert (pixels[:, 160:] != pixels[:, 160:, :1]).any()


def test_existing_results_are_kept_unless_told_otherwise(album: Path, model: str, capsys) -> None:
    Path("album/a.colorized.png").write_text("mine")
    assert cli.main(["album/a.jpg", "--model", model]) == 1
    assert "album/a.colorized.png exists: use --overwrite or --skip-existing." in capsys.readouterr().err
    assert cli.main(["album/a.jpg", "--skip-existing", "--model", model]) == 0
    assert Path("album/a.colorized.png").read_text() == "mine"
    assert cli.main(["album/a.jpg", "--overwrite", "--model", model]) == 0
    assert Image.open("album/a.colorized.png").size == (160, 120)


def test_bad_files_are_reported_at_the_end_and_stop_nothing(album: Path, model: str, capsys) -> None:
    Path("album/broken.jpg").write_bytes(Path("album/a.jpg").read_bytes()[:900])
    assert cli.main(["album", "album/notes.txt", "-o", "out", "--model", model]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(files(album / "out")) == 4
    assert lines[-3:] == [
        "album/broken.jpg is damaged or cut short: it cannot be read to its end.",
        lines[-2],
        "2 of 6 pictures were not colourized.",
    ]
    assert lines[-2].startswith("album/notes.txt is not a picture")


def test_hints_and_a_reference_change_the_colours(album: Path, model: str, capsys) -> None:
    Path("hints.json").write_text('[{"x": 0.2, "y": 0.3, "color": "skyblue"}]')
    options = ["album/a.jpg", "--model", model, "--hints", "hints.json", "--hint", "0.71,0.62=#7a2e2e", "-o", "out.png"]
    assert cli.main(options) == 0
    lab = rgb_to_lab(torch.from_numpy(np.array(Image.open("out.png"))).permute(2, 0, 1) / 255)
    for hint in (Hint(0.71, 0.62, "#7a2e2e"), Hint(0.2, 0.3, "skyblue")):
        assert (lab[1:, int(hint.y * 120), int(hint.x * 160)] - torch.tensor(hint.ab)).abs().max() < 2
    assert cli.main(["album", "--model", model, "--reference", "out.png", "-o", "one-tone"]) == 0
    assert cli.main(["album", "--model", model, "-o", "plain"]) == 0
    assert cli.main(["album", "--model", model, "--reference", "album/deep.png", "-o", "none"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "album/deep.png has no colours: give a picture in colour."
    Image.new("RGB", (300, 200), "brown").save("large.png")
    assert cli.main(["album", "--model", model, "--reference", "large.png", "--max-pixels", "50000", "-o", "none"]) == 1
    assert capsys.readouterr().err.endswith("; --max-pixels allows more.\n")
    for name in ("a", "deep", "sub/b", "sub/c"):
        one, plain = (np.array(Image.open(f"{folder}/{name}.colorized.png")) for folder in ("one-tone", "plain"))
        assert (one != plain).any()


def test_standard_input_to_standard_output(album: Path, model: str) -> None:
    command = [sys.executable, "-m", "colorgan", "-", "--model", model]
    Image.fromarray(GREY).save("album/a.jpg")
    run = subprocess.run(command, input=Path("album/a.jpg").read_bytes(), capture_output=True, check=True)
    assert Image.open(io.BytesIO(run.stdout)).size == (160, 120)
    assert run.stderr == b""
    run = subprocess.run(command, input=b"nothing", capture_output=True, check=False)
    assert run.returncode == 1
    assert run.stdout == b""
    assert run.stderr.startswith(b"Standard input is not a picture")


def test_an_interrupted_run_goes_on_where_it_stopped(album: Path, model: str, monkeypatch, capsys) -> None:
    written = []
    write = execute.write_photo

    def interrupted(target, *arguments, **options):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(target)
        return write(target, *arguments, **options)

    monkeypatch.setattr(execute, "write_photo", interrupted)
    assert cli.main(["album", "-o", "out", "--batch-size", "1", "--model", model]) == 130
    assert "Run the same command with --skip-existing to continue." in capsys.readouterr().err
    assert files(album / "out") == {Path(path).relative_to("out").as_posix() for path in written}  # and nothing half
    monkeypatch.setattr(
        execute, "write_photo", lambda target, *a, **o: written.append(target) or write(target, *a, **o)
    )
    assert cli.main(["album", "-o", "out", "--skip-existing", "--model", model]) == 0
    assert len(written) == len(set(written)) == len(files(album / "out")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "There is no file or folder missing.jpg."),
        (["album", "--render-size", "50"], "--render-size must be a multiple of 16, such as 32 or 64, not 50."),
        (["album", "--quality", "0"], "--quality must be from 1 to 100, not 0."),
        (["album", "--device", "abacus"], "There is no device abacus here"),
        (["out", "-o", "a.png"], "There are no pictures in out.\n"),
        (["album", "--device", "meta"], "There is no device meta here"),
        (["album", "-o", "all.png"], "--output all.png is one file, but there are 4 pictures: give a folder."),
        (["album", "-o", "-"], "--output - is one file, but there are 4 pictures: give a folder."),
        (
            ["album/a.jpg", "-o", "a.gif"],
            "colorgan does not write gif: choose a name for --output that ends in .png, .jpg",
        ),
        (
            ["album/a.jpg", "-o", "album/notes.txt"],
            "--output album/notes.txt is an existing file that is not a picture: give a folder",
        ),
        (
            ["album/a.jpg", "-o", "a.png", "--format", "jpg"],
            "--format jpg contradicts --output a.png: leave one of them out.",
        ),
        (["album/a.jpg", "--format", "gif"], "colorgan does not write gif: choose a --format of png, jpg"),
        (["album/a.jpg", "--saturation", "-1"], "--saturation must be from 0 (grey) to 100, not -1.0."),
        (["album", "--hint", "0.5,0.5=red"], "Hints are for one picture, but there are 4: --reference serves several."),
        (["album/a.jpg", "--hint", "0.5,0.5"], "A hint is x,y=colour, such as 0.31,0.62=#7a2e2e, not '0.5,0.5'."),
        (["album/a.jpg", "--hint", "0.5,0.5=reddish"], "'reddish' is not a colour"),
        (["album/a.jpg", "--hints", "no.json"], "no.json cannot be read: No such file or directory."),
        (["album/a.jpg", "--reference-strength", "2"], "--reference-strength must be from 0 (none) to 1, not 2.0."),
        (["album/a.jpg", "--batch-size", "0"], "--batch-size must be at least 1, not 0."),
        (["album/a.jpg", "--max-pixels", "0"], "--max-pixels must be at least 1, not 0."),
        (["album", "--device", "hpu"], "There is no device hpu here"),
        (["x" * 300], "There is no file or folder xxx"),
        ([""], "There is no file or folder ''."),
        (["album/*.raw"], "There is no file or folder album/*.raw."),
        ([], "the following arguments are required: INPUT"),
    ],
)
def test_wrong_usage_is_explained(album: Path, arguments: list[str], message: str, capsys) -> None:
    (album / "out").mkdir()
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


def test_info_version_and_help(model: str, capsys) -> None:
    assert cli.main(["info", model]) == 0
    shown = capsys.readouterr().out
    assert "Generator with" in shown
    assert "architecture: residual" in shown
    assert "width: 8" in shown
    assert cli.main(["info", "no-such-model"]) == 1
    assert "There is no checkpoint no-such-model" in capsys.readouterr().err
    for option, text in (("--version", "colorgan 0."), ("--help", "colorgan album/ --skip-existing")):
        with pytest.raises(SystemExit) as leaving:
            cli.main([option])
        assert leaving.value.code == 0
        assert text in capsys.readouterr().out


def test_every_option_is_in_the_documentation(capsys) -> None:
    page = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
    for command in ([], ["push"], ["dataset"]):
        with pytest.raises(SystemExit):
            cli.main([*command, "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--version"}
        assert len(options) > 4
        assert options <= set(re.findall(r"--[a-z-]+", page))


def test_push_refuses_what_is_no_checkpoint_before_asking_the_hub(album: Path, capsys) -> None:
    for folder, message in (("nowhere", "There is no folder nowhere"), ("album", "album has no config.json")):
        assert cli.main(["push", folder, "owner/name"]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith(message)
        assert printed.err.count("\n") == 1
        assert printed.out == ""


def test_a_checkpoint_that_is_none_is_one_sentence(album: Path, capsys) -> None:
    Path("album/sub/b.colorized.png").write_text("mine")
    assert cli.main(["album", "--model", "nowhere"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "1 file of another kind was left out (.txt).",
        "album/sub/b.colorized.png exists: use --overwrite or --skip-existing.",
    ]
    assert lines[2].startswith("There is no checkpoint nowhere")
    assert cli.main(["album/a.jpg", "--model", "album"]) == 1
    assert "album has no config.json and no model.safetensors" in capsys.readouterr().err


def test_no_result_takes_the_place_of_another(album: Path, model: str) -> None:
    for folder in ("x", "y", "z"):
        shutil.copytree("album/sub", folder)
    assert cli.main(["x", "y", "z", "x/b.png", "./x/b.png", "-o", "out", "--model", model]) == 0
    assert len(files(album / "out")) == 6
    names = {f"{folder}_{name}.colorized.png" for folder in "xyz" for name in "bc"}
    assert files(album / "out") == names  # so that other inputs, or another order, mean the same results
    assert cli.main(["z", "y", "-o", "out", "--skip-existing", "--model", model]) == 0
    assert files(album / "out") == names
    twice = ["x/b.png", "x/*.png", str(album / "x" / "b.png")]  # the same picture, and its result
    for more in ([], ["--overwrite"]):
        assert cli.main([*twice, "--model", model, *more]) == 0
    assert files(album / "x") == {"b.png", "c.gif", "b.colorized.png"}
    assert cli.main(["x/b.png", "--model", model, "x/b.colorized.png", "-o", "pictures.png/"]) == 0
    assert files(album / "pictures.png") == {"b.colorized.png"}


def test_a_tilde_after_an_equals_sign_is_the_home(album: Path, model: str, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(album / "home"))
    shutil.copytree(model, album / "home" / "checkpoint")
    assert cli.main(["album/a.jpg", "--output=~/results/", "--model=~/checkpoint"]) == 0
    assert files(album / "home" / "results") == {"a.colorized.png"}


def test_plan_takes_paths(album: Path) -> None:
    assert plan([Path("album/a.jpg")], Path("out"), "jpg").jobs == [Job("album/a.jpg", "out/a.colorized.jpg")]
    assert plan([Path("album/a.jpg")], None, "png") == plan(["album/a.jpg"], None, "png")


def test_what_is_not_taken_over_is_said(album: Path, model: str, capsys) -> None:
    pages = [Image.fromarray(CHELSEA), Image.fromarray(CHELSEA[::-1])]
    pages[0].save("pages.tif", save_all=True, append_images=pages[1:])
    assert cli.main(["pages.tif", "--model", model]) == 0
    assert "pages.tif: Only the first of its 2 pages was taken." in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_one_sentence_and_stops_nothing(album: Path, model: str, capsys) -> None:
    Path("out").mkdir()
    Path("out/sub").write_text("mine")
    long = "é" * 122 + ".jpg"  # a name of 248 bytes, to which no .colorized.png can be added
    shutil.copy("album/a.jpg", "album/" + long)
    assert cli.main(["album", "-o", "out", "--batch-size", "1", "--model", model]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert f"{Path(long).stem}.colorized.png cannot be written: File name too long." in lines
    assert lines.count("The folder out/sub cannot be created: File exists.") == 2
    assert files(album / "out") == {"a.colorized.png", "deep.colorized.png", "sub"}


def test_standard_output_is_a_pipe_and_may_close(album: Path, model: str) -> None:
    command = f"{sys.executable} -m colorgan album/a.jpg --output - --model {model}"
    Image.fromarray(GREY).save("album/a.jpg")
    run = subprocess.run(f"{command} --format tiff | cat", shell=True, capture_output=True, check=True)
    assert (Image.open(io.BytesIO(run.stdout)).format, run.stderr) == ("TIFF", b"")
    run = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True)
    assert run.stderr == b"Standard output cannot be written: No space left on device.\n"
    assert run.returncode == 1
    assert not Path("-").exists()


def test_names_may_begin_with_a_dash_and_options_stand_anywhere(album: Path, model: str) -> None:
    shutil.copy("album/a.jpg", "-x.jpg")
    assert cli.main(["-o", "out", "--model", model, "--", "-x.jpg"]) == 0
    assert cli.main(["album/a.jpg", "-o", "out", "album/sub/b.png", "--model", model]) == 0
    assert cli.main([".//album/a.jpg", "album/sub/../a.jpg", "-o", "out", "--overwrite", "--model", model]) == 0
    assert files(album / "out") == {"-x.colorized.png", "a.colorized.png", "b.colorized.png"}


def test_known_pictures_are_never_left_out_and_other_files_are_counted(album: Path, model: str, capsys) -> None:
    jpeg = Path("album/a.jpg").read_bytes()
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    contents = {
        "photo.jpg_large": jpeg,  # from a browser
        "no_suffix": jpeg,
        "x.PSD": b"8BPS\0\1",
        "list": b"P1 has no picture",
        "empty": b"",
        "phone.heic": heic + bytes(100),
        "camera.NEF": b"MM\0*" + bytes(100),
        ".hidden.jpg": jpeg,
    }
    for name, content in contents.items():
        Path("album", name).write_bytes(content)
    Path("album/lost.png").symlink_to("nowhere.png")
    Image.fromarray(CHELSEA).save("album/two.mpo", "MPO", save_all=True, append_images=[Image.fromarray(CHELSEA)])
    assert cli.main(["album", "-o", "out", "--model", model]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[0] == "4 files of other kinds were left out (without a suffix, .psd, .txt)."
    assert lines[-1] == "3 of 10 pictures were not colourized."
    for line, name in zip(lines[-4:-1], ("album/camera.NEF", "album/lost.png", "album/phone.heic"), strict=True):
        assert name in line
    assert files(album / "out") == {
        *("a.colorized.png", "deep.colorized.png", "sub/b.colorized.png", "sub/c.colorized.png"),
        *("photo.colorized.png", "no_suffix.colorized.png", "two.colorized.png"),
    }
    shutil.copytree("album", "others", ignore=lambda folder, names: [n for n in names if n != "x.PSD"])
    with pytest.raises(SystemExit):
        cli.main(["others"])
    assert capsys.readouterr().err.endswith(
        "There are no pictures in others. 1 file of another kind was left out (.psd).\n"
    )


@pytest.mark.parametrize(
    ("head", "is_picture"),
    [
        (b"BM" + bytes(12) + b"\x28\0\0\0", True),
        (b"BM is the beginning of a text", False),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"RIFF\0\0\0\0WAVEfmt ", False),
        (b"P6\n640 480\n255\n", True),
        (b"P6\n# a comment", True),
        (b"P1 meeting", False),
        (b"\0\0\0\x20ftypavif", True),
        (b"\0\0\0\x20ftypisom", False),  # a film
        (b"<svg xmlns", False),
        (b"%PDF-1.7", False),
        (b"\0\0\0\x0cjP  \r\n\x87\n", True),
        (b"", False),
    ],
)
def test_first_bytes_of_pictures(head: bytes, is_picture: bool) -> None:
    assert begins_like_a_picture(head) == is_picture


def test_links_to_folders_are_followed_once(album: Path) -> None:
    Path("elsewhere").mkdir()
    shutil.copy("album/a.jpg", "elsewhere/e.jpg")
    Path("album/away").symlink_to(album / "elsewhere")
    Path("album/sub/loop").symlink_to(album / "album")
    Path("album/also").symlink_to(album / "album" / "sub")  # sorts before sub
    Path("elsewhere/back").symlink_to(album / "album")
    sources = ["album/a.jpg", "album/away/e.jpg", "album/deep.png", "album/sub/b.png", "album/sub/c.gif"]
    assert [job.source for job in plan(["album"], "out", "png").jobs] == sources
    assert [job.source for job in plan(["album", "elsewhere", "album/also/b.png"], "out", "png").jobs] == sources


def test_results_differ_in_more_than_case(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/IMG_1.jpg", "in/img_1.jpg", "in/x.png", "A/y.jpg", "a/Y.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"")
    if len(files(tmp_path)) < 5:
        pytest.skip("this file system ignores case")
    for output, same in ((None, "y.colorized.png"), ("out", None)):
        targets = [job.target for job in plan(["in", "A", "a"], output, "png").jobs]
        assert len({target.casefold() for target in targets}) == (4 if same else 5)  # A/ and a/ are there
        assert (output or "in") + "/x.colorized.png" in targets
        assert all("IMG_1.jpg" in t or "img_1.jpg" in t for t in targets if "img" in t.lower())


def test_photographs_in_colour_are_named_or_skipped(album: Path, model: str, capsys) -> None:
    Image.fromarray(GREY).save("album/grey.jpg")
    named = ["album/a.jpg", "album/sub/b.png", "album/sub/c.gif"]
    assert cli.main(["album", "-o", "out", "--model", model]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert {f"{name} is a colour photograph: its colours were replaced." for name in named} < set(lines)
    assert sum("is a colour photograph" in line for line in lines) == 3
    assert cli.main(["album", "-o", "out2", "--model", model, "--skip-coloured"]) == 0
    assert capsys.readouterr().err.splitlines()[1:] == ["3 photographs in colour were left as they are."]
    assert files(album / "out2") == {"deep.colorized.png", "grey.colorized.png"}
    assert cli.main(["album/a.jpg", "-o", "out2", "--model", model, "--skip-coloured"]) == 0
    assert capsys.readouterr().err == "1 photograph in colour was left as it is.\n"


def test_the_largest_size_can_be_chosen(album: Path, model: str, monkeypatch, capsys) -> None:
    assert cli.main(["album/deep.png", "--model", model, "--max-pixels", "19000"]) == 1
    message = "album/deep.png is larger than 19,000 pixels: it has 160 x 120 = 19,200; --max-pixels allows more.\n"
    assert capsys.readouterr().err == message
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9000)  # Pillow refuses the double
    assert cli.main(["album/deep.png", "--model", model]) == 1
    assert capsys.readouterr().err == "album/deep.png is larger than 18,000 pixels; --max-pixels allows more.\n"
    assert cli.main(["album/deep.png", "--model", model, "--max-pixels", "150000000"]) == 0
    assert Image.MAX_IMAGE_PIXELS == 9000


def hold_writing(number: int) -> str:
    """A program that runs the command, and says when eight results are half written, which takes a second more."""
    return f"""
import signal, sys, threading, time
from colorgan import cli, execute
from colorgan.files import write_whole
signal.signal({number}, signal.SIG_DFL if {number} != signal.SIGINT else signal.default_int_handler)

def write_photo(target, *_, **__):
    with write_whole(target) as file:
        file.write(b"half")
        file.flush()
        print("writing", flush=True)
        time.sleep(1)

execute.write_photo = write_photo
sys.exit(cli.main())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_temporary_file(name: str, album: Path, model: str) -> None:
    number = signal.Signals[name]
    for i in range(12):
        shutil.copy("album/a.jpg", f"album/{i}.jpg")
    command = [sys.executable, "-c", hold_writing(number), "album", "-o", "out", "--batch-size", "1", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        assert any(path.endswith(".part") for path in files(album / "out"))
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        message = process.stderr.read()
    assert "Run the same command with --skip-existing to continue.\n" in message
    assert message.endswith("Interrupted.\n" if name == "SIGINT" else f"Stopped by {name}.\n")
    assert "Traceback" not in message
    left = files(album / "out")
    assert not [path for path in left if path.endswith(".part")]
    assert len(left) < 16


def test_a_signal_that_is_ignored_stays_ignored(album: Path, model: str) -> None:
    program = "import signal, sys; from colorgan import cli, execute; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    program += "write = execute.write_photo; "
    program += "execute.write_photo = lambda *a, **k: (signal.raise_signal(signal.SIGHUP), write(*a, **k)); "
    command = [sys.executable, "-c", program + "sys.exit(cli.main())", "album/a.jpg", "--model", model]  # as nohup
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert Path("album/a.colorized.png").exists()


def test_ctrl_c_ends_the_wait_for_a_pipe(album: Path, model: str) -> None:
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background ignores it
    begin = "import sys; from colorgan import cli, execute; print(1, flush=True); sys.exit(cli.main())"
    command = [sys.executable, "-c", f"{heard}; {begin}"]
    with subprocess.Popen(
        [*command, "-", "--model", model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()  # it is imported, and about to read
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read().endswith(b"Interrupted.\n")
