"""At which size, and at which temperature, should a network see photographs? Chosen on validation images.

    python bench/render_size.py DATASET [--model photo] [--sizes 32 64 96 128] [--temperatures 0.38 0.6]
        [--resolution 80] [--max_images 400]

The images are those that training with `--validation_split random` and the same `--resolution` validates with: a tenth
of the split `train`. Each is colourized as by `Colorizer.colorize`. `ab error` is relative to the error of the grey
image (below 1 is better than no colour), once as the mean over images and once pooled: the sum of errors by the sum of
grey's. `colourfulness` is relative to the true images'. `ms` is the time of the prediction of one image.

`--temperatures` measures the annealed mean of a network with two heads; without it, the network's own output. Smaller
pictures, such as CIFAR-10's, are measured with `--resolution 32`. Set the best size in `colorgan/unets.py`, or as
`render_size` in the config.json of a checkpoint, and never choose it by results that are reported.
"""

import argparse
import time

import numpy as np
import torch

from colorgan import DEFAULT_MODEL, Colorizer
from colorgan.color import rgb_to_lab
from colorgan.data import load_images, split_indices
from colorgan.evaluation.metrics import ab_error, colorfulness
from colorgan.inference.render import render
from colorgan.photo import read_photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_name", metavar="DATASET", help="folder or Hub id of coloured photographs")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 96, 128])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[])
    parser.add_argument("--resolution", type=int, default=80)
    parser.add_argument("--max_images", type=int, default=400)
    options = parser.parse_args()
    colorizer = Colorizer.from_pretrained(options.model)
    images, _ = load_images(options.dataset_name, "train", options.resolution).without_grey()
    _, validation = split_indices(images.images, "random")
    truth = images[validation[:: max(1, len(validation) // options.max_images)][: options.max_images]].images
    print(f"{options.model}: {len(truth)} validation images of {options.resolution} pixels\n")
    print(
        "| seen at | ab error | ab error, pooled | better than grey | colourfulness | ms |\n"
        + "|---"
        + "|---:" * 5
        + "|"
    )
    for temperature in options.temperatures or [colorizer.generator.temperature]:
        colorizer.generator.temperature = temperature
        for size in options.sizes:
            name = str(size) if temperature is None else f"{size}, T = {temperature:g}"
            print(f"| {name} | {' | '.join(measure(colorizer, truth, size))} |", flush=True)


def measure(colorizer: Colorizer, truth: torch.Tensor, size: int) -> tuple[str, ...]:
    """The cells of a row for uint8 images (N, 3, H, W): the errors, the share better than grey, colourfulness, ms."""
    outputs, milliseconds = torch.empty_like(truth), []
    for i, image in enumerate(truth):
        photo = read_photo(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))
        began = time.perf_counter()
        chroma = colorizer.predict(photo, render_size=size)
        milliseconds.append(1000 * (time.perf_counter() - began))
        outputs[i] = torch.from_numpy(render(photo, chroma)).permute(2, 0, 1)
    goal = rgb_to_lab(truth.float() / 255)
    grey = goal * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    errors, greys = ab_error(rgb_to_lab(outputs.float() / 255), goal), ab_error(grey, goal)
    ratio = errors / greys.clamp(min=0.1)  # of nearly grey images
    colour = colorfulness(outputs).mean() / colorfulness(truth).mean()
    numbers = [ratio.mean(), errors.sum() / greys.sum(), (errors < greys).float().mean(), colour]
    return *(f"{number:.3f}" for number in numbers), f"{np.median(milliseconds):.1f}"


if __name__ == "__main__":
    main()
