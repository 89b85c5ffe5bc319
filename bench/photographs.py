"""How close are the colours of photographs to the truth, and at which size should the network see a photograph?

    python bench/photographs.py FOLDER [--models unet cgan nogan] [--saturation 1] [--faded] [--sizes]

Every photograph of the folder is made grey and colourized at full size. `ab error` and `ciede2000` are relative to the
errors of the grey photograph (below 1 is better than no colour), `colourfulness` is relative to the true photograph's;
all are means over photographs.

`--faded` shows the network the lightness of a faded print instead (0.4 L + 35), once with the contrast that
`colorgan.inference.inputs.stretch_contrast` adds, and once without; its colours are put on the true lightness.

`--sizes` compares render sizes on smaller copies, alone and fused with the overview at 16 pixels. Weaker colours always
have smaller errors, so the last columns compare the sizes at equal colourfulness, which is reached with the saturation.
Run it again when the checkpoints change, and set `RENDER_SIZE` in colorgan/inference/inputs.py to the best size. On
Kodak's photographs 1 to 12, at a colourfulness of 0.5, 48 with the overview is the best for all bundled networks, 3 to
5 % better than 32 with it.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from colorgan import Colorizer
from colorgan.color import rgb_to_lab
from colorgan.evaluation.metrics import ab_error, ciede2000, colorfulness
from colorgan.inference import inputs
from colorgan.inference.render import render
from colorgan.photo import read_photo

SIZES = tuple((size, overview) for overview in (False, True) for size in (16, 32, 48, 64, 128))
SATURATIONS = (0.5, 0.7, 1.0, 1.4, 2.0)
COLOURFULNESS = (0.4, 0.5, 0.6)  # relative to the truth's
LONGER_SIDE = 384  # pixels of the smaller copies; enough, because only coarse colours are compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["unet", "cgan", "nogan"])
    parser.add_argument("--saturation", type=float, default=1.0, help="saturation of the results at full size")
    parser.add_argument("--faded", action="store_true", help="measure faded prints as well")
    parser.add_argument("--sizes", action="store_true", help="compare render sizes")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not paths:
        parser.error(f"{options.folder} has no PNG or JPEG files; give a folder of colour photographs.")
    print(f"| {len(paths)} photographs | ab error | ciede2000 | colourfulness | smaller ab error than grey |")
    print("|---|---:|---:|---:|---:|")
    colorizers = {model: Colorizer.from_pretrained(model) for model in options.models}
    for model, colorizer in colorizers.items():
        measure_each = partial(measure_whole, colorizer, saturation=options.saturation)
        report_whole(model, [measure_each(path) for path in paths])
        if options.faded:
            report_whole(f"{model}, faded", [measure_each(path, faded=True) for path in paths])
            with mock.patch.object(inputs, "CONTRAST", 0.0):
                report_whole(
                    f"{model}, faded, without more contrast", [measure_each(path, faded=True) for path in paths]
                )
    for model, colorizer in colorizers.items() if options.sizes else ():
        print(f"\n{model}, {len(paths)} photographs at saturation 1, and the error at these values of colourfulness:")
        print("sizes     error/grey's  colourfulness  better than grey", *(f"  at {c:.1f}" for c in COLOURFULNESS))
        for sizes in SIZES:
            report(sizes, np.array([measure(colorizer, path, sizes) for path in paths]))


def measure_whole(
    colorizer: Colorizer, path: Path, saturation: float, faded: bool = False
) -> tuple[float, float, float]:
    """Return the errors of ab and ciede2000 relative to grey's, and the relative colourfulness, at full size."""
    truth = np.asarray(Image.open(path).convert("RGB"))
    photo = read_photo(truth)
    seen = replace(photo, lightness=0.4 * photo.lightness + 35) if faded else photo
    result = render(photo, colorizer.predict(seen), saturation=saturation)
    output, goal = lab(result)[None], lab(truth)[None]
    grey = goal * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    ab, difference = (
        (function(output, goal).mean() / function(grey, goal).mean()).item() for function in (ab_error, ciede2000)
    )
    return ab, difference, (colorfulness(stack(result)) / colorfulness(stack(truth))).item()


def report_whole(name: str, results: list[tuple[float, float, float]]) -> None:
    better = sum(result[0] < 1 for result in results)
    cells = " | ".join(f"{value:.3f}" for value in np.mean(results, 0))
    print(f"| {name} | {cells} | {better} of {len(results)} |", flush=True)


def measure(colorizer: Colorizer, path: Path, sizes: tuple[int, bool]) -> list[tuple[float, float]]:
    """Return the ab error relative to grey's and the relative colourfulness at each saturation, on a smaller copy."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.BOX)
    truth = np.asarray(image)
    photo, true_ab = read_photo(truth), lab(truth)[1:]
    chroma = colorizer.predict(photo, render_size=sizes[0], overview=sizes[1])
    results = []
    for saturation in SATURATIONS:
        result = render(photo, chroma, saturation=saturation)
        error = (lab(result)[1:] - true_ab).abs().mean() / true_ab.abs().mean()
        results.append((float(error), float(colorfulness(stack(result)) / colorfulness(stack(truth)))))
    return results


def report(sizes: tuple[int, bool], results: np.ndarray) -> None:
    """Print a row; `results` are (photographs, saturations, 2)."""
    plain = SATURATIONS.index(1.0)
    error, colour = results.mean(0).T
    better = (results[:, plain, 0] < 1).sum()
    equal = [np.interp(c, colour, error) if colour[0] <= c <= colour[-1] else np.nan for c in COLOURFULNESS]
    name = f"{sizes[0]} and 16" if sizes[1] else str(sizes[0])
    print(f"{name:10s}{error[plain]:12.3f}{colour[plain]:15.2f}{better:18d}", *(f"{value:8.3f}" for value in equal))


def stack(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as uint8 (1, 3, H, W)."""
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


def lab(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as Lab (3, H, W)."""
    return rgb_to_lab(stack(rgb)[0] / 255)


if __name__ == "__main__":
    main()
