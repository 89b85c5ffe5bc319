"""How much do hints improve the colours?

    python bench/hints.py [--dataset_name uoft-cs/cifar10] [--model unet] [--max_images 2000]
    python bench/hints.py --photographs FOLDER [--model unet]

A hint is a random pixel with its true colour. On test images of CIFAR-10, which have colour, `psnr_pooled` and `psnr`
are those of colorgan/evaluation/metrics.py. Of photographs, `ab error` is the error at full size relative to that of
the grey photograph: the mean over photographs, and pooled.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colorgan import Colorizer, Hint, read_photo, render
from colorgan.color import rgb_to_lab
from colorgan.data import load_images
from colorgan.evaluation.metrics import ab_error, psnr_from, squared_error

COUNTS = (0, 1, 2, 5, 10, 20, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unet")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--max_images", type=int)
    parser.add_argument("--photographs", type=Path, help="a folder of photographs, instead of the data set")
    options = parser.parse_args()
    colorizer = Colorizer.from_pretrained(options.model)
    if options.photographs:
        measure_photographs(colorizer, options.photographs)
        return
    images, _ = load_images(options.dataset_name, "test").without_grey()
    truth = images.images[: options.max_images]
    print(f"{len(truth)} images of {options.dataset_name} (test), {options.model}\n")
    print("| hints | psnr_pooled | psnr |\n|---:|---:|---:|", flush=True)
    errors = torch.stack([errors_of(colorizer, image, seed) for seed, image in enumerate(truth)], dim=1)
    for count, error in zip(COUNTS, errors, strict=True):
        print(f"| {count} | {psnr_from(error.mean()):.2f} | {psnr_from(error).mean():.2f} |", flush=True)


def errors_of(colorizer: Colorizer, image: torch.Tensor, seed: int) -> torch.Tensor:
    """Return the squared errors of an image (3, H, W), uint8, in colours with each number of hints: (counts,)."""
    truth = image.permute(1, 2, 0).numpy()
    return torch.cat([squared_error(stack(pixels), image[None]) for pixels in results(colorizer, truth, seed)])


def results(colorizer: Colorizer, truth: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return a photograph (H, W, 3), uint8, in colours with each number of hints; more hints include the fewer ones."""
    photo, (height, width) = read_photo(truth), truth.shape[:2]
    places = np.random.default_rng(seed).random((max(COUNTS), 2))
    hints = []
    for y, x in places:
        red, green, blue = truth[int(y * height), int(x * width)].tolist()
        hints.append(Hint(x, y, f"rgb({red}, {green}, {blue})"))
    return [render(photo, colorizer.predict(photo, hints=hints[:n]), hints=hints[:n]) for n in COUNTS]


def measure_photographs(colorizer: Colorizer, folder: Path) -> None:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    errors, greys = [], []
    for seed, path in enumerate(paths):
        truth = np.asarray(Image.open(path).convert("RGB"))
        goal = rgb_to_lab(stack(truth) / 255)
        grey = goal * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        greys.append(ab_error(grey, goal).mean().item())
        outputs = [rgb_to_lab(stack(pixels) / 255) for pixels in results(colorizer, truth, seed)]
        errors.append([ab_error(output, goal).mean().item() for output in outputs])
    table, grey = np.array(errors), np.array(greys)
    print(f"{len(paths)} photographs of {folder}\n")
    print("| hints | ab error | pooled |\n|---:|---:|---:|")
    for count, error in zip(COUNTS, table.T, strict=True):
        print(f"| {count} | {(error / grey).mean():.3f} | {error.sum() / grey.sum():.3f} |")


def stack(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as uint8 (1, 3, H, W)."""
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main()
