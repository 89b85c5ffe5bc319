"""Checkpoint folders: finding them, loading them strictly, and saving them."""

import json
import tempfile
from pathlib import Path
from typing import TypeVar

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from colorgan import DEFAULT_MODEL
from colorgan.hub.client import (
    PUBLISHED_FILES,
    REQUIRED_FILES,
    CheckpointError,
    check_required_files,
    download_snapshot,
)
from colorgan.hub.upload import publish

BUNDLED = Path(__file__).parent.parent / "pretrained"  # the checkpoints inside the package
Model = TypeVar("Model", bound="Checkpoint")

# the card of weights that are published without a record of their training
CARD_TEMPLATE = """---
{{ card_data }}
---

# A network of colorgan

```python
from colorgan.models import {{ class_name }}

network = {{ class_name }}.from_pretrained("folder")
```
"""


class Checkpoint(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="colorgan",
    license="apache-2.0",
    pipeline_tag="image-to-image",
    model_card_template=CARD_TEMPLATE,
):
    """Base class of networks that are saved to and loaded from checkpoint folders.

    Loading is strict: every weight must be present, finite, and of the right type and shape.
    """

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]  # takes no settings: config.json has them
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> Model:
        """Load a network from a bundled short name, a folder or a Hub id, in float32 and in evaluation mode.

        The options are those of `huggingface_hub`, and concern only Hub ids. A Hub id may carry its revision, as in
        `owner/name@v1`. Raises `CheckpointError` unless config.json is of this class and every weight fits.
        """
        name = pretrained_model_name_or_path
        folder = locate(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        config = read_config(folder)
        class_name = config.pop("_class_name", None)
        if class_name != cls.__name__:
            raise CheckpointError(
                f"{name} is a checkpoint of {class_name or 'another program'}, not of a {cls.__name__}."
            )
        try:
            with torch.device("cpu"):  # whatever the program's default device is
                model = cls(**config)
            weights = load_file(folder / "model.safetensors")
            for key, expected in model.state_dict().items():  # load_state_dict would convert any type
                if key in weights and weights[key].is_floating_point() != expected.is_floating_point():
                    raise TypeError(f"{key} is of type {weights[key].dtype}")
                if key in weights and not weights[key].to(expected.dtype).isfinite().all():
                    raise ValueError(f"{key} has values that are infinite or not a number")
            model.load_state_dict(weights)
        except (TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The weights and the config.json of {name} do not fit this {cls.__name__}: {why}"
            ) from error
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"The file model.safetensors of {name} is damaged or incomplete: download or copy it again."
            ) from error
        return model.eval()

    def push_to_hub(self, repo_id: str, *, config: object = None, model_card_kwargs: object = None, **options) -> str:
        """Publish these weights on the Hub, and return the page's address.

        The options are those of `colorgan.hub.upload.publish`. `config` and `model_card_kwargs` are arguments
        of the base class, and are not used. Raises `CheckpointError`.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / type(self).__name__
            self.save_pretrained(folder)
            try:
                files = self.files_to_publish(folder)
            except CheckpointError as error:
                raise CheckpointError(str(error).replace(f"{temporary}/", "")) from error
        return publish(files, repo_id, **options)

    @classmethod
    def files_to_publish(cls, folder: Path) -> dict[str, bytes]:
        """The files of a checkpoint folder that are published, after it was loaded as a network of this class.

        Raises `CheckpointError` if it cannot be loaded, or if its card is not UTF-8 text.
        """
        cls.from_pretrained(folder)
        files = {name: (folder / name).read_bytes() for name in PUBLISHED_FILES if (folder / name).is_file()}
        try:
            files.get("README.md", b"").decode()
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"{folder.name}/README.md is not UTF-8 text: save it as UTF-8, or remove it."
            ) from error
        return files

    def generate_model_card(self, **_) -> ModelCard:
        """The card of weights without a record of their training."""
        return super().generate_model_card(class_name=type(self).__name__)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write config.json, without settings that are None, and the weights in half precision.

        Half precision is precise enough for inference. Weights with larger values than it can hold (65,504), such as
        the variances of BatchNorm, stay in float32.
        """
        assert isinstance(self._hub_mixin_config, dict)
        settings = {name: value for name, value in self._hub_mixin_config.items() if value is not None}
        config = {"_class_name": type(self).__name__, **settings}
        (save_directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = {key: _compact(value).cpu().contiguous() for key, value in self.state_dict().items()}
        save_file(weights, save_directory / "model.safetensors", metadata={"format": "pt"})


def _compact(value: Tensor) -> Tensor:
    """The value in half precision, if it is of floating point and no finite number becomes infinite."""
    if not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.equal(half.isfinite(), value.isfinite()) else value


def bundled_names() -> list[str]:
    """Short names of the checkpoints inside the package."""
    return sorted(path.name for path in BUNDLED.iterdir() if (path / "config.json").is_file())


def bundled_generators() -> list[str]:
    """Short names of the bundled checkpoints that colourize, with the default one first."""
    names = [name for name in bundled_names() if read_config(BUNDLED / name)["_class_name"] == "Generator"]
    return sorted(names, key=lambda name: (name != DEFAULT_MODEL, not _is_for_photographs(name), name != "unet", name))


def cifar10_generators() -> list[str]:
    """Short names of the bundled checkpoints that were made for CIFAR-10's images, not for photographs."""
    return [name for name in bundled_generators() if not _is_for_photographs(name)]


def _is_for_photographs(name: str) -> bool:
    return read_config(BUNDLED / name).get("architecture") == "photo"


def locate(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """Return the folder of a checkpoint: a bundled short name, an existing folder, or a Hub id.

    Checkpoints of the Hub are downloaded, or taken from the cache; the options concern only them. A Hub id may carry
    its revision, as in `owner/name@v1`. Raises `CheckpointError`.
    """
    is_folder = isinstance(name, Path) and name.is_dir()  # Path("unet") is that folder, "unet" the bundled checkpoint
    name = str(name)
    if name in bundled_names() and not is_folder:
        return BUNDLED / name
    if name and Path(name).is_dir():
        check_required_files(name, [file for file in REQUIRED_FILES if (Path(name) / file).is_file()])
        return Path(name)
    repo_id, _, tag = name.partition("@")
    if repo_id.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no checkpoint {name}: give one of {', '.join(bundled_names())}, "
            "a folder, or a Hub id such as owner/name."
        )
    if tag and revision and tag != revision:
        raise CheckpointError(f"{name} names another revision than {revision}: give only one of them.")
    return download_snapshot(
        repo_id,
        tag or revision,
        token=token,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
    )


def read_config(folder: Path) -> dict:
    """The settings in the config.json of a checkpoint folder. Raises `CheckpointError`."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder.name}/config.json is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder.name}/config.json must be a JSON object with the network's settings.")
    return config
