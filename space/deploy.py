"""Publish the demo as a Space on the Hub: `python space/deploy.py --space owner/name --models owner/unet owner/cgan`.

One commit uploads app.py, the package with its bundled checkpoints, requirements.txt, and README.md with the Space's
settings. Running the script again updates the Space. It keeps the text and settings that were edited in README.md on
the Hub, except for the models and Gradio's version. Models of the Hub are not copied: the Space downloads them.
"""

import argparse
import sys
from collections.abc import Collection, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, constants

from colorgan import Generator
from colorgan.hub import bundled_names
from colorgan.hub.client import download
from colorgan.hub.retry import ANSWER_TIMEOUT, HUB_ERRORS, reason, retry

ROOT = Path(__file__).parent.parent
PRELOADED = ("config.json", "model.safetensors", "README.md")  # downloaded when the Space is built


class DeployError(Exception):
    """The Space cannot be created or updated; the message says in one sentence why."""


def space_files(
    models: list[str], readable: Mapping[str, Collection[str]], readme: str | None = None
) -> dict[str, bytes]:
    """The files of the Space by path. Without `models`, the Space shows the models inside the package.

    `readable` lists the files of each model that the Space's build can read; `readme` is the Space's present README.md.
    """
    models = list(dict.fromkeys(models))
    package = ROOT / "colorgan"
    paths = [ROOT / "app.py", ROOT / "LICENSE", *package.rglob("*.py"), package / "py.typed"]
    paths += package.glob("pretrained/*/*")
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(paths)}
    files["requirements.txt"] = (ROOT / "space" / "requirements.txt").read_bytes()
    files["README.md"] = _card(models, readable, readme).encode()
    if models:
        files["models.txt"] = "\n".join([*models, ""]).encode()
    return files


def _card(models: list[str], readable: Mapping[str, Collection[str]], readme: str | None) -> str:
    """README.md with the Space's settings."""
    try:
        card = RepoCard(readme) if readme else RepoCard.load(ROOT / "space" / "README.md")
    except (ValueError, yaml.YAMLError) as error:
        raise DeployError(
            "The Space's README.md has settings that are not valid YAML: correct them on the Hub first."
        ) from error
    settings: Any = card.data  # has an attribute for each setting
    if not settings.get("sdk"):
        raise DeployError("The Space's README.md has no settings (sdk: gradio): restore them there, or delete it.")
    settings.sdk_version = version("gradio")  # the version that the tests ran with
    on_hub = [name for name in models if name not in bundled_names()]
    files = {name: [file for file in PRELOADED if file in readable.get(name, ())] for name in on_hub}
    settings.models = list(dict.fromkeys(name.partition("@")[0] for name in on_hub)) or None
    # the build of a Space cannot read private or gated models, nor branches
    preloaded = [f"{name} {','.join(files[name])}" for name in on_hub if "@" not in name and files[name]]
    settings.preload_from_hub = preloaded or None
    return str(card)


def deploy(space: str, models: list[str], *, private: bool = False) -> str:
    """Create or update the Space in one commit, and return its address. Raises `DeployError`."""
    api, subject = HfApi(), f"The Space {space}"
    try:
        retry(api.whoami)
        readable = {}
        for name in models:
            subject = f"The model {name}"
            if name not in bundled_names():
                repo, _, revision = name.partition("@")
                info = retry(partial(api.model_info, repo, revision=revision or None, timeout=ANSWER_TIMEOUT))
                if not info.private and not info.gated:
                    readable[name] = [sibling.rfilename for sibling in info.siblings or []]
            Generator.from_pretrained(name)  # raises the error that the Space would raise
        subject = f"The Space {space}"
        create = partial(api.create_repo, space, repo_type="space", space_sdk="gradio", exist_ok=True)
        retry(partial(create, private=private or None))
        if private and not retry(partial(api.repo_info, space, repo_type="space", timeout=ANSWER_TIMEOUT)).private:
            raise DeployError(f"The Space {space} exists already and is public: make it private on the Hub first.")
        retry(partial(_commit, api, space, models, readable))
    except HUB_ERRORS as error:
        raise DeployError(f"{subject} cannot be used: {reason(error)}.") from error
    return f"{constants.ENDPOINT}/spaces/{space}"


def _commit(api: HfApi, space: str, models: list[str], readable: Mapping[str, Collection[str]]) -> None:
    """Upload the files that are new or changed, and delete files of an older version of the package."""
    info = api.space_info(space, timeout=ANSWER_TIMEOUT)
    there, readme = [sibling.rfilename for sibling in info.siblings or []], None
    if {"README.md", "colorgan/__init__.py"} <= set(there):  # otherwise README.md is the Hub's for new Spaces
        path = download(space, "README.md", revision=info.sha, repo_type="space")
        readme = path.read_text(encoding="utf-8-sig")
    files = space_files(models, readable, readme)
    stale = [path for path in there if path not in files and path.startswith(("colorgan/", "models.txt"))]
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    deleted = [CommitOperationDelete(path) for path in stale]
    message = "Deploy the demo of colorgan"
    api.create_commit(space, [*added, *deleted], commit_message=message, repo_type="space", parent_commit=info.sha)


def main(argv: list[str] | None = None) -> int:
    """Run with the options of the command line, and return the exit status."""
    parser = argparse.ArgumentParser(description="Publish the demo as a Space on the Hub.")
    parser.add_argument("--space", required=True, metavar="OWNER/NAME", help="the Space, created if it does not exist")
    parser.add_argument(
        "--models", nargs="+", default=[], metavar="OWNER/NAME[@REVISION]", help="models of the Hub (default: bundled)"
    )
    parser.add_argument("--private", action="store_true", help="only you can see the Space")
    parser.add_argument("--dry-run", action="store_true", help="list the files and upload nothing")
    args = parser.parse_args(argv)
    for name in (args.space, *args.models):
        if name.count("/") != 1 and name not in bundled_names():
            parser.error(f"{name} is not a name on the Hub: give owner/name.")
    if args.dry_run:
        files = space_files(args.models, dict.fromkeys(args.models, PRELOADED))
        print(*(f"{len(content):>10,}  {path}" for path, content in files.items()), sep="\n")
        print(f"\n{files['README.md'].decode()}")
        print(f"{len(files)} files would be uploaded to {constants.ENDPOINT}/spaces/{args.space}.")
        return 0
    try:
        print(deploy(args.space, args.models, private=args.private))
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
