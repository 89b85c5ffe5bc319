"""Films: every kind of file, steady colours, sound, segments that a stopped run goes on with, and the command."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
import torch
from av.video.frame import VideoFrame
from conftest import painting_network
from films import luma_of, pan, sound_of, sound_packets_of, times_of, write_film

from colorgan import Colorizer, FilmError, __version__, cli
from colorgan.color import rgb_to_lab
from colorgan.film import convert
from colorgan.film.colour import Colours
from colorgan.film.decode import plane_values
from colorgan.film.frames import coloured_frames, predicted_frames, push
from colorgan.film.look import Look
from colorgan.film.read import is_coloured_film, open_film, read_frames
from colorgan.film.steady import Steadier, is_cut, normalise


@pytest.fixture(scope="module")
def colorizer(model: Path) -> Colorizer:
    return Colorizer.from_pretrained(model, device="cpu")


def colorized(colorizer: Colorizer, film: Path, **options) -> tuple[Path, list[str]]:
    target = film.with_name(f"{film.stem}.colorized.mp4")
    return target, colorizer.colorize_video(film, target, **options)


def assert_coloured(film: Path, count: int) -> None:
    """The result is what browsers play, has so many frames, and colours in all of them."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = list(container.decode(video=0))
    assert len(frames) == count
    assert all(np.ptp(frame.to_ndarray(format="rgb24").astype(int), axis=-1).mean() > 2 for frame in frames)


def near(film: Path, lumas: list[np.ndarray]) -> float:
    """The mean difference of a film's Y planes and others, in levels: only H.264 changes them."""
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(luma_of(film), lumas, strict=True)]))


@pytest.mark.parametrize(
    ("name", "options", "copied"),
    [
        ("a.mp4", {"sound": "aac"}, True),
        ("a.avi", {"codec": "mpeg4", "sound": "libmp3lame"}, True),
        ("a.mkv", {"sound": "libopus"}, True),
        ("a.mpg", {"codec": "mpeg2video", "sound": "mp2"}, False),
        ("b.mkv", {"pix_fmt": "yuv420p10le", "sound": "ac3"}, False),
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "sound": "pcm_s16le"}, False),
    ],
)
def test_films_of_many_kinds_keep_their_frames_and_their_sound(
    tmp_path: Path, colorizer: Colorizer, name: str, options: dict, copied: bool
) -> None:
    film = write_film(tmp_path / name, frames := pan(30), **options)
    result, notes = colorized(colorizer, film)
    assert_coloured(result, len(frames))
    assert near(result, frames) < 3
    assert np.allclose(times_of(result), times_of(film), atol=0.0006)  # a mkv has milliseconds
    (before, samples), (after, new_samples) = sound_of(film), sound_of(result)
    assert after == (before if copied else "aac")
    if copied:
        assert sound_packets_of(result) == sound_packets_of(film)
    if before == "aac":  # the other decoders leave out other parts of the silence at the beginning
        assert np.array_equal(samples, new_samples)
    assert any("encoded again" in note for note in notes) == (not copied)
    seconds = new_samples.shape[1] / 48000
    assert abs(seconds - 1.2) < 0.07
    head = result.read_bytes()[:64]
    assert b"moov" in head  # the index is at the beginning: faststart
    assert list(tmp_path.iterdir()) in ([film, result], [result, film])  # nothing else is left


def test_a_network_for_photographs_with_cells_of_4_pixels_works_too(tmp_path: Path) -> None:
    generator = painting_network("photo", bins=4)
    assert generator.stride == 4
    film = write_film(tmp_path / "film.mp4", pan(20))
    result, _ = colorized(Colorizer(generator, "cpu"), film, saturation=3)
    assert_coloured(result, 20)


