"""Put the demo on the Hub as a Space: `python space/deploy.py --space owner/name --models owner/unet owner/cgan`.

Everything goes up in one commit: app.py, the package with its bundled checkpoints, requirements.txt, and README.md with
the Space's settings. Running it again updates the Space, whose README.md then keeps what was written there; only the
models and Gradio's version change in it. Models of the Hub are not copied: the Space fetches them.
"""

import argparse
import sys
from collections.abc import Collection, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, constants

from colorgan import Generator
from colorgan.hub import bundled_names
from colorgan.hub.client import download
from colorgan.hub.retry import ANSWER_TIMEOUT, HUB_ERRORS, reason, retry

ROOT = Path(__file__).parent.parent
PRELOADED = ("config.json", "model.safetensors", "README.md")  # fetched when the Space is built


class DeployError(Exception):
    """The Space cannot be made; the message is one sentence that says why."""


def space_files(
    models: list[str], readable: Mapping[str, Collection[str]], readme: str | None = None
) -> dict[str, bytes]:
    """What the Space consists of, by path; without models, it shows those inside the package.

    `readable` names the files that a build can read of each model, and `readme` is what the Space says already.
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
    try:
        card = RepoCard(readme) if readme else RepoCard.load(ROOT / "space" / "README.md")
    except (ValueError, yaml.YAMLError) as error:
        raise DeployError("The Space's README.md has settings that are no YAML: mend it there first.") from error
    if not card.data.get("sdk"):
        raise DeployError("The Space's README.md has no settings (sdk: gradio): put them back there, or delete it.")
    card.data.sdk_version = version("gradio")  # what the tests ran with
    on_hub = [name for name in models if name not in bundled_names()]
    files = {name: [file for file in PRELOADED if file in readable.get(name, ())] for name in on_hub}
    card.data.models = list(dict.fromkeys(name.partition("@")[0] for name in on_hub)) or None
    # a build reads neither private or gated models nor branches
    preloaded = [f"{name} {','.join(files[name])}" for name in on_hub if "@" not in name and files[name]]
    card.data.preload_from_hub = preloaded or None
    return str(card)


def deploy(space: str, models: list[str], *, private: bool = False) -> str:
    """Create or update the Space in one commit; gives its address. Raises `DeployError`."""
    api, doing = HfApi(), f"The Space {space}"
    try:
        retry(api.whoami)
        readable = {}
        for name in models:
            doing = f"The model {name}"
            if name not in bundled_names():
                repo, _, revision = name.partition("@")
                info = retry(partial(api.model_info, repo, revision=revision or None, timeout=ANSWER_TIMEOUT))
                if not info.private and not info.gated:
                    readable[name] = [sibling.rfilename for sibling in info.siblings]
            Generator.from_pretrained(name)  # raises what the Space would
        doing = f"The Space {space}"
        options = {"repo_type": "space", "space_sdk": "gradio", "private": private or None, "exist_ok": True}
        retry(partial(api.create_repo, space, **options))
        if private and not retry(partial(api.repo_info, space, repo_type="space", timeout=ANSWER_TIMEOUT)).private:
            raise DeployError(f"The Space {space} is there already and public: make it private there first.")
        retry(partial(_commit, api, space, models, readable))
    except HUB_ERRORS as error:
        raise DeployError(f"{doing} cannot be used: {reason(error)}.") from error
    return f"{constants.ENDPOINT}/spaces/{space}"


def _commit(api: HfApi, space: str, models: list[str], readable: Mapping[str, Collection[str]]) -> None:
    info = api.repo_info(space, repo_type="space", timeout=ANSWER_TIMEOUT)
    there, readme = [sibling.rfilename for sibling in info.siblings], None
    if {"README.md", "colorgan/__init__.py"} <= set(there):  # a new Space has a README.md of the Hub's
        path = download(space, "README.md", revision=info.sha, repo_type="space")
        readme = path.read_text(encoding="utf-8-sig")
    files = space_files(models, readable, readme)
    stale = [path for path in there if path not in files and path.startswith(("colorgan/", "models.txt"))]
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    operations += [CommitOperationDelete(path) for path in stale]
    message = "Deploy the demo of colorgan"
    api.create_commit(space, operations, commit_message=message, repo_type="space", parent_commit=info.sha)


def main(argv: list[str] | None = None) -> int:
    """Run with the options of the command line; gives the exit status."""
    parser = argparse.ArgumentParser(description="Put the demo on the Hub as a Space.")
    parser.add_argument("--space", required=True, metavar="OWNER/NAME", help="made if it is not there")
    parser.add_argument(
        "--models", nargs="+", default=[], metavar="OWNER/NAME[@REVISION]", help="models of the Hub (default: bundled)"
    )
    parser.add_argument("--private", action="store_true", help="only you may see the Space")
    parser.add_argument("--dry-run", action="store_true", help="show what would be uploaded, and upload nothing")
    args = parser.parse_args(argv)
    for name in (args.space, *args.models):
        if name.count("/") != 1 and name not in bundled_names():
            parser.error(f"{name} is no name on the Hub: give owner/name.")
    if args.dry_run:
        files = space_files(args.models, dict.fromkeys(args.models, PRELOADED))
        print(*(f"{len(content):>10,}  {path}" for path, content in files.items()), sep="\n")
        print(f"\n{files['README.md'].decode()}")
        print(f"{len(files)} files would go to {constants.ENDPOINT}/spaces/{args.space}.")
        return 0
    try:
        print(deploy(args.space, args.models, private=args.private))
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
