"""Small films for tests, made with PyAV: a pan over a photograph with grain, in any codec and container."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.color
import skimage.data
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

RATE = Fraction(25)


def pan(count: int, width: int = 96, height: int = 64, *, speed: int = 1, grain: float = 2.0) -> list[np.ndarray]:
    """Frames (height, width) uint8 of a camera that moves to and fro over a grey photograph, `speed` pixels each."""
    photo = skimage.data.chelsea()[40 : 40 + 2 * height : 2, ::2, 1].astype(float)
    noise = np.random.default_rng(0)
    room = photo.shape[1] - width
    places = (abs((i * speed + room) % (2 * room) - room) for i in range(count))  # to the right end and back
    frames = (photo[:, place : place + width] for place in places)
    return [np.clip(frame + noise.normal(0, grain, frame.shape), 20, 230).round().astype(np.uint8) for frame in frames]


def write_film(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Iterable[int] | None = None,
    time_base: Fraction = 1 / RATE,
    sound: str | None = None,
    begin: int = 0,
    options: dict[str, str] | None = None,
    prepare: Callable[[VideoStream], None] | None = None,
) -> Path:
    """Write frames (H, W) of luma as a film of 25 frames a second, and return its path.

    `times` are the frames' times in `time_base` (default: `begin`, `begin` + 1 and so on). `sound` is a codec for a
    tone of 440 Hz of the film's length. `prepare` is called with the stream before anything is written.
    """
    height, width = frames[0].shape
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=RATE, options=options or {"libx264": {"qp": "4"}}.get(codec, {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = time_base
        if codec in ("mpeg2video", "mpeg4"):
            stream.bit_rate = 6_000_000
        if prepare:
            prepare(stream)
        tone = output.add_stream(sound, rate=48000, layout="stereo") if sound else None
        for i, (luma, pts) in enumerate(zip(frames, times or range(begin, begin + len(frames)), strict=True)):
            output.mux(stream.encode(luma_frame(luma, pix_fmt, pts, time_base)))
            if tone:
                output.mux(tone.encode(tone_frame(begin + i)))
        output.mux(stream.encode(None))
        if tone:
            output.mux(tone.encode(None))
    return path


def luma_frame(luma: np.ndarray, pix_fmt: str, pts: int, time_base: Fraction) -> VideoFrame:
    """A grey frame of these 8-bit levels in an 8-bit or 10-bit format."""
    frame = VideoFrame(luma.shape[1], luma.shape[0], pix_fmt)
    deep = "10" in pix_fmt
    for index, plane in enumerate(frame.planes):
        values = np.frombuffer(plane, np.uint16 if deep else np.uint8)
        values[:] = 512 if deep else 128
        if index == 0:
            rows = values.reshape(-1, plane.line_size // values.itemsize)
            rows[: luma.shape[0], : luma.shape[1]] = luma * np.uint16(4 if deep else 1)
    frame.pts, frame.time_base = pts, time_base
    return frame


def tone_frame(number: int) -> AudioFrame:
    """The sound of one frame of the film."""
    count = round(48000 / RATE)
    place = np.arange(number * count, (number + 1) * count)
    tone = (np.sin(place * 2 * np.pi * 440 / 48000) * 8000).astype(np.int16)
    frame = AudioFrame.from_ndarray(np.stack([tone, tone], axis=1).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, number * count, Fraction(1, 48000)
    return frame


def luma_of(path: Path) -> list[np.ndarray]:
    """The Y planes of a film's frames."""
    planes = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            planes.append(
                np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width].copy()
            )
    return planes


def mean_ab(path: Path) -> np.ndarray:
    """The mean a and b of all pixels of a film."""
    with av.open(str(path)) as container:
        rgb = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    return skimage.color.rgb2lab(rgb)[..., 1:].mean(axis=(0, 1, 2))


def times_of(path: Path) -> list[float]:
    """The times of a film's frames in seconds, the first one at zero."""
    with av.open(str(path)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    return [float(time - times[0]) for time in times]


def sound_of(path: Path) -> tuple[str, np.ndarray]:
    """The codec of a film's sound, and its samples (channels, N)."""
    with av.open(str(path)) as container:
        samples = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return container.streams.audio[0].codec_context.name, np.concatenate(samples, axis=1)


def sound_packets_of(path: Path) -> list[bytes]:
    """The encoded sound of a film, packet by packet."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]
