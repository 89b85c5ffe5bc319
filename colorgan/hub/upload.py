"""Upload files to the Hub: checkpoints with their cards, and data sets."""

import hashlib
import logging
import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants

from colorgan.hub.client import CheckpointError, checked_token, content_hashes, download
from colorgan.hub.retry import ANSWER_TIMEOUT, HUB_ERRORS, reason, retry

# the last line of a published card; its digest shows later whether the card was edited on the Hub
CARD_MARK = "<!-- colorgan wrote this card ({digest}). If you edit it here, colorgan does not overwrite it. -->"

logger = logging.getLogger(__name__)


def create_repo(
    repo_id: str,
    *,
    private: bool = False,
    token: str | bool | None = None,
    revision: str | None = None,
    repo_type: str = "model",
) -> str:
    """Create a repo (and branch) if it does not exist, and check that it may be written to; return its full id.

    Without an owner in `repo_id`, the owner is the token's user. Raises `CheckpointError`.
    """
    try:
        api = HfApi(token=checked_token(token))
        user = retry(api.whoami)
        if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise CheckpointError(
                f"The token in use has no right to write, which {repo_id} needs: make one with write access at "
                f"{constants.ENDPOINT}/settings/tokens."
            )
        if "/" not in repo_id:
            repo_id = f"{user['name']}/{repo_id}"
        retry(partial(api.create_repo, repo_id, private=private or None, exist_ok=True, repo_type=repo_type))
        if private and not retry(partial(api.repo_info, repo_id, timeout=ANSWER_TIMEOUT, repo_type=repo_type)).private:
            raise CheckpointError(
                f"{repo_id} exists already and is public: make it private on the Hub, or choose another name."
            )
        if revision:
            retry(partial(api.create_branch, repo_id, branch=revision, exist_ok=True, repo_type=repo_type))
        # ask how a file would be uploaded: the Hub answers only those who may write
        probe = CommitOperationAdd("README.md", b"colorgan")
        retry(partial(api.preupload_lfs_files, repo_id, [probe], revision=revision, repo_type=repo_type))
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        raise CheckpointError(f"Nothing can be published to {repo_id}: {reason(error)}.") from error
    return repo_id


def publish(
    files: Mapping[str, bytes],
    repo_id: str,
    *,
    private: bool = False,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    overwrite_card: bool = False,
) -> str:
    """Publish the files of a checkpoint on the Hub in one commit, and return the page's address.

    `private`, `token` and `revision` are those of `create_repo`. A card that was edited on the Hub is kept unless
    `overwrite_card`. Files that the Hub has already are not committed again. Raises `CheckpointError`.
    """
    repo_id = create_repo(repo_id, private=private, token=token, revision=revision)
    files = dict(files)
    if "README.md" in files:
        files["README.md"] = _published_card(files["README.md"], repo_id, revision)
    try:
        upload = partial(_upload, files, repo_id, checked_token(token), revision, commit_message, overwrite_card)
        retry(partial(upload, "model"))
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        raise CheckpointError(f"The checkpoint could not be pushed to {repo_id}: {reason(error)}.") from error
    return f"{constants.ENDPOINT}/{repo_id}" + (f"/tree/{revision}" if revision else "")


def create_dataset_repo(repo_id: str, files: Collection[str], *, private: bool = False) -> str:
    """Create a data set repo for these files if it does not exist, as `create_repo` does; return its full id.

    Raises `CheckpointError` also if it has other files: its readers could not tell which belong together.
    """
    repo_id = create_repo(repo_id, private=private, repo_type="dataset")
    try:
        there = retry(partial(HfApi(token=checked_token(None)).list_repo_files, repo_id, repo_type="dataset"))
    except HUB_ERRORS as error:
        raise CheckpointError(f"Nothing can be published to {repo_id}: {reason(error)}.") from error
    others = [name for name in there if name not in (".gitattributes", "README.md", *files)]
    if others:
        raise CheckpointError(
            f"The data set {repo_id} has other files already, such as {others[0]}: choose a new name."
        )
    return repo_id


