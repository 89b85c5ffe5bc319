"""Write films: a segment of frames as H.264, and the finished film of all segments with sound, subtitles, chapters."""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from colorgan.film.read import FULL_RANGE, LIMITED_RANGE, MATRIX_NUMBERS, Film, Frame

CRF = 18  # x264's constant rate factor: the difference is not seen
COPIED_SOUND = ("aac", "mp3", "opus")  # what every browser plays from an MP4; Matroska takes the sound as it is
COPIED_SUBTITLES = ("mov_text",)  # what an MP4 can hold; Matroska takes more
AAC_BITRATE = 96_000  # bits a second for each channel of sound that is encoded again
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)  # samples a second
KEPT_METADATA = ("title", "artist", "album_artist", "date", "comment", "description", "copyright", "genre", "location")
COMPUTED = "Colours computed by"
DELAY = 2  # frames by which x264 decodes before it shows: B-frames refer to others, which refer to others


class SegmentWriter:
    """Encodes frames into one file (NUT, which holds every time base). Use it in a `with` block."""

    def __init__(self, path: Path, film: Film, preset: str):
        self._container = av.open(str(path), "w", format="nut", options={"avoid_negative_ts": "disabled"})
        stream = self._container.add_stream(
            "libx264", rate=_limited(film.rate), options={"crf": str(CRF), "preset": preset}
        )
        stream.width, stream.height, stream.pix_fmt = film.width, film.height, "yuv420p"
        context = stream.codec_context
        context.time_base = film.time_base
        context.color_range = FULL_RANGE if film.is_full_range else LIMITED_RANGE
        context.colorspace = MATRIX_NUMBERS[film.matrix]
        context.color_primaries, context.color_trc = film.primaries, film.transfer
        if film.sample_aspect_ratio:
            context.sample_aspect_ratio = film.sample_aspect_ratio
        self._stream = stream

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def write(self, frame: Frame) -> None:
        """Encode a frame with its colours."""
        self._container.mux(self._stream.encode(frame.to_video_frame()))


def join(
    segments: list[Path], film: Film, target: Path, kind: str, start: float, end: float | None, tool: str | None
) -> list[str]:
    """Put the segments together without encoding them again, and add the film's sound, subtitles and chapters.

    `kind` is a value of `colorgan.film.FORMATS`. The second `start` of the film becomes zero. The film's title, author,
    date and comment are kept, and the comment says that `tool` computed the colours, unless it is None. Returns
    sentences about what was left out.
    """
    notes: list[str] = []
    options = {}
    if kind != "matroska":  # the index at the beginning, and times as exact as the film's
        options = {"movflags": "+faststart", "movie_timescale": str(min(film.time_base.denominator, 2**31 - 1))}
    with (
        av.open(str(target), "w", format=kind, options=options) as output,
        av.open(film.path, metadata_errors="replace") as source,
        av.open(str(segments[0])) as first,
    ):
        output.metadata.update(_captions(source.metadata, tool))
        pictures = output.add_stream_from_template(first.streams.video[0])
        pictures.time_base = film.time_base
        tracks = _add_tracks(source, output, kind, notes)
        zero = film.origin + Fraction(start).limit_denominator(1000)
        length = Fraction(10**9) if end is None else Fraction(end - start)
        _copy_chapters(source, output, zero, length)
        parts = heapq.merge(
            _pictures(segments, pictures, film, start), _other_packets(source, tracks, zero, length), key=_time_of
        )
        for _, packet in parts:
            output.mux(packet)
        for track in tracks.values():
            output.mux(track.end())
    return notes


def _captions(film: dict[str, str], tool: str | None) -> dict[str, str]:
    """The film's own captions, with a comment of which the last line says what computed the colours, if `tool` did."""
    kept = {key.lower(): text for key, text in film.items() if key.lower() in KEPT_METADATA}  # Matroska's are COMMENT
    if tool is None:
        return kept
    lines = [line for line in kept.get("comment", "").splitlines() if not line.startswith(COMPUTED)]
    return kept | {"comment": "\n".join([*lines, f"{COMPUTED} {tool}."])}


class _Track:
    """One track of sound or subtitles: its packets are copied."""

    def __init__(self, stream: Stream, zero_base: Fraction):
        self.stream, self.time_base = stream, zero_base

    def packets(self, packet: Packet, zero: Fraction) -> list[Packet]:
        """The packets to write for one of the film's, with times from `zero` on."""
        shift = round(zero / self.time_base)
        packet.pts = packet.pts - shift if packet.pts is not None else None
        packet.dts = packet.dts - shift if packet.dts is not None else packet.pts
        packet.stream = self.stream
        return [packet]

    def end(self) -> list[Packet]:
        """The last packets."""
        return []


