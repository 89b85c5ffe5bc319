"""Options of the training scripts: dataclasses whose fields become command line options of the same names."""

import argparse
import math
import types
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config", bound="TrainingConfig")


def option(default: Any, help: str, least: float | None = None, below: float = math.inf, secret: bool = False) -> Any:
    """A dataclass field with a help text for the command line. A secret option is never shown or recorded.

    The valid range of a number is [least, below). By default `least` is 1 for whole numbers and 0 for others.
    """
    return field(
        default=default, repr=not secret, metadata={"help": help, "least": least, "below": below, "secret": secret}
    )


@dataclass
class TrainingConfig:
    """The options that all training scripts have. Their names are those of the diffusers examples.

    Raises `ValueError` if an option is out of its range.
    """

    # main
    output_dir: Path = option(Path("runs/model"), "folder for the checkpoint, the sample pictures and the states")
    preset: str = option("default", "a named set of hyper-parameters; other options override it")
    dataset_name: str = option("uoft-cs/cifar10", "Hub id, folder or Parquet file of an image data set")
    image_column: str | None = option(None, "column of the images; default: img or image")
    label_column: str | None = option(None, "column of the labels; default: label or fine_label, if there is one")
    resolution: int = option(32, "height and width in pixels to which images are scaled and cropped", least=16)
    validation_split: Literal["random", "hue"] = option(
        "random", "how a tenth of the images is chosen for validation: at random, or every tenth image sorted by hue"
    )
    augmentation: Literal["none", "shift", "photo"] = option(
        "none", "augmentation of the training images besides flips; photo: random crops, and the damage of old prints"
    )
    crop: int = option(64, "height and width in pixels of the crops of --augmentation photo", least=16)
    max_train_samples: int | None = option(None, "use only this many of the training images, chosen at random")
    # hyper-parameters
    train_batch_size: int = option(128, "images per process and forward pass")
    gradient_accumulation_steps: int = option(1, "forward passes per optimizer step")
    num_train_epochs: int = option(20, "passes over the training images")
    max_train_steps: int | None = option(None, "number of optimizer steps; replaces --num_train_epochs")
    learning_rate: float = option(2e-3, "peak learning rate")
    lr_scheduler: Literal["cosine", "linear", "constant"] = option(
        "cosine", "how the learning rate changes after the warm-up: it falls to 0 (cosine, linear) or stays (constant)"
    )
    lr_warmup_steps: int = option(
        200, "optimizer steps over which the learning rate rises to its peak, but at most a tenth of all steps", least=0
    )
    lr_decay_steps: int | None = option(
        None, "let the learning rate fall in this many last steps only; default: in all steps after the warm-up"
    )
    adam_beta1: float = option(0.9, "decay rate of Adam's average of the gradient", below=1)
    adam_beta2: float = option(0.99, "decay rate of Adam's average of the squared gradient", below=1)
    adam_weight_decay: float = option(0.01, "weight decay, as in AdamW")
    max_grad_norm: float = option(0.0, "scale the gradient of each network down to this norm; 0 for no limit")
    ema_decay: float = option(0.999, "decay rate of the moving average of the weights, which is the result", below=1)
    seed: int = option(0, "random seed of weights, split, order, flips and noise", least=0, below=2**32)
    # performance
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = option("auto", "auto: bf16 if the hardware computes in it")
    compile: bool = option(False, "compile the networks with torch.compile: a slow start, then faster steps on a GPU")
    # output
    validation_steps: int = option(1000, "optimizer steps between validations")
    checkpointing_steps: int = option(1000, "optimizer steps between training states, from which a run can resume")
    checkpoints_total_limit: int = option(2, "number of training states to keep")
    resume_from_checkpoint: str | None = option(None, "'latest', or the folder of a training state")
    logging_steps: int = option(20, "optimizer steps between reports of the losses to the progress bar and the tracker")
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = option(
        "none", "tracker for losses, metrics and sample pictures"
    )
    push_to_hub: bool = option(False, "publish the checkpoint on the Hub after training")
    hub_model_id: str | None = option(None, "owner/name on the Hub; default: your name and the output folder's")
    hub_private_repo: bool = option(False, "create a private repo on the Hub")
    hub_token: str | None = option(  # launchers print the command of a run that fails
        None, "Hub token with write access; `hf auth login` or HF_TOKEN keep it out of the command line", secret=True
    )
    overwrite_card: bool = option(False, "replace the model card even if somebody edited it on the Hub")

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
        if self.resolution < 32 and self.train_batch_size == 1:  # the smallest feature map would have one position
            raise ValueError(f"--train_batch_size must be at least 2 with a --resolution of {self.resolution}, not 1.")
        if self.report_to != "none" and find_spec(self.report_to) is None:
            raise ValueError(f"--report_to {self.report_to} needs a package: pip install {self.report_to}.")

    def record(self) -> dict[str, int | float | str | bool | None]:
        """The options by name, in types that JSON knows and without secrets, for records and trackers."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if not item.metadata["secret"]}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def parse_config(
    config_class: type[Config],
    presets: dict[str, dict[str, Any]],
    description: str | None,
    argv: list[str] | None = None,
) -> Config:
    """Read the options from the command line. They override the preset's values, which override the class's defaults.

    Exits with a usage message if an option is unknown or out of its range.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,  # so that a recorded command has the full names of its options
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
