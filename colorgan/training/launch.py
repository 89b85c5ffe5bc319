"""How a training script starts and ends: its repo on the Hub, its command for the record, its error messages."""

import ctypes
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.utils import ProjectConfiguration, parse_flag_from_env
from tqdm.auto import tqdm

from colorgan import hub
from colorgan.data import DatasetError
from colorgan.hub import CheckpointError
from colorgan.hub.publish import push
from colorgan.training.checkpoints import TrainingError
from colorgan.training.config import Config, TrainingConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def command_of(argv: list[str]) -> str:
    """The command that reproduces a run from the words of `sys.argv`.

    It leaves out `--resume_from_checkpoint`, because a resumed run has the same result as one that was not stopped,
    and the Hub token, which is a secret.
    """
    words = ["accelerate", "launch"]
    options = iter(argv)
    for word in options:
        name, equals, _ = word.partition("=")
        if name in ("--resume_from_checkpoint", "--hub_token"):
            if not equals:
                next(options, None)
        else:
            words.append(word)
    return shlex.join(words)


def process() -> PartialState:
    """The state of this process among those of the run.

    `ACCELERATE_USE_CPU` is passed on because the first call in a process decides on the device, also for Accelerator.
    """
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def hardware(device: torch.device) -> str:
    """The name of the GPU, or the number of CPU threads, for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread" + ("s" if threads > 1 else "")


def fastest_precision(device: torch.device) -> str:
    """`bf16` if the device computes in it, because it is faster and the results are as good; else `no`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    able = getattr(torch.cpu, "get_capabilities", dict)()  # exists in torch 2.12 and later
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else "no"


def start_accelerator(config: Config) -> tuple[Accelerator, Config]:
    """Start Accelerate, and return the options with the precision and accumulation that it really uses.

    Its environment variables, and so `accelerate launch`, can change the gradient accumulation. Raises `TrainingError`.
    """
    device = process().device
    assert device is not None
    if config.mixed_precision == "auto":
        config = replace(config, mixed_precision=fastest_precision(device))
    try:
        accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            log_with=None if config.report_to == "none" else config.report_to,
            project_config=ProjectConfiguration(
                project_dir=str(config.output_dir), logging_dir=str(config.output_dir / "logs")
            ),
            # `Run.end_step` averages the buffers: a broadcast in a second forward pass would change the first's graph
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        config = replace(config, gradient_accumulation_steps=accelerator.gradient_accumulation_steps)
    except ValueError as error:
        raise TrainingError(f"Accelerate cannot start with these settings: {error}") from error
    if not accelerator.is_main_process:  # one process says what all notice
        logging.getLogger("colorgan").setLevel(logging.ERROR)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # every batch has the same shape
        torch.set_float32_matmul_precision("high")  # TF32 for the parts that stay in single precision
    else:
        keep_freed_memory()
    return accelerator, config


def keep_freed_memory() -> None:
    """Make the C library keep freed blocks of up to 32 MB for the tensors of the next step.

    By default glibc returns large blocks to the system, which must clear every page when they are allocated again.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # another C library


def create_repo(config: Config) -> Config:
    """Create the repo on the Hub before training, to find a bad token at the start. Raises `CheckpointError`."""
    name = config.hub_model_id or config.output_dir.resolve().name
    return replace(config, hub_model_id=hub.create_repo(name, private=config.hub_private_repo, token=config.hub_token))


def publish(config: TrainingConfig) -> None:
    """Push the checkpoint in the output folder. Raises `TrainingError` with the command that pushes it later."""
    folder, repo_id = config.output_dir, config.hub_model_id
    assert repo_id, "create_repo has set it"
    try:
        url = push(folder, repo_id, token=config.hub_token, overwrite_card=config.overwrite_card)
    except CheckpointError as error:
        command = shlex.join(["colorgan", "push", str(folder), repo_id])
        raise TrainingError(f"{error} The checkpoint lies in {folder}; push it later with `{command}`.") from error
    tqdm.write(f"Published at {url}")


def run_script(main: Callable[[Config], None], config: Config) -> None:
    """Run the `main` of a training script. Errors that the user can correct end it with one sentence and status 1."""
    try:
        if (
            config.push_to_hub and os.environ.get("RANK", "0") == "0"
        ):  # only one process, before the process group exists
            config = create_repo(config)
        main(config)
        process().destroy_process_group()
    except (TrainingError, DatasetError, CheckpointError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
