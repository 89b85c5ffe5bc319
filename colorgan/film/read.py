"""Read a film: what it holds, and its frames with exact times."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from colorgan.film.decode import decode, luma_of, plane_values, progressive, pts_of
from colorgan.film.errors import FilmError
from colorgan.photo.coloured import is_coloured

MAX_PIXELS = 8192 * 4352  # of a frame
SEEK_MARGIN = 5.0  # seconds before the wanted frame at which decoding begins, because seeking is not exact
COLOUR_SAMPLES = (0.1, 0.3, 0.5, 0.7, 0.9)  # places, as shares of the length, at which a film is checked for colour
# FFmpeg's numbers of colour matrices (AVColorSpace), by their names here. BT.470BG and FCC are BT.601 but for rounding.
MATRICES = {1: "BT.709", 4: "BT.601", 5: "BT.601", 6: "BT.601", 9: "BT.2020"}
MATRIX_NUMBERS = {"BT.709": 1, "BT.601": 6, "BT.2020": 9}  # the same for writing
FULL_RANGE, LIMITED_RANGE = 2, 1  # FFmpeg's AVColorRange
HDR_CURVES = {16: "PQ", 18: "HLG"}  # FFmpeg's AVColorTransferCharacteristic
LIMITED_GREY = ("h264", "hevc", "av1", "vp9")  # codecs whose grey frames have limited range unless they say otherwise


@dataclass
class Film:
    """What is known of a film before all its frames are read. Sizes are those of upright frames, made even.

    `origin` is the time in seconds that becomes zero. `notes` are sentences about what had to be changed; reading adds
    to them. `duration` is 0 if the file does not say it.
    """

    path: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    duration: float
    origin: Fraction
    matrix: str
    is_full_range: bool
    primaries: int  # as the film names them, by FFmpeg's numbers; 2 is unknown
    transfer: int
    sample_aspect_ratio: Fraction | None
    rotation: int  # degrees by which stored frames are turned counterclockwise to be upright: 0, 90, 180 or 270
    stored_size: tuple[int, int]  # width and height of frames in the file
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return Path(self.path).name

    @property
    def frame_step(self) -> int:
        """The usual time of a frame, in `time_base`."""
        return max(1, round(1 / (self.rate * self.time_base)))

    def note(self, sentence: str) -> None:
        """Add a sentence once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


@dataclass
class Frame:
    """One frame. `luma` is uint8 (H, W) with even sides, as in the film; `u` and `v`, (H / 2, W / 2), are its colours.

    `pts` counts in `Film.time_base` from the film's origin, `time` is the same in seconds. `is_damaged` says that the
    decoder had to guess parts of it, and `lost` how many packets before it could not be decoded at all.
    """

    film: Film
    pts: int
    luma: np.ndarray
    is_damaged: bool = False
    lost: int = 0
    u: np.ndarray | None = None
    v: np.ndarray | None = None

    @property
    def time(self) -> float:
        """Seconds from the film's origin."""
        return float(self.pts * self.film.time_base)

    def to_video_frame(self) -> VideoFrame:
        """PyAV's frame (yuv420p). Its Y plane is `luma`, bit for bit; without `u` and `v` it is grey."""
        height, width = self.luma.shape
        result = VideoFrame(width, height, "yuv420p")
        for plane, values in zip(result.planes, (self.luma, self.u, self.v), strict=True):
            plane_values(plane, "u1")[:, : plane.width] = 128 if values is None else values
        result.pts, result.time_base = self.pts, self.film.time_base
        result.color_range = FULL_RANGE if self.film.is_full_range else LIMITED_RANGE
        result.colorspace = MATRIX_NUMBERS[self.film.matrix]
        return result

    def to_rgb(self) -> np.ndarray:
        """The frame as RGB (H, W, 3) uint8."""
        return self.to_video_frame().to_ndarray(format="rgb24")


def open_film(source: str | Path) -> Film:
    """Read what a film holds. Raises `FilmError` for a file that is no film, has no pictures, or is an HDR film."""
    name = Path(source).name
    with _open(source) as container:
        stream = picture_stream(container, name)
        frame = next((frame for frame, _ in decode(container, stream) if frame.format), None)
        if frame is None:
            raise FilmError(f"{name} has no frame that can be decoded.")
        if frame.color_trc in HDR_CURVES:
            raise FilmError(f"{name} is an HDR film ({HDR_CURVES[frame.color_trc]}): convert it to BT.709 first.")
        if frame.width * frame.height > MAX_PIXELS:
            raise FilmError(f"{name} has frames of {frame.width} x {frame.height}: at most 8192 x 4320 are read.")
        rotation = round(frame.rotation / 90) % 4 * 90
        width, height = (frame.width, frame.height) if rotation % 180 == 0 else (frame.height, frame.width)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        film = Film(
            path=str(source),
            width=width + width % 2,
            height=height + height % 2,
            time_base=stream.time_base or Fraction(1, 90000),
            rate=stream.average_rate or stream.guessed_rate or Fraction(25),
            duration=_duration(container, stream),
            origin=Fraction(max(container.start_time or 0, 0), 1_000_000),  # sound may begin a little before zero
            matrix=MATRICES.get(frame.colorspace) or ("BT.709" if min(width, height) > 576 else "BT.601"),
            is_full_range=_is_full_range(frame, stream),
            primaries=frame.color_primaries,
            transfer=frame.color_trc,
            sample_aspect_ratio=aspect if rotation % 180 == 0 else 1 / aspect,
            rotation=rotation,
            stored_size=(frame.width, frame.height),
        )
        if frame.colorspace not in MATRICES:
            film.note(f"Its colour matrix is not named: {film.matrix} was taken, because of its size.")
        if width % 2 or height % 2:
            film.note(f"Its size, {width} x {height}, is odd: one line was added, because H.264 needs even sizes.")
        return film


