"""Downloads from the Hub into huggingface_hub's cache, every file checked against the hash that the Hub names."""

import hashlib
import logging
import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants, errors, get_token, hf_hub_download, try_to_load_from_cache
from huggingface_hub.hf_api import ModelInfo

from colorgan.files import write_whole
from colorgan.hub.retry import ANSWER_TIMEOUT, HUB_ERRORS, call_with_timeout, is_refusal, reason, retry

REQUIRED_FILES = ("config.json", "model.safetensors")  # of a checkpoint
PUBLISHED_FILES = ("README.md", "sample.png", *REQUIRED_FILES)  # weights last: if they are there, all files are
CHECK_TIMEOUT = 1.2  # seconds for the Hub to say whether it has a newer commit than the cached one

logger = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A checkpoint cannot be found, loaded or published; the message says in one sentence why."""


# files


def download(
    repo_id: str,
    file: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    repo_type: str | None = None,
) -> Path:
    """Return the path in the cache of a file of a repo, downloaded if necessary; a damaged file is downloaded again.

    Raises one of `HUB_ERRORS`.
    """
    place = {"revision": revision, "cache_dir": cache_dir, "repo_type": repo_type}
    fetch = partial(hf_hub_download, repo_id, file, token=token, **place)
    path = Path(retry(partial(fetch, force_download=force_download)))
    if is_damaged(path):
        path = Path(retry(partial(fetch, force_download=True)))
    if is_damaged(path):
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise OSError(f"the file {file} arrives damaged, its hash is wrong; try again later")
    return path


def download_dataset_file(repo_id: str, file: str) -> Path | None:
    """Return the path in the cache of a file of a data set, which is downloaded only if it is not cached.

    Returns None where the Hub has no such file, or is not to be used (HF_HUB_OFFLINE). Raises `OSError` whose message
    is the reason when the Hub cannot be reached.
    """
    cached = try_to_load_from_cache(repo_id, file, repo_type="dataset")
    if isinstance(cached, str) and not is_damaged(Path(cached)):
        return Path(cached)
    try:
        # find out within a few seconds whether the Hub can be reached; a download would wait much longer
        retry(partial(HfApi().dataset_info, repo_id, timeout=10), limit=5)
        return download(repo_id, file, repo_type="dataset")
    except HUB_ERRORS as error:
        if is_refusal(error) or isinstance(error, errors.OfflineModeIsEnabled):
            return None
        raise OSError(reason(error)) from error


def is_damaged(path: Path) -> bool:
    """Whether a cached file has another content than the hash in its name says, which huggingface_hub does not check.

    Where the cache has no symbolic links (Windows), the hash is unknown and the result is False.
    """
    if not path.is_symlink():
        return False
    expected = Path(os.readlink(path)).name
    if not path.exists():
        return True
    is_hash = re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", expected) is not None
    return is_hash and expected not in content_hashes(path.read_bytes())


def content_hashes(content: bytes) -> tuple[str, str]:
    """The two hashes by which the Hub may know a content: git's blob hash (small files), SHA-256 (large files)."""
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return git, hashlib.sha256(content).hexdigest()


def checked_token(token: str | bool | None) -> str | bool | None:
    """The token without surrounding white space. Raises `CheckpointError` if it has characters that no token has.

    With None or True, the token of `hf auth login` or HF_TOKEN is used, and checked here. The check is necessary
    because the HTTP library's error for such a token would show it.
    """
    if isinstance(token, str):
        token = token.strip() or None
    used = token if isinstance(token, str) else get_token() if token is not False else None
    if not re.fullmatch("[!-~]*", used or ""):
        raise CheckpointError("The token has characters that no token has: copy it again from the Hub's settings.")
    return token


# snapshots of checkpoints


def download_snapshot(
    repo_id: str,
    revision: str | None = None,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """Return the folder in the cache with the files of a checkpoint of the Hub, downloaded if necessary.

    The network is not used if `revision` is the id of a cached commit. If the Hub cannot be reached, a cached snapshot
    of the revision is used, except with `force_download`. Raises `CheckpointError`.
    """
    try:
        token = checked_token(token)
        cached = None if force_download else _cached_snapshot(repo_id, revision, cache_dir)
        if local_files_only or constants.HF_HUB_OFFLINE:
            if force_download:
                raise CheckpointError(f"{repo_id} cannot be downloaded again while the network must not be used.")
            if cached is None:
                raise CheckpointError(f"{repo_id} is not completely in the cache, and the network must not be used.")
            return cached
        if cached and cached.name == revision:
            return cached
        timeout = CHECK_TIMEOUT if cached else ANSWER_TIMEOUT
        look_up = partial(HfApi(token=token).model_info, repo_id, revision=revision, timeout=timeout)
        try:
            info = call_with_timeout(CHECK_TIMEOUT, look_up) if cached else retry(look_up)
            return _download_files(repo_id, info, revision, token, cache_dir, force_download)
        except HUB_ERRORS as error:
            if cached is None or is_refusal(error) or isinstance(error, CheckpointError):
                raise
            logger.warning("Using the cached commit %s of %s, because %s.", cached.name[:7], repo_id, reason(error))
            return cached
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        at = f" at {revision}" if revision else ""
        raise CheckpointError(f"{repo_id}{at} cannot be downloaded from the Hub: {reason(error)}.") from error


def _cached_snapshot(repo_id: str, revision: str | None, cache_dir: str | Path | None) -> Path | None:
    """The folder of the cached snapshot of a revision, or None if a file is missing or damaged."""
    paths = []
    for file in REQUIRED_FILES:
        path = try_to_load_from_cache(repo_id, file, cache_dir=cache_dir, revision=revision)
        if not isinstance(path, str) or is_damaged(Path(path)):
            return None
        paths.append(Path(path))
    return paths[0].parent


def _download_files(
    repo_id: str,
    info: ModelInfo,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    force_download: bool,
) -> Path:
    """Download the files that are not cached, then note which commit the revision is.

    The note is written last, so that an incomplete snapshot is never used.
    """
    assert info.sha is not None
    names = [sibling.rfilename for sibling in info.siblings or []]
    check_required_files(repo_id, names)
    options = {"revision": info.sha, "token": token, "cache_dir": cache_dir, "force_download": force_download}
    paths = [download(repo_id, file, **options) for file in PUBLISHED_FILES if file in names]
    folder = paths[0].parent
    if revision != info.sha:
        note = folder.parents[1] / "refs" / (revision or constants.DEFAULT_REVISION)
        with suppress(OSError):  # the cache may be read-only
            note.parent.mkdir(parents=True, exist_ok=True)
            with write_whole(note) as file:  # another process may be reading it
                file.write(info.sha.encode())
    return folder


def check_required_files(name: str | Path, files: list[str]) -> None:
    """Raise `CheckpointError` unless config.json and the weights are among the files."""
    missing = [file for file in REQUIRED_FILES if file not in files]
    if missing:
        required = " and ".join(REQUIRED_FILES)
        raise CheckpointError(f"{name} has no {' and no '.join(missing)}: a checkpoint needs {required}.")
