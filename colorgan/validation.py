"""What a training run measures on its validation images."""

import torch
from torch import Tensor, nn

from colorgan.color import rgb_to_lab
from colorgan.colorizer import Colorizer
from colorgan.data import ImageSet
from colorgan.metrics import (
    ab_error,
    coarse_ab,
    colorfulness,
    frechet_distance,
    grey_baseline,
    measure,
    psnr_from,
    squared_error,
    summarize,
)
from colorgan.models import Generator

SHARE_STEP = 1 / 64  # how exactly `interpolate` finds its share


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


@torch.no_grad()
def interpolate(start: nn.Module, trained: nn.Module, validation: ImageSet, wanted: float) -> float:
    """Move trained weights back towards those they began from, until colours have `wanted` times the truth's strength.

    Network interpolation (Wang et al. 2018): the networks between a regression and the GAN that began from it are
    paler than the GAN and err less (bench/recipes.md). Gives the share of the trained weights in what `trained` now
    holds; 1, and nothing changed, if its colours are no stronger than wanted.
    """
    begin = start.to(next(trained.parameters()).device).state_dict()
    end = {name: value.clone() for name, value in trained.state_dict().items()}
    enough = wanted * colorfulness(validation.images).mean()
    low, high = 0.0, 1.0
    while high - low > SHARE_STEP:
        share = (low + high) / 2
        _mix(trained, begin, end, share)
        if colorfulness(colorize_all(trained, validation.images)).mean() < enough:
            low = share
        else:
            high = share
    _mix(trained, begin, end, high)
    return high


def _mix(model: nn.Module, begin: dict[str, Tensor], end: dict[str, Tensor], share: float) -> None:
    model.load_state_dict({name: begin[name].lerp(v, share) if v.is_floating_point() else v for name, v in end.items()})
