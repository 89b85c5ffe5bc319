"""The end of a GAN's training: its colours can be made as strong as the true ones."""

import torch

from colorgan.color import LIGHTNESS_SCALE, lightness_of_bytes
from colorgan.data import ImageSet
from colorgan.evaluation.metrics import colorfulness as colorfulness_of
from colorgan.inference.predictor import Predictor, color_batch
from colorgan.models import Generator
from colorgan.training.run import Metrics, Run

LARGEST, PRECISION = 4.0, 1 / 256  # of the factor that `scale_colors` finds


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
    if factor == LARGEST:
        run.print(f"The colours were made {LARGEST:g} times as strong, which is not enough for --colorfulness.")
    sheet = f"step-{step:06d}-scaled"
    run.finish(model, run.validate(model, step, sheet, factor=factor), sheet)


@torch.no_grad()
def scale_colors(generator: Generator, validation: ImageSet, wanted: float) -> float:
    """Multiply the weights of the layer that gives chroma by a factor, and return it; it is in (0, 4].

    `wanted` is the colourfulness of the validation images' outputs, relative to the true images'; the largest factor
    may be too small for it. A short adversarial training leaves colours paler than the true ones; making them stronger
    costs some error (docs/recipes.md).
    """
    predictor = Predictor(generator, validation.images.device)
    lightness = [lightness_of_bytes(part) for part in validation.images.split(500)]
    # the layer's outputs, as if they were the same for a picture and its mirror image
    outputs = [predictor.run_network(part / LIGHTNESS_SCALE - 1).clamp(-0.999, 0.999).atanh() for part in lightness]
    enough = wanted * colorfulness_of(validation.images).mean()
    low, high = 0.0, LARGEST
    while high - low > PRECISION:
        factor = (low + high) / 2
        colored = (color_batch(part, torch.tanh(factor * each)) for part, each in zip(lightness, outputs, strict=True))
        if torch.cat([colorfulness_of(part) for part in colored]).mean() < enough:
            low = factor
        else:
            high = factor
    for weight in generator.chroma_layer.parameters():
        weight *= high
    return high
