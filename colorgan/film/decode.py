"""Decode the pictures of a film: damaged packets, interlaced frames, and luma of 8 bits in all formats."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from av.container import InputContainer
from av.error import BlockingIOError as NotReadyError
from av.error import EOFError as EndError
from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

if TYPE_CHECKING:
    from colorgan.film.read import Film

PLANAR_LUMA = ("yuv4", "yuvj", "yuva4", "gray", "nv1", "nv2", "p0", "p2", "p4")  # formats whose first plane is luma


def decode(
    container: InputContainer, stream: VideoStream, film: "Film | None" = None
) -> Iterator[tuple[VideoFrame, int]]:
    """Yield each frame and the number of packets before it that could not be decoded."""
    lost = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (FFmpegError, OSError):
            packet = None
            if film:
                film.note("The file is damaged or cut short: what comes after the damage could not be read.")
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            lost += 1
            continue
        for frame in frames:
            yield frame, lost  # pyright: ignore[reportReturnType]
            lost = 0


def progressive(frames: Iterator[tuple[VideoFrame, int]], film: "Film") -> Iterator[tuple[VideoFrame, int]]:
    """Deinterlace from the first interlaced frame on (bwdif), at the film's frame rate."""
    graph, waiting = None, 0
    for frame, lost in frames:
        if (frame.width, frame.height) != film.stored_size:
            frame = frame.reformat(*film.stored_size)
            film.note("Its frames change their size: all were given that of the first.")
        if graph is None and frame.interlaced_frame:
            film.note(
                "Its frames are interlaced: both fields were made one full frame (bwdif), at the same frame rate."
            )
            graph = _deinterlacer(frame, film)
        if graph is None:
            yield frame, lost
            continue
        waiting += lost
        graph.push(frame)
        for result in _pull(graph):
            yield result, waiting
            waiting = 0
    if graph is not None:
        graph.push(None)
        for result in _pull(graph):
            yield result, 0


def pts_of(frame: VideoFrame, film: "Film") -> int | None:
    """The frame's time in `film.time_base`: the filter counts in another one."""
    if frame.pts is None or frame.time_base is None:
        return None
    return round(frame.pts * frame.time_base / film.time_base)


def luma_of(frame: VideoFrame, film: "Film") -> np.ndarray:
    """The frame's luma: 8 bits, upright, with even sides. Of 8-bit planes, every value is the film's own."""
    if not frame.format.name.startswith(PLANAR_LUMA):  # RGB, palettes, packed YUV
        matrix = "ITU709" if film.matrix == "BT.709" else "ITU601"
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
    plane, bits = frame.planes[0], frame.format.components[0].bits
    if bits == 8:
        luma = plane_values(plane, "u1")[: frame.height, : frame.width]
    else:
        deep = plane_values(plane, ">u2" if frame.format.name.endswith("be") else "<u2")
        deep = deep[: frame.height, : frame.width].astype(np.uint32)
        shift = 8 if frame.format.name.startswith(("p0", "p2", "p4")) else bits - 8  # those have their zeros below
        luma = np.minimum((deep + (1 << (shift - 1))) >> shift, 255).astype(np.uint8)
    luma = np.rot90(luma, film.rotation // 90)
    return np.pad(luma, [(0, side % 2) for side in luma.shape], mode="edge")


def plane_values(plane: VideoPlane, dtype: str) -> np.ndarray:
    """A view of the values of a plane, with its padding at the right."""
    values = np.frombuffer(plane, dtype)  # pyright: ignore[reportCallIssue,reportArgumentType]  # it is a buffer
    return values.reshape(-1, plane.line_size // values.itemsize)


def _deinterlacer(frame: VideoFrame, film: "Film") -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or film.time_base
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.pull()  # pyright: ignore[reportReturnType]
        except (NotReadyError, EndError):
            return
