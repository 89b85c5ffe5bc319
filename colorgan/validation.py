"""What a training run measures on its validation images."""

import torch
from torch import Tensor, nn

from colorgan.colorizer import Colorizer
from colorgan.data import ImageSet
from colorgan.metrics import coarse_ab, frechet_distance, grey_baseline, measure, summarize
from colorgan.models import Generator


def evaluate_generator(generator: nn.Module, validation: ImageSet) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Colourize the validation images: figures, grey's beside the model's, and some pictures to look at."""
    truth = validation.images
    outputs = colorize_all(generator, truth)
    with torch.autocast(truth.device.type, enabled=False):  # figures are exact, whatever the network runs in
        grey = grey_baseline(truth)
        figures = summarize(measure(outputs, truth)) | {"fd_ab": frechet_distance(coarse_ab(outputs), coarse_ab(truth))}
        baseline = summarize(measure(grey, truth))
    figures |= {f"grey_{name}": baseline[name] for name in ("psnr_pooled", "ab_mae")}
    return figures, {"grey": grey[:8], "output": outputs[:8], "truth": truth[:8]}


def colorize_all(generator: Generator, images: Tensor) -> Tensor:
    """Colourize uint8 images (N, 3, H, W) in batches; only their lightness is used."""
    colorizer = Colorizer(generator, images.device)
    return torch.cat([colorizer.colorize_batch(part) for part in images.split(500)])
