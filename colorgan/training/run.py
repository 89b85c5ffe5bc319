"""What the training scripts share: Accelerate, steps that can be resumed, the weights' average, validation, saving.

A script makes a `Run`, its data, networks and optimizers, loops over `run.steps(...)` and calls `run.end_step(...)`.
"""

import copy
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import ProjectConfiguration, set_seed
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from colorgan.cards import write_training_card
from colorgan.data import Batches, DatasetError, ImageSet, load_images, split_indices
from colorgan.evaluation.evaluate import evaluate_generator, interpolate
from colorgan.evaluation.grid import save_grid
from colorgan.hub.checkpoint import Checkpoint
from colorgan.models import Generator
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
from colorgan.training.launch import command_of, fastest_precision, hardware, keep_freed_memory, process, publish

# a network and the validation images -> figures by name, and columns of pictures (none, if there is nothing to see)
Evaluate = Callable[[nn.Module, ImageSet], tuple[dict[str, float], dict[str, Tensor]]]


class Run:
    """One training run: where it is, what it has seen, and all it needs to be stopped and resumed bit for bit."""

    def __init__(self, config: TrainingConfig, evaluate: Evaluate | None = None):
        if config.mixed_precision == "auto":  # and so it is recorded
            config = replace(config, mixed_precision=fastest_precision(process().device))
        self.config, self.evaluate = config, evaluate or evaluate_generator
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            log_with=None if config.report_to == "none" else config.report_to,
            project_config=ProjectConfiguration(
                project_dir=str(config.output_dir), logging_dir=str(config.output_dir / "logs")
            ),
            # buffers are averaged in end_step: broadcasting them would write into the graph of a second forward pass
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        self.device = self.accelerator.device
        self.resume_folder = find_state(config.resume_from_checkpoint, config.output_dir)
        newest = last_state(config.output_dir)
        if newest and not (self.resume_folder and self.resume_folder.samefile(newest)):
            raise TrainingError(
                f"{newest} is a training state of another run, or a later one of this: go on from it with "
                "--resume_from_checkpoint latest, or give another --output_dir."
            )
        make_folder(config.output_dir)
        self.step = 0  # optimizer steps done
        self.seconds = 0.0  # of training, over all resumed parts
        self.history: list[dict[str, float]] = []  # figures of each validation
        self.best: dict[str, float] | None = None  # those of the step that `keep_best` keeps, in the main process
        self.stop = Stop(self.accelerator, self.print)
        self._modules: list[nn.Module] = []
        self._optimizers: list[torch.optim.Optimizer] = []
        self._best: nn.Module | None = None
        self._recent: list[dict[str, Tensor]] = []  # losses since the last report
        set_seed(config.seed)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
            torch.set_float32_matmul_precision("high")  # TF32 where no half precision is asked for
        else:
            keep_freed_memory()

    # data

    def load_data(self) -> Batches:
        """The training batches; the validation images stay with the run. Raises `DatasetError`."""
        images, greys = load_images(self.config.dataset_name, "train", self.config.resolution).without_grey()
        if len(images) < 20:  # of which two are for validation
            raise DatasetError(
                f"{self.config.dataset_name} has {len(images)} images with colour; training and validation need 20."
            )
        training, validation = split_indices(images.images, self.config.validation_split, self.config.seed)
        self.validation = images[validation].to(self.device)
        self.sizes = {"training": len(training), "validation": len(validation), "grey_removed": greys}
        batches = Batches(
            images[training].to(self.device),
            self.config.train_batch_size,
            self.config.seed,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        per_step = self.config.gradient_accumulation_steps
        self.max_steps = self.config.max_train_steps or max(
            1, self.config.num_train_epochs * batches.per_epoch // per_step
        )
        self.print(
            f"{len(training)} training and {len(validation)} validation images ({greys} exactly grey ones left out), "
            f"{self.max_steps} steps of {per_step} x {self.accelerator.num_processes} x {self.config.train_batch_size}"
        )
        return batches

    # networks

    def average(self, model: nn.Module) -> nn.Module:
        """Keep an exponential moving average of a model's weights, updated in `end_step`. Call before `prepare`."""

        def warmed_up(averages: list[Tensor], current: list[Tensor], count: Tensor) -> None:
            # early on the average follows faster, so that it forgets the initial weights
            decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            get_ema_multi_avg_fn(decay)(averages, current, count)

        model.to(self.device, memory_format=torch.channels_last)
        self._averaged = AveragedModel(model, multi_avg_fn=warmed_up, use_buffers=True)
        self._averaged_source = model
        self.accelerator.register_for_checkpointing(self._averaged)
        return self._averaged.module

    def keep_best(self, figure: str) -> nn.Module:
        """Keep the average of the validated step whose `figure` is smallest as well. Call after `average`.

        What is validated because the run was stopped does not count, so that a resumed run keeps the same step.
        """
        self._best, self._best_by = copy.deepcopy(self._averaged.module), figure
        self.accelerator.register_for_checkpointing(self._best)
        return self._best

    def prepare(self, *objects: nn.Module | torch.optim.Optimizer) -> tuple:
        """Prepare networks and optimizers for this device and these processes; then resume if that was asked for."""
        for item in objects:
            if isinstance(item, nn.Module):
                item.to(memory_format=torch.channels_last)
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
            set_seed(self.config.seed, device_specific=True)  # each process its own noise
        if self.config.report_to != "none":
            plain = {name: str(v) if v is None else v for name, v in self.config.record().items()}
            self.accelerator.init_trackers("colorgan", config=plain)
        return tuple(prepared)

    @contextmanager
    def frozen(self, network: nn.Module) -> Iterator[nn.Module]:
        """A network that only passes gradients on: its own weights get none, and other processes are not waited for."""
        network.requires_grad_(False)
        try:
            yield self.accelerator.unwrap_model(network)
        finally:
            network.requires_grad_(True)

    # the loop

    def steps(self, batches: Batches) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield batches of (rgb, labels) until the last step, each optimizer's learning rate set before."""
        self._bar = tqdm(
            total=self.max_steps, initial=self.step, disable=not self.accelerator.is_main_process, unit="step"
        )
        per_step = self.config.gradient_accumulation_steps
        began = time.monotonic() - self.seconds
        with self.stop.on_signals(), self._bar:
            while self.step < self.max_steps and not self.stop:
                self._set_learning_rate()
                for k in range(self.step * per_step, (self.step + 1) * per_step):
                    yield batches[k]
                    self.seconds = time.monotonic() - began

    def end_step(self, **losses: Tensor) -> dict[str, float] | None:
        """Call after each batch with its losses: averages weights, and reports, saves and validates when it is time.

        Gives the figures when this step was validated (in the main process).
        """
        self._recent.append({name: loss.detach() for name, loss in losses.items()})
        if not self.accelerator.sync_gradients:
            return None
        self.step += 1
        if self.accelerator.num_processes > 1:
            self._average_buffers()
        self._averaged.update_parameters(self._averaged_source)
        self.stop.agree(ask=self.step % self.config.logging_steps == 0)
        last = self.step == self.max_steps or bool(self.stop)
        if self.step % self.config.logging_steps == 0 or last:
            self._report_losses()
        validate = self.step % self.config.validation_steps == 0 or last
        figures = self.validate() if validate else None
        if figures and (self.step % self.config.validation_steps == 0 or self.step == self.max_steps):
            self._keep_if_best(figures)
        if self.step % self.config.checkpointing_steps == 0 or last:
            self.save()
        return figures

    def validate(
        self, model: nn.Module | None = None, step: int | None = None, **more: float
    ) -> dict[str, float] | None:
        """Figures of the averaged weights on the validation images; main process only, the others wait.

        Another `model`, of another `step`, is measured in their place; `more` is kept with its figures.
        """
        step = step or self.step
        if self.accelerator.is_main_process:
            with self.accelerator.autocast():
                figures, columns = self.evaluate((model or self._averaged.module).eval(), self.validation)
            figures = figures | more
            self.history.append({"step": step, "seconds": round(self.seconds), **figures})
            self.print(f"step {step}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
            self.accelerator.log({f"validation/{name}": value for name, value in figures.items()}, step=self.step)
            if columns:
                path = self._sample(figures | {"step": step})
                save_grid(path, columns)
                self._log_picture(path)
        self.accelerator.wait_for_everyone()
        return self.history[-1] if self.accelerator.is_main_process else None

    def _sample(self, figures: dict[str, float]) -> Path:
        """The sheet of pictures of a validated step, or of what `interpolate` made of it."""
        paler = "-paler" if "share" in figures else ""
        return self.config.output_dir / "samples" / f"step-{figures['step']:06d}{paler}.png"

    def _keep_if_best(self, figures: dict[str, float]) -> None:
        if self._best and (self.best is None or figures[self._best_by] < self.best[self._best_by]):
            self._best.load_state_dict(self._averaged.module.state_dict())
            self.best = figures

    def interpolate(
        self, model: nn.Module, start: str, colorfulness: float | None, step: int | None = None
    ) -> dict[str, float] | None:
        """`validation.interpolate` between a checkpoint and the model that began from it; gives the new figures.

        `step` is the model's, if it is not the last one.

        Does nothing, and gives None, if no `colorfulness` is wanted, or if the run was stopped and is to go on.
        """
        if colorfulness is None or self.stop.interrupted:
            return None
        share = 1.0
        if self.accelerator.is_main_process:
            share = interpolate(Generator.from_pretrained(start), model, self.validation, colorfulness)
        return self.validate(model, step, share=share)

    def _set_learning_rate(self) -> None:
        warmup = min(self.config.lr_warmup_steps, self.max_steps // 10)
        if self.step < warmup:
            factor = (self.step + 1) / (warmup + 1)
        else:
            factor = (1 + math.cos(math.pi * (self.step - warmup) / max(1, self.max_steps - warmup))) / 2
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak_lr", group["lr"]) * factor

    def _average_buffers(self) -> None:
        """Give every process the mean of all processes' BatchNorm statistics."""
        buffers = [b for module in self._modules for b in module.buffers() if b.is_floating_point()]
        if buffers:
            mean = self.accelerator.reduce(torch.cat([b.flatten() for b in buffers]), "mean")
            for buffer, part in zip(buffers, mean.split([b.numel() for b in buffers]), strict=True):
                buffer.copy_(part.view_as(buffer))

    def _report_losses(self) -> None:
        names = self._recent[0].keys()
        means = torch.stack([torch.stack([losses[name].float() for losses in self._recent]).mean() for name in names])
        values = dict(zip(names, self.accelerator.reduce(means, "mean").tolist(), strict=True))
        self._recent.clear()
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._diverged(f"The loss {name} became {value}")
        self._bar.update(self.step - self._bar.n)
        self._bar.set_postfix({name: f"{value:.4f}" for name, value in values.items()})
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=self.step)

    def _log_picture(self, path: Path) -> None:
        for tracker in self.accelerator.trackers:
            if tracker.name == "trackio":
                import trackio  # makes folders in the home when imported

                tracker.log({"samples": trackio.Image(str(path))}, step=self.step)
            else:
                tracker.log_images({"samples": np.asarray(Image.open(path))[None]}, step=self.step, dataformats="NHWC")

    # saving and resuming

    def _diverged(self, what: str) -> TrainingError:
        good = last_state(self.config.output_dir) or "none yet"
        return TrainingError(
            f"{what} by step {self.step}; resume from the last good state ({good}) with a lower learning rate."
        )

    def save(self) -> None:
        """Write a training state to resume from, unless there is nothing good left to resume."""
        for module in self._modules:
            if not all(p.isfinite().all() for p in module.parameters()):
                raise self._diverged("Weights became infinite or NaN")
        save_state(self.accelerator, self.config.output_dir, self.step, self.config.checkpoints_total_limit)

    def finish(self, model: Checkpoint, kept: dict[str, float] | None = None) -> None:
        """Write the model as a checkpoint folder with its card; `kept` are its figures, if not the last step's.

        All processes wait until it is written, and may go on to another run.
        """
        for tracker in self.accelerator.trackers:
            tracker.finish()
        if self.accelerator.is_main_process:
            self._write(model, kept)
        self.accelerator.wait_for_everyone()

    def _write(self, model: Checkpoint, kept: dict[str, float] | None) -> None:
        folder = self.config.output_dir
        model.save_pretrained(folder)
        record = {
            "command": command_of(sys.argv),
            "config": self.config.record(),
            "steps": self.step,
            "seconds": round(self.seconds),
            "processes": self.accelerator.num_processes,
            "hardware": hardware(self.device),
            "images": self.sizes,
            "finished": not self.stop.interrupted,
            "figures": kept or (self.history[-1] if self.history else {}),
            "validation": self.history,
        }
        (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        samples = self._sample({"step": self.step} | record["figures"])
        if samples.is_file():
            shutil.copyfile(samples, folder / "sample.png")
        write_training_card(folder, record)
        state = "Stopped" if self.stop.interrupted else "Done"
        self.print(f"{state} at step {self.step} after {self.seconds / 60:.1f} min; the checkpoint is {folder}.")
        if self.stop.interrupted:
            self.print("Go on with the same command and --resume_from_checkpoint latest.")
        elif self.config.push_to_hub:
            publish(self.config)

    def print(self, text: str) -> None:
        if self.accelerator.is_main_process:
            tqdm.write(text)
