"""The end of a GAN's training: its weights can move back towards the regression that it began from."""

import torch
from torch import Tensor, nn

from colorgan.data import ImageSet
from colorgan.evaluation.evaluate import colorize_all
from colorgan.evaluation.metrics import colorfulness as colorfulness_of
from colorgan.models import Generator
from colorgan.training.run import Metrics, Run

SHARE_STEP = 1 / 64  # precision of the share that `interpolate` finds


def finish_at_colorfulness(
    run: Run, model: Generator, start: str | None, colorfulness: float | None, metrics: Metrics | None = None
) -> None:
    """Finish a run with `model`, after moving its weights back towards the checkpoint `start` if that is asked for.

    The weights move until the colours of the validation images are `colorfulness` times as strong as the true ones
    (see `interpolate`), and the result is validated as well. They stay as they are if `colorfulness` or `start` is
    None, or if the run was interrupted. `metrics` are those of `model`, by default those of the last step.
    """
    if colorfulness is None or start is None or run.stop.interrupted:
        run.finish(model, metrics)
        return
    step = int(metrics["step"]) if metrics else run.step
    share = 1.0
    if run.accelerator.is_main_process:
        share = interpolate(Generator.from_pretrained(start), model, run.validation, colorfulness)
    sheet = f"step-{step:06d}-interpolated"
    run.finish(model, run.validate(model, step, sheet, share=share), sheet)


@torch.no_grad()
def interpolate(start: nn.Module, trained: Generator, validation: ImageSet, wanted: float) -> float:
    """Move trained weights back towards those they began from, until the colours are as strong as wanted.

    `wanted` is the colourfulness of the validation images' outputs, relative to the true images'. Returns the share of
    the trained weights in the weights that `trained` has afterwards, in (0, 1]; it is 1, and nothing changes, if the
    colours are not stronger than wanted. Network interpolation (Wang et al. 2018): the networks between a regression
    and the GAN that began from it are paler than the GAN and have smaller errors (docs/recipes.md).
    """
    begin = start.to(next(trained.parameters()).device).state_dict()
    end = {name: value.clone() for name, value in trained.state_dict().items()}
    enough = wanted * colorfulness_of(validation.images).mean()
    low, high = 0.0, 1.0
    while high - low > SHARE_STEP:
        share = (low + high) / 2
        _mix(trained, begin, end, share)
        if colorfulness_of(colorize_all(trained, validation.images)).mean() < enough:
            low = share
        else:
            high = share
    _mix(trained, begin, end, high)
    return high


def _mix(model: nn.Module, begin: dict[str, Tensor], end: dict[str, Tensor], share: float) -> None:
    model.load_state_dict({name: begin[name].lerp(v, share) if v.is_floating_point() else v for name, v in end.items()})
