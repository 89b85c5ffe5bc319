"""Optimizers and learning rate schedules, as the options of the training scripts ask for them."""

import math

import torch
from torch import nn

from colorgan.training.config import TrainingConfig


def new_optimizer(config: TrainingConfig, network: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """An AdamW optimizer of all weights of a network; without weight decay it is Adam."""
    return torch.optim.AdamW(
        network.parameters(),
        learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        weight_decay=config.adam_weight_decay,
        fused=True,
    )


def learning_rate_factor(config: TrainingConfig, step: int, max_steps: int) -> float:
    """The learning rate of the optimizer step `step` (0 is the first of `max_steps`), divided by the peak rate.

    The factor rises linearly during the warm-up, which lasts at most a tenth of all steps. Afterwards it stays 1
    (`constant`), or it falls to 0 in a straight line (`linear`) or as half a cosine wave (`cosine`). With
    `lr_decay_steps` it falls in this many last steps only, and is 1 between the warm-up and these.
    """
    warmup = min(config.lr_warmup_steps, max_steps // 10)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    begin = max(warmup, max_steps - (config.lr_decay_steps or max_steps))
    progress = max(0, step - begin) / max(1, max_steps - begin)  # in [0, 1)
    if config.lr_scheduler == "constant":
        return 1.0
    if config.lr_scheduler == "linear":
        return 1 - progress
    return (1 + math.cos(math.pi * progress)) / 2
