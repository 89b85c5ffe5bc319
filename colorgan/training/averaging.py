"""Averages of weights: over the steps of a run, and over its processes."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(model: nn.Module, decay: float, steps_done: Callable[[], int]) -> AveragedModel:
    """A copy of the model that holds the exponential moving average of its weights and BatchNorm statistics."""

    def warmed_up(averages: Any, current: Any, count: Any) -> None:
        # the first averages follow faster, so that they forget the initial weights
        step = steps_done()
        get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))(averages, current, count)

    return AveragedModel(model, multi_avg_fn=warmed_up, use_buffers=True)


def average_buffers(accelerator: Accelerator, modules: Iterable[nn.Module]) -> None:
    """Set the BatchNorm statistics of every process to the mean over all processes."""
    buffers = [b for module in modules for b in module.buffers() if b.is_floating_point()]
    if buffers and accelerator.num_processes > 1:
        mean = mean_of_processes(accelerator, torch.cat([b.flatten() for b in buffers]))
        for buffer, part in zip(buffers, mean.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(part.view_as(buffer))


def mean_of_processes(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The mean of a tensor over all processes, the same in all of them."""
    mean = accelerator.reduce(values, "mean")
    assert isinstance(mean, Tensor)
    return mean


def to_channels_last(module: nn.Module) -> None:
    """Store the weights with their channels last, which makes convolutions faster."""
    module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # missing in torch's annotations
