"""How right are colours on photographs, and at which size should the network see them?

    python bench/photographs.py FOLDER [--models unet cgan nogan] [--saturation 1] [--faded] [--sizes]

Every photograph of the folder is made grey and colourized at full size, as a user would; errors are relative to grey's
(below 1 is better than leaving it grey), colourfulness to the truth's, all as means over photographs.

`--faded` shows the network the lightness of a faded print instead (0.4 L + 35), once with the contrast that
`colorgan.inference.inputs.unfade` gives it, and once as it is; its colours are put on the true lightness.

`--sizes` compares render sizes on smaller copies. Rows like 16+48 fuse what is predicted at those sizes, as strong as
the largest. Whatever weakens colours lowers the error, so the last columns compare at equal colourfulness, which the
saturation brings about. Run it again when the checkpoints change, and put the best size into `RENDER_SIZE` in
colorgan/inference/inputs.py, which is seen together with 16. On Kodak 1 to 12, where colourfulness is 0.5, 16+48 is
the best with every bundled model, 3 to 5 % better than 16+32, and a size with 16 is better than with its half.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from colorgan import Colorizer, view
from colorgan.color import rgb_to_lab
from colorgan.evaluation.metrics import ab_error, ciede2000, colorfulness
from colorgan.inference.render import render
from colorgan.photo import read_photo

SIZES = ((16,), (32,), (48,), (64,), (128,), (16, 32), (16, 48), (16, 64), (16, 128), (32, 64), (64, 128), (16, 32, 48))
SATURATIONS = (0.5, 0.7, 1.0, 1.4, 2.0)
COLOURFULNESS = (0.4, 0.5, 0.6)  # relative to the truth's
LONGER_SIDE = 384  # of the photographs, made smaller for speed: what is compared are coarse colours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["unet", "cgan", "nogan"])
    parser.add_argument("--saturation", type=float, default=1.0, help="of what is measured at full size")
    parser.add_argument("--faded", action="store_true", help="measure faded prints as well")
    parser.add_argument("--sizes", action="store_true", help="compare render sizes")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    print(f"{len(paths)} photographs | ab error | ciede2000 | colourfulness | ab better than grey's")
    colorizers = {model: Colorizer.from_pretrained(model) for model in options.models}
    for model, colorizer in colorizers.items():
        measure_each = partial(measure_whole, colorizer, saturation=options.saturation)
        report_whole(model, [measure_each(path) for path in paths])
        if options.faded:
            report_whole(f"{model}, faded", [measure_each(path, faded=True) for path in paths])
            with mock.patch.object(view, "CONTRAST", 0.0):
                report_whole(f"{model}, seen faded", [measure_each(path, faded=True) for path in paths])
    for model, colorizer in colorizers.items() if options.sizes else ():
        print(f"\n{model}, {len(paths)} photographs; at saturation 1, then the error where colourfulness is as said")
        print("sizes     error/grey's  colourfulness  better than grey", *(f"  at {c:.1f}" for c in COLOURFULNESS))
        for sizes in SIZES:
            report(sizes, np.array([measure(colorizer, path, sizes) for path in paths]))


def measure_whole(
    colorizer: Colorizer, path: Path, saturation: float, faded: bool = False
) -> tuple[float, float, float]:
    """Error of ab and ciede2000 relative to grey's, colourfulness to the truth's, at full size."""
    truth = np.asarray(Image.open(path).convert("RGB"))
    photo = read_photo(truth)
    seen = replace(photo, lightness=0.4 * photo.lightness + 35) if faded else photo
    result = render(photo, colorizer.predict(seen), saturation=saturation)
    output, goal = lab(result)[None], lab(truth)[None]
    grey = goal * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    errors = [
        (function(output, goal).mean() / function(grey, goal).mean()).item() for function in (ab_error, ciede2000)
    ]
    return *errors, (colorfulness(stack(result)) / colorfulness(stack(truth))).item()


def report_whole(name: str, figures: list[tuple[float, ...]]) -> None:
    better = sum(each[0] < 1 for each in figures)
    print(name, *(f"{value:.3f}" for value in np.mean(figures, 0)), better, sep=" | ", flush=True)


def measure(colorizer: Colorizer, path: Path, sizes: tuple[int, ...]) -> list[tuple[float, float]]:
    """Error relative to grey's and colourfulness relative to the truth's, at each saturation."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.BOX)
    truth = np.asarray(image)
    photo, ab = read_photo(truth), lab(truth)[1:]
    chroma = colorizer.predict(photo, render_size=sizes)
    figures = []
    for saturation in SATURATIONS:
        result = render(photo, chroma, saturation=saturation)
        error = (lab(result)[1:] - ab).abs().mean() / ab.abs().mean()
        figures.append((float(error), float(colorfulness(stack(result)) / colorfulness(stack(truth)))))
    return figures


def report(sizes: tuple[int, ...], figures: np.ndarray) -> None:
    plain = SATURATIONS.index(1.0)
    error, colour = figures.mean(0).T
    better = (figures[:, plain, 0] < 1).sum()
    equal = [np.interp(c, colour, error) if colour[0] <= c <= colour[-1] else np.nan for c in COLOURFULNESS]
    name = "+".join(map(str, sizes))
    print(f"{name:10s}{error[plain]:12.3f}{colour[plain]:15.2f}{better:18d}", *(f"{value:8.3f}" for value in equal))


def stack(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


def lab(rgb: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(stack(rgb)[0] / 255)


if __name__ == "__main__":
    main()
