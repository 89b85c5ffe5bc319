"""Snapshots of checkpoints on the Hub: downloaded whole and checked, or taken from the client's cache."""

import logging
import os
import re
import tempfile
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token, try_to_load_from_cache
from huggingface_hub.hf_api import ModelInfo

from colorgan.remote import ANSWER, HUB_ERRORS, download, is_damaged, is_refusal, patiently, reason, within

FILES = ("config.json", "model.safetensors")
PUBLISHED = ("README.md", "sample.png", *FILES)  # the weights come last: where they are, all is
PROMPT = 1.2  # seconds the Hub has to say whether it has anything newer than what is cached
logger = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A checkpoint cannot be had, loaded or published; the message says in one sentence why."""


def pull(
    repo_id: str, revision: str | None = None, *, token: str | None = None, local_files_only: bool = False
) -> Path:
    """The snapshot of a checkpoint of the Hub: its folder in the cache, with every file's hash as the Hub gives it.

    Where `revision` is a commit that is cached, the network is not used; otherwise a cached copy serves when the Hub
    cannot be reached. Raises `CheckpointError`.
    """
    try:
        token, cached = clean_token(token), _cached(repo_id, revision)
        if local_files_only or constants.HF_HUB_OFFLINE:
            if cached is None:
                raise CheckpointError(f"The checkpoint {repo_id} is not in the cache, whole, and the network is off.")
            return cached
        if cached and cached.name == revision:
            return cached
        limit = PROMPT if cached else ANSWER
        look = partial(HfApi(token=token).model_info, repo_id, revision=revision, timeout=limit)
        try:
            return _fetch(repo_id, within(PROMPT, look) if cached else patiently(look), revision, token)
        except HUB_ERRORS as error:
            if cached is None or is_refusal(error) or isinstance(error, CheckpointError):
                raise
            logger.warning(
                "%s is taken from the cache (commit %s), because %s.", repo_id, cached.name[:7], reason(error)
            )
            return cached
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        at = f" at {revision}" if revision else ""
        raise CheckpointError(
            f"The checkpoint {repo_id}{at} is neither cached nor to be had from the Hub: {reason(error)}."
        ) from error


def _cached(repo_id: str, revision: str | None) -> Path | None:
    """The cached snapshot of a revision, if it is whole and undamaged."""
    found = [try_to_load_from_cache(repo_id, file, revision=revision) for file in FILES]
    if not all(isinstance(path, str) for path in found) or any(is_damaged(Path(path)) for path in found):
        return None
    return Path(found[0]).parent


def _fetch(repo_id: str, info: ModelInfo, revision: str | None, token: str | None) -> Path:
    """Download what the cache has not; the revision is noted only then, so that a half snapshot is never taken."""
    names = [sibling.rfilename for sibling in info.siblings]
    require(repo_id, [file for file in FILES if file not in names])
    paths = [download(repo_id, file, revision=info.sha, token=token) for file in PUBLISHED if file in names]
    if revision == info.sha:
        return paths[0].parent
    note = paths[0].parents[2] / "refs" / (revision or constants.DEFAULT_REVISION)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(info.sha)
        os.replace(file.name, note)  # whole or not at all: another process may be reading it
    except OSError:
        pass  # a cache that may only be read
    return paths[0].parent


def require(name: str | Path, missing: list[str]) -> None:
    if missing:
        raise CheckpointError(f"{name} has no {' and no '.join(missing)}: a checkpoint needs {' and '.join(FILES)}.")


def clean_token(token: str | None) -> str | None:
    """A token as it was pasted, without the white space; anything else in it would show up in the client's errors.

    Without one, that of `hf auth login` or HF_TOKEN is used, and looked at here.
    """
    token = token.strip() if token else None
    if not re.fullmatch("[!-~]*", token or get_token() or ""):
        raise CheckpointError("The token has characters that no token has: copy it again from the Hub's settings.")
    return token
