"""What a training run measures on its validation images."""

import torch
from torch import Tensor, nn

from colorgan.color import rgb_to_lab
from colorgan.colorizer import Colorizer
from colorgan.data import ImageSet
from colorgan.metrics import (
    ab_error,
    coarse_ab,
    frechet_distance,
    grey_baseline,
    measure,
    psnr_from,
    squared_error,
    summarize,
)
from colorgan.models import Generator


def evaluate_generator(generator: nn.Module, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Colourize the validation images: figures, grey's beside the model's, and some pictures to look at."""
    truth = validation.images
    outputs = colorize_all(generator, truth)
    with torch.autocast(truth.device.type, enabled=False):  # figures are exact, whatever the network runs in
        grey = grey_baseline(truth)
        figures = summarize(measure(outputs, truth)) | {"fd_ab": frechet_distance(coarse_ab(outputs), coarse_ab(truth))}
        figures["grey_psnr_pooled"] = psnr_from(squared_error(grey, truth).mean()).item()
        figures["grey_ab_mae"] = ab_error(rgb_to_lab(grey.float() / 255), rgb_to_lab(truth.float() / 255)).mean().item()
    return figures, {"grey": grey[:8], "output": outputs[:8], "truth": truth[:8]}


def colorize_all(generator: Generator, images: Tensor) -> Tensor:
    """Colourize uint8 images (N, 3, H, W) in batches; only their lightness is used."""
    colorizer = Colorizer(generator, images.device)
    return torch.cat([colorizer.colorize_batch(part) for part in images.split(500)])
