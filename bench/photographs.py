"""How close are the colours of photographs to the truth?

    python bench/photographs.py FOLDER [--models unet cgan nogan] [--saturation 1] [--faded]

Every photograph of the folder is made grey and colourized at full size. `ab error` and `ciede2000` are relative to the
errors of the grey photograph (below 1 is better than no colour), `colourfulness` is relative to the true photograph's;
all are means over photographs.

`--faded` shows the network the lightness of a faded print instead (0.4 L + 35), once with the contrast that
`colorgan.inference.inputs.stretch_contrast` adds, and once without; its colours are put on the true lightness.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["unet", "cgan", "nogan"])
    parser.add_argument("--saturation", type=float, default=1.0, help="saturation of the results at full size")
    parser.add_argument("--faded", action="store_true", help="measure faded prints as well")
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


def stack(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as uint8 (1, 3, H, W)."""
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


def lab(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as Lab (3, H, W)."""
    return rgb_to_lab(stack(rgb)[0] / 255)


if __name__ == "__main__":
    main()
