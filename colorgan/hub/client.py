"""Calls to the Hub on its bad days: made again after a bad answer, bounded in time, and what failed in one clause."""

import hashlib
import importlib
import json
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from huggingface_hub import HfApi, constants, errors, get_token, hf_hub_download, try_to_load_from_cache
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import get_session

httpx = importlib.import_module(errors.HfHubHTTPError.__bases__[0].__module__)  # or httpx2, whichever the client uses

WAITS = (0.5, 1, 2, 4, 8)  # seconds before each further attempt, unless the Hub asks for more (Retry-After)
PATIENCE = 60  # seconds after which no further attempt begins; the client's own attempts count
ANSWER = 60.0  # seconds of silence after which an answer is given up; the client itself would wait for ever
TEMPORARY = (408, 412, 429, 500, 502, 503, 504)  # 412: somebody else committed in between
HUB_ERRORS = (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, RuntimeError, futures.TimeoutError)

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


def patiently(call: Callable[[], Result], patience: float = PATIENCE) -> Result:
    """What `call()` gives, made again while it fails in ways that pass; no attempt begins after `patience` seconds.

    Raises what the last attempt raised, one of `HUB_ERRORS`.
    """
    end = time.monotonic() + patience
    for wait in (*WAITS, None):
        try:
            with _answers_in_time():
                return call()
        except HUB_ERRORS as error:
            if wait is None or not is_temporary(error):
                raise
            wait = max(wait, _retry_after(error))
            if time.monotonic() + wait > end:
                raise
            logger.warning("Once more in %g s, because %s.", wait, reason(error))
            time.sleep(wait)
    raise AssertionError  # the last attempt has returned or raised


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """What `call()` gives or raises; `futures.TimeoutError` after `seconds`, in which names are looked up as well."""
    future: futures.Future[Result] = futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a pool's thread would be waited for when Python ends
    return future.result(seconds)


@contextmanager
def _answers_in_time() -> Iterator[None]:
    """Give calls a time limit that have none of their own."""
    session = get_session()
    before, session.timeout = session.timeout, ANSWER
    try:
        yield
    finally:
        session.timeout = before


def is_temporary(error: BaseException | None) -> bool:
    """Whether the same call may well succeed a little later."""
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        return error.response.status_code in TEMPORARY
    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError):  # what the client makes of failed transfers
        return is_temporary(error.__cause__)
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in TEMPORARY
    if isinstance(error, httpx.TransportError):
        return not isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
    return _is_incomplete(error) or isinstance(error, json.JSONDecodeError | futures.TimeoutError)


def is_refusal(error: BaseException) -> bool:
    """Whether the Hub is there and says no: a cached copy would hide that. A token that ran out hides nothing."""
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        if error.response.status_code == 401 and not isinstance(error, errors.RepositoryNotFoundError):
            return False
        return 400 <= error.response.status_code < 500 and not is_temporary(error)
    return isinstance(error, errors.HFValidationError)


def _is_incomplete(error: BaseException | None) -> bool:
    """Whether a file came shorter than the Hub said, for which the client has no exception of its own."""
    return isinstance(error, OSError) and str(error).startswith("Consistency check failed")


def _retry_after(error: BaseException) -> float:
    asked = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def reason(error: BaseException) -> str:
    """Why a call to the Hub failed, as a clause in one line and without any token."""
    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        return reason(error.__cause__)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "there is no token: log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return "access to it has to be asked for on its page"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the Hub has no such repository, or it is private and the token in use may not read it"
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such revision"
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        return {
            401: "the Hub does not know this token",
            403: "the token in use has no right to do that",
            412: "others kept changing it at the same time",
            429: "the Hub asks for fewer requests (HTTP 429); try again later",
        }.get(status, f"the Hub answers with HTTP {status}" + ("; try again later" if status >= 500 else ""))
    if isinstance(error, httpx.TimeoutException | futures.TimeoutError):
        return "the Hub does not answer in time"
    if _is_incomplete(error):
        return "a file keeps coming incomplete; try again later"
    if isinstance(error, json.JSONDecodeError):
        return "the Hub's answers make no sense; try again later"
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return "the Hub cannot be reached, or the connection breaks"
    lines = [line.strip("- ") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r"hf_\w+", "hf_***", " ".join(lines))[:300].rstrip(".")


def download(
    repo_id: str, file: str, *, revision: str | None = None, token: str | None = None, repo_type: str | None = None
) -> Path:
    """A file of a repo, in the client's cache, with the hash that the Hub gave; what arrives damaged is fetched anew.

    Raises one of `HUB_ERRORS`.
    """
    fetch = partial(hf_hub_download, repo_id, file, revision=revision, token=token, repo_type=repo_type)
    path = Path(patiently(fetch))
    if is_damaged(path):
        path = Path(patiently(partial(fetch, force_download=True)))
    if is_damaged(path):
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise OSError(f"the file {file} arrives damaged, its hash is wrong; try again later")
    return path


def is_damaged(path: Path) -> bool:
    """Whether a file of the client's cache has other content than its name there says, the hash the Hub gave.

    The client does not look. Where the cache is kept without links, the hash is not known, and False is given.
    """
    if not path.is_symlink():
        return False
    expected = Path(os.readlink(path)).name
    if not path.exists():
        return True
    known = re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", expected) is not None
    return known and expected not in content_hashes(path.read_bytes())


def content_hashes(content: bytes) -> tuple[str, str]:
    """The two names the Hub may know a content by: git's blob hash (small files), SHA-256 (large files)."""
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return git, hashlib.sha256(content).hexdigest()


FILES = ("config.json", "model.safetensors")
PUBLISHED = ("README.md", "sample.png", *FILES)  # the weights come last: where they are, all is
PROMPT = 1.2  # seconds the Hub has to say whether it has anything newer than what is cached


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
