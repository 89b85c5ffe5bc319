"""How much do hints improve the colours, and do suggestions help to choose them?

    python bench/hints.py [--dataset_name uoft-cs/cifar10] [--model unet] [--max_images 2000]
    python bench/hints.py --photographs FOLDER [--split validation] [--model photo] [--max_images 100]

A hint is a random pixel with its true colour. On test images of CIFAR-10, which have colour, `psnr_pooled` and `psnr`
are those of colorgan/evaluation/metrics.py. Of photographs, `psnr` is at full size, and `ab error` is the error at full
size relative to that of the grey photograph: the mean over photographs, and pooled. The last line is the mean CIEDE2000
between the true colour of random pixels and the network's suggestions there: the first one, and the nearest of all.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from colorgan import Colorizer, Hint, read_photo, render
from colorgan.color import ciede2000, rgb_to_lab
from colorgan.data import load_images
from colorgan.evaluation.metrics import ab_error, psnr_from, squared_error
from colorgan.evaluation.photo_set import Photographs, open_photographs
from colorgan.inference.distribution import color_distribution
from colorgan.inference.suggestions import suggest
from colorgan.pictures import decode, to_rgb

COUNTS = (0, 1, 2, 5, 10, 20, 50)
SUGGESTED = 5  # pixels of each photograph for which colours are suggested


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="default: unet, or photo with --photographs")
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--max_images", type=int)
    parser.add_argument(
        "--photographs", metavar="FOLDER", help="a folder or data set of photographs, instead of images"
    )
    parser.add_argument("--split", help="of the photographs (default: test if there is one, otherwise train)")
    options = parser.parse_args()
    if options.photographs:
        photographs = open_photographs(options.photographs, options.split, max_images=options.max_images)
        print(measure_photographs(options.model or "photo", photographs).report)
        return
    colorizer = Colorizer.from_pretrained(options.model or "unet")
    images, _ = load_images(options.dataset_name, "test").without_grey()
    truth = images.images[: options.max_images]
    print(f"{len(truth)} images of {options.dataset_name} (test), {options.model or 'unet'}\n")
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
    photo, hints = read_photo(truth), true_hints(truth, max(COUNTS), seed)
    return [render(photo, colorizer.predict(photo, hints=hints[:n]), hints=hints[:n]) for n in COUNTS]


def true_hints(truth: np.ndarray, count: int, seed: int) -> list[Hint]:
    """Return hints at random pixels of a photograph (H, W, 3), uint8, with their true colours."""
    height, width = truth.shape[:2]
    hints = []
    for y, x in np.random.default_rng(seed).random((count, 2)):
        red, green, blue = truth[int(y * height), int(x * width)].tolist()
        hints.append(Hint(x, y, f"rgb({red}, {green}, {blue})"))
    return hints


@dataclass
class Curve:
    """Metrics of photographs by the number of hints: psnr (dB), and ab error relative to grey's, mean and pooled."""

    title: str
    label: str  # a short title
    psnr: list[float]
    mean_error: list[float]
    pooled_error: list[float]
    suggested: tuple[float, float]  # CIEDE2000 of the first suggestion, and of the nearest one

    @property
    def report(self) -> str:
        """A table in Markdown, and a line about suggestions."""
        rows = zip(COUNTS, self.psnr, self.mean_error, self.pooled_error, strict=True)
        lines = [f"| {count} | {psnr:.2f} | {mean:.3f} | {pooled:.3f} |" for count, psnr, mean, pooled in rows]
        head = f"{self.title}\n\n| hints | psnr | ab error | pooled |\n|---:|---:|---:|---:|\n"
        first, nearest = self.suggested
        return (
            head
            + "\n".join(lines)
            + f"\n\nsuggestions: CIEDE2000 of the first {first:.2f}, of the nearest {nearest:.2f}"
        )


def measure_photographs(model: str, photographs: Photographs) -> Curve:
    """Measure the results of a network on photographs with each number of hints, and its suggestions."""
    colorizer, errors, greys, psnr, suggested = Colorizer.from_pretrained(model), [], [], [], []
    for seed, (_, row) in enumerate(photographs):
        truth = np.asarray(to_rgb(decode(row[photographs.image_column])))
        goal = rgb_to_lab(stack(truth) / 255)
        grey = goal * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        greys.append(ab_error(grey, goal).mean().item())
        outputs = [stack(pixels) for pixels in results(colorizer, truth, seed)]
        psnr.append([psnr_from(squared_error(output, stack(truth))).item() for output in outputs])
        errors.append([ab_error(rgb_to_lab(output / 255), goal).mean().item() for output in outputs])
        suggested += suggestion_errors(colorizer, truth, seed)
    table, grey = np.array(errors), np.array(greys)
    return Curve(
        f"{len(photographs)} photographs of {photographs.title}, {model}",
        f"{model}, {len(photographs)} photographs",
        np.mean(psnr, 0).tolist(),
        (table / grey[:, None]).mean(0).tolist(),
        (table.sum(0) / grey.sum()).tolist(),
        tuple(np.mean(suggested, 0)),
    )


def suggestion_errors(colorizer: Colorizer, truth: np.ndarray, seed: int) -> list[tuple[float, float]]:
    """CIEDE2000 between the true colours of random pixels and what is suggested there: the first, and the nearest."""
    photo = read_photo(truth)
    distribution, found = color_distribution(colorizer, photo), []
    for hint in true_hints(truth, SUGGESTED, seed):
        colors = suggest(distribution, photo, hint.x, hint.y)
        rgb = torch.tensor([list(bytes.fromhex(color[1:])) for color in colors]).T[None, :, None]
        row, column = hint.pixel(*truth.shape[:2])
        difference = ciede2000(
            rgb_to_lab(rgb / 255), rgb_to_lab(stack(truth[row : row + 1, column : column + 1]) / 255)
        )
        found.append((difference.flatten()[0].item(), difference.min().item()))
    return found


def stack(rgb: np.ndarray) -> torch.Tensor:
    """Return uint8 (H, W, 3) as uint8 (1, 3, H, W)."""
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main()
