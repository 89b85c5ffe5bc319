"""Make README's picture: scikit-image's photographs made grey, and what a model makes of them.

python bench/before_after.py --models unet cgan nogan --output docs/before-after.jpg
"""

import argparse
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image, ImageOps

from colorgan import Colorizer
from colorgan.evaluation.grid import grid

PHOTOS = Path(skimage.__file__).parent / "data"
NAMES = ("coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png")


def tensor(pictures: list[Image.Image], size: tuple[int, int]) -> torch.Tensor:
    arrays = [np.array(ImageOps.fit(p.convert("RGB"), size, centering=(0.5, 0.1))) for p in pictures]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["unet"])
    parser.add_argument("--photos", nargs="+", type=Path, default=[PHOTOS / name for name in NAMES])
    parser.add_argument("--output", type=Path, default=Path("docs/before-after.jpg"))
    parser.add_argument("--truth", action="store_true", help="show the photographs' own colours as well")
    options = parser.parse_args()

    truths = [Image.open(path).convert("RGB") for path in options.photos]
    greys = [photo.convert("L") for photo in truths]
    columns = {"before": greys}
    for model in options.models:
        colorizer = Colorizer.from_pretrained(model)
        columns[model if len(options.models) > 1 else "after"] = [colorizer.colorize(grey) for grey in greys]
    if options.truth:
        columns["truth"] = truths
    size = (360, 240)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    grid({title: tensor(pictures, size) for title, pictures in columns.items()}, cell=size[1]).save(
        options.output, quality=88
    )


if __name__ == "__main__":
    main()
