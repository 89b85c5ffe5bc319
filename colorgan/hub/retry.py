"""Retries, time limits and error messages for calls to the Hub."""

import errno
import importlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import constants, errors
from huggingface_hub.utils import get_session

# the HTTP library that the installed huggingface_hub uses: httpx or httpx2
httpx: Any = importlib.import_module(errors.HfHubHTTPError.__bases__[0].__module__)

RETRY_WAITS = (0.5, 1, 2, 4, 8)  # seconds before each further attempt, unless the Hub asks for more (Retry-After)
RETRY_LIMIT = 60  # seconds after which no further attempt begins; huggingface_hub's own attempts are included
ANSWER_TIMEOUT = 60.0  # seconds without an answer after which a request fails; huggingface_hub itself sets no limit
TEMPORARY_STATUS = (408, 412, 429, 500, 502, 503, 504)  # 412: another commit was made in between
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)  # error numbers of the operating system
HUB_ERRORS = (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, RuntimeError, futures.TimeoutError)

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


def retry(call: Callable[[], Result], limit: float = RETRY_LIMIT) -> Result:
    """Return `call()`, repeated while it fails with a temporary error; no attempt begins after `limit` seconds.

    Raises the error of the last attempt, one of `HUB_ERRORS`.
    """
    end = time.monotonic() + limit
    for wait in (*RETRY_WAITS, None):
        try:
            with _answer_timeout():
                return call()
        except HUB_ERRORS as error:
            if wait is None or not is_temporary(error):
                raise
            wait = max(wait, _retry_after(error))
            if time.monotonic() + wait > end:
                raise
            logger.warning("Trying again in %g s, because %s.", wait, reason(error))
            time.sleep(wait)
    raise AssertionError  # the last attempt has returned or raised


def call_with_timeout(seconds: float, call: Callable[[], Result]) -> Result:
    """Return `call()`. Raises its error, or `futures.TimeoutError` after `seconds`, which include the DNS look-up."""
    future: futures.Future[Result] = futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # Python would wait for a pool's thread when it exits
    return future.result(seconds)


@contextmanager
def _answer_timeout() -> Iterator[None]:
    """Apply `ANSWER_TIMEOUT` to requests that have no time limit of their own."""
    session: Any = get_session()
    before, session.timeout = session.timeout, ANSWER_TIMEOUT
    try:
        yield
    finally:
        session.timeout = before


def is_temporary(error: BaseException | None) -> bool:
    """Whether the same call may succeed a little later."""
    response = getattr(error, "response", None)
    if isinstance(error, errors.HfHubHTTPError | httpx.HTTPStatusError) and response is not None:
        return response.status_code in TEMPORARY_STATUS
    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError):  # huggingface_hub wraps failed transfers so
        return is_temporary(error.__cause__)
    if isinstance(error, httpx.TransportError):
        return not isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
    return _is_incomplete(error) or isinstance(error, json.JSONDecodeError | futures.TimeoutError)


def is_refusal(error: BaseException) -> bool:
    """Whether the Hub answered that the request is wrong or not allowed, so that a cached copy must not be used.

    An expired token (HTTP 401) is no refusal: what is cached stays usable.
    """
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        if error.response.status_code == 401 and not isinstance(error, errors.RepositoryNotFoundError):
            return False
        return 400 <= error.response.status_code < 500 and not is_temporary(error)
    return isinstance(error, errors.HFValidationError)


def _is_incomplete(error: BaseException | None) -> bool:
    """Whether a downloaded file is shorter than the Hub said; huggingface_hub has no exception class for this."""
    return isinstance(error, OSError) and str(error).startswith("Consistency check failed")


def _retry_after(error: BaseException) -> float:
    """The seconds that the Hub asks to wait, or 0."""
    seconds = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0


def reason(error: BaseException) -> str:
    """Why a call to the Hub failed, as a clause in one line and without any token."""
    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        return reason(error.__cause__)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "there is no token: log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return "access to it must be requested on its page"
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
        return "a file keeps arriving incomplete; try again later"
    if isinstance(error, json.JSONDecodeError):
        return "the Hub's answer is not valid JSON; try again later"
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return "the Hub cannot be reached, or the connection breaks"
    file = error.filename if isinstance(error, OSError) and error.errno in NOT_WRITABLE else None
    if file and Path(file).is_relative_to(constants.HF_HOME):
        return f"{file} cannot be written to: set HF_HOME to a folder that can be"
    lines = [line.strip("- ") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r"hf_\w+", "hf_***", " ".join(lines))[:300].rstrip(".")
