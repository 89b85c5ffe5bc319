"""Options of the training scripts: dataclasses whose fields become command line flags of the same names."""

import argparse
import math
import types
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config", bound="TrainingConfig")


def option(default, help: str, least: float | None = None, below: float = math.inf, secret: bool = False):
    """A dataclass field with a help text for the command line; a secret is never shown or recorded.

    Numbers are from `least` to `below`, which is not allowed itself; `least` is 1 of whole numbers, or else 0.
    """
    return field(
        default=default, repr=not secret, metadata={"help": help, "least": least, "below": below, "secret": secret}
    )


@dataclass
class TrainingConfig:
    """What every training script can be told. Flags have the names of the diffusers examples."""

    # main
    output_dir: Path = option(Path("runs/model"), "folder for the checkpoint, samples and training states")
    preset: str = option("default", "a set of hyper-parameters; other flags override it")
    dataset_name: str = option("uoft-cs/cifar10", "Hub id or folder of an image data set")
    resolution: int = option(32, "side in pixels to which images are scaled and cropped", least=16)
    validation_split: Literal["random", "hue"] = option("random", "how a tenth of the images is chosen for validation")
    # hyper-parameters
    train_batch_size: int = option(128, "images per process and forward pass")
    gradient_accumulation_steps: int = option(1, "forward passes per optimizer step")
    num_train_epochs: int = option(20, "passes over the training images")
    max_train_steps: int | None = option(None, "optimizer steps, instead of --num_train_epochs")
    learning_rate: float = option(2e-3, "peak learning rate")
    lr_warmup_steps: int = option(
        200, "optimizer steps over which the rate rises, before it falls as a cosine", least=0
    )
    ema_decay: float = option(0.999, "decay of the moving average of the weights, which is what is kept", below=1)
    seed: int = option(0, "of weights, split, order, flips and noise", least=0, below=2**32)
    # performance
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = option("auto", "auto: bf16 where the hardware has it")
    compile: bool = option(False, "torch.compile the networks: slow to begin, then faster steps on a GPU")
    # output
    validation_steps: int = option(1000, "optimizer steps between validations")
    checkpointing_steps: int = option(1000, "optimizer steps between training states to resume from")
    checkpoints_total_limit: int = option(2, "how many training states to keep")
    resume_from_checkpoint: str | None = option(None, "'latest', or the folder of a training state")
    logging_steps: int = option(20, "optimizer steps between figures in the progress bar and the tracker")
    report_to: Literal["none", "tensorboard", "trackio"] = option("none", "tracker for losses, figures and samples")
    push_to_hub: bool = option(False, "publish the checkpoint on the Hub when training is done")
    hub_model_id: str | None = option(None, "owner/name there; the user's name and the output folder's unless given")
    hub_private_repo: bool = option(False, "make the repo a private one")
    hub_token: str | None = option(  # launchers print the command of a run that fails
        None, "token with write access; better keep it out of commands, with `hf auth login` or HF_TOKEN", secret=True
    )
    overwrite_card: bool = option(False, "replace the model card even if it was edited on the Hub")

    def __post_init__(self) -> None:
        for item in fields(self):
            value, below = getattr(self, item.name), item.metadata["below"]
            if type(value) not in (int, float):
                continue
            least = item.metadata["least"]
            if least is None:
                least = 1 if item.type in (int, int | None) else 0
            if not (least <= value < below or value == below == math.inf):
                limit = "" if below == math.inf else f" and less than {below}"
                raise ValueError(f"--{item.name} must be at least {least}{limit}, not {value}.")
            if item.name.endswith("learning_rate") and value == 0:
                raise ValueError(f"--{item.name} must be more than 0, not {value}.")
        if self.resolution < 32 and self.train_batch_size == 1:  # of which BatchNorm would see a single position
            raise ValueError(f"--train_batch_size must be at least 2 with a --resolution of {self.resolution}, not 1.")

    def record(self) -> dict[str, int | float | str | bool | None]:
        """The options by name, to be kept and shown: in plain types, and without secrets."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if not item.metadata["secret"]}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def parse_config(
    config_class: type[Config], presets: dict[str, dict[str, object]], description: str, argv: list[str] | None = None
) -> Config:
    """Read a config from the command line: the class's defaults, then the preset's, then the flags given."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,  # so that what is recorded of a command names its options in full
    )
    types_by_name = get_type_hints(config_class)
    for item in fields(config_class):
        choices, kind = list(presets) if item.name == "preset" else None, types_by_name[item.name]
        if get_origin(kind) in (Union, types.UnionType):  # X | None
            kind = get_args(kind)[0]
        if kind is bool:
            parser.add_argument(f"--{item.name}", action="store_true", help=item.metadata["help"])
            continue
        if get_origin(kind) is Literal:
            choices, kind = get_args(kind), str
        parser.add_argument(
            f"--{item.name}", type=kind, default=item.default, choices=choices, help=item.metadata["help"]
        )
    preset = parser.parse_args(argv).preset
    parser.set_defaults(**presets[preset])
    try:
        return config_class(**vars(parser.parse_args(argv)))
    except ValueError as error:
        parser.error(str(error))
