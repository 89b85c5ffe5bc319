"""Checkpoint folders and the Hub, where such folders also live: finding them, loading strictly, saving, publishing.

All that colorgan says to the Hub is said here and in `colorgan.hub.client`, with the patience of `colorgan.hub.client`.
"""

import hashlib
import json
import logging
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, PyTorchModelHubMixin, constants
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from colorgan.hub.client import (
    ANSWER,
    FILES,
    HUB_ERRORS,
    PUBLISHED,
    CheckpointError,
    clean_token,
    content_hashes,
    download,
    patiently,
    pull,
    reason,
    require,
)

BUNDLED = Path(__file__).parent.parent / "pretrained"
Model = TypeVar("Model", bound="Checkpoint")
logger = logging.getLogger(__name__)

# of weights that are published without a record of their training
CARD = """---
{{ card_data }}
---

# A network of colorgan

```python
from colorgan.models import {{ class_name }}

network = {{ class_name }}.from_pretrained("folder")
```
"""
MARK = "<!-- colorgan wrote this card ({digest}). Once it is edited here, colorgan leaves it as it is. -->"


class Checkpoint(
    PyTorchModelHubMixin,
    library_name="colorgan",
    license="apache-2.0",
    pipeline_tag="image-to-image",
    model_card_template=CARD,
):
    """Lets an `nn.Module` be saved to and loaded from a checkpoint folder; loading is strict and never guesses."""

    @classmethod
    def from_pretrained(
        cls: type[Model], name: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> Model:
        """Load from a bundled short name, a folder or a Hub id, in float32 and ready for inference.

        Raises `CheckpointError` unless the folder's config.json is of this class and every weight fits.
        """
        folder = locate(name, revision=revision, local_files_only=local_files_only)
        config = read_config(folder)
        written_by = config.pop("_class_name", None)
        if written_by != cls.__name__:
            raise CheckpointError(
                f"{name} is a checkpoint of {written_by or 'another program'}, not of a {cls.__name__}."
            )
        try:
            model = cls(**config)
            weights = load_file(folder / "model.safetensors")
            for key, wanted in model.state_dict().items():  # load_state_dict would convert whatever comes
                if key in weights and weights[key].is_floating_point() != wanted.is_floating_point():
                    raise TypeError(f"{key} is of type {weights[key].dtype}")
                if key in weights and not weights[key].to(wanted.dtype).isfinite().all():
                    raise ValueError(f"{key} has values that are infinite or not a number")
            model.load_state_dict(weights)
        except (TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The weights and the config.json of {name} do not fit this {cls.__name__}: {why}"
            ) from error
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"The file model.safetensors of {name} is damaged or cut short: fetch it again."
            ) from error
        return model.eval()

    def push_to_hub(self, repo_id: str, *, config: object = None, model_card_kwargs: object = None, **options) -> str:
        """Publish these weights; see `push` for the options. The two named here are the mixin's, and not needed."""
        return push(self, repo_id, **options)

    def generate_model_card(self, **_) -> ModelCard:
        """The card of weights of whose training nothing is known."""
        return super().generate_model_card(class_name=type(self).__name__)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write config.json and the weights in half precision, which is plenty for inference and half the size."""
        config = {"_class_name": type(self).__name__, **self._hub_mixin_config}
        (save_directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = {
            key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
            for key, value in self.state_dict().items()
        }
        save_file(weights, save_directory / "model.safetensors", metadata={"format": "pt"})


# finding


def bundled_names() -> list[str]:
    """Short names of the checkpoints inside the package."""
    return sorted(path.name for path in BUNDLED.iterdir() if (path / "config.json").is_file())


def bundled_generators() -> list[str]:
    """Short names of the bundled checkpoints that colourize, the U-Net first."""
    names = [name for name in bundled_names() if read_config(BUNDLED / name)["_class_name"] == "Generator"]
    return sorted(names, key=lambda name: (name != "unet", name))


def locate(name: str | Path, *, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The folder of a checkpoint: bundled short name, existing folder, or Hub id (downloaded, or from the cache).

    A Hub id may carry its revision, as in `owner/name@v1`. Raises `CheckpointError`.
    """
    is_folder = isinstance(name, Path) and name.is_dir()  # a path means that folder, though it be called unet
    name = str(name)
    if name in bundled_names() and not is_folder:
        return BUNDLED / name
    if name and Path(name).is_dir():
        require(Path(name), [file for file in FILES if not (Path(name) / file).is_file()])
        return Path(name)
    repo_id, _, tag = name.partition("@")
    if repo_id.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no checkpoint {name}: give one of {', '.join(bundled_names())}, "
            "a folder, or a Hub id such as owner/name."
        )
    if tag and revision and tag != revision:
        raise CheckpointError(f"{name} names another revision than {revision}: give only one of them.")
    return pull(repo_id, tag or revision, local_files_only=local_files_only)


def read_config(folder: Path) -> dict:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder.name}/config.json is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder.name}/config.json holds no settings by name.")
    return config


# publishing


