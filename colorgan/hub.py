"""Checkpoint folders and the Hub, where such folders also live: finding them, loading strictly, saving."""

import json
from pathlib import Path
from typing import TypeVar

from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx  # httpx 1 or its successor, whichever the client uses
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

BUNDLED = Path(__file__).parent / "pretrained"
FILES = ("config.json", "model.safetensors")
Model = TypeVar("Model", bound="Checkpoint")


class CheckpointError(ValueError):
    """A checkpoint cannot be had or loaded; the message says in one sentence why, and what would be right."""


class Checkpoint(PyTorchModelHubMixin, library_name="colorgan", license="apache-2.0", pipeline_tag="image-to-image"):
    """Lets an `nn.Module` be saved to and loaded from a checkpoint folder; loading is strict and never guesses."""

    @classmethod
    def from_pretrained(
        cls: type[Model], name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> Model:
        """Load from a bundled short name, a folder or a Hub id, in float32 and ready for inference.

        Raises `CheckpointError` unless the folder's config.json is of this class and every weight fits.
        """
        folder = locate(name, revision=revision, local_files_only=local_files_only)
        config = _read_config(folder)
        written_by = config.pop("_class_name", None)
        if written_by != cls.__name__:
            raise CheckpointError(
                f"{name} is a checkpoint of {written_by or 'another program'}, not of a {cls.__name__}."
            )
        try:
            model = cls(**config)
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except (TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The weights and the config.json of {name} do not fit this {cls.__name__}: {reason}"
            ) from error
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"The file model.safetensors of {name} is damaged or cut short: fetch it again."
            ) from error
        return model.eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write config.json and the weights in half precision, which is plenty for inference and half the size."""
        config = {"_class_name": type(self).__name__, **self._hub_mixin_config}
        (save_directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = {
            key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
            for key, value in self.state_dict().items()
        }
        save_file(weights, save_directory / "model.safetensors", metadata={"format": "pt"})


def bundled_names() -> list[str]:
    """Short names of the checkpoints inside the package."""
    return sorted(path.name for path in BUNDLED.iterdir() if (path / "config.json").is_file())


def bundled_generators() -> list[str]:
    """Short names of the bundled checkpoints that colourize, the U-Net first."""
    names = [name for name in bundled_names() if _read_config(BUNDLED / name)["_class_name"] == "Generator"]
    return sorted(names, key=lambda name: (name != "unet", name))


def locate(name: str | Path, *, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The folder of a checkpoint: bundled short name, existing folder, or Hub id (downloaded, or from the cache)."""
    name = str(name)
    if name in bundled_names():
        return BUNDLED / name
    if Path(name).is_dir():
        folder = Path(name)
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
        folder = _download(name, revision, local_files_only)
    else:
        raise CheckpointError(
            f"There is no checkpoint {name}: give one of {', '.join(bundled_names())}, "
            "a folder, or a Hub id such as owner/name."
        )
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise CheckpointError(f"{name} has no {' and no '.join(missing)}: a checkpoint needs {' and '.join(FILES)}.")
    return folder


def _download(repo_id: str, revision: str | None, local_files_only: bool) -> Path:
    options = {"revision": revision, "allow_patterns": [*FILES, "README.md"]}
    try:
        try:
            return Path(snapshot_download(repo_id, local_files_only=local_files_only, **options))
        except (OSError, httpx.HTTPError) as error:
            if isinstance(error, HfHubHTTPError) and error.response is not None and error.response.status_code < 500:
                raise  # the Hub is there and says no: an old copy would hide that
            return Path(snapshot_download(repo_id, local_files_only=True, **options))
    except (OSError, httpx.HTTPError, HFValidationError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"The checkpoint {repo_id} is neither cached nor to be had from the Hub: {reason}"
        ) from error


def _read_config(folder: Path) -> dict:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder.name}/config.json is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder.name}/config.json holds no settings by name.")
    return config
