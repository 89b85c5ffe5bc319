"""Models are published and downloaded with the real client, also when calls fail.

Each scenario is a function that `in_process` runs in another process, because the client reads its environment when it
is imported.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hub_server import HubServer
from scripts import run_script

ROOT = Path(__file__).parent.parent
TOKENS = ("hf_write", "hf_read", "hf_other", "hf_wrong")
ONCE = ("408", "429", "500", "502", "503", "504", "cut", "late-503", "late-cut")
SOON = 15  # seconds: a busy machine needs less, and a Hub that does not answer keeps a test waiting for longer
CARD = """---
license: apache-2.0
---
# A card

```python
colorizer = Colorizer.from_pretrained("runs/model")
```
"""


def in_process(scenario: Callable[[Path], None], folder: Path, **environment: str) -> str:
    """Run a scenario of this file in a forked process, and return its standard error."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import pathlib, test_push as t; "
    code += f"t.{scenario.__name__}(pathlib.Path({str(folder)!r}))"
    run = run_script("-c", code, **{"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not any(token in run.stdout + run.stderr for token in TOKENS)
    return run.stderr


def start_hub(folder: Path, token: str | None = None, **environment: str) -> HubServer:
    """Start a server for this process, which must not have imported the client yet."""
    assert "huggingface_hub" not in sys.modules
    hub = HubServer(folder / "hub").start()
    os.environ.update(hub.environment(folder / "home", token, **environment))
    return hub


def hurry() -> list[float]:
    """Shorten every `time.sleep` of this process, and return a list that collects the seconds asked for."""
    waits, sleep = [], time.sleep

    def short(seconds: float) -> None:
        waits.append(seconds)
        sleep(min(seconds, 0.002))

    time.sleep = short
    return waits


def save_model(folder: Path, seed: int = 0) -> Path:
    """Write a small checkpoint folder with a card, a sample picture, and files that must not be published."""
    import torch

    from colorgan import Generator

    torch.manual_seed(seed)
    Generator(width=8).save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    (folder / "sample.png").write_bytes(b"\x89PNG of %d" % seed)
    (folder / "training.json").write_text("{}")
    (folder / "checkpoint-000001").mkdir(exist_ok=True)
    (folder / "checkpoint-000001" / "random_states_0.pkl").write_bytes(b"\x80\x04.")
    return folder


def sentence(call: Callable[[], object]) -> str:
    """The message of the `CheckpointError` that a call raises: one sentence without a token."""
    from colorgan import CheckpointError

    with pytest.raises(CheckpointError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    assert not any(token in text for token in TOKENS)
    return text


def expect(text: str, call: Callable[[], object]) -> None:
    """Assert that a call raises a `CheckpointError` whose message has this text."""
    said = sentence(call)
    assert text in said, f"{said!r} does not say {text!r}"


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# publishing and downloading


def test_a_pushed_model_is_the_same_for_others(tmp_path: Path):
    in_process(push_and_read, tmp_path)
    with HubServer(tmp_path / "hub") as hub:
        shutil.rmtree(tmp_path / "home")  # another machine: nothing is cached
        in_process(pull_and_colorize, tmp_path, **hub.environment(tmp_path / "home"))


def push_and_read(folder: Path) -> None:
    hub = start_hub(folder, "hf_write")
    from skimage import data

    from colorgan import Colorizer, Generator, cli
    from colorgan.hub.publish import push

    model = save_model(folder / "model")
    assert cli.main(["push", str(model), "user/net", "--message", "First"]) == 0
    files = hub.files("models", "user/net")
    assert set(files) == {".gitattributes", "README.md", "sample.png", "config.json", "model.safetensors"}
    for name in ("sample.png", "config.json", "model.safetensors"):
        assert files[name] == (model / name).read_bytes()
    assert 'from_pretrained("user/net")' in files["README.md"].decode()
    assert (model / "README.md").read_text() == CARD  # the local card still names the local folder
    assert hub.commits("models", "user/net") == ["First", "initial commit"]
    Colorizer.from_pretrained(model).colorize(data.coffee()).save(folder / "local.png")

    # options of the command; the second time the branch exists already
    for token in ("", "hf_read", " hf_write\n", "hf_write"):
        options = ["--private", "--revision", "dev", *(["--token", token] if token else [])]
        os.environ["HF_TOKEN"] = "hf_wrong" if token else "hf_read"
        assert cli.main(["push", str(model), "user/cli", *options]) == (0 if "write" in token else 1)
    os.environ["HF_TOKEN"] = "hf_write"
    assert hub.files("models", "user/cli", "dev")["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert hub.read("models", "user/cli")["private"]
    # a folder with the name of a bundled model is that folder
    os.chdir(folder)
    shutil.copytree(model, "unet")
    push("unet", "user/mine")
    assert hub.files("models", "user/mine")["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert Generator.from_pretrained(Path("unet")).network.stem.out_channels == 8

    # pushing again: nothing is new, so nothing is committed
    assert push(model, "user/net") == f"{hub.url}/user/net"
    assert len(hub.commits("models", "user/net")) == 2
    # a card that was not edited is replaced, an edited one is kept unless overwrite_card
    (model / "README.md").write_text(CARD + "More.\n")
    push(model, "user/net")
    assert b"More." in hub.files("models", "user/net")["README.md"]
    hub.commit("models", "user/net", {"README.md": hub.files("models", "user/net")["README.md"] + b"Edited.\n"})
    (model / "README.md").write_text(CARD + "Even more.\n")
    push(model, "user/net")
    assert hub.files("models", "user/net")["README.md"].endswith(b"Edited.\n")
    push(model, "user/net", overwrite_card=True)
    assert b"Even more." in hub.files("models", "user/net")["README.md"]

    # a branch, a private repo, a model without a folder, a short name
    save_model(folder / "model", seed=1)
    assert push(model, "user/net", revision="try/1") == f"{hub.url}/user/net/tree/try/1"
    assert b'from_pretrained("user/net@try/1")' in hub.files("models", "user/net", "try/1")["README.md"]
    assert files["model.safetensors"] == hub.files("models", "user/net")["model.safetensors"]
    loaded = Generator.from_pretrained("user/net@try/1")
    assert loaded.push_to_hub("org/secret", private=True, commit_message="Second") == f"{hub.url}/org/secret"
    assert hub.read("models", "org/secret")["private"]
    assert b'Generator.from_pretrained("org/secret")' in hub.files("models", "org/secret")["README.md"]
    assert push("unet", "unet") == f"{hub.url}/user/unet"
    expect("exists already and is public", lambda: push(model, "user/net", private=True))


def pull_and_colorize(folder: Path) -> None:
    import numpy as np
    from PIL import Image
    from skimage import data

    from colorgan import Colorizer

    picture = Colorizer.from_pretrained("user/net").colorize(data.coffee())
    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(folder / "local.png")))


def test_two_processes_pull_the_same_model_at_once(tmp_path: Path):
    code = "from colorgan import Generator as G; print([p.sum() for p in G.from_pretrained('user/net').parameters()])"
    files = {path.name: path.read_bytes() for path in (ROOT / "colorgan" / "pretrained" / "unet").iterdir()}
    with HubServer(tmp_path / "hub") as hub:
        hub.commit("models", "user/net", files)
        hub.fail("get", "slow:1", times=-1)
        environment = os.environ | hub.environment(tmp_path / "home") | {"OMP_NUM_THREADS": "1"}
        runs = [subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, stderr=-1) for _ in range(2)]
        results = [run.communicate(timeout=600) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], results
    assert results[0][0] == results[1][0] != b""


# calls that fail


def test_each_call_may_fail_once(tmp_path: Path):
    in_process(each_call_fails_once, tmp_path)


def each_call_fails_once(folder: Path) -> None:
    hub, waits = start_hub(folder, "hf_write"), hurry()
    from colorgan.hub.client import download_snapshot
    from colorgan.hub.publish import push

    calls = ["whoami", "create", "preupload", "validate-yaml", "lfs-batch", "lfs-put", "lfs-verify", "commit", "info"]
    for number, (call, fault) in enumerate((call, fault) for call in calls for fault in ONCE):
        repo_id, model = f"user/push-{number}", save_model(folder / "model", seed=number)
        hub.heal()
        hub.fail(call, fault)
        push(model, repo_id)
        done = call == "commit" and "late" in fault  # the Hub has the commit already
        assert (hub.calls.count(call) > 1) != done, (call, fault)
        commits, files = hub.commits("models", repo_id), hub.files("models", repo_id)
        assert commits == ["Upload with colorgan", "initial commit"], (call, fault)
        assert files["model.safetensors"] == (model / "model.safetensors").read_bytes()
        assert len(files) == 5

        # download it, with one fault of each kind in turn
        pulls = [
            ("info", fault),
            ("head", fault),
            ("get", fault if "late" not in fault else "corrupt"),
            ("get", "short"),
        ]
        hub.heal()
        hub.fail(*pulls[number % len(pulls)])
        snapshot = download_snapshot(repo_id)
        assert (snapshot / "model.safetensors").read_bytes() == files["model.safetensors"], pulls[number % len(pulls)]

    hub.heal()
    waits.clear()
    hub.fail("commit", "429:7")  # Retry-After is respected, up to RETRY_LIMIT
    push(save_model(folder / "model", seed=100), "user/later")
    assert 7 in waits
    hub.fail("commit", "412")  # somebody else committed in between
    push(save_model(folder / "model", seed=102), "user/later")
    hub.fail("commit", "429:3600", times=-1)
    expect("fewer requests", lambda: push(save_model(folder / "model", seed=101), "user/later"))
    assert max(waits) < 60


def test_permanent_failures_end_in_a_sentence(tmp_path: Path):
    in_process(calls_always_fail, tmp_path)


def calls_always_fail(folder: Path) -> None:
    hub = start_hub(folder, "hf_write")
    hurry()
    from colorgan.hub.client import download_snapshot
    from colorgan.hub.publish import push

    model = save_model(folder / "model")
    before = digests(model)
    calls = ["whoami", "create", "preupload", "validate-yaml", "lfs-batch", "lfs-verify", "lfs-put", "commit", "info"]
    for call in calls:
        for fault, reason in (("503", "HTTP 503"), ("429", "HTTP 429"), ("cut", "connection breaks")):
            hub.heal()
            hub.fail(call, fault, times=-1)
            text = sentence(lambda: push(model, "user/never"))
            assert text.startswith(("The checkpoint could not be pushed", "Nothing can be published to user/never")), (
                text
            )
            if call == "validate-yaml" and fault != "cut":
                reason = "is not valid JSON"  # the client reads the body before it looks at the status
            assert reason in text, (call, text)
            assert len(hub.calls) < 300
    hub.heal()
    hub.fail("commit", "late-503", times=-1)  # an error each time, but the first commit was executed
    push(model, "user/never")
    assert hub.commits("models", "user/never") == ["Upload with colorgan", "initial commit"]

    for call in ("info", "head", "get"):
        for fault, reason in (("503", "HTTP 503"), ("429", "HTTP 429"), ("cut", "connection breaks")):
            hub.heal()
            hub.fail(call, fault, times=-1)
            text = sentence(lambda: download_snapshot("user/never"))
            assert text.startswith("user/never cannot be downloaded from the Hub"), text
            if call != "get" or fault != "cut":  # the download of a cut file is resumed, so it succeeds in the end
                assert reason in text, (call, text)
    assert digests(model) == before


def test_wrong_models_and_wrong_users_get_a_sentence(tmp_path: Path):
    in_process(wrong_models, tmp_path)


def wrong_models(folder: Path) -> None:
    hub = start_hub(folder, "hf_write")
    hurry()
    import pickle

    import torch

    from colorgan import Colorizer, Generator
    from colorgan.hub.client import download_snapshot
    from colorgan.hub.publish import push
    from colorgan.models import Discriminator

    model = save_model(folder / "model")
    push(model, "user/good")
    files = {name: (model / name).read_bytes() for name in ("config.json", "model.safetensors")}
    weights, config = files["model.safetensors"], files["config.json"]

    # in transfer: each time a bit is flipped, or the end is missing
    for fault, text in (("corrupt", "arrives damaged, its hash is wrong"), ("short", "keeps arriving incomplete")):
        hub.heal()
        hub.fail("get", fault, times=-1)
        expect(text, lambda: download_snapshot("user/good"))
        hub.heal()
    cache = folder / "home" / "hub"
    snapshot = download_snapshot("user/good")
    assert (snapshot / "model.safetensors").read_bytes() == weights
    # in the cache: a file that was damaged later is downloaded again
    (snapshot / "model.safetensors").resolve().write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert (download_snapshot("user/good") / "model.safetensors").read_bytes() == weights
    assert not list(cache.rglob("*.incomplete"))

    # in the repo
    discriminator = folder / "discriminator"
    Discriminator(width=8).save_pretrained(discriminator)
    other = json.dumps(json.loads(config) | {"architecture": "pix2pix"}).encode()
    for name, change, text in (
        ("no-config", {"config.json": None}, "has no config.json"),
        ("no-weights", {"model.safetensors": None, "pytorch_model.bin": b"\x80\x04."}, "has no model.safetensors"),
        ("pickle", {"model.safetensors": pickle.dumps({"weight": [0.0] * 1000})}, "damaged or incomplete"),
        ("cut", {"model.safetensors": weights[: len(weights) // 2]}, "damaged or incomplete"),
        ("other", {"config.json": other}, "do not fit this Generator"),
        ("broken", {"config.json": b"{"}, "is not valid JSON"),
        ("foreign", {"config.json": b'{"model_type": "bert"}'}, "a checkpoint of another program"),
        ("critic", {p.name: p.read_bytes() for p in discriminator.iterdir()}, "a checkpoint of Discriminator"),
    ):
        hub.commit("models", f"user/{name}", files)
        hub.commit("models", f"user/{name}", change)
        expect(text, lambda name=name: Colorizer.from_pretrained(f"user/{name}"))
    for name, text in (
        ("user/none", "no such repository"),
        ("user/good@v9", "user/good at v9 cannot be downloaded from the Hub: it has no such revision"),
        ("user/good/more", "There is no checkpoint user/good/more"),
        ("user/a b", "Repo id must use alphanumeric chars"),
    ):
        expect(text, lambda name=name: Colorizer.from_pretrained(name))
    expect("give only one", lambda: Generator.from_pretrained("user/good@v1", revision="v2"))

    # sources that are refused
    shutil.copytree(model, folder / "damaged")
    (folder / "damaged" / "model.safetensors").write_bytes(weights[:-100])
    shutil.copytree(model, folder / "foreign")
    (folder / "foreign" / "config.json").write_text('{"model_type": "bert"}')
    shutil.copytree(model, folder / "badcard")
    (folder / "badcard" / "README.md").write_text("---\nlicense: [\n---\n")
    shutil.copytree(model, folder / "latin")
    (folder / "latin" / "README.md").write_bytes("café".encode("latin-1"))
    endless = Generator(width=8)
    with torch.no_grad():
        endless.network.head.bias[0] = torch.inf
    for source, text in (
        (folder / "damaged", "damaged or incomplete"),
        (folder / "foreign", "another program"),
        (folder / "nowhere", "There is no folder"),
        (folder / "badcard", "Invalid metadata in README.md. YAML"),
        (folder / "latin", "latin/README.md is not UTF-8 text"),
        (endless, "of Generator do not fit this Generator: network.head.bias has values that are infinite"),
    ):
        expect(text, lambda source=source: push(source, "user/bad"))
    assert not hub.exists("models", "user/bad") or len(hub.commits("models", "user/bad")) == 1

    expect("not UTF-8", lambda: push(folder / "latin", "user/latin"))
    assert not hub.exists("models", "user/latin")  # refused before the repo is created

    # tokens
    hub.commit("models", "other/public", files)
    hub.commit("models", "other/secret", files, private=True)
    for token, repo_id, text in (
        ("hf_read", "user/good", "no right to write"),
        ("hf_wrong", "user/good", "does not know this token"),
        ("hf_write", "other/public", "no right to do that"),
        ("hf_write", "other/new", "no right to do that"),
        ("hf_wr\nite", "user/good", "characters that no token has"),
        ("hf_write", "user/good/more", "Repo id must be in the form"),
    ):
        expect(text, lambda t=token, r=repo_id: push(model, r, token=t))
    expect("it is private", lambda: download_snapshot("other/secret"))
    assert (download_snapshot("other/secret", token="hf_other") / "config.json").is_file()


# the options of huggingface_hub


def test_the_options_of_a_download_mean_what_they_mean_in_huggingface_hub(tmp_path: Path):
    in_process(download_options, tmp_path)


def download_options(folder: Path) -> None:
    hub = start_hub(folder)
    hurry()
    from colorgan import Generator

    model, cache, default_cache = save_model(folder / "model"), folder / "cache", folder / "home" / "hub"
    files = {name: (model / name).read_bytes() for name in ("config.json", "model.safetensors")}
    first = hub.commit("models", "user/secret", files, private=True)
    load = partial(Generator.from_pretrained, "user/secret", cache_dir=cache)

    # token, cache_dir
    expect("is not completely in the cache", lambda: load(token="hf_write", local_files_only=True))
    for token in (None, False, "hf_other"):
        expect("it is private", lambda token=token: load(token=token))
    load(token=" hf_write\n")
    assert len(list(cache.glob("models--user--secret/snapshots/*/model.safetensors"))) == 1
    assert not list(default_cache.glob("models--user--secret/snapshots/*"))
    expect("is not completely in the cache", lambda: Generator.from_pretrained("user/secret", local_files_only=True))
    os.environ["HF_TOKEN"] = "hf_write"
    assert Generator.from_pretrained("user/secret", token=True).network.stem.out_channels == 8
    assert list(default_cache.glob("models--user--secret/snapshots/*"))
    del os.environ["HF_TOKEN"]

    # force_download: the files come again although they are cached, which a cached commit otherwise prevents
    hub.heal()
    load(revision=first)
    load(local_files_only=True)
    assert hub.calls == []
    load(revision=first, token="hf_write", force_download=True)
    assert hub.calls.count("get") == 2
    expect("must not be used", lambda: load(force_download=True, local_files_only=True))

    # revision, and the newest commit
    weights = save_model(folder / "model", seed=1) / "model.safetensors"
    hub.commit("models", "user/secret", {"model.safetensors": weights.read_bytes()})
    new, old = (load(token="hf_write", revision=revision).network.stem.weight for revision in (None, first))
    assert not new.equal(old)
    assert load(local_files_only=True).network.stem.weight.equal(new)

    hub.stop()
    load(token="hf_write")  # from the cache
    expect("cannot be downloaded from the Hub", lambda: load(token="hf_write", force_download=True))


# without the Hub


def test_a_pulled_model_loads_when_the_hub_is_gone(tmp_path: Path):
    printed = in_process(the_hub_goes_away, tmp_path)
    assert printed.count("Using the cached commit") >= 4
    in_process(offline, tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"), HF_ENDPOINT="http://127.0.0.1:9")


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def the_hub_goes_away(folder: Path) -> None:
    hub = start_hub(folder)
    from colorgan import Colorizer
    from colorgan.hub.publish import push

    model = save_model(folder / "model")
    commit = hub.commit("models", "user/net", {p.name: p.read_bytes() for p in model.iterdir() if p.is_file()})
    Colorizer.from_pretrained("user/net")
    hub.heal()
    assert seconds(lambda: Colorizer.from_pretrained(f"user/net@{commit}")) < SOON
    Colorizer.from_pretrained("user/net", revision=commit)
    Colorizer.from_pretrained("cgan")
    assert hub.calls == []  # a cached commit or a bundled model: no request

    for fault in ("503", "cut", "slow:30"):
        hub.fail("*", fault, times=1)
        assert seconds(lambda: Colorizer.from_pretrained("user/net")) < SOON, fault
    hub.heal()
    os.environ["HF_TOKEN"] = "hf_wrong"  # an expired token does not prevent the use of the cache
    Colorizer.from_pretrained("user/net")
    os.environ["HF_TOKEN"] = "hf_\u00fc"
    expect("characters that no token has", lambda: Colorizer.from_pretrained("user/net"))
    del os.environ["HF_TOKEN"]
    hub.commit(
        "models", "user/net", {"config.json": None}
    )  # the newest commit is no checkpoint: the cached one must not hide that
    expect("has no config.json", lambda: Colorizer.from_pretrained("user/net"))
    hub.stop()
    assert seconds(lambda: Colorizer.from_pretrained("user/net")) < SOON
    lookup = socket.getaddrinfo
    socket.getaddrinfo = lambda *arguments, **options: time.sleep(20)  # name servers that do not answer
    assert seconds(lambda: Colorizer.from_pretrained("user/net")) < SOON
    socket.getaddrinfo = lookup
    hurry()
    expect("cannot be reached", lambda: Colorizer.from_pretrained("user/another"))
    expect("there is no token: log in", lambda: push(model, "user/net"))


def offline(folder: Path) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the network was used")

    socket.socket.connect = refuse
    from colorgan import Colorizer, Generator
    from colorgan.hub.publish import push

    assert seconds(lambda: Colorizer.from_pretrained("user/net")) < SOON
    Generator.from_pretrained("user/net", local_files_only=True)
    expect("is not completely in the cache", lambda: Colorizer.from_pretrained("user/another"))
    expect("is not completely in the cache", lambda: Colorizer.from_pretrained("user/net@v2"))
    expect("HF_HUB_OFFLINE is set", lambda: push("unet", "user/net", token="hf_write"))


def test_a_proxy_and_a_cache_elsewhere_are_used(tmp_path: Path):
    with HubServer(tmp_path / "hub") as hub:
        away = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.url, "http_proxy": hub.url, "NO_PROXY": ""}
        environment = hub.environment(tmp_path / "elsewhere", "hf_write") | away
        in_process(through_a_proxy, tmp_path, **environment)
        assert "http://hub.invalid/user/net/resolve/" in " ".join(hub.log)
    assert list((tmp_path / "elsewhere" / "hub" / "models--user--net").glob("snapshots/*/model.safetensors"))


def through_a_proxy(folder: Path) -> None:
    from colorgan import Colorizer
    from colorgan.hub.publish import push

    assert push(save_model(folder / "model"), "user/net") == "http://hub.invalid/user/net"
    Colorizer.from_pretrained("user/net")
