"""Are several colourings of one picture different, and is each as good as the single one?

    python bench/samples.py [--dataset_name uoft-cs/cifar10] [--models cgan nogan unet] [--max_images 2000]

Measures, on the coloured test images, the network's usual result and samples of it (`num_samples` of
`Colorizer.colorize`): each sample shows the network the image in another random light. `distance` is the mean absolute
difference of a and b between two samples of an image, in Lab units; `best` is the ab error of the sample nearest to the
truth. The strength of the light in colorgan/inference/inputs.py was chosen on validation images: the strongest that
leaves `fd` unchanged.
"""

import argparse
import itertools

import torch

from colorgan import Colorizer
from colorgan.color import inputs_to_lab, lab_to_rgb, lightness_and_chroma, rgb_to_lab, to_uint8
from colorgan.data import load_images
from colorgan.evaluation.evaluate import Evaluator
from colorgan.evaluation.metrics import ab_error, colorfulness, frechet_distance, psnr_from, squared_error
from colorgan.inference.inputs import draw_light, relight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["cgan", "nogan", "unet"])
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--max_images", type=int)
    parser.add_argument("--num_samples", type=int, default=4)
    options = parser.parse_args()
    images, _ = load_images(options.dataset_name, "test").without_grey()
    truth = images.images[: options.max_images]
    lightness, _ = lightness_and_chroma(truth.float() / 255)
    generator = torch.Generator().manual_seed(0)
    lights = [draw_light(generator, len(truth)) for _ in range(options.num_samples)]
    evaluator = Evaluator()
    goal, true_features = lab(truth), features(evaluator, truth)
    print(f"{len(truth)} images of {options.dataset_name} (test)\n")
    print("| | psnr_pooled | ab_mae | colorfulness | fd | distance | best |\n|---|---:|---:|---:|---:|---:|---:|")
    for name in options.models:
        colorizer = Colorizer.from_pretrained(name)
        outputs = [colours(colorizer, lightness, light) for light in (None, *lights)]
        for i, output in enumerate(outputs):
            errors = ab_error(lab(output), goal)
            metrics = f"{psnr_from(squared_error(output, truth).mean()):.2f} | {errors.mean():.2f}"
            distance = frechet_distance(features(evaluator, output), true_features)
            row = f"{name}, sample {i}" if i else name
            print(f"| {row} | {metrics} | {colorfulness(output).mean():.2f} | {distance:.3f} | | |", flush=True)
        samples = [lab(output) for output in outputs[1:]]
        between = torch.stack([ab_error(*pair).mean() for pair in itertools.combinations(samples, 2)]).mean()
        best = torch.stack([ab_error(sample, goal) for sample in samples]).amin(0).mean()
        print(f"| {name}, samples | | | | | {between:.2f} | {best:.2f} |", flush=True)


def colours(colorizer: Colorizer, lightness: torch.Tensor, light: torch.Tensor | None) -> torch.Tensor:
    """Return images (N, 3, H, W) uint8 with their own lightness, coloured by the network in this light."""
    seen = lightness if light is None else relight(lightness, light)
    parts = zip(lightness.split(100), seen.split(100), strict=True)
    return torch.cat([to_uint8(lab_to_rgb(inputs_to_lab(part, colorizer.run_network(input)))) for part, input in parts])


def lab(images: torch.Tensor) -> torch.Tensor:
    """Return CIE Lab (N, 3, H, W) of uint8 images."""
    return rgb_to_lab(images.float() / 255)


def features(evaluator: Evaluator, images: torch.Tensor) -> torch.Tensor:
    """Return the features (N, D) that `fd` compares."""
    return torch.cat([evaluator(part)[0]["fd"] for part in images.split(100)])


if __name__ == "__main__":
    main()