def test_the_y_plane_is_the_films_own_bit_for_bit(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.mp4", pan(20))
    frames = list(colorizer.colorize_frames(film))
    for frame, luma in zip(frames, luma_of(film), strict=True):
        written = frame.to_video_frame()
        assert np.array_equal(np.frombuffer(written.planes[0], np.uint8).reshape(64, -1)[:, :96], luma)
        assert frame.u.shape == frame.v.shape == (32, 48)
    assert np.ptp(frames[0].to_rgb().astype(int), axis=-1).mean() > 2
    assert [round(frame.time * 25) for frame in frames] == list(range(20))


@pytest.mark.parametrize(
    ("matrix", "full"), [("BT.601", False), ("BT.709", False), ("BT.601", True), ("BT.2020", False)]
)
def test_colours_are_those_of_photographs(matrix: str, full: bool) -> None:
    """Grey levels have the lightness of sRGB, and U and V give back the colours that Lab has."""
    colours = Colours(matrix, full)
    luma = np.full((32, 32), 126, np.uint8)
    level = 126 if full else (126 - 16) / 219 * 255
    linear = ((level / 255 + 0.055) / 1.055) ** 2.4
    assert colours.lightness(luma)[0, 0] == pytest.approx(116 * linear ** (1 / 3) - 16, abs=0.01)
    u, v = colours.planes(luma, torch.tensor([20.0, -30.0]).view(2, 1, 1).expand(2, 16, 16) / 110)
    red, blue = colours.red, colours.blue
    scale = 255 if full else 224
    r = level / 255 + 2 * (1 - red) * (v.mean() - 128) / scale
    b = level / 255 + 2 * (1 - blue) * (u.mean() - 128) / scale
    g = (level / 255 - red * r - blue * b) / (1 - red - blue)
    lab = skimage.color.rgb2lab(np.array([[[r, g, b]]]))[0, 0]
    assert lab[1:] == pytest.approx([20, -30], abs=2.5)
    assert abs(lab[0] - colours.lightness(luma)[0, 0]) < 2
    assert np.array_equal(colours.planes(luma, torch.zeros(2, 4, 4))[0], np.full((16, 16), 128))


def test_variable_frame_rate_and_a_start_offset_keep_every_time(tmp_path: Path, colorizer: Colorizer) -> None:
    times = [9000 + 3003 * i + 600 * (i % 3) + 90000 * (i > 20) for i in range(30)]
    film = write_film(tmp_path / "film.mp4", pan(30), times=times, time_base=Fraction(1, 90000), sound="aac")
    result, _ = colorized(colorizer, film)
    assert np.allclose(times_of(result), [(time - times[0]) / 90000 for time in times], atol=1e-6)
    with av.open(str(result)) as container:  # sound begins at 0, pictures at 0.1 s
        assert container.streams.video[0].start_time * container.streams.video[0].time_base == pytest.approx(
            0.1, abs=1e-3
        )


def test_a_transport_stream_that_begins_late_begins_at_zero(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.ts", frames := pan(30), sound="aac", begin=40)
    with av.open(str(film)) as container:
        assert all(stream.start_time * stream.time_base > 1.5 for stream in container.streams)
    result, _ = colorized(colorizer, film)
    assert_coloured(result, len(frames))
    assert np.allclose(times_of(result), times_of(film))
    with av.open(str(result)) as container:
        pictures, sound = (stream.start_time * stream.time_base for stream in container.streams)
    assert 0 <= pictures < 0.05  # the encoder's silence before the sound lasts 0.021 s
    assert abs(pictures - sound) < 0.025


def test_a_turned_film_becomes_upright(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.mp4", frames := pan(12), prepare=lambda stream: stream.set_display_rotation(90))
    result, _ = colorized(colorizer, film)
    with av.open(str(result)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (64, 96, 0)
    assert near(result, [np.rot90(frame) for frame in frames]) < 3


def test_an_odd_size_gets_one_more_line(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.mkv", frames := pan(8, 95, 63), codec="ffv1")
    result, notes = colorized(colorizer, film)
    luma = luma_of(result)
    assert luma[0].shape == (64, 96)
    assert np.abs(luma[3][:63, :95].astype(int) - frames[3]).mean() < 3
    assert any("95 x 63, is odd" in note for note in notes)


def test_interlaced_films_become_progressive_at_the_same_rate(tmp_path: Path, colorizer: Colorizer) -> None:
    fields = pan(60, grain=0)
    frames = [np.where(np.arange(64)[:, None] % 2 == 0, a, b) for a, b in zip(fields[::2], fields[1::2], strict=True)]
    options = {"flags": "+ildct+ilme", "top": "1"}
    film = write_film(tmp_path / "film.mpg", frames, codec="mpeg2video", options=options)
    with av.open(str(film)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    result, notes = colorized(colorizer, film)
    assert_coloured(result, 30)
    assert any("interlaced" in note for note in notes)
    combs = [np.abs(np.diff(luma.astype(int), axis=0)).mean() for luma in (luma_of(result)[10], frames[10])]
    assert combs[0] < 0.9 * combs[1]
    assert np.allclose(times_of(result), times_of(film), atol=1e-4)


def test_range_matrix_and_aspect_ratio_are_kept(tmp_path: Path, colorizer: Colorizer) -> None:
    def prepare(stream: av.video.stream.VideoStream) -> None:
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 1
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)

    film = write_film(tmp_path / "film.mkv", pan(8), prepare=prepare)
    result, notes = colorized(colorizer, film)
    with av.open(str(result)) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (2, 1)
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)
    assert not any("matrix" in note for note in notes)


def test_subtitles_and_chapters_are_kept_where_the_container_can(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "plain.mkv", pan(30))
    titled = tmp_path / "film.mkv"
    subtitles = tmp_path / "text.srt"
    subtitles.write_text("1\n00:00:00,200 --> 00:00:00,900\nA cat\n")
    with av.open(str(film)) as source, av.open(str(subtitles)) as text, av.open(str(titled), "w") as output:
        streams = [(source, output.add_stream_from_template(source.streams.video[0]))]
        streams.append((text, output.add_stream_from_template(text.streams.subtitles[0])))
        second = Fraction(1, 1000)
        output.set_chapters([{"id": 1, "start": 0, "end": 500, "time_base": second, "metadata": {"title": "One"}}])
        output.metadata.update({"title": "A film", "comment": "From an old reel"})
        for container, stream in streams:
            for packet in container.demux():
                if packet.size:
                    packet.stream = stream
                    output.mux(packet)
    result, notes = colorized(colorizer, titled)
    assert any("subtitles (srt) were left out" in note for note in notes)
    colorizer.colorize_video(titled, matroska := tmp_path / "result.mkv", say_provenance=False)
    for path, count in ((result, 0), (matroska, 1)):
        with av.open(str(path)) as container:
            assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One"]
            assert len(container.streams.subtitles) == count
            assert container.metadata["title"] == "A film"
            (comment,) = (text for name, text in container.metadata.items() if name.lower() == "comment")
            assert comment.startswith("From an old reel")
            assert ("colorgan" in comment) == (path is result)
    made = f"Colours computed by colorgan {__version__} ({Path(str(colorizer.name)).name})."
    with av.open(str(result)) as container:
        assert container.metadata["comment"] == f"From an old reel\n{made}"
    again, _ = colorized(colorizer, result)  # of a result, the sentence is not repeated
    with av.open(str(again)) as container:
        assert container.metadata["comment"] == f"From an old reel\n{made}"


def test_every_frame_takes_over_the_tone_of_a_reference(
    tmp_path: Path, model: Path, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    film, rose = write_film(tmp_path / "film.mp4", pan(4)), (180, 150, 152)
    skimage.io.imsave(tmp_path / "rose.png", np.full((16, 16, 3), rose, np.uint8), check_contrast=False)
    goal = rgb_to_lab(torch.tensor(rose).view(3, 1, 1) / 255)[1:].flatten()

    def mean_ab(frame: VideoFrame) -> torch.Tensor:
        rgb = torch.from_numpy(frame.to_ndarray(format="rgb24").copy()).permute(2, 0, 1) / 255
        return rgb_to_lab(rgb)[1:].mean((1, 2))

    frames = [frame.to_video_frame() for frame in colorizer.colorize_frames(film)]
    assert min(float((mean_ab(frame) - goal).norm()) for frame in frames) > 5
    command = ["film.mp4", "--model", str(model), "--reference", "rose.png", "--reference-strength", "1"]
    assert cli.main([*command, "--no-metadata"]) == 0
    with av.open("film.colorized.mp4") as container:
        assert max(float((mean_ab(frame) - goal).norm()) for frame in container.decode(video=0)) < 2
        assert "comment" not in container.metadata


def test_what_is_left_of_damaged_films_comes_out(tmp_path: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.mkv", pan(60), options={"qp": "10", "g": "12"}, sound="aac")
    data = bytearray(film.read_bytes())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    result, notes = colorized(colorizer, cut)
    assert 10 < len(luma_of(result)) < 50
    assert any("cut short" in note for note in notes)

    for place in range(len(data) // 3, len(data) // 3 + 3000, 7):
        data[place] ^= 0x55
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(data)
    result, notes = colorized(colorizer, broken)
    assert len(luma_of(result)) > 30
    assert any("damaged" in note or "decoded" in note for note in notes)


@pytest.mark.parametrize("name", ["sound.mp4", "text.mp4", "missing.mp4", "empty.mp4"])
def test_files_without_pictures_get_one_sentence(tmp_path: Path, colorizer: Colorizer, name: str) -> None:
    path = tmp_path / name
    if name == "sound.mp4":
        with av.open(str(path), "w") as output:
            tone = output.add_stream("aac", rate=48000, layout="stereo")
            from films import tone_frame

            for i in range(10):
                output.mux(tone.encode(tone_frame(i)))
            output.mux(tone.encode(None))
    elif name != "missing.mp4":
        path.write_bytes(b"no film" if name == "text.mp4" else b"")
    with pytest.raises(FilmError) as error:
        colorizer.colorize_video(path, tmp_path / "result.mp4")
    message = str(error.value)
    assert name in message
    assert str(tmp_path) not in message
    assert message.endswith(".")
    assert ("sound only" in message) == (name == "sound.mp4")


def test_a_colour_film_is_named_or_left(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    photo = skimage.data.coffee()[::4, ::4][:96, :144]
    with av.open(str(tmp_path / "film.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 144, 96, "yuv420p"
        for _ in range(10):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(photo), format="rgb24")))
        output.mux(stream.encode(None))
    grey = write_film(tmp_path / "grey.mp4", pan(10))
    assert is_coloured_film(open_film(tmp_path / "film.mp4"))
    assert not is_coloured_film(open_film(grey))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["film.mp4", "--skip-coloured", "--model", str(model)]) == 0
    assert "film.mp4 is a colour film: it was left as it is." in capsys.readouterr().err
    assert not Path("film.colorized.mp4").exists()
    assert cli.main(["film.mp4", "--model", str(model)]) == 0
    assert "film.mp4 is a colour film: its colours are replaced." in capsys.readouterr().err
    assert_coloured(Path("film.colorized.mp4"), 10)


def test_the_command_takes_films_in_lists_and_folders(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("album/sub").mkdir(parents=True)
    write_film(Path("album/sub/film.mpg"), pan(50), codec="mpeg2video", sound="mp2")
    Path("album/script.ts").write_text("const a = 1;")
    skimage.io.imsave("album/photo.png", pan(1)[0], check_contrast=False)
    common = ["--model", str(model)]
    assert cli.main(["album", "-o", "out", *common]) == 0
    results = sorted(path.as_posix() for path in Path("out").rglob("*.*"))
    assert results == ["out/photo.colorized.png", "out/sub/film.colorized.mp4"]
    assert "1 file of another kind was left out (.ts)." in capsys.readouterr().err
    before = Path(results[1]).stat().st_mtime_ns
    assert cli.main(["album", "-o", "out", *common]) == 1
    assert cli.main(["album", "-o", "out", "--skip-existing", *common]) == 0
    assert Path(results[1]).stat().st_mtime_ns == before
    part = ["--start", "0:00.4", "--end", "1.2", "--saturation", "0", "--video-preset", "ultrafast"]
    assert cli.main(["album/sub/film.mpg", "-o", "part.mkv", *part, *common]) == 0
    with av.open("part.mkv") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 20
    assert np.abs(plane_values(frames[5].planes[1], "u1")[:, :48].astype(int) - 128).max() <= 1
    _, samples = sound_of(Path("part.mkv"))
    assert abs(samples.shape[1] / 48000 - 0.8) < 0.06
    capsys.readouterr()
    for arguments, sentence in [
        (
            ["album/sub/film.mpg", "-o", "result.png"],
            "film.mpg is a film: choose a name for --output that ends in .mp4",
        ),
        (
            ["album/photo.png", "-o", "result.mp4"],
            "photo.png is a picture: choose a name for --output that ends in .png",
        ),
        (["album/sub/film.mpg", "-o", "result.webm"], "colorgan does not write webm"),
        (["album/sub/film.mpg", "--start", "2", "--end", "1"], "--end must be after --start"),
        (["album/sub/film.mpg", "--start", "soon"], "'soon' is no time"),
    ]:
        with pytest.raises(SystemExit):
            cli.main([*arguments, *common])
        assert sentence in capsys.readouterr().err
    assert cli.main(["album/sub/film.mpg", "--start", "100", "-o", "late.mp4", *common]) == 1
    assert "has only" in capsys.readouterr().err


def test_without_pyav_one_sentence_says_what_to_install(tmp_path: Path, model: Path) -> None:
    write_film(tmp_path / "film.mp4", pan(2))
    skimage.io.imsave(tmp_path / "photo.png", pan(1)[0], check_contrast=False)
    code = "import sys; sys.modules['av'] = None; from colorgan.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "film.mp4", "photo.png", "--model", str(model)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    sentence = 'film.mp4 is a film, and films need PyAV: pip install "colorgan[video]"'
    assert run.stderr == f"{sentence}\n1 of 2 pictures were not colourized.\n"
    assert (tmp_path / "photo.colorized.png").exists()


def flicker(chroma: list[torch.Tensor]) -> float:
    return float(np.mean([(a - b).abs().mean() for a, b in itertools.pairwise(chroma)]))


def still_scene(count: int, seed: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Lightness of one scene, and chroma that changes at random from frame to frame."""
    generator = torch.Generator().manual_seed(seed)
    lightness = torch.nn.functional.interpolate(
        torch.rand(1, 1, 6, 8, generator=generator) * 2 - 1, (24, 32), mode="bicubic"
    )
    colour = torch.rand(2, 1, 1, generator=generator) - 0.5
    return lightness[0, 0], [colour + 0.1 * torch.randn(2, 24, 32, generator=generator) for _ in range(count)]


def test_the_filter_steadies_a_scene_and_stops_at_a_cut() -> None:
    scenes = [still_scene(40, seed) for seed in (0, 1)]
    steadier, results = Steadier(), []
    for lightness, chroma in scenes:
        for each in chroma:
            results += steadier.push(lightness, each)
    results += steadier.finish()
    assert steadier.cuts == 1
    assert len(results) == 80
    raw = scenes[0][1] + scenes[1][1]
    assert flicker(results[:40]) < 0.15 * flicker(raw[:40])
    for place, scene in ((39, 0), (40, 1)):  # no colour of the other scene
        true = torch.stack(scenes[scene][1]).mean((0, 2, 3))
        assert (results[place].mean((1, 2)) - true).abs().max() < 0.02


def test_the_filter_follows_what_moves() -> None:
    """A red square on blue moves one cell a frame: its colour moves with it and does not smear."""
    steadier, results, truth = Steadier(), [], []
    noise = torch.Generator().manual_seed(0)
    ground = (
        torch.nn.functional.interpolate(torch.rand(1, 1, 5, 8, generator=noise), (24, 40), mode="bicubic")[0, 0] * 0.3
    )
    for i in range(24):
        lightness, colour = ground.clone(), torch.zeros(2, 24, 40)
        lightness[8:16, 4 + i : 12 + i] += 0.8
        colour[0], colour[0, 8:16, 4 + i : 12 + i] = -0.3, 0.5
        truth.append(colour)
        results += steadier.push(lightness, colour + 0.1 * torch.randn(2, 24, 40, generator=noise))
    results += steadier.finish()
    error = torch.stack([(a - b).abs() for a, b in zip(results, truth, strict=True)])
    assert error[4:-4].mean() < 0.05
    assert error[10, 0, 10:14, 16:20].mean() < 0.08  # inside the square


def test_a_damaged_frame_has_the_colours_before_it() -> None:
    lightness, chroma = still_scene(20, 0)
    chroma[10] = chroma[10] + 2
    steadier = Steadier()
    results = [r for i in range(20) for r in steadier.push(lightness, chroma[i], i == 10)] + steadier.finish()
    assert (results[10] - results[9]).abs().max() < 0.1


def test_cuts_fades_and_black_frames() -> None:
    first, second = (
        torch.from_numpy(pan(1)[0] / 127.5 - 1).float(),
        torch.from_numpy(skimage.data.coffee()[:64, :96, 1] / 127.5 - 1).float(),
    )
    shrunk = [normalise(torch.nn.functional.avg_pool2d(each[None], 2)[0]) for each in (first, second)]
    assert is_cut(*shrunk)
    assert not is_cut(shrunk[0], shrunk[0].roll(2, dims=1))
    black = torch.full((32, 48), -1.0)
    assert not is_cut(normalise(black + 0.001 * torch.randn(32, 48)), normalise(black))
    fade = [first * (1 - i / 25) - i / 25 for i in range(26)]
    small = [normalise(torch.nn.functional.avg_pool2d(each[None], 2)[0]) for each in fade]
    assert sum(is_cut(a, b) for a, b in itertools.pairwise(small)) <= 1  # at the end, where all is black
    blend = [first * (1 - i / 20) + second * i / 20 for i in range(21)]
    small = [normalise(torch.nn.functional.avg_pool2d(each[None], 2)[0]) for each in blend]
    assert not any(is_cut(a, b) for a, b in itertools.pairwise(small))


def test_colours_are_steadier_than_those_of_single_frames(tmp_path: Path, colorizer: Colorizer) -> None:
    film = open_film(write_film(tmp_path / "film.mp4", pan(40, speed=0, grain=6)))
    steadier, alone, steady = Steadier(), [], []
    for _, lightness, chroma in predicted_frames(colorizer, film, Colours("BT.601", False), Look()):
        alone += chroma
        for seen, each in zip(lightness, chroma, strict=True):
            steady += push(steadier, seen, each, False)
    steady += steadier.finish()
    assert steadier.cuts == 0
    assert flicker(steady) < 0.3 * flicker(alone)


def test_a_killed_run_goes_on_at_its_last_whole_segment(tmp_path: Path, model: Path, colorizer: Colorizer) -> None:
    film = write_film(tmp_path / "film.mp4", frames := pan(120), sound="aac")
    target = tmp_path / "film.colorized.mp4"
    code = (
        "import sys, time; from colorgan.film import convert; convert.SEGMENT_SECONDS = 1.0;"
        "from colorgan import Colorizer;"
        f"Colorizer.from_pretrained({str(model)!r}, device='cpu').colorize_video(sys.argv[1], sys.argv[2],"
        " on_progress=lambda progress: time.sleep(0.01))"
    )
    parts = tmp_path / ".film.colorized.mp4.parts"
    record = parts / convert.RECORD  # a segment counts when its line follows that of the settings
    with subprocess.Popen([sys.executable, "-c", code, str(film), str(target)]) as process:
        while not record.exists() or record.read_text(encoding="utf-8").count("\n") < 3:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert not target.exists()
    assert process.returncode == -9
    written: list[float] = []
    notes = colorizer.colorize_video(film, target, on_progress=lambda progress: written.append(progress.seconds))
    assert any("went on with" in note for note in notes)
    assert written[0] >= 2  # the first two segments were not made again
    assert_coloured(target, len(frames))
    assert near(target, frames) < 3
    assert np.allclose(times_of(target), times_of(film))
    assert np.array_equal(sound_of(target)[1], sound_of(film)[1])
    assert not parts.exists()


def test_other_settings_do_not_use_old_segments(
    tmp_path: Path, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "SEGMENT_SECONDS", 0.5)
    film, target = write_film(tmp_path / "film.mp4", pan(60)), tmp_path / "result.mp4"

    class EnoughError(Exception):
        pass

    def stop(progress: convert.Progress) -> None:
        if progress.seconds > 1.3:
            raise EnoughError

    with pytest.raises(EnoughError):
        colorizer.colorize_video(film, target, on_progress=stop)
    assert len(list((tmp_path / ".result.mp4.parts").glob("*.nut"))) == 2
    first: list[float] = []
    notes = colorizer.colorize_video(
        film, target, saturation=0, on_progress=lambda progress: first.append(progress.seconds)
    )
    assert first[0] == 0
    assert not any("went on" in note for note in notes)
    with av.open(str(target)) as container:
        assert all(np.ptp(plane_values(frame.planes[1], "u1")[:, :48]) <= 2 for frame in container.decode(video=0))


def test_a_full_disk_is_one_sentence_and_loses_nothing_finished(tmp_path: Path, model: Path) -> None:
    """The limit of a file's size stands for the full disk: both make writing fail."""
    film, target = write_film(tmp_path / "film.mp4", pan(60, grain=8)), tmp_path / "result.mp4"
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY));"
        "from colorgan.film import convert; convert.SEGMENT_SECONDS = 0.5; from colorgan.cli import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, str(film), "-o", str(target), "--model", str(model)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "because the disk is full: make space and run the same command again" in run.stderr
    assert "Traceback" not in run.stderr
    assert not target.exists()
    parts = len(list((tmp_path / ".result.mp4.parts").glob("*.nut")))
    assert parts > 0
    run = subprocess.run([sys.executable, "-m", "colorgan", *command[3:]], capture_output=True, text=True)
    assert run.returncode == 0
    assert f"went on with {parts} segments" in run.stderr
    assert_coloured(target, 60)


def test_frames_are_read_lazily(tmp_path: Path, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch) -> None:
    film = open_film(write_film(tmp_path / "film.mp4", pan(130)))
    read = 0

    def counted(*arguments: object) -> Iterator:
        nonlocal read
        for frame in read_frames(*arguments):
            read += 1
            yield frame

    monkeypatch.setattr("colorgan.film.frames.read_frames", counted)
    frames = coloured_frames(colorizer, film, Look())
    for count in range(1, 41):
        next(frames)
        assert read - count <= 80
    frames.close()