class _EncodedTrack(_Track):
    """A track of sound that is encoded again. Damaged packets are left out."""

    def packets(self, packet: Packet, zero: Fraction) -> list[Packet]:
        try:
            frames = packet.decode()
        except FFmpegError:
            return []
        results = []
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            if frame.pts is not None:
                frame.pts -= round(zero / (frame.time_base or self.time_base))
            results += self.stream.encode(frame)  # pyright: ignore[reportAttributeAccessIssue]
        return results

    def end(self) -> list[Packet]:
        return self.stream.encode(None)  # pyright: ignore[reportAttributeAccessIssue]


def _add_tracks(source: InputContainer, output: OutputContainer, kind: str, notes: list[str]) -> dict[int, _Track]:
    """Add the tracks of sound and subtitles to the output; returns them by the index of the film's stream."""
    tracks: dict[int, _Track] = {}
    for stream in source.streams.audio:
        codec, base = stream.codec_context.name, stream.time_base or Fraction(1, 90000)
        rate, layout = stream.codec_context.sample_rate, stream.codec_context.layout
        if not rate or not layout.nb_channels:
            notes.append("A track of sound that cannot be decoded was left out.")
            continue
        if codec.removesuffix("float") in COPIED_SOUND or kind == "matroska":
            copy = output.add_stream_from_template(stream)
            tracks[stream.index] = _Track(copy, base)
        else:
            rate = rate if rate in AAC_RATES else 48000
            copy = output.add_stream("aac", rate=rate, layout=layout.name)
            copy.bit_rate = AAC_BITRATE * layout.nb_channels
            tracks[stream.index] = _EncodedTrack(copy, base)
            notes.append(f"Its sound ({codec}) was encoded again as AAC.")
        copy.metadata.update({key: value for key, value in stream.metadata.items() if key in ("language", "title")})
    for stream in source.streams.subtitles:
        codec = stream.codec_context.name
        if codec in COPIED_SUBTITLES or kind == "matroska":
            tracks[stream.index] = _Track(
                output.add_stream_from_template(stream), stream.time_base or Fraction(1, 1000)
            )
        else:
            notes.append(f"Its subtitles ({codec}) were left out: an MP4 cannot hold them, but --output NAME.mkv can.")
    return tracks


def _copy_chapters(source: InputContainer, output: OutputContainer, zero: Fraction, length: Fraction) -> None:
    """Copy the chapters that lie between zero and `length` seconds, as far as they do."""
    chapters = []
    for chapter in source.chapters():
        base = chapter["time_base"] or Fraction(1, 1000)
        begin, finish = max(chapter["start"] * base - zero, Fraction(0)), min(chapter["end"] * base - zero, length)
        if begin < finish:
            chapters.append(chapter | {"start": round(begin / base), "end": round(finish / base), "time_base": base})
    if chapters:
        output.set_chapters(chapters)


def _pictures(segments: list[Path], stream: VideoStream, film: Film, start: float) -> Iterator[tuple[float, Packet]]:
    """The packets of all segments. Decoding times are made new: each frame's is the time of one `DELAY` frames before.

    So they increase also where one segment follows another, whatever the times of the frames.
    """
    shift = round(Fraction(start).limit_denominator(1000) / film.time_base)
    waiting, step = [], film.frame_step
    first = count = 0
    for segment in segments:
        with av.open(str(segment)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size == 0 or packet.pts is None or packet.time_base is None:
                    continue
                packet.pts = round(packet.pts * packet.time_base / film.time_base) - shift
                heapq.heappush(waiting, packet.pts)
                first = packet.pts if count == 0 else first
                packet.dts = heapq.heappop(waiting) if count >= DELAY else first - (DELAY - count) * step
                packet.time_base, packet.stream, packet.duration = film.time_base, stream, step
                count += 1
                yield float(packet.dts * film.time_base), packet


def _other_packets(
    source: InputContainer, tracks: dict[int, _Track], zero: Fraction, length: Fraction
) -> Iterator[tuple[float, Packet]]:
    """The packets of sound and subtitles, from zero on and for `length` seconds; what is damaged is left out."""
    streams = [source.streams[index] for index in tracks]
    if not streams:
        return
    packets, last = source.demux(*streams), 0.0
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        if packet.size == 0 or packet.time_base is None:
            continue
        place = packet.dts if packet.pts is None else packet.pts
        if place is not None:
            time = place * packet.time_base - zero
            if time < (0 if zero > 0 else -1) or time >= length:
                continue
            last = float(time)
        for result in tracks[packet.stream_index].packets(packet, zero):
            yield last, result


def _time_of(item: tuple[float, Packet]) -> float:
    return item[0]


def _limited(rate: Fraction) -> Fraction:
    """A frame rate that x264 accepts; it only guides the encoder, because every frame has its own time."""
    return rate if 1 <= rate <= 240 else Fraction(25)
