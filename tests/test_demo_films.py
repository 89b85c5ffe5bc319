"""Films in the demo: the endpoint /colorize_video through gradio_client, limits, and what is done again."""

import importlib.util
import os
import time
from fractions import Fraction
from pathlib import Path

import av
import gradio as gr
import numpy as np
import pytest
from conftest import ROOT, connect, painting_network
from films import luma_of, mean_ab, pan, sound_of, write_film
from gradio.exceptions import Error
from gradio_client import Client, handle_file
from PIL import Image

from colorgan.demo import films, main
from colorgan.demo.films import before_after, colorize_film, film_progress, film_tab
from colorgan.demo.jobs import Jobs
from colorgan.demo.uploads import film_input
from colorgan.inference.colorizer import Colorizer
from colorgan.inference.hints import Hint

FILM_MINUTES, FILM_MEGABYTES = 0.5, 66  # the limits of the fixture `app`


@pytest.fixture(scope="module")
def client(app: str) -> Client:
    return connect(app)


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs({"small": Colorizer(painting_network())}, "no data set", tmp_path / "files", film_minutes=1)


def colourize(client: Client, film: Path, **settings: object) -> tuple[str, list[str]]:
    return client.predict(handle_file(film), **settings, api_name="/colorize_video")


def test_a_film_comes_back_in_colour_with_its_sound(client: Client, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mpg", pan(12), codec="mpeg2video", sound="mp2")
    result, notes = colourize(client, film, saturation=1.5)
    assert Path(result).name == "film.colorized.mp4"
    assert len(luma_of(Path(result))) == 12
    assert colour_of(Path(result)) > 3
    assert sound_of(Path(result))[0] == "aac"
    assert "Its sound (mp2) was encoded again as AAC." in notes
    assert colourize(client, film, saturation=1.5)[1] == notes  # the same request again finds the result and its notes


def test_a_film_takes_over_the_tone_of_a_reference(client: Client, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", pan(4))
    Image.new("RGB", (32, 32), "rosybrown").save(tmp_path / "rose.png")
    Image.new("L", (32, 32), 90).save(tmp_path / "grey.png")
    rose, goal = handle_file(tmp_path / "rose.png"), Hint(0, 0, "rosybrown").ab
    reference = {"reference": rose, "reference_strength": 1}
    plain, toned = (colourize(client, film, **settings)[0] for settings in ({}, reference))
    weak, _ = colourize(client, film, **reference | {"reference_strength": 0.5})
    errors = [np.linalg.norm(mean_ab(Path(path)) - goal) for path in (toned, weak, plain)]
    assert errors[0] < 2
    assert errors[0] + 3 < errors[1] < errors[2] - 3
    with pytest.raises(Exception, match=r"^film\.mp4 is a film or a picture that"):
        colourize(client, film, reference=handle_file(film))
    with pytest.raises(Exception, match=r"^grey\.png has no colours: give a picture in colour"):
        colourize(client, film, reference=handle_file(tmp_path / "grey.png"))
    with pytest.raises(Exception, match="Strength of the reference must be between 0 and 1, not 2"):
        colourize(client, film, reference=rose, reference_strength=2)


def colour_of(film: Path) -> float:
    """The mean distance of U and V from grey, in 8-bit levels."""
    with av.open(str(film)) as container:
        planes = [np.frombuffer(plane, np.uint8) for frame in container.decode(video=0) for plane in frame.planes[1:]]
    return float(np.mean([abs(plane.astype(int) - 128).mean() for plane in planes]))


def test_what_cannot_be_coloured_is_answered_with_one_sentence(client: Client, tmp_path: Path) -> None:
    slow = write_film(tmp_path / "long.mp4", pan(2), times=[0, 31], time_base=Fraction(1))
    (tmp_path / "text.mp4").write_text("no film")
    films = {
        slow: "long.mp4 lasts 0.5 minutes: at most 0.5 are possible here.",
        tmp_path / "text.mp4": "text.mp4 is no film that can be read",
    }
    for film, sentence in films.items():
        with pytest.raises(Exception, match=f"^{sentence}") as error:
            colourize(client, film)
        assert "/" not in str(error.value)
    with pytest.raises(Exception, match="Saturation must be between 0 and 2, not 3"):
        colourize(client, slow, saturation=3)
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate((FILM_MEGABYTES + 1) * 2**20)
    with pytest.raises(Exception, match=r"exceed|413"):
        colourize(client, tmp_path / "large.mp4")


@pytest.mark.parametrize("option", ["--film-minutes=0", "--film-megabytes=0", "--film-megabytes=901"])
def test_impossible_limits_are_named(capsys: pytest.CaptureFixture, option: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([option])
    assert f"{option.split('=')[0]} must be" in capsys.readouterr().err


def test_a_stopped_film_goes_on_and_its_files_stay_while_it_runs(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorgan.film.convert.SEGMENT_SECONDS", 0.5)
    monkeypatch.setattr(films, "EVERY", 0.0)
    film = write_film(tmp_path / "film.mp4", pan(40))
    states = colorize_film(jobs, str(film), "small", 1.0)
    state = next(state for state in states if state.progress and state.progress.frames > 15)
    grey, coloured = before_after(state.progress)
    assert grey.shape == coloured.shape == (64, 96, 3)
    assert np.ptp(grey, axis=2).max() == 0 < np.ptp(coloured, axis=2).mean()
    assert "0.6 of 1.6 s, 16 frames, " in film_progress(state)

    files = [film, *jobs.folder.rglob("*.nut")]
    assert len(files) == 2
    for file in files:
        os.utime(file, (0, 0))  # as if the film had run for hours
    next(states)
    assert all(time.time() - file.stat().st_mtime < 1000 for file in files)
    states.close()  # what Gradio does when the visitor presses Stop

    *_, last = colorize_film(jobs, str(film), "small", 1.0)
    assert "The run went on with 1 segments of an earlier one." in last.notes
    assert len(luma_of(last.result)) == 40
    assert [file.name for file in last.result.parent.iterdir() if file.suffix != ".txt"] == ["film.colorized.mp4"]


def test_a_film_whose_length_is_not_known_or_wrong(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.film_minutes = 0.01
    film = str(write_film(tmp_path / "film.mp4", pan(25)))
    with pytest.raises(Error, match=r"film\.mp4 lasts 0\.0 minutes: at most 0\.01 are possible"):
        list(colorize_film(jobs, film, "small", 1.0))
    monkeypatch.setattr("colorgan.film.read._duration", lambda *_: 0.0)
    *_, last = colorize_film(jobs, film, "small", 1.0)
    assert len(luma_of(last.result)) == 15
    assert "At most 0.01 minutes are possible here: the rest was left out." in last.notes
    monkeypatch.setattr("colorgan.film.read._duration", lambda *_: 0.1)
    monkeypatch.setattr(films, "EVERY", 0.0)
    with pytest.raises(Error, match=r"at most 0\.01 are possible"):
        list(colorize_film(jobs, film, "small", 0.9))


def test_a_colour_film_and_huge_frames(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "film.mp4", pan(2))
    monkeypatch.setattr("colorgan.film.read.is_coloured", lambda *_: True)
    *_, last = colorize_film(jobs, str(film), "small", 1.0)
    assert last.notes[0] == "It is a colour film: its colours were replaced."
    monkeypatch.setattr(films, "MAX_PIXELS", 96 * 63)
    with pytest.raises(Error, match=r"film\.mp4 has frames of 96 x 64: at most 4096 x 2304 are possible\."):
        list(colorize_film(jobs, str(film), "small", 0.5))


def test_a_file_of_the_server_is_no_film() -> None:
    with pytest.raises(Error, match="There is no such upload: upload the file first"):
        film_input(label="Film").preprocess(gr.FileData(path=str(ROOT / "app.py")))


def test_without_pyav_the_tab_says_what_to_install(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with gr.Blocks() as page:
        film_tab(jobs)
    (sentence,) = (block.value for block in page.blocks.values() if isinstance(block, gr.Markdown))
    assert sentence == 'Films need PyAV on the computer that runs this page: `pip install "colorgan[video]"`.'