def create_repo(repo_id: str, *, private: bool = False, token: str | None = None, revision: str | None = None) -> str:
    """Make sure that a repo (and branch) is there and may be written to; gives its id, with the owner's name.

    Raises `CheckpointError`.
    """
    try:
        api = HfApi(token=clean_token(token))
        user = patiently(api.whoami)
        if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise CheckpointError(
                f"The token in use has no right to write, which {repo_id} needs: make one with write access at "
                f"{constants.ENDPOINT}/settings/tokens."
            )
        if "/" not in repo_id:
            repo_id = f"{user['name']}/{repo_id}"
        patiently(partial(api.create_repo, repo_id, private=private or None, exist_ok=True))
        if private and not patiently(partial(api.model_info, repo_id, timeout=ANSWER)).private:
            raise CheckpointError(
                f"{repo_id} is there already and public: make it private there, or take another name."
            )
        if revision:
            patiently(partial(api.create_branch, repo_id, branch=revision, exist_ok=True))
        probe = CommitOperationAdd("README.md", b"colorgan")  # asks how to upload it, which takes the right to write
        patiently(partial(api.preupload_lfs_files, repo_id, [probe], revision=revision))
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        raise CheckpointError(f"{repo_id} cannot be published to: {reason(error)}.") from error
    return repo_id


def push(
    source: str | Path | Checkpoint,
    repo_id: str,
    *,
    private: bool = False,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    overwrite_card: bool = False,
) -> str:
    """Publish a checkpoint folder (or a model) on the Hub in one commit; gives the page's address.

    Only what loads strictly is published: config.json, model.safetensors, README.md and sample.png. A card that was
    edited on the Hub is kept unless `overwrite_card`. Pushing again changes nothing where nothing is new. Raises
    `CheckpointError`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        if isinstance(source, Checkpoint):
            source.save_pretrained(Path(temporary) / type(source).__name__)
            source = Path(temporary) / type(source).__name__
        elif str(source) not in bundled_names() and not Path(source).is_dir():
            raise CheckpointError(f"There is no folder {source}: give a checkpoint folder, such as runs/unet.")
        folder = locate(Path(source) if Path(source).is_dir() else source)
        try:
            _check_whole(folder)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(f"{temporary}/", "")) from error
        files = {name: (folder / name).read_bytes() for name in PUBLISHED if (folder / name).is_file()}
    repo_id = create_repo(repo_id, private=private, token=token, revision=revision)
    if "README.md" in files:
        files["README.md"] = _published_card(files["README.md"], repo_id, revision)
    upload = partial(_upload, files, repo_id, clean_token(token), revision, commit_message, overwrite_card)
    try:
        patiently(upload)
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        raise CheckpointError(f"The checkpoint could not be pushed to {repo_id}: {reason(error)}.") from error
    return f"{constants.ENDPOINT}/{repo_id}" + (f"/tree/{revision}" if revision else "")


def _check_whole(folder: Path) -> None:
    """Load strictly, by the class that config.json names, and see that the card is text."""
    kinds = {kind.__name__: kind for kind in Checkpoint.__subclasses__()}
    written_by = str(read_config(folder).get("_class_name", ""))
    if written_by not in kinds:
        raise CheckpointError(f"{folder} is a checkpoint of {written_by or 'another program'}, not of colorgan.")
    kinds[written_by].from_pretrained(folder)
    try:
        card = folder / "README.md"
        if card.is_file():
            card.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{folder.name}/README.md is not UTF-8 text: save it as UTF-8, or remove it.") from error


def _upload(
    files: dict[str, bytes],
    repo_id: str,
    token: str | None,
    revision: str | None,
    message: str | None,
    overwrite_card: bool,
) -> None:
    """Commit what the Hub has not, on top of what it has now.

    So this may be called again after an answer that was lost: a commit that did arrive leaves nothing to do, and one
    that arrives late is refused, because its parent is no longer the last commit.
    """
    api = HfApi(token=token)
    info = api.model_info(repo_id, revision=revision, files_metadata=True, timeout=ANSWER)
    there = {s.rfilename: s.lfs.sha256 if s.lfs else s.blob_id for s in info.siblings}
    new = {name: content for name, content in files.items() if there.get(name) not in content_hashes(content)}
    if "README.md" in new and "README.md" in there and not overwrite_card:
        path = download(repo_id, "README.md", revision=info.sha, token=token)
        if not _is_untouched(path.read_text(encoding="utf-8", errors="replace")):
            logger.warning("The card of %s was edited there and is kept (--overwrite_card replaces it).", repo_id)
            del new["README.md"]
    if new:
        api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in new.items()],
            commit_message=message or "Upload with colorgan",
            revision=revision,
            parent_commit=info.sha,
        )


def _published_card(card: bytes, repo_id: str, revision: str | None) -> bytes:
    """The card as the Hub shows it: its first snippet loads from there, and its last line tells edits apart."""
    text = _split_card(card.decode("utf-8-sig"))[0]
    name = f"{repo_id}@{revision}" if revision else repo_id
    text = re.sub(r'(\.from_pretrained\(")[^"]*(?=")', lambda match: match[1] + name, text, count=1)
    return f"{text}\n{MARK.format(digest=_digest(text))}\n".encode()


def _is_untouched(text: str) -> bool:
    body, digest = _split_card(text)
    return digest == _digest(body)


def _split_card(text: str) -> tuple[str, str | None]:
    """A card without colorgan's mark, and the mark's digest if there is one."""
    text = text.replace("\r\n", "\n")
    mark = re.search(re.escape(MARK).replace(r"\{digest\}", "([0-9a-f]{16})"), text)
    return (text[: mark.start()] + text[mark.end() :] if mark else text).rstrip() + "\n", mark and mark[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
