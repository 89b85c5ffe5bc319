"""At which size should the network see a photograph? Error of ab relative to grey's, colourfulness to the truth's.

    python bench/render_size.py FOLDER_OF_COLOUR_PHOTOGRAPHS [--model unet] [--saturation 1]

Below 1 is better than leaving the photograph grey. Run it again when the checkpoint changes, and put the best size into
`RENDER_SIZE` in colorgan/colorizer.py. Rows like 32+48 are the mean of the chroma predicted at both sizes.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from colorgan import Colorizer
from colorgan.color import rgb_to_lab
from colorgan.metrics import colorfulness
from colorgan.photo import read_photo
from colorgan.render import render

SIZES = (32, 48, 64, 96, 128, 256)
FUSED = ((32, 48), (32, 64), (32, 48, 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="unet")
    parser.add_argument("--saturation", type=float, default=1.0)
    options = parser.parse_args()
    colorizer = Colorizer.from_pretrained(options.model)
    errors, colours = {}, {}
    for path in sorted(path for path in options.folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg")):
        truth = np.asarray(Image.open(path).convert("RGB"))
        photo, ab = read_photo(truth), lab(truth)[1:]
        chroma = {(size,): colorizer.predict(photo, render_size=size) for size in SIZES}
        for sizes in FUSED:
            largest = chroma[(sizes[-1],)].shape[-2:]
            each = [F.interpolate(chroma[(size,)][None], largest, mode="bicubic")[0] for size in sizes]
            chroma[sizes] = torch.stack(each).mean(0)
        for sizes, predicted in chroma.items():
            result = render(photo, predicted, saturation=options.saturation)
            errors.setdefault(sizes, []).append(float((lab(result)[1:] - ab).abs().mean() / ab.abs().mean()))
            colours.setdefault(sizes, []).append(float(colorfulness(stack(result)) / colorfulness(stack(truth))))
    print(f"{options.model}, saturation {options.saturation:g}, {len(errors[(32,)])} photographs")
    print("render size   ab error / grey's   colourfulness / truth's   photographs better than grey")
    for sizes, values in errors.items():
        better = sum(value < 1 for value in values)
        name = "+".join(map(str, sizes))
        print(f"{name:12s}  {np.mean(values):17.3f}   {np.mean(colours[sizes]):23.2f}   {better}")


def stack(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


def lab(rgb: np.ndarray) -> torch.Tensor:
    return rgb_to_lab(stack(rgb)[0] / 255)


if __name__ == "__main__":
    main()
