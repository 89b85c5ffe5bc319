"""Colour hints in films: they hold for one scene, follow what moves, and come from Python and the command."""

from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
import torch
from films import pan, write_film

from colorgan import Colorizer, FilmError, FilmHint, Hint, HintError, cli
from colorgan.color import rgb_to_lab
from colorgan.film import convert
from colorgan.film.follow import follow_hints
from colorgan.film.read import Frame, open_film

MIDDLE = FilmHint(0.96, 0.5, 0.5, "#9a5a50")  # of the second of three scenes
CUTS = 12, 36, 48  # the frames at which the scenes of `three_scenes` end


@pytest.fixture(scope="module")
def colorizer(model: Path) -> Colorizer:
    return Colorizer.from_pretrained(model, device="cpu")


def still(photo: np.ndarray, count: int) -> list[np.ndarray]:
    """Frames of 96 x 64 pixels of a photograph, with grain."""
    noise = np.random.default_rng(1)
    small = photo[: 64 * 6 : 6, : 96 * 5 : 5, 1].astype(float)
    return [np.clip(small + noise.normal(0, 2, small.shape), 20, 230).round().astype(np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def three_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cup, then a pan over a cat by one pixel a frame, then an astronaut; at 25 frames a second."""
    frames = [*still(skimage.data.coffee(), 12), *pan(24), *still(skimage.data.astronaut(), 12)]
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4", frames)


def place_in_pan(hint: FilmHint, frame: int) -> tuple[float, float]:
    """Where the pan has what is at a hint's place, as fractions, in a frame of the second scene."""
    return hint.x - (pan_offset(frame) - pan_offset(round(hint.time * 25) - 12)) / 96, hint.y


def pan_offset(frame: int) -> int:
    """The pixels by which `pan` has moved."""
    room = skimage.data.chelsea()[:, ::2].shape[1] - 96
    return abs((frame + room) % (2 * room) - room)


def ab_at(frame: Frame, x: float, y: float) -> torch.Tensor:
    """The mean a and b around a place of a frame."""
    lab = rgb_to_lab(torch.from_numpy(frame.to_rgb().copy()).permute(2, 0, 1) / 255)
    row, column = round(y * 64), round(x * 96)
    return lab[1:, row - 2 : row + 3, column - 2 : column + 3].mean((1, 2))


@pytest.mark.parametrize("color", [MIDDLE.color, "#507a9a"])
def test_a_hint_gives_its_scene_its_colour_and_no_other(three_scenes: Path, model: Path, color: str) -> None:
    colorizer = Colorizer.from_pretrained(model if color == MIDDLE.color else "photo", device="cpu")
    hint = FilmHint(MIDDLE.time, MIDDLE.x, MIDDLE.y, color)
    goal = torch.tensor(Hint(hint.x, hint.y, color).ab)
    plain, hinted = (list(colorizer.colorize_frames(three_scenes, hints=hints)) for hints in ((), [hint]))
    assert len(plain) == len(hinted) == CUTS[-1]
    for i, (one, other) in enumerate(zip(plain, hinted, strict=True)):
        if CUTS[0] <= i < CUTS[1]:
            place = place_in_pan(hint, i - CUTS[0])
            assert (ab_at(other, *place) - goal).norm() < 10 < 25 < (ab_at(one, *place) - goal).norm()
        else:
            assert np.array_equal(one.u, other.u)
            assert np.array_equal(one.v, other.v)


def test_the_place_of_a_hint_follows_a_pan_to_both_cuts(three_scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hints = [MIDDLE, FilmHint(0.96, 0.3, 0.7, "blue"), FilmHint(0.2, 0.5, 0.5, "green")]
    first, second = follow_hints(open_film(three_scenes), hints)  # one track for each time
    assert (len(first.times), len(second.times)) == (CUTS[0], CUTS[1] - CUTS[0])
    assert np.ptp(first.places, axis=0).max() == 0  # a static camera
    for i, pts in enumerate(second.times):
        places = [(hint.x, hint.y) for hint in second.at(pts)]
        assert np.allclose(places, [place_in_pan(hint, i) for hint in hints[:2]], atol=1e-5)
    assert second.at(second.times[0] - 1) == second.at(second.times[-1] + 1) == []
    monkeypatch.setattr("colorgan.film.follow.WINDOW", 0.17)  # as in a long scene
    *_, again = follow_hints(open_film(three_scenes), hints)
    assert np.array_equal(again.times, second.times)
    assert np.array_equal(again.places, second.places)


def test_a_hint_is_on_the_frame_that_the_film_shows_at_its_time(tmp_path: Path, three_scenes: Path) -> None:
    def frames_of(film: Path, time: float, start: float = 0.0, end: float | None = None) -> list[int]:
        (track,) = follow_hints(open_film(film), [FilmHint(time, 0.5, 0.5, "red")], start, end)
        return [round(float(pts * open_film(film).time_base) * 25) for pts in (track.times[0], track.times[-1])]

    assert frames_of(three_scenes, 0.479) == [0, 11]  # the next frame, at 0.48 s, is that of the next scene
    assert frames_of(three_scenes, 0.48) == [12, 35]
    assert frames_of(three_scenes, 1.0, start=0.8, end=1.2) == [20, 29]
    assert frames_of(three_scenes, 1.01, start=1.01) == [26, 35]
    late = write_film(tmp_path / "late.mp4", pan(10), begin=5, sound="aac")
    assert frames_of(late, 0) == [1, 10]  # the first frame, which comes after the sound begins


def test_a_hint_has_no_place_while_something_is_before_it(tmp_path: Path) -> None:
    frames = pan(30, speed=0)
    for i in range(10, 26):  # a bright square passes the place of the first hint from the left to the right
        frames[i][20:44, 6 * (i - 10) : 6 * (i - 10) + 24] = 225
    hints = [FilmHint(1.16, 0.5, 0.5, "red"), FilmHint(1.16, 0.5, 0.9, "blue")]
    film = open_film(write_film(tmp_path / "film.mp4", frames))
    (track,) = follow_hints(film, hints)
    assert len(track.times) == 30
    lost = np.isnan(track.places[..., 0])
    assert lost[14:18, 0].all()
    assert not lost[:12, 0].any()
    assert not lost[21:, 0].any()
    assert not lost[:, 1].any()
    assert [len(track.at(pts)) for pts in track.times] == [2 - int(each) for each in lost[:, 0]]
    (note,) = (note for note in film.notes if "hint" in note)
    assert note == (
        f"The place of the hint 0.5,0.5=red at 1.16 s was not found again in {lost.sum()} of the 30 frames of its "
        "scene, 0.0 to 1.2 s: there it has no effect."
    )


def test_wrong_hints_get_one_sentence(
    three_scenes: Path, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def colourize(*hints: object, **part: float) -> None:
        colorizer.colorize_video(three_scenes, tmp_path / "result.mp4", hints=hints, **part)

    with pytest.raises(FilmError, match=r"^film\.mp4 has only 1\.9 s: it has no frame for a hint at 5 s\.$"):
        colourize(FilmHint(5, 0.5, 0.5, "red"))
    with pytest.raises(FilmError, match=r"^The hint at 0\.2 s is not in the part of film\.mp4 from 0\.5 s to 1 s\.$"):
        colourize(FilmHint(0.2, 0.5, 0.5, "red"), start=0.5, end=1.0)
    with pytest.raises(FilmError, match=r"not in the part of film\.mp4 from 0\.5 s\.$"):
        next(colorizer.colorize_frames(three_scenes, hints=[FilmHint(0.2, 0.5, 0.5, "red")], start=0.5))
    with pytest.raises(HintError, match="A hint of a film is a FilmHint, which has a time, not Hint"):
        colourize(Hint(0.5, 0.5, "red"))
    with pytest.raises(HintError, match="501 hints are too many: give at most 500"):
        colourize(*[MIDDLE] * 501)
    with pytest.raises(HintError, match="are a list of FilmHint objects, not one FilmHint"):
        colorizer.colorize_video(three_scenes, tmp_path / "result.mp4", hints=MIDDLE)
    for values, sentence in [((-1, 0, 0, "red"), "The time"), ((0, 2, 0, "red"), "The x"), ((0, 0, 0, "x"), "'x' is")]:
        with pytest.raises(HintError, match=f"^{sentence}"):
            FilmHint(*values)
    monkeypatch.setattr("colorgan.film.read._duration", lambda *_: 0.0)  # a file that does not say its length
    with pytest.raises(FilmError, match=r"film\.mp4 has no frame for a hint at 90 s\."):
        colourize(FilmHint(90, 0.5, 0.5, "red"))
    assert list(tmp_path.iterdir()) == []


def test_segments_with_other_hints_are_not_used(
    three_scenes: Path, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "SEGMENT_SECONDS", 0.5)
    monkeypatch.setattr(convert, "WARM_UP", 0.1)
    target, written = tmp_path / "result.mp4", []

    class EnoughError(Exception):
        pass

    def stop(progress: convert.Progress) -> None:
        if progress.seconds > 1.2:
            raise EnoughError

    with pytest.raises(EnoughError):
        colorizer.colorize_video(three_scenes, target, hints=[MIDDLE], on_progress=stop)
    segments = list((tmp_path / ".result.mp4.parts").glob("*.nut"))
    assert len(segments) == 2
    with pytest.raises(FilmError, match="has only"):
        colorizer.colorize_video(three_scenes, target, hints=[FilmHint(5, 0.5, 0.5, "red")])
    assert all(segment.exists() for segment in segments)  # a wrong time loses nothing
    notes = colorizer.colorize_video(three_scenes, target, hints=[MIDDLE], on_progress=written.append)
    assert written[0].frames > 20
    assert any("went on with 2 segments" in note for note in notes)
    frames = list(colorizer.colorize_frames(three_scenes, hints=[MIDDLE]))
    for i, progress in enumerate(written, start=CUTS[-1] - len(written)):  # the hint, at 0.96 s, holds for what is left
        assert np.abs(progress.frame.u.astype(int) - frames[i].u).mean() < 2

    with pytest.raises(EnoughError):
        colorizer.colorize_video(three_scenes, target, hints=[MIDDLE], on_progress=stop)
    written.clear()
    others = [FilmHint(0.96, 0.5, 0.5, "#507a9a")]
    colorizer.colorize_video(three_scenes, target, hints=others, on_progress=written.append)
    assert written[0].frames == 1


def test_the_command_takes_hints_with_times(
    three_scenes: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("film.mp4").write_bytes(three_scenes.read_bytes())
    skimage.io.imsave("photo.png", pan(1)[0], check_contrast=False)
    Path("hints.json").write_text("[]")
    common = ["--model", str(model), "--video-preset", "ultrafast"]
    assert cli.main(["film.mp4", "-o", "plain.mp4", *common]) == 0
    assert cli.main(["film.mp4", "-o", "hinted.mp4", *common, "--hint", "0:00.96@0.5,0.5=#9a5a50"]) == 0
    assert "--hint" not in capsys.readouterr().err
    with av.open("plain.mp4") as plain, av.open("hinted.mp4") as hinted:
        red = [
            np.mean(other.to_ndarray(format="rgb24")[..., 0].astype(int) - one.to_ndarray(format="rgb24")[..., 0])
            for one, other in zip(plain.decode(video=0), hinted.decode(video=0), strict=True)
        ]
    assert np.abs(red[: CUTS[0]] + red[CUTS[1] :]).max() < 0.5  # but for the encoder
    assert np.abs(red[CUTS[0] : CUTS[1]]).min() > 2
    for arguments, sentence in [
        (["film.mp4", "--hint", "0.5,0.5=red"], "needs the time of a frame, such as --hint 1:05@0.5,0.5=red."),
        (["film.mp4", "--hint", "soon@0.5,0.5=red"], "'soon' is no time: write seconds, MM:SS or HH:MM:SS"),
        (["film.mp4", "--hint", "1@0.5=red"], "A hint is x,y=colour, such as 0.31,0.62=#7a2e2e, not '0.5=red'."),
        (["film.mp4", "--hint", "1@0.5,0.5=reddish"], "'reddish' is not a colour"),
        (["film.mp4", "--hint", "1@0.5,0.5=red", "--end", "1"], "The hint at 1 is not in the part of the film that"),
        (["film.mp4", "--hints", "hints.json"], "the hints of a film are --hint TIME@X,Y=COLOUR."),
        (["photo.png", "--hint", "1@0.5,0.5=red"], "Only the hints of a film have a TIME: leave it and the @ out of"),
        (["photo.png", "film.mp4", "--hint", "1@0.5,0.5=red"], "Hints are for one picture, but there are 2"),
    ]:
        with pytest.raises(SystemExit):
            cli.main([*arguments, *common])
        assert sentence in capsys.readouterr().err
    assert cli.main(["film.mp4", "--hint", "100@0.5,0.5=red", *common]) == 1
    assert "film.mp4 has only 1.9 s: it has no frame for a hint at 100 s." in capsys.readouterr().err