def push_dataset(folder: Path, files: Collection[str], repo_id: str) -> str:
    """Publish these files of a folder in one commit to a data set repo that exists; return the page's address.

    Files that the Hub has already are not sent again. A README.md that was edited on the Hub is kept. Raises
    `CheckpointError`.
    """
    paths = {name: folder / name for name in files}
    try:
        retry(partial(_upload, paths, repo_id, checked_token(None), None, None, False, "dataset"))
    except CheckpointError:
        raise
    except HUB_ERRORS as error:
        raise CheckpointError(f"{folder} could not be pushed to the data set {repo_id}: {reason(error)}.") from error
    return f"{constants.ENDPOINT}/datasets/{repo_id}"


def _upload(
    files: Mapping[str, bytes | Path],
    repo_id: str,
    token: str | bool | None,
    revision: str | None,
    message: str | None,
    overwrite_card: bool,
    repo_type: str,
) -> None:
    """Commit the files that the Hub does not have yet, as a child of its newest commit.

    It is safe to call this again after an answer was lost: if the commit did arrive, nothing is left to commit; if it
    arrives late, the Hub refuses it, because its parent is no longer the newest commit.
    """
    api = HfApi(token=token)
    info: Any = api.repo_info(
        repo_id, revision=revision, files_metadata=True, timeout=ANSWER_TIMEOUT, repo_type=repo_type
    )
    there = {s.rfilename: s.lfs.sha256 if s.lfs else s.blob_id for s in info.siblings or []}
    new = {name: content for name, content in files.items() if there.get(name) not in _hashes(content)}
    if "README.md" in new and "README.md" in there and not overwrite_card:
        path = download(repo_id, "README.md", revision=info.sha, token=token, repo_type=repo_type)
        if was_edited(path.read_text(encoding="utf-8", errors="replace")):
            logger.warning("The card of %s was edited on the Hub and is kept; overwrite_card replaces it.", repo_id)
            del new["README.md"]
    if new:
        api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in new.items()],
            commit_message=message or "Upload with colorgan",
            revision=revision,
            parent_commit=info.sha,
            repo_type=repo_type,
        )


def _hashes(content: bytes | Path) -> tuple[str, ...]:
    """The hashes by which the Hub may know a content. A file that is named by its path is large."""
    if isinstance(content, bytes):
        return content_hashes(content)
    if content.suffix == ".md":
        return content_hashes(content.read_bytes())
    with open(content, "rb") as file:
        return (hashlib.file_digest(file, "sha256").hexdigest(),)


def _published_card(card: bytes, repo_id: str, revision: str | None) -> bytes:
    """The card for the Hub: its first code block loads from the Hub, and its last line is `CARD_MARK`."""
    text = _split_card(card.decode("utf-8-sig"))[0]
    name = f"{repo_id}@{revision}" if revision else repo_id
    text = re.sub(r'(\.from_pretrained\(")[^"]*(?=")', lambda match: match[1] + name, text, count=1)
    return mark_card(text).encode()


def mark_card(text: str) -> str:
    """The card with a last line by which `was_edited` knows it."""
    return f"{text}\n{CARD_MARK.format(digest=_digest(text))}\n"


def was_edited(text: str) -> bool:
    """Whether a published card differs from what colorgan wrote."""
    body, digest = _split_card(text)
    return digest != _digest(body)


def _split_card(text: str) -> tuple[str, str | None]:
    """A card without `CARD_MARK`, and the digest in that mark if there is one."""
    text = text.replace("\r\n", "\n")
    mark = re.search(re.escape(CARD_MARK).replace(r"\{digest\}", "([0-9a-f]{16})"), text)
    return (text[: mark.start()] + text[mark.end() :] if mark else text).rstrip() + "\n", mark and mark[1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
