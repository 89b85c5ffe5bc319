"""How steady are the colours of a film, and how fast is a film colourized?

    python bench/film.py [FOLDER] [--model photo] [--frames 48] [--sheet frames.jpg]
    python bench/film.py [FOLDER] --speed [--frames 100]

The clips are made from the first photographs of FOLDER, or from two of scikit-image: slow and fast pans and a moving
square, with grain, so that the motion of every pixel is known. "Alone" is every frame with the colours that the network
predicts for it, "steady" is what the filter in time makes of them, as `colorgan film.mp4` does.

- warping error: mean difference of a and b, in Lab units, between a frame and the one before, moved along the motion;
  at half size, where U and V are, before they become 8 bits. Of the moving square, only its inside counts.
- CDC: Jensen-Shannon divergence of the colour histograms of frames 1, 2 and 4 apart, times 1000 (Liu et al. 2021,
  Temporally Consistent Video Colorization, section 4.1).
- change: how much the filter changes true colours of the clip, in Lab units at the filter's size: in all cells, and in
  those whose lightness changes from one frame to the next. A filter that smears changes moving places.

`--speed` compares the work from file to file with decoding and encoding the same film alone, in the same run: on a busy
computer only the ratio of their CPU times counts. `--sheet` writes frames of the clips as a picture: alone above,
steady below.
"""

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import skimage.data
import torch
from av.video.frame import VideoFrame
from PIL import Image
from torch import Tensor

from colorgan import DEFAULT_MODEL, Colorizer
from colorgan.color import CHROMA_SCALE, rgb_to_lab
from colorgan.film.colour import Colours
from colorgan.film.convert import colorize_video
from colorgan.film.frames import predicted_frames, push
from colorgan.film.look import Look
from colorgan.film.read import Frame, open_film, read_frames
from colorgan.film.steady import Steadier
from colorgan.film.write import SegmentWriter
from colorgan.folders import picture_suffixes
from colorgan.inference.upsample import shrink

PHOTOS = 2
CLIPS = {"slow pan": (2, 0), "fast pan": (10, 0), "moving square": (0, 6)}  # pixels a frame: the camera, the square
SIZE, SQUARE, GRAIN = (640, 480), 128, 5.0  # width and height of clips, the square's side, 8-bit levels
MOVING = 0.06  # change of a cell's lightness (-1 to 1) from one frame to the next, from which it counts as moving
COLUMNS = {"warping, alone": 3, "steady": 3, "CDC, alone": 2, "steady ": 2, "change": 2, "in moving places": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="photographs (default: scikit-image's)")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--frames", type=int, default=48, help="of each clip (default: 48)")
    parser.add_argument("--speed", action="store_true", help="measure speed and memory instead")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write frames of the clips as a picture")
    options = parser.parse_args()
    colorizer = Colorizer.from_pretrained(options.model, device="cpu")
    photos = photographs(options.folder)
    if options.speed:
        measure_speed(colorizer, next(iter(photos.values())), options.frames)
    else:
        measure_steadiness(colorizer, photos, options.frames, options.sheet)


def photographs(folder: Path | None) -> dict[str, np.ndarray]:
    """Photographs as RGB (H, W, 3) uint8, by their names."""
    if folder is None:
        return {"chelsea": skimage.data.chelsea(), "astronaut": skimage.data.astronaut()}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in picture_suffixes())[:PHOTOS]
    return {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths}


def clip(photo: np.ndarray, name: str, count: int, size: tuple[int, int], grain: float) -> Iterator[np.ndarray]:
    """Yield RGB frames (H, W, 3) uint8: a window that moves over a photograph and back, or a square that does."""
    (pan, move), (width, height) = CLIPS[name], size
    scale = max(1.3 * width / photo.shape[1], height / photo.shape[0])
    large = Image.fromarray(photo).resize((round(photo.shape[1] * scale), round(photo.shape[0] * scale)))
    large, noise = np.asarray(large), np.random.default_rng(0)
    for i in range(count):
        left = place(i * pan, room_of(width))
        frame = large[:height, left : left + width].astype(float)
        if move:
            at, top = place(i * move, width - SQUARE), height // 3
            frame[top : top + SQUARE, at : at + SQUARE] = large[:SQUARE, -SQUARE:]
        frame += noise.normal(0, grain, (height, width, 1))
        yield frame.clip(0, 255).round().astype(np.uint8)


