"""How well true colours, shrunk to a small grid, come back at full size: mean RGB PSNR in dB, and time per picture.

    python bench/upsampling.py [FOLDER OF COLOUR PHOTOGRAPHS] [--crops FOLDER]

On scikit-image's four photographs, and on those in the folder. `--crops` writes, for each, truth, bicubic and ours side
by side around the strongest edge of colour, three times enlarged: to look for colours that bleed.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from colorgan.color import lab_to_rgb, rgb_to_lab, to_uint8
from colorgan.inference.upsample import shrink, upsample_chroma


def plain(mode: str) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda small, lightness: F.interpolate(small, lightness.shape[-2:], mode=mode)


def joint_bilateral(small: Tensor, lightness: Tensor) -> Tensor:
    """Kopf et al. 2007 straight to full size (radius 1, sigma 5 in L units), then three back-projections."""
    (h, w), (height, width) = small.shape[-2:], lightness.shape[-2:]
    guide = shrink(lightness, (h, w))
    y, x = ((torch.arange(n) + 0.5) * m / n - 0.5 for n, m in ((height, h), (width, w)))
    total, weights = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = y.round() + dy, x.round() + dx
            rows, columns = row.clamp(0, h - 1).long(), column.clamp(0, w - 1).long()
            near = torch.exp(-((row - y) ** 2) / 2)[:, None] * torch.exp(-((column - x) ** 2) / 2)
            alike = torch.exp(-((guide[..., rows, :][..., columns] - lightness) ** 2) / 50) * near + 1e-6
            total += alike * small[..., rows, :][..., columns]
            weights += alike
    result = total / weights
    for _ in range(3):
        result = result + F.interpolate(small - shrink(result, (h, w)), (height, width), mode="bicubic")
    return result


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "nearest": plain("nearest"),
    "bilinear": plain("bilinear"),
    "bicubic": plain("bicubic"),
    "joint bilateral + 3 back-projections": joint_bilateral,
    "ours": lambda small, lightness: upsample_chroma(small[0], lightness[0, 0])[None],
}


def photographs(folder: str | None) -> dict[str, dict[str, np.ndarray]]:
    sets = {
        "scikit-image": {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    }
    if folder:
        paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
        sets[folder] = {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths}
    return sets


@torch.inference_mode()
def measure(pictures: dict[str, np.ndarray], longer: int, crops: Path | None) -> None:
    scores, seconds = {name: [] for name in METHODS}, dict.fromkeys(METHODS, 0.0)
    for title, pixels in pictures.items():
        rgb = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
        lightness, ab = rgb_to_lab(rgb).split([1, 2], dim=1)
        height, width = lightness.shape[-2:]
        small = shrink(ab, tuple(max(1, round(side * longer / max(height, width))) for side in (height, width)))
        results = {}
        for name, method in METHODS.items():
            start = time.perf_counter()
            chroma = method(small, lightness)
            seconds[name] += time.perf_counter() - start
            results[name] = to_uint8(lab_to_rgb(torch.cat([lightness, chroma], dim=1)))
            scores[name].append(float(-10 * (results[name] / 255 - rgb).square().mean().log10()))
        if crops and longer == 32:
            save_crop(crops / f"{title}.png", ab, [to_uint8(rgb), results["bicubic"], results["ours"]])
    for name in METHODS:
        each = " ".join(f"{score:6.2f}" for score in scores[name])
        gain = np.mean(scores[name]) - np.mean(scores["bicubic"])
        took = 1000 * seconds[name] / len(pictures)
        print(f"{longer:4d}  {name:37s} {np.mean(scores[name]):6.2f} ({gain:+.2f})  {took:5.0f} ms  {each}")


def save_crop(path: Path, ab: Tensor, pictures: list[Tensor], side: int = 160) -> None:
    edges = F.avg_pool2d((ab[..., 1:, 1:] - ab[..., :-1, :-1]).abs().sum(1, keepdim=True), side, stride=16)[0, 0]
    top, left = (16 * int(i) for i in divmod(int(edges.argmax()), edges.shape[1]))
    row = torch.cat([picture[0, :, top : top + side, left : left + side] for picture in pictures], dim=2)
    image = Image.fromarray(row.permute(1, 2, 0).contiguous().numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="of colour photographs to measure as well")
    parser.add_argument("--crops", type=Path, help="folder for crops to look at")
    options = parser.parse_args()
    for title, pictures in photographs(options.folder).items():
        print(f"{title}: {len(pictures)} photographs; longer side of the chroma, method, PSNR (over bicubic), each")
        for longer in (32, 64, 128, 256):
            measure(pictures, longer, options.crops)
