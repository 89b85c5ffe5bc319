"""The photo pipeline as a whole: decode, colourize, encode; time, memory, and that the lightness stays.

    python bench/photo.py [FOLDER OF PHOTOGRAPHS] [--model unet]

Pictures are tiled from scikit-image's photographs. "plain" is the usual way with the same network in the same run:
scikit-image's Lab, bilinear chroma, Pillow, one picture at a time. With a folder, the largest difference in lightness
between each of its photographs and the result is printed as well.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import skimage.color
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image

from colorgan import Colorizer, cli
from colorgan.inference.render import render
from colorgan.photo import Photo, read_photo, write_photo


def picture(width: int, height: int) -> Image.Image:
    row = np.concatenate(
        [skimage.data.astronaut()[:300], skimage.data.chelsea()[:300], skimage.data.coffee()[:300]], axis=1
    )
    tiles = np.tile(row, (height // 300 + 1, width // row.shape[1] + 1, 1))
    return Image.fromarray(tiles[:height, :width])


def ours(colorizer: Colorizer, source: Path, target: Path) -> None:
    photo = read_photo(source)
    write_photo(target, render(photo, colorizer.predict(photo)), photo)


@torch.inference_mode()
def plain(colorizer: Colorizer, source: Path, target: Path) -> None:
    lab = skimage.color.rgb2lab(np.asarray(Image.open(source).convert("RGB")))
    lightness = torch.from_numpy(lab[..., 0]).float()[None, None]
    height, width = lightness.shape[-2:]
    scale = 32 / min(height, width)
    small = F.interpolate(lightness, (round(height * scale), round(width * scale)), mode="bilinear", antialias=True)
    chroma = F.interpolate(colorizer.predict_chroma(small / 50 - 1), (height, width), mode="bilinear")[0] * 110
    lab[..., 1:] = chroma.permute(1, 2, 0).numpy()
    Image.fromarray((skimage.color.lab2rgb(lab) * 255).round().astype(np.uint8)).save(target)


def timed(function: Callable[[], object], repeats: int = 3) -> tuple[float, float]:
    """The best wall time, and the processor time of that call."""
    results = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        results.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", default="unet")
    options = parser.parse_args()
    colorizer = Colorizer.from_pretrained(options.model, device="cpu")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small, large = folder / "1 megapixel.jpg", folder / "12 megapixels.jpg"
        picture(1224, 816).save(small, quality=92)
        picture(4000, 3000).save(large, quality=92)
        ours(colorizer, small, folder / "warm.png")
        idle = psutil.Process().memory_info().rss
        ours(colorizer, large, folder / "warm.png")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - idle / 2**20
        print(f"{torch.get_num_threads()} threads; 12 megapixels need {peak:.0f} MB above the process with its network")
        for source in (small, large):
            usual, _ = timed(lambda: plain(colorizer, source, folder / "out.png"), repeats=1)  # noqa: B023
            for kind in ("png", "jpg"):
                took, cpu = timed(lambda: ours(colorizer, source, folder / f"out.{kind}"))  # noqa: B023
                print(
                    f"{source.stem} JPEG to {kind}: {took:.2f} s ({cpu:.2f} s of processors); "
                    f"the plain way to png: {usual:.2f} s, {usual / took:.1f} times as long"
                )
        (folder / "many").mkdir()
        for i in range(100):
            picture(640 + i, 480).crop((i, 0, 640 + i, 480)).save(folder / "many" / f"{i:03}.jpg", quality=92)
        took, _ = timed(lambda: cli.main([str(folder / "many"), "--overwrite", "--model", options.model]), repeats=1)
        sources = sorted((folder / "many").glob("*.jpg"))[:20]
        usual, _ = timed(lambda: [plain(colorizer, path, folder / "out.png") for path in sources], repeats=1)
        rate, usual_rate = 100 / took, len(sources) / usual
        print(f"a folder of 100 at 640x480: {rate:.1f} a second with start; the plain way {usual_rate:.1f}")
        for path in sorted(options.folder.glob("*.*")) if options.folder else []:
            if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
                photo = read_photo(path)
                difference = [
                    np.abs(read_photo(pixels).lightness - photo.lightness).max() for pixels in both(colorizer, photo)
                ]
                print(f"{path.name}: L differs by {difference[0]:.3f} at most in 8 bits, {difference[1]:.5f} in 16")


def both(colorizer: Colorizer, photo: Photo) -> list[np.ndarray]:
    chroma = colorizer.predict(photo)
    return [render(photo, chroma, bits=bits) for bits in (8, 16)]


if __name__ == "__main__":
    main()
