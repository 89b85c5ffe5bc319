"""One training run: what the recipes share, from Accelerate's set-up to the finished checkpoint.

A recipe creates a `Run`, loads the data, builds its networks and optimizers, loops over `run.steps(...)`, calls
`run.update(...)` for each loss and `run.end_step(...)` for each batch, and ends with `run.finish(...)`.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate.utils import broadcast_object_list, set_seed
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import tqdm

from colorgan.data import Batches, ImageSet
from colorgan.evaluation.evaluate import evaluate_generator
from colorgan.evaluation.grid import save_grid
from colorgan.hub.checkpoint import Checkpoint
from colorgan.training.averaging import average_buffers, mean_of_processes, moving_average, to_channels_last
from colorgan.training.checkpoints import (
    Attributes,
    Stop,
    TrainingError,
    find_state,
    last_state,
    load_state,
    make_folder,
    save_state,
)
from colorgan.training.config import TrainingConfig
from colorgan.training.images import load_split_images
from colorgan.training.launch import command_of, hardware, publish, start_accelerator
from colorgan.training.optimization import learning_rate_factor
from colorgan.training.record import write_checkpoint
from colorgan.training.tracking import log_picture, start_trackers

Network = TypeVar("Network", bound=nn.Module)
Metrics = dict[str, float]  # numbers by their names
# measures a network on the validation images: metrics, and columns of pictures by their titles (can be empty)
Evaluate = Callable[[Any, ImageSet], tuple[Metrics, dict[str, Tensor]]]


class Run:
    """A training run that can be stopped at any step and resumed bit for bit."""

    def __init__(self, config: TrainingConfig, evaluate: Evaluate = evaluate_generator):
        self.accelerator, config = start_accelerator(config)
        self.config, self.evaluate = config, evaluate
        self.device = self.accelerator.device
        self.resume_folder = find_state(config.resume_from_checkpoint, config.output_dir)
        make_folder(config.output_dir)
        self.step = 0  # optimizer steps done
        self.seconds = 0.0  # time of training, including the time before it was resumed
        self.history: list[Metrics] = []  # of all validations, the same in all processes
        self.best: Metrics | None = None  # of the step that `keep_best` has kept
        self.stop = Stop(self.accelerator, self.print)
        self._modules: list[nn.Module] = []
        self._optimizers: list[torch.optim.Optimizer] = []
        self._best: nn.Module | None = None
        self._recent: list[dict[str, Tensor]] = []  # losses since the last report
        set_seed(config.seed)

    # data

    def load_data(self) -> Batches:
        """Return the training batches, and keep the validation images in `validation`. Raises `DatasetError`."""
        config = self.config
        training, validation, self.data = load_split_images(config)
        self.validation = validation.to(self.device)
        self.sizes = {"training": len(training), "validation": len(validation)}
        batches = Batches(
            training.to(self.device),
            config.train_batch_size,
            config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        per_step = config.gradient_accumulation_steps
        self.max_steps = config.max_train_steps or max(1, config.num_train_epochs * batches.per_epoch // per_step)
        self.print(
            f"{len(training)} training and {len(validation)} validation images "
            f"({self.data['num_grey_removed']} exactly grey ones left out), "
            f"{self.max_steps} steps of {per_step} x {self.accelerator.num_processes} x {config.train_batch_size}"
        )
        return batches

    # networks

    def average(self, model: Network) -> Network:
        """Return a copy of `model` that holds the moving average of its weights. Call before `prepare`."""
        to_channels_last(model.to(self.device))
        self._averaged = moving_average(model, self.config.ema_decay, lambda: self.step)
        self._averaged_source = model
        self.accelerator.register_for_checkpointing(self._averaged)
        return self._averaged.module  # pyright: ignore[reportReturnType]  # a deep copy has the same type

    def keep_best(self, average: Network, metric: str) -> Network:
        """Return a copy of the averaged model that holds the weights of the validated step whose `metric` is lowest."""
        best = copy.deepcopy(average)
        self._best, self._best_by = best, metric
        self.accelerator.register_for_checkpointing(best)
        return best

    def prepare(self, *objects: nn.Module | torch.optim.Optimizer) -> tuple[Any, ...]:
        """Prepare networks and optimizers for the device and the processes; then load the state to resume from."""
        for item in objects:
            if isinstance(item, nn.Module):
                to_channels_last(item)
        prepared = [self.accelerator.prepare(item) for item in objects]
        self._modules = [item for item in prepared if isinstance(item, nn.Module)]
        self._optimizers = [item for item in prepared if not isinstance(item, nn.Module)]
        if self.config.compile:
            for module in self._modules:
                module.compile()
        self.accelerator.register_for_checkpointing(Attributes(self, "step", "seconds", "history", "best"))
        if self.resume_folder:
            load_state(self.accelerator, self.resume_folder, self._optimizers)
            self.print(f"Resumed from {self.resume_folder} at step {self.step}.")
        else:
            set_seed(self.config.seed, device_specific=True)  # other noise in each process
        start_trackers(self.accelerator, self.config)
        return tuple(prepared)

    @contextmanager
    def frozen(self, network: nn.Module) -> Iterator[nn.Module]:
        """Inside the block, the network passes gradients on to its input; its own weights get no gradients."""
        network.requires_grad_(False)
        try:
            yield self.accelerator.unwrap_model(network)  # the wrapper would wait for the other processes' gradients
        finally:
            network.requires_grad_(True)

    # the loop

    def steps(
        self, batches: Batches, until: Callable[[Metrics], bool] = lambda metrics: False
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield batches of (rgb, labels) until the last step, or until a validation fulfils the condition `until`.

        The learning rates are set before each optimizer step.
        """
        self._until = until
        self._bar = tqdm(
            total=self.max_steps, initial=self.step, disable=not self.accelerator.is_main_process, unit="step"
        )
        per_step = self.config.gradient_accumulation_steps
        began = time.monotonic() - self.seconds
        with self.stop.on_signals(), self._bar:
            while not self._is_last_step():
                self._set_learning_rates()
                for k in range(self.step * per_step, (self.step + 1) * per_step):
                    yield batches[k]
                    self.seconds = time.monotonic() - began

    def update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Add the gradient of `loss`; in the last batch of an optimizer step, limit its norm and take the step."""
        self.accelerator.backward(loss)
        if self.config.max_grad_norm and self.accelerator.sync_gradients:
            self.accelerator.unscale_gradients(optimizer)  # pyright: ignore[reportArgumentType]  # None in its stubs
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            clip_grad_norm_(weights, self.config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    def end_step(self, **losses: Tensor) -> None:
        """Call after each batch with its losses: averages the weights, and reports, validates and saves when due."""
        self._recent.append({name: loss.detach() for name, loss in losses.items()})
        if not self.accelerator.sync_gradients:
            return
        self.step += 1
        average_buffers(self.accelerator, self._modules)
        self._averaged.update_parameters(self._averaged_source)
        self.stop.agree(ask=self.step % self.config.logging_steps == 0)
        regular = self.step % self.config.validation_steps == 0 or self.step == self.max_steps
        if self.step % self.config.logging_steps == 0 or self._is_last_step():
            self._report_losses()
        if regular:
            self._keep_if_best(self.validate())
        if self.step % self.config.checkpointing_steps == 0 or self._is_last_step():
            self.save()
        if self.stop.interrupted and not regular:  # not in the state, so that a resumed run becomes the same
            self.validate()

    def validate(
        self, model: nn.Module | None = None, step: int | None = None, sheet: str | None = None, **more: float
    ) -> Metrics:
        """Measure a model (default: the averaged weights) on the validation images and return the metrics.

        `step` is the step that the model is from (default: the last one), `sheet` the name of the picture file in
        `samples` (default: that of the step), and `more` is added to the metrics. The main process measures, and all
        processes return the same.
        """
        step = step or self.step
        metrics: Metrics = {}
        if self.accelerator.is_main_process:
            with self.accelerator.autocast():
                measured, columns = self.evaluate((model or self._averaged.module).eval(), self.validation)
            self.print(f"step {step}: " + ", ".join(f"{k} {value:.2f}" for k, value in (measured | more).items()))
            self.accelerator.log({f"validation/{k}": value for k, value in (measured | more).items()}, step=self.step)
            if columns:
                path = self.config.output_dir / "samples" / f"{sheet or self._sheet(step)}.png"
                save_grid(path, columns)
                log_picture(self.accelerator, path, self.step)
            metrics = {"step": step, "seconds": round(self.seconds), **measured, **more}
        metrics = broadcast_object_list([metrics])[0]
        self.history.append(metrics)
        return metrics

    def _is_last_step(self) -> bool:
        return self.step >= self.max_steps or self.stop.interrupted or any(map(self._until, self.history))

    def _keep_if_best(self, metrics: Metrics) -> None:
        if self._best and (self.best is None or metrics[self._best_by] < self.best[self._best_by]):
            self._best.load_state_dict(self._averaged.module.state_dict())
            self.best = metrics

    def _set_learning_rates(self) -> None:
        factor = learning_rate_factor(self.config, self.step, self.max_steps)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak_lr", group["lr"]) * factor

    def _report_losses(self) -> None:
        names = self._recent[0].keys()
        means = torch.stack([torch.stack([losses[name].float() for losses in self._recent]).mean() for name in names])
        values = dict(zip(names, mean_of_processes(self.accelerator, means).tolist(), strict=True))
        self._recent.clear()
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._diverged(f"The loss {name} became {value}")
        self._bar.update(self.step - self._bar.n)
        self._bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()})
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=self.step)

    # saving

    def save(self) -> None:
        """Save a training state to resume from. Raises `TrainingError` if the weights are not finite."""
        for module in self._modules:
            if not all(p.isfinite().all() for p in module.parameters()):
                raise self._diverged("Weights became infinite or NaN")
        save_state(self.accelerator, self.config.output_dir, self.step, self.config.checkpoints_total_limit)

    def finish(self, model: Checkpoint, metrics: Metrics | None = None, sheet: str | None = None) -> None:
        """Write `model` as a checkpoint folder with its record and card, and publish it if that was asked for.

        `metrics` are those of the model (default: of the last validation), `sheet` is its picture in `samples`.
        """
        for tracker in self.accelerator.trackers:
            tracker.finish()
        if self.accelerator.is_main_process:
            metrics = metrics or (self.history[-1] if self.history else {})
            sheet = sheet or self._sheet(int(metrics.get("step", self.step)))
            write_checkpoint(self.config.output_dir, model, self._record(metrics), sheet)
            state = "Stopped" if self.stop.interrupted else "Done"
            minutes, folder = self.seconds / 60, self.config.output_dir
            self.print(f"{state} at step {self.step} after {minutes:.1f} min; the checkpoint is {folder}.")
            if self.stop.interrupted:
                self.print("To continue, run the same command with --resume_from_checkpoint latest.")
            elif self.config.push_to_hub:
                publish(self.config)
        self.accelerator.wait_for_everyone()

    def _record(self, metrics: Metrics) -> dict[str, Any]:
        return {
            "kind": "evaluator" if self.config.preset.endswith("evaluator") else Path(sys.argv[0]).stem,
            "command": command_of(sys.argv),
            "config": self.config.record(),
            "steps": self.step,
            "seconds": round(self.seconds),
            "processes": self.accelerator.num_processes,
            "hardware": hardware(self.device),
            "data": self.data,
            "images": self.sizes,
            "finished": not self.stop.interrupted,
            "metrics": metrics,
            "validation": self.history,
        }

    def _diverged(self, what: str) -> TrainingError:
        good = last_state(self.config.output_dir) or "none yet"
        return TrainingError(
            f"{what} by step {self.step}; resume from the last good state ({good}) with a lower learning rate."
        )

    @staticmethod
    def _sheet(step: int) -> str:
        return f"step-{step:06d}"

    def print(self, text: str) -> None:
        """Print a line above the progress bar, in the main process only."""
        if self.accelerator.is_main_process:
            tqdm.write(text)
