"""The end of a GAN's training: its colours can be made as strong as the true ones."""

import torch

from colorgan.data import ImageSet
from colorgan.evaluation.evaluate import colorize_all
from colorgan.evaluation.metrics import colorfulness as colorfulness_of
from colorgan.models import Generator
from colorgan.training.run import Metrics, Run

LARGEST, PRECISION = 4.0, 1 / 256  # of the factor that `scale_colors` finds
IMAGES = 1000  # of the validation images, on which it is chosen


def finish_at_colorfulness(
    run: Run, model: Generator, colorfulness: float | None, metrics: Metrics | None = None
) -> None:
    """Finish a run with `model`, after multiplying its colours if that is asked for.

    Then the colours of the validation images are `colorfulness` times as strong as the true ones (see `scale_colors`),
    and the result is validated as well. The model stays as it is if `colorfulness` is None, or if the run was
    interrupted. `metrics` are those of `model`, by default those of the last step.
    """
    if colorfulness is None or run.stop.interrupted:
        run.finish(model, metrics)
        return
    step = int(metrics["step"]) if metrics else run.step
    factor = scale_colors(model, run.validation, colorfulness) if run.accelerator.is_main_process else 1.0
    sheet = f"step-{step:06d}-scaled"
    run.finish(model, run.validate(model, step, sheet, factor=factor), sheet)


@torch.no_grad()
def scale_colors(generator: Generator, validation: ImageSet, wanted: float) -> float:
    """Multiply the weights of the layer that gives chroma by a factor, and return it; it is in (0, 4].

    `wanted` is the colourfulness of the first 1,000 validation images' outputs, relative to the true images'. A short
    adversarial training leaves colours paler than the true ones; the factor costs some error (docs/recipes.md).
    """
    layer = generator.chroma_layer
    assert layer.bias is not None
    weight, bias = layer.weight.clone(), layer.bias.clone()
    images = validation.images[:IMAGES]
    enough = wanted * colorfulness_of(images).mean()
    low, high = 0.0, LARGEST
    while high - low > PRECISION:
        factor = (low + high) / 2
        layer.weight.copy_(weight * factor)
        layer.bias.copy_(bias * factor)
        if colorfulness_of(colorize_all(generator, images)).mean() < enough:
            low = factor
        else:
            high = factor
    layer.weight.copy_(weight * high)
    layer.bias.copy_(bias * high)
    return high
