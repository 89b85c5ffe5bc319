"""The real client works with the server of hub_server.py, which other tests rely on."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from hub_server import HubServer

SERVER = Path(__file__).parent / "hub_server.py"
CLIENT = """
from pathlib import Path
from huggingface_hub import CommitOperationAdd as Add, CommitOperationDelete as Delete, HfApi, errors, snapshot_download

api = HfApi()
assert api.whoami()["name"] == "user"
for kind, more in (("model", {}), ("dataset", {}), ("space", {"space_sdk": "gradio"})):
    options = {"repo_id": "user/x", "repo_type": kind}
    for _ in range(2):
        assert api.create_repo(**options, **more, private=True, exist_ok=True).repo_id == "user/x"
    card = Add("README.md", b"---\\nlicense: mit\\nsdk: gradio\\n---\\nHello")
    added = [card, Add("a/m.safetensors", b"x" * 1000), Add("a/b.txt", b"b"), Add("c/d/e.txt", b"e")]
    first = api.create_commit(**options, operations=added, commit_message="First")
    assert first.repo_url.repo_type == kind
    api.create_commit(**options, operations=[Delete("a/b.txt"), Delete("c/", is_folder=True)], commit_message="Second")
    folder = Path(snapshot_download(**options))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {".gitattributes", "README.md", "a/m.safetensors"}
    assert (Path(snapshot_download(**options, revision=first.oid)) / "c/d/e.txt").read_bytes() == b"e"
    assert [row.path for row in api.list_repo_tree(**options)] == ["a", ".gitattributes", "README.md"]
    assert api.get_paths_info(**options, paths=["a/m.safetensors"])[0].lfs.size == 1000
    api.create_branch(**options, branch="dev/1")
    assert {branch.name for branch in api.list_repo_refs(**options).branches} == {"main", "dev/1"}
    try:
        api.create_commit(**options, operations=[Add("late", b"")], commit_message="Late", parent_commit=first.oid)
        raise SystemExit("an outdated commit went through")
    except errors.HfHubHTTPError as error:
        assert error.response.status_code == 412
    try:
        api.repo_info(**options, token=False)
        raise SystemExit("a private repo was shown to everybody")
    except errors.RepositoryNotFoundError:
        pass
api.add_space_secret("user/x", "KEY", "value")
assert api.get_space_variables("user/x") == {}
api.add_space_variable("user/x", "NAME", "value")
assert api.get_space_variables("user/x")["NAME"].value == "value"
api.delete_repo("user/x")
assert not api.repo_exists("user/x")
"""


def test_the_real_client_works(tmp_path: Path):
    with HubServer(tmp_path / "hub") as hub:
        environment = os.environ | hub.environment(tmp_path / "home", "hf_write")
        subprocess.run([sys.executable, "-c", CLIENT], env=environment, check=True, timeout=100)
        assert hub.commits("spaces", "user/x") == ["Second", "First", "initial commit"]


def test_ranges_faults_and_a_restart(tmp_path: Path):
    with HubServer(tmp_path / "hub") as hub:
        hub.commit("models", "user/x", {"a.bin": b"0123456789"})
    command = [sys.executable, SERVER, "--port", "0", "--root", tmp_path / "hub"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[-1]
            wanted = urllib.request.Request(f"{url}/user/x/resolve/main/a.bin", headers={"Range": "bytes=2-4"})
            with urllib.request.urlopen(wanted) as answer:
                assert (answer.status, answer.read()) == (206, b"234")
                assert answer.headers["Content-Range"] == "bytes 2-4/10"
            fault = json.dumps({"call": "get", "fault": "corrupt"}).encode()
            urllib.request.urlopen(urllib.request.Request(f"{url}/fail", data=fault, method="POST")).close()
            with urllib.request.urlopen(f"{url}/user/x/resolve/main/a.bin") as answer:
                assert sum(a != b for a, b in zip(answer.read(), b"0123456789", strict=True)) == 1
            with urllib.request.urlopen(f"{url}/calls") as answer:
                assert json.load(answer) == ["get", "get"]
        finally:
            process.terminate()
