"""What is a regression missing? Tell it more than a grey picture says, teach it to listen, and see what it gains.

    python bench/hints.py --dataset_name FOLDER [--model unet] [--steps 900]

Each row teaches a copy of the network with another hint beside the picture: none, what the bundled classifier takes the
grey picture for, its true class, the mean colour of the truth. A linear layer makes a scale and a shift of each
residual block's output of it (FiLM, Perez et al. 2018), and begins with neither. All rows see the same batches, with
a squared error; the first is the control. Figures are those of the validation images, which have the true hint as well.
"""

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorgan import Generator
from colorgan.color import inputs_to_lab, lab_to_rgb, lightness_and_chroma, rgb_to_lab, to_uint8
from colorgan.data import Batches, ImageSet, load_images, split_indices
from colorgan.evaluation.metrics import ab_error, psnr_from, squared_error
from colorgan.models import Classifier, ResidualBlock

Hint = Callable[[Tensor, Tensor, Tensor], Tensor]  # lightness, chroma, labels -> (N, numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_name", default="uoft-cs/cifar10")
    parser.add_argument("--model", default="unet")
    parser.add_argument("--steps", type=int, default=900, help="of 64 images")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier = Classifier.from_pretrained("classifier").eval().to(device)
    hints: dict[str, tuple[int, Hint]] = {
        "nothing": (1, lambda lightness, chroma, labels: lightness.new_zeros(len(labels), 1)),
        "the class it is taken for": (10, lambda lightness, chroma, labels: guess(classifier, lightness)),
        "its true class": (10, lambda lightness, chroma, labels: F.one_hot(labels, 10).float()),
        "its mean colour": (2, lambda lightness, chroma, labels: 4 * chroma.mean((2, 3))),  # 4: up to about 1
    }
    images, _ = load_images(options.dataset_name, "train").without_grey()
    training, validation = (images[chosen].to(device) for chosen in split_indices(images.images, "random"))
    print(f"{len(validation.images)} validation images, `{options.model}` taught {options.steps} steps\n")
    print("| told | psnr_pooled | ab_mae |\n|---|---:|---:|")
    for name, (size, hint) in hints.items():
        torch.manual_seed(0)
        network = Hinted(Generator.from_pretrained(options.model), size).to(device)
        teach(network, Batches(training, 64, 0), hint, options.steps)
        psnr_pooled, ab_mae = figures(network, validation, hint)
        print(f"| {name} | {psnr_pooled:.2f} | {ab_mae:.2f} |", flush=True)


class Hinted(nn.Module):
    """A residual generator whose blocks are scaled and shifted by what a hint (N, numbers) says."""

    def __init__(self, generator: Generator, size: int):
        super().__init__()
        self.generator, self.films = generator, nn.ModuleList()
        for block in (module for module in generator.modules() if isinstance(module, ResidualBlock)):
            film = nn.Linear(size, 2 * block.conv1.in_channels)
            nn.init.zeros_(film.weight)
            nn.init.zeros_(film.bias)
            self.films.append(film)
            block.register_forward_hook(lambda _, __, x, film=film: self._modulate(x, film))

    def forward(self, lightness: Tensor, hint: Tensor) -> Tensor:
        self.hint = hint
        return self.generator(lightness)

    def _modulate(self, x: Tensor, film: nn.Linear) -> Tensor:
        scale, shift = film(self.hint)[..., None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


@torch.no_grad()
def guess(classifier: Classifier, lightness: Tensor) -> Tensor:
    """Probabilities (N, classes) of what a grey picture shows."""
    return classifier(lightness, lightness.new_zeros(len(lightness), 2, *lightness.shape[-2:])).softmax(1).float()


def teach(network: Hinted, batches: Batches, hint: Hint, steps: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), 6e-4, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-4, steps, pct_start=0.05, cycle_momentum=False)
    network.train()
    for k in range(steps):
        rgb, labels = batches[k]
        lightness, chroma = lightness_and_chroma(rgb)
        with torch.autocast(rgb.device.type, torch.bfloat16):
            output = network(lightness, hint(lightness, chroma, labels))
        F.mse_loss(output.float(), chroma).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


@torch.inference_mode()
def figures(network: Hinted, validation: ImageSet, hint: Hint) -> tuple[float, float]:
    network.eval()
    squared, absolute = [], []
    for rgb, labels in zip(validation.images.split(500), validation.labels.split(500), strict=True):
        lightness, chroma = lightness_and_chroma(rgb.float() / 255)
        predicted = network(lightness, hint(lightness, chroma, labels))
        output = to_uint8(lab_to_rgb(inputs_to_lab(lightness, predicted)))
        squared.append(squared_error(output, rgb))
        absolute.append(ab_error(*(rgb_to_lab(each.float() / 255) for each in (output, rgb))))
    return psnr_from(torch.cat(squared).mean()).item(), torch.cat(absolute).mean().item()


if __name__ == "__main__":
    main()