def read_frames(film: Film, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
    """Yield the frames from `start` up to `end`, in seconds from the film's origin, in the order of their times.

    What cannot be decoded is left out and counted. A file that ends early yields the frames that are there. Times that
    do not increase are moved to the next possible one. Notes are added to the film.
    """
    origin = round(film.origin / film.time_base)
    last, lost = None, 0
    step = film.frame_step
    with _open(film.path) as container:
        stream = picture_stream(container, film.name)
        stream.thread_type = "AUTO"
        if start > SEEK_MARGIN and not _seek(container, stream, start - SEEK_MARGIN, film):
            container.seek(0)
        for frame, lost_before in progressive(decode(container, stream, film), film):
            lost += lost_before
            pts = pts_of(frame, film)
            pts = (0 if last is None else last + step) if pts is None else pts - origin
            if last is not None and pts <= last:
                pts = last + 1
            last = pts
            time = float(pts * film.time_base)
            if end is not None and time >= end:
                break
            if time < start - 1e-9:
                lost = 0
                continue
            yield Frame(film, pts, luma_of(frame, film), bool(frame.is_corrupt), lost)
            lost = 0
    if end is None and film.duration and last is not None:
        reached = float((last + step) * film.time_base)
        if reached < film.duration - max(1.0, 0.02 * film.duration):
            film.note(f"The file is damaged or cut short: it ends after {reached:.1f} of {film.duration:.1f} s.")


def is_coloured_film(film: Film) -> bool:
    """Return whether most of five frames, spread over the film, are in colour (see `colorgan.photo.coloured`)."""
    coloured = checked = 0
    with _open(film.path) as container:
        stream = picture_stream(container, film.name)
        for share in COLOUR_SAMPLES if film.duration > 1 else COLOUR_SAMPLES[:1]:
            if film.duration > 1 and not _seek(container, stream, share * film.duration, film, check=False):
                continue
            frame = next((frame for frame, _ in decode(container, stream)), None)
            if frame is not None:
                checked += 1
                coloured += is_coloured(frame.to_ndarray(format="rgb24"))
    return 2 * coloured > checked


def picture_stream(container: InputContainer, name: str) -> VideoStream:
    """The film's first stream of moving pictures; covers of albums are none. Raises `FilmError` if there is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    if container.streams.audio:
        raise FilmError(f"{name} has sound only, and no pictures to colourize.")
    raise FilmError(f"{name} has no pictures to colourize.")


def _open(source: str | Path) -> InputContainer:
    name = Path(source).name
    try:
        return av.open(str(source), metadata_errors="replace")
    except FileNotFoundError as error:
        raise FilmError(f"There is no file {name}.") from error
    except (FFmpegError, OSError) as error:
        reason = error.strerror or "its data are damaged"
        raise FilmError(f"{name} is no film that can be read, or is damaged: {reason}.") from error


def _seek(container: InputContainer, stream: VideoStream, time: float, film: Film, check: bool = True) -> bool:
    """Move to a key frame at or before a time in seconds. Return False if that is not possible."""
    pts = round((Fraction(time) + film.origin) / film.time_base)
    try:
        container.seek(pts, stream=stream)
        if not check:
            return True
        frame = next((frame for frame, _ in decode(container, stream)), None)
        found = (
            frame is not None
            and (place := pts_of(frame, film)) is not None
            and place <= pts + SEEK_MARGIN / 2 / film.time_base
        )
        if found:
            container.seek(pts, stream=stream)
        return found
    except (FFmpegError, OSError):
        return False


def _duration(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


def _is_full_range(frame: VideoFrame, stream: VideoStream) -> bool:
    if frame.format.name.startswith("yuvj") or frame.color_range == FULL_RANGE:
        return True
    is_grey = frame.format.name.startswith("gray") and stream.codec_context.name not in LIMITED_GREY
    return is_grey and frame.color_range != LIMITED_RANGE
