"""How a training script begins and ends: its repo on the Hub, its command for the record, its errors in a sentence."""

import ctypes
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from tqdm.auto import tqdm

from colorgan import hub
from colorgan.data import DatasetError
from colorgan.hub import CheckpointError, push
from colorgan.training.checkpoints import TrainingError
from colorgan.training.config import Config, TrainingConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def command_of(argv: list[str]) -> str:
    """The command that gives this result when nothing interrupts it: a resumed run is the same to the bit.

    What only its owner may know, the token, is left out.
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
    """This process among those that train together, as Accelerator will find it: what is asked first, decides."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread" + ("s" if threads > 1 else "")


def fastest_precision(device: torch.device) -> str:
    """`bf16` where the device computes in it, which is faster and as exact in the end; else `no`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    able = getattr(torch.cpu, "get_capabilities", dict)()  # of torch 2.12 and later
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else "no"


def keep_freed_memory() -> None:
    """Make the C library keep what tensors free, up to 32 MB each, for the next step's.

    By default glibc gives large blocks back to the system, which clears every page anew when they are wanted again.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # another C library


def create_repo(config: Config) -> Config:
    """Make the repo that will take the checkpoint before training: a bad token costs a second, not a night."""
    name = config.hub_model_id or config.output_dir.resolve().name
    return replace(config, hub_model_id=hub.create_repo(name, private=config.hub_private_repo, token=config.hub_token))


def publish(config: TrainingConfig) -> None:
    """Push the checkpoint in the output folder. Raises `TrainingError`, which says how to do it later."""
    folder, repo_id = config.output_dir, config.hub_model_id
    try:
        url = push(folder, repo_id, token=config.hub_token, overwrite_card=config.overwrite_card)
    except CheckpointError as error:
        command = shlex.join(["colorgan", "push", str(folder), repo_id])
        raise TrainingError(f"{error} The checkpoint lies in {folder}; push it later with `{command}`.") from error
    tqdm.write(f"Published at {url}")


def run_script(main: Callable[[Config], None], config: Config) -> None:
    """Run a training script's `main`; what the user can mend ends in its one sentence and exit status 1."""
    try:
        if config.push_to_hub and os.environ.get("RANK", "0") == "0":  # one process does it, before there is a group
            config = create_repo(config)
        main(config)
        process().destroy_process_group()
    except (TrainingError, DatasetError, CheckpointError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