def room_of(width: int) -> int:
    """How far a pan goes over a photograph that is 1.3 times as wide as the window."""
    return int(0.3 * width)


def place(distance: int, room: int) -> int:
    """A place from 0 to `room` of something that goes to and fro."""
    return abs((distance + room) % (2 * room) - room)


def write_grey(path: Path, frames: Iterator[np.ndarray], size: tuple[int, int]) -> Path:
    """Write the frames' luma as a film with hardly any loss."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "12", "preset": "veryfast"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for rgb in frames:
            grey = VideoFrame.from_ndarray(np.asarray(Image.fromarray(rgb).convert("L")), format="gray")
            output.mux(stream.encode(grey.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    return path


@dataclass
class Coloured:
    """A clip in colours: ab (2, H / 2, W / 2) of each frame in Lab units, and RGB (H / 2, W / 2, 3) uint8."""

    ab: list[Tensor]
    rgb: list[np.ndarray]


def measure_steadiness(colorizer: Colorizer, photos: dict[str, np.ndarray], count: int, sheet: Path | None) -> None:
    """Print a table with a row for each clip, and the mean."""
    print(f"| clip, {count} frames | " + " | ".join(COLUMNS) + " |\n|---" + "|---:" * len(COLUMNS) + "|")
    rows, pictures = [], []
    for (photo, pixels), name in itertools.product(photos.items(), CLIPS):
        alone, steady, *change = colour_clip(colorizer, pixels, name, count)
        rows.append([warping_error(alone.ab, name), warping_error(steady.ab, name), cdc(alone), cdc(steady), *change])
        print_row(f"{photo}, {name}", rows[-1])
        pictures += [np.concatenate(each.rgb[:: max(1, count // 4)][:4], axis=1) for each in (alone, steady)]
    print_row("mean", np.mean(rows, axis=0))
    if sheet:
        Image.fromarray(np.concatenate(pictures)).save(sheet)


def print_row(name: str, values: list[float] | np.ndarray) -> None:
    cells = (f"{value:.{digits}f}" for value, digits in zip(values, COLUMNS.values(), strict=True))
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def colour_clip(
    colorizer: Colorizer, photo: np.ndarray, name: str, count: int
) -> tuple[Coloured, Coloured, float, float]:
    """The clip with the colours of each frame alone and steady, and the change of true colours: all, in motion."""
    with tempfile.TemporaryDirectory() as folder:
        film = open_film(write_grey(Path(folder) / "clip.mp4", clip(photo, name, count, SIZE, GRAIN), SIZE))
        batches = list(predicted_frames(colorizer, film, Colours(film.matrix, film.is_full_range), Look()))
    frames, seen, alone = (list(itertools.chain.from_iterable(parts)) for parts in zip(*batches, strict=True))
    steady = steadied(seen, alone)
    size = steady[0].shape[-2], steady[0].shape[-1]
    true = [shrink(lab_of(rgb)[None, 1:], size)[0] / CHROMA_SCALE for rgb in clip(photo, name, count, SIZE, 0.0)]
    filtered = steadied(seen, true)
    change = torch.stack([(a - b).abs().mean(0) * CHROMA_SCALE for a, b in zip(filtered, true, strict=True)])
    small = torch.stack([shrink(lightness[None], size)[0, 0] for lightness in seen])
    moving = (small[1:] - small[:-1]).abs() > MOVING
    return placed(frames, alone), placed(frames, steady), float(change.mean()), float(change[1:][moving].mean())


def lab_of(rgb: np.ndarray) -> Tensor:
    """Lab (3, H, W) of RGB (H, W, 3) uint8."""
    return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1).float() / 255)


def steadied(seen: list[Tensor], chroma: list[Tensor]) -> list[Tensor]:
    """The chroma of all frames after the filter in time."""
    steadier, results = Steadier(), []
    for lightness, each in zip(seen, chroma, strict=True):
        results += push(steadier, lightness, each, False)
    return results + steadier.finish()


@torch.inference_mode()
def placed(frames: list[Frame], chroma: list[Tensor]) -> Coloured:
    """The frames in the colours of their chroma, as films are written."""
    colours, result = Colours(frames[0].film.matrix, frames[0].film.is_full_range), Coloured([], [])
    for frame, each in zip(frames, chroma, strict=True):
        result.ab.append(colours.place(frame.luma, each)[1])
        frame.u, frame.v = colours.planes(frame.luma, each)
        result.rgb.append(frame.to_rgb()[::2, ::2])
    return result


def warping_error(ab: list[Tensor], name: str) -> float:
    """The mean difference of neighbouring frames (2, H / 2, W / 2) along the known motion, which is even."""
    (pan, move), (height, width), side = CLIPS[name], ab[0].shape[1:], SQUARE // 2
    errors = []
    for i, (before, after) in enumerate(itertools.pairwise(ab)):
        if pan:
            step = (place((i + 1) * pan, room_of(2 * width)) - place(i * pan, room_of(2 * width))) // 2
            old, new = slice(max(step, 0), width + min(step, 0)), slice(max(-step, 0), width - max(step, 0))
            errors.append((before[..., old] - after[..., new]).abs().mean())
        else:
            old, new = (place(number * move, 2 * width - SQUARE) // 2 for number in (i, i + 1))
            rows = slice(height // 3, height // 3 + side)
            errors.append((before[:, rows, old : old + side] - after[:, rows, new : new + side]).abs().mean())
    return float(torch.stack(errors).mean())


def cdc(clip: Coloured) -> float:
    """The mean Jensen-Shannon divergence of the histograms of R, G and B of frames 1, 2 and 4 apart, times 1000."""
    counts = [[np.bincount(rgb[..., channel].ravel(), minlength=256) for channel in range(3)] for rgb in clip.rgb]
    shares = np.array(counts) / clip.rgb[0][..., 0].size + 1e-12
    values = []
    for apart in (1, 2, 4):
        p, q = shares[:-apart], shares[apart:]
        middle = (p + q) / 2
        values.append(((p * np.log(p / middle) + q * np.log(q / middle)).sum(-1) / 2).mean())
    return 1000 * float(np.mean(values))


def measure_speed(colorizer: Colorizer, photo: np.ndarray, count: int) -> None:
    """Print frames a second and CPU time from file to file, beside decoding and encoding alone, and the peak memory."""
    print("| frames | decode and encode, frames/s | colourize, frames/s | CPU time, ms a frame | ratio | peak MB |")
    print("|---" + "|---:" * 5 + "|")
    for size in (SIZE, (1280, 720)):
        with tempfile.TemporaryDirectory() as folder:
            path = write_grey(Path(folder) / "clip.mp4", clip(photo, "slow pan", count, size, GRAIN), size)
            began, cpu = time.perf_counter(), time.process_time()
            film = open_film(path)
            with SegmentWriter(Path(folder) / "plain.nut", film, "veryfast") as writer:
                for frame in read_frames(film):
                    writer.write(frame)
            plain, plain_cpu = time.perf_counter() - began, time.process_time() - cpu
            began, cpu = time.perf_counter(), time.process_time()
            colorize_video(colorizer, path, Path(folder) / "coloured.mp4", Look())
            coloured, coloured_cpu = time.perf_counter() - began, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        costs = f"{1000 * plain_cpu / count:.0f} and {1000 * coloured_cpu / count:.0f}"
        print(
            f"| {size[0]} x {size[1]} | {count / plain:.1f} | {count / coloured:.1f} | {costs} | "
            f"{coloured_cpu / plain_cpu:.1f} | {memory:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
