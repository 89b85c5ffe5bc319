"""The end of a GAN's training: its weights can move back towards the regression that it began from."""

from colorgan.evaluation.evaluate import interpolate
from colorgan.models import Generator
from colorgan.training.run import Metrics, Run


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
