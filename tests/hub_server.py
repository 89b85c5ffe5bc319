"""A server for tests that speaks the part of the Hugging Face Hub's HTTP protocol that the real clients use.

In a test, the server is in the same process; clients are subprocesses, because they read HF_ENDPOINT when imported:

    with HubServer(tmp_path / "hub") as hub:
        hub.commit("models", "user/name", {"config.json": b"{}"})              # creates the repo if it does not exist
        hub.fail("commit", "503", times=1)                                     # the next call of that kind fails
        subprocess.run([...], env=os.environ | hub.environment(tmp_path / "home", token="hf_write"))
        hub.files("models", "user/name")                                       # {path: bytes} of the newest commit
        hub.commits("models", "user/name")                                     # messages, newest first
        hub.calls, hub.log                             # ["whoami", ...] and ["GET /api/whoami-v2", ...] so far

As a process: `python tests/hub_server.py --port 8777 --root DIR`. Commits are stored in DIR and survive a restart;
another process that opens `HubServer(DIR)` reads the same `files` and `commits`. Faults are set with
`POST /fail {"call": "commit", "fault": "503", "times": 1}`, and `GET /calls` returns the list of calls.

Kinds of repos: models, datasets, spaces. Tokens: hf_write and hf_read belong to `user`, hf_other to `other`; `user` is
a member of the organisation `org`.

Calls: whoami, create, delete, settings, validate-yaml, preupload, lfs-batch, lfs-put, lfs-verify, commit, branch, info,
tree, paths-info, refs, head and get (of a file), space (secrets, variables, runtime); `*` stands for all.
Faults: `503`, `429` (with Retry-After: 1, or `429:SECONDS`), any other status; `cut` (the connection breaks before the
request is executed, or in the middle of a file); `late-503` and `late-cut` (the request is executed, but the answer is
lost); `corrupt` (one bit of a file is flipped); `short` (only half of a file is sent, with the length of that half);
`slow:SECONDS`.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKENS = {"hf_write": ("user", "write"), "hf_read": ("user", "read"), "hf_other": ("other", "write")}
ORGANISATIONS = {"user": ["org"], "other": []}
KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
LARGE = (".safetensors", ".bin", ".pt", ".parquet", ".png", ".jpg", ".zip")  # stored as LFS files
JSON = {"Content-Type": "application/json; charset=utf-8"}


class Refusal(Exception):
    """An error answer: HTTP status, `X-Error-Code`, and a message."""

    def __init__(self, status: int, message: str, code: str | None = None, **fields: object):
        super().__init__(message)
        self.status, self.code, self.body = status, code, {"error": message, **fields}


class HubServer:
    """Repos and faults, and a thread that serves them at `url` between `start` and `stop`, or inside `with`."""

    def __init__(self, root: Path | str, port: int = 0):
        self.root, self.port = Path(root), port
        (self.root / "blobs").mkdir(parents=True, exist_ok=True)
        self.calls: list[str] = []
        self.log: list[str] = []
        self.lock = threading.RLock()
        self._faults: list[dict] = []
        self._connections: set[socket.socket] = set()
        self.unverified: set[str] = set()  # LFS objects whose upload has not been confirmed yet

    def start(self) -> "HubServer":
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self._connections):  # clients keep some open
            close(connection)

    def __enter__(self) -> "HubServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, home: Path | str, token: str | None = None, **more: str) -> dict[str, str]:
        """Environment of a client's process: this server, a cache in `home`, and a token if there is one."""
        variables = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",  # the older transfer, because this server does not have Xet storage
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": token or "",
        }
        return variables | more

    # faults

    def fail(self, call: str, fault: str, times: int = 1) -> None:
        """Make the next `times` calls of a kind fail (-1: all of them)."""
        with self.lock:
            self._faults.append({"call": call, "fault": fault, "times": times})

    def heal(self) -> None:
        """Remove all faults, and clear the lists of calls."""
        with self.lock:
            self._faults.clear()
            self.calls.clear()
            self.log.clear()

    def next_fault(self, call: str, request: str) -> str | None:
        with self.lock:
            self.calls.append(call)
            self.log.append(request)
            for fault in self._faults:
                if fault["call"] in (call, "*") and fault["times"]:
                    fault["times"] -= 1
                    return fault["fault"]
        return None

    # repos: a folder each, with repo.json (settings, branches) and commits/<oid>.json (files); contents in blobs/

    def folder(self, kind: str, repo_id: str) -> Path:
        return self.root / kind / repo_id

    def read(self, kind: str, repo_id: str) -> dict:
        return json.loads((self.folder(kind, repo_id) / "repo.json").read_text())

    def write(self, kind: str, repo_id: str, repo: dict) -> None:
        path = self.folder(kind, repo_id) / "repo.json"
        path.with_suffix(".partial").write_text(json.dumps(repo, indent=1))
        path.with_suffix(".partial").replace(path)

    def exists(self, kind: str, repo_id: str) -> bool:
        return (self.folder(kind, repo_id) / "repo.json").is_file()

    def create(self, kind: str, repo_id: str, private: bool = False, **settings: object) -> None:
        """Create a repo whose first commit has `.gitattributes`, as the Hub does."""
        with self.lock:
            (self.folder(kind, repo_id) / "commits").mkdir(parents=True)
            self.write(kind, repo_id, {"private": private, "branches": {}, **settings})
            first = {".gitattributes": self.store(b"*.safetensors filter=lfs\n", large=False)}
            self.add_commit(kind, repo_id, "main", first, "initial commit")

    def store(self, content: bytes, large: bool) -> dict:
        """Store a content, and return the entry of the file in a commit."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.root / "blobs" / sha256
        partial = path.with_name(f"{sha256}.{threading.get_ident()}")
        partial.write_bytes(content)
        partial.replace(path)
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return {"sha256": sha256, "git": git, "size": len(content), "large": large}

    def add_commit(self, kind: str, repo_id: str, branch: str, files: dict[str, dict], message: str) -> str:
        with self.lock:
            repo = self.read(kind, repo_id)
            parent = repo["branches"].get(branch)
            commit = {"parent": parent, "message": message, "time": time.time(), "files": files}
            oid = hashlib.sha1(json.dumps(commit, sort_keys=True).encode()).hexdigest()
            (self.folder(kind, repo_id) / "commits" / f"{oid}.json").write_text(json.dumps(commit, indent=1))
            repo["branches"][branch] = oid
            self.write(kind, repo_id, repo)
            return oid

    def commit(
        self, kind: str, repo_id: str, files: Mapping[str, bytes | None], message: str = "seed", **create
    ) -> str:
        """Commit files (None deletes a file) to main, creating the repo if necessary; return the commit's id."""
        with self.lock:
            if not self.exists(kind, repo_id):
                self.create(kind, repo_id, **create)
            tree = dict(self.tree(kind, repo_id, "main"))
            for path, content in files.items():
                if content is None:
                    tree.pop(path)
                else:
                    tree[path] = self.store(content, path.endswith(LARGE))
            return self.add_commit(kind, repo_id, "main", tree, message)

    def resolve(self, kind: str, repo_id: str, revision: str) -> str:
        """The id of the newest commit of a branch, or of the commit with this id."""
        oid = self.read(kind, repo_id)["branches"].get(revision, revision)
        if not re.fullmatch("[0-9a-f]{40}", oid) or not self._commit_file(kind, repo_id, oid).is_file():
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid

    def _commit_file(self, kind: str, repo_id: str, oid: str) -> Path:
        return self.folder(kind, repo_id) / "commits" / f"{oid}.json"

    def tree(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, dict]:
        oid = self.resolve(kind, repo_id, revision)
        return json.loads(self._commit_file(kind, repo_id, oid).read_text())["files"]

    def files(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Contents by path."""
        return {path: self.content(row) for path, row in self.tree(kind, repo_id, revision).items()}

    def content(self, row: dict) -> bytes:
        return (self.root / "blobs" / row["sha256"]).read_bytes()

    def commits(self, kind: str, repo_id: str, revision: str = "main") -> list[str]:
        """Messages of the commits, newest first."""
        messages, oid = [], self.resolve(kind, repo_id, revision)
        while oid:
            commit = json.loads(self._commit_file(kind, repo_id, oid).read_text())
            messages.append(commit["message"])
            oid = commit["parent"]
        return messages


def close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client has closed it
        connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Answers one request, or fails as `HubServer.fail` demands."""

    hub: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    ROUTES = (  # methods, path, call
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/repos/create", "create"),
        ("DELETE", r"/api/repos/delete", "delete"),
        ("POST", r"/api/validate-yaml", "validate-yaml"),
        ("PUT", r"/api/KIND/ID/settings", "settings"),
        ("POST", r"/api/KIND/ID/preupload/(?P<rev>[^/]+)", "preupload"),
        ("POST", r"/api/KIND/ID/commit/(?P<rev>[^/]+)", "commit"),
        ("POST", r"/api/KIND/ID/branch/(?P<rev>[^/]+)", "branch"),
        ("POST", r"/api/KIND/ID/paths-info/(?P<rev>[^/]+)", "paths-info"),
        ("GET", r"/api/KIND/ID/refs", "refs"),
        ("GET", r"/api/KIND/ID/tree/(?P<rev>[^/]+)(?:/(?P<path>.*))?", "tree"),
        ("GET|POST|DELETE", r"/api/KIND/ID/(?P<what>secrets|variables|runtime)", "space"),
        ("GET", r"/api/KIND/ID(?:/revision/(?P<rev>[^/]+))?", "info"),
        ("POST", r"/(?:(?P<kind>datasets|spaces)/)?ID\.git/info/lfs/objects/batch", "lfs-batch"),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs-put"),
        ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/verify", "lfs-verify"),
        ("HEAD|GET", r"/(?:(?P<kind>datasets|spaces)/)?ID/resolve/(?P<rev>[^/]+)/(?P<path>.+)", "file"),
    )

    def setup(self) -> None:
        super().setup()
        self.hub._connections.add(self.connection)

    def finish(self) -> None:
        self.hub._connections.discard(self.connection)
        super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client closed the connection, or `hang_up` did

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def answer(self) -> None:
        self._body: bytes | None = None  # the request's, when it has been read
        url = urlsplit(self.path)  # with scheme and host when this server is used as a proxy
        self.query = parse_qs(url.query)
        if url.path == "/calls":
            return self.send(200, self.hub.calls)
        if url.path == "/fail":
            self.hub.fail(**json.loads(self.body()))
            return self.send(200, {})
        for methods, pattern, name in self.ROUTES:
            pattern = pattern.replace("KIND", "(?P<kind>models|datasets|spaces)").replace("ID", "(?P<id>[^/]+/[^/]+?)")
            match, call = re.fullmatch(pattern, url.path), name
            if match and self.command in methods.split("|"):
                break
        else:
            return self.send(404, {"error": "Not found"})
        parts = {name: unquote(value) if value else value for name, value in match.groupdict().items()}
        call = self.command.lower() if call == "file" else call
        self.fault = self.hub.next_fault(call, f"{self.command} {self.path}") or ""
        status, _, seconds = self.fault.partition(":")
        if status == "slow":
            time.sleep(float(seconds))
        elif status == "cut" and call != "get":
            if call == "lfs-put":
                self.rfile.read1(1000)  # in the middle of the upload
            return self.hang_up()
        elif status.isdigit():
            self.body()
            retry = {"Retry-After": seconds or "1"} if status == "429" else {}
            return self.send_bytes(int(status), b"upstream is not well", retry)
        try:
            answer = getattr(self, f"on_{call.replace('-', '_')}")(**parts)
        except Refusal as refusal:
            self.body()
            headers = {"X-Error-Message": str(refusal)} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            return self.send(refusal.status, refusal.body, headers)
        if status == "late-cut":
            return self.hang_up()
        if status == "late-503":
            return self.send_bytes(503, b"upstream is not well", {})
        if answer is not None:  # on_get has sent the file already
            self.send(200, answer)

    # answers

    def on_whoami(self) -> dict:
        user, role = self.user_and_role()
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        organisations = [{"name": name, "type": "org"} for name in ORGANISATIONS[user]]
        token = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        return {"type": "user", "id": user, "name": user, "fullname": user, "orgs": organisations, "auth": token}

    def on_create(self) -> dict:
        asked = self.json()
        owner = asked.get("organization") or self.user_and_role()[0]
        kind, repo_id = KINDS[asked.get("type", "model")], f"{owner}/{asked['name']}"
        self.require_write(repo_id, f"You don't have the rights to create a model under the namespace {owner}")
        url = self.page(kind, repo_id)
        with self.hub.lock:
            if self.hub.exists(kind, repo_id):
                raise Refusal(409, "You already created this repo", url=url)
            private = asked.get("private") or asked.get("visibility") == "private"
            self.hub.create(kind, repo_id, bool(private), sdk=asked.get("sdk"))
        return {"url": url, "name": repo_id, "id": repo_id}

    def on_delete(self) -> dict:
        asked = self.json()
        owner = asked.get("organization") or self.user_and_role()[0]
        kind, repo_id = KINDS[asked.get("type", "model")], f"{owner}/{asked['name']}"
        self.see(kind, repo_id)
        self.require_write(repo_id)
        (self.hub.folder(kind, repo_id) / "repo.json").unlink()
        return {}

    def on_settings(self, kind: str, id: str) -> dict:
        asked = self.json()
        self.see(kind, id)
        self.require_write(id)
        with self.hub.lock:
            repo = self.hub.read(kind, id)
            repo["private"] = asked.get("private", asked.get("visibility") == "private")
            self.hub.write(kind, id, repo)
        return {"private": repo["private"]}

    def on_space(self, kind: str, id: str, what: str) -> dict:
        asked = self.json() if self.command != "GET" else {}
        repo = self.see(kind, id)
        if what == "runtime":
            return {"stage": "RUNNING", "hardware": {"current": "cpu-basic", "requested": "cpu-basic"}, "gcTimeout": 0}
        if self.command != "GET":
            self.require_write(id)
            with self.hub.lock:
                repo = self.hub.read(kind, id)
                values = repo.setdefault(what, {})
                if self.command == "DELETE":
                    values.pop(asked["key"], None)
                else:
                    values[asked["key"]] = asked["value"]
                self.hub.write(kind, id, repo)
        values = repo.get(what, {})
        return {key: {"key": key} | ({"value": v} if what == "variables" else {}) for key, v in values.items()}

    def on_validate_yaml(self) -> dict:
        asked = self.json()
        _, _, rest = asked["content"].partition("---\n")
        errors = []
        try:
            metadata = yaml.safe_load(rest.partition("\n---")[0])
            if not isinstance(metadata, dict):
                errors = ["The metadata is no list of names and values"]
            elif not re.fullmatch(r"[a-z0-9.\-]+", str(metadata.get("license", "mit"))):
                errors = ['"license" must be one of [apache-2.0, mit, ...]']
            elif asked["repoType"] == "space" and "sdk" not in metadata:
                errors = ['"sdk" is required']
        except yaml.YAMLError as error:
            errors = [f"YAML: {error}"]
        if errors:
            raise Refusal(400, "Invalid metadata", errors=[{"message": text} for text in errors], warnings=[])
        return {"errors": [], "warnings": []}

    def on_preupload(self, kind: str, id: str, rev: str) -> dict:
        asked = self.json()
        self.see(kind, id)
        self.require_write(id)
        tree, rows = self.hub.tree(kind, id, rev), []
        for file in asked["files"]:
            old = tree.get(file["path"])
            mode = "lfs" if file["path"].endswith(LARGE) or file["size"] > 10_000_000 else "regular"
            row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            rows.append(row | ({"oid": old["sha256" if old["large"] else "git"]} if old else {}))
        return {"files": rows}

    def on_lfs_batch(self, kind: str | None, id: str) -> dict:
        asked = self.json()
        self.see(kind or "models", id)
        self.require_write(id)
        objects = []
        for wanted in asked["objects"]:
            row, href = {"oid": wanted["oid"], "size": wanted["size"]}, f"{self.origin()}/lfs/{wanted['oid']}"
            if wanted["oid"] in self.hub.unverified or not (self.hub.root / "blobs" / wanted["oid"]).exists():
                row["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(row)
        return {"transfer": "basic", "objects": objects}

    def on_lfs_put(self, oid: str) -> dict:
        content = self.body()
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(400, "The content has another hash")
        self.hub.store(content, large=True)
        self.hub.unverified.add(oid)
        return {}

    def on_lfs_verify(self, oid: str) -> dict:
        if not (self.hub.root / "blobs" / oid).exists() or self.json()["oid"] != oid:
            raise Refusal(404, "There is no such object")
        self.hub.unverified.discard(oid)
        return {}

    def on_commit(self, kind: str, id: str, rev: str) -> dict:
        lines = [json.loads(line) for line in self.body().splitlines() if line.strip()]
        self.see(kind, id)
        self.require_write(id)
        header = next(line["value"] for line in lines if line["key"] == "header")
        with self.hub.lock:
            head = self.hub.resolve(kind, id, rev)
            if header.get("parentCommit") not in (None, head):
                raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            tree = dict(self.hub.tree(kind, id, rev))
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    tree[value["path"]] = self.hub.store(base64.b64decode(value["content"]), large=False)
                elif line["key"] == "lfsFile":
                    blob = self.hub.root / "blobs" / value["oid"]
                    if not blob.exists():
                        raise Refusal(400, f"LFS object {value['oid']} was not uploaded")
                    tree[value["path"]] = self.hub.store(blob.read_bytes(), large=True)
                elif line["key"] == "deletedFile":
                    if tree.pop(value["path"], None) is None:
                        raise Refusal(404, f"There is no file {value['path']}", "EntryNotFound")
                elif line["key"] == "deletedFolder":
                    prefix = value["path"].rstrip("/") + "/"
                    tree = {path: row for path, row in tree.items() if not path.startswith(prefix)}
            oid = self.hub.add_commit(kind, id, rev, tree, header["summary"])
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.page(kind, id)}/commit/{oid}"}

    def on_branch(self, kind: str, id: str, rev: str) -> dict:
        asked = json.loads(self.body() or b"{}")
        self.see(kind, id)
        self.require_write(id)
        with self.hub.lock:
            repo = self.hub.read(kind, id)
            if rev in repo["branches"]:
                raise Refusal(409, f"Reference already exists: {rev}")
            repo["branches"][rev] = self.hub.resolve(kind, id, asked.get("startingPoint") or "main")
            self.hub.write(kind, id, repo)
        return {}

    def on_info(self, kind: str, id: str, rev: str | None) -> dict:
        repo = self.see(kind, id)
        sha = self.hub.resolve(kind, id, rev or "main")
        siblings = []
        for path, row in self.hub.tree(kind, id, sha).items():
            sibling: dict = {"rfilename": path}
            if "blobs" in self.query:
                sibling |= {"size": row["size"], "blobId": row["git"]}
                if row["large"]:
                    sibling["lfs"] = {"sha256": row["sha256"], "size": row["size"], "pointerSize": 130}
            siblings.append(sibling)
        times = dict.fromkeys(("createdAt", "lastModified"), "2025-01-01T00:00:00.000Z")
        counts = {"downloads": 0, "likes": 0, "tags": [], "disabled": False}
        secret = {"private": repo["private"], "gated": repo.get("gated", False), "sdk": repo.get("sdk")}
        return (
            {"_id": id, "id": id, "author": id.split("/")[0], "sha": sha, "siblings": siblings}
            | times
            | counts
            | secret
        )

    def on_tree(self, kind: str, id: str, rev: str, path: str | None) -> list[dict]:
        self.see(kind, id)
        prefix = f"{path.strip('/')}/" if path else ""
        below = {p: row for p, row in self.hub.tree(kind, id, rev).items() if p.startswith(prefix)}
        if prefix and not below:
            raise Refusal(404, f"{path} does not exist on {rev}", "EntryNotFound")
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        rows, folders = [], {}
        for name, row in sorted(below.items()):
            parts = name[len(prefix) :].split("/")
            for i in range(1, len(parts) if recursive else min(2, len(parts))):
                folders[prefix + "/".join(parts[:i])] = True
            if recursive or len(parts) == 1:
                rows.append(self.row(name, row))
        return [{"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in folders] + rows

    def on_paths_info(self, kind: str, id: str, rev: str) -> list[dict]:
        body = self.body().decode()
        asked = json.loads(body) if body.startswith("{") else parse_qs(body)
        self.see(kind, id)
        tree = self.hub.tree(kind, id, rev)
        rows = [self.row(path, tree[path]) for path in asked["paths"] if path in tree]
        folders = [p for p in asked["paths"] if p not in tree and any(name.startswith(f"{p}/") for name in tree)]
        return rows + [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]

    def on_refs(self, kind: str, id: str) -> dict:
        branches = self.see(kind, id)["branches"].items()
        rows = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid} for name, oid in branches]
        return {"branches": rows, "tags": [], "converts": []}

    def on_head(self, kind: str | None, id: str, rev: str, path: str) -> None:
        return self.on_get(kind, id, rev, path)

    def on_get(self, kind: str | None, id: str, rev: str, path: str) -> None:
        kind = kind or "models"
        self.see(kind, id)
        oid = self.hub.resolve(kind, id, rev)
        row = self.hub.tree(kind, id, oid).get(path)
        if row is None:
            return self.send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid})
        content, status = self.hub.content(row), 200
        headers = {"X-Repo-Commit": oid, "ETag": f'"{row["sha256"] if row["large"] else row["git"]}"'}
        headers |= {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if row["large"]:
            headers |= {"X-Linked-Etag": f'"{row["sha256"]}"', "X-Linked-Size": str(row["size"])}
        if self.fault == "corrupt":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        elif self.fault == "short":
            content = content[: len(content) // 2]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            begin, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            if begin >= len(content):
                return self.send_bytes(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
            content, status = content[begin : end + 1], 206
        if self.fault == "cut":
            headers["Content-Length"] = str(len(content))
            self.send_bytes(status, content[: len(content) // 2], headers)
            return self.hang_up()
        self.send_bytes(status, content, headers)

    # permissions

    def user_and_role(self) -> tuple[str | None, str | None]:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token and token not in TOKENS:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return TOKENS.get(token, (None, None))

    def see(self, kind: str, repo_id: str) -> dict:
        """The repo's settings. Raises `Refusal` if it does not exist or this user may not see it."""
        user, _ = self.user_and_role()
        if self.hub.exists(kind, repo_id):
            repo, owner = self.hub.read(kind, repo_id), repo_id.split("/")[0]
            if not repo["private"] or owner == user or owner in ORGANISATIONS.get(user or "", []):
                return repo
        if user is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        raise Refusal(404, "Repository not found", "RepoNotFound")

    def require_write(self, repo_id: str, message: str = "You have read access but not the required permissions"):
        user, role = self.user_and_role()
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        if role != "write" or repo_id.split("/")[0] not in (user, *ORGANISATIONS[user]):
            raise Refusal(403, message)

    # HTTP

    def row(self, path: str, row: dict) -> dict:
        answer = {"type": "file", "path": path, "size": row["size"], "oid": row["git"]}
        if row["large"]:
            answer["lfs"] = {"oid": row["sha256"], "size": row["size"], "pointerSize": 130}
        return answer

    def origin(self) -> str:
        return f"http://{self.headers['Host']}"

    def page(self, kind: str, repo_id: str) -> str:
        return f"{self.origin()}/{'' if kind == 'models' else kind + '/'}{repo_id}"

    def body(self) -> bytes:
        """The request's body, which is read only once."""
        if self._body is None:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                content = b"".join(parts)
            else:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._body = content
        return self._body

    def json(self) -> dict:
        return json.loads(self.body())

    def send(self, status: int, answer: object, headers: dict[str, str] | None = None) -> None:
        self.send_bytes(status, json.dumps(answer).encode(), JSON | (headers or {}))

    def send_bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.body()  # an unread body would be taken for the next request
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        close(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        if os.environ.get("HUB_SERVER_LOG"):
            super().log_message(format, *args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8777)
    parser.add_argument("--root", required=True, help="folder in which commits are stored")
    args = parser.parse_args()
    hub = HubServer(args.root, args.port).start()
    print(f"The Hub is at {hub.url}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        hub.stop()


if __name__ == "__main__":
    main()
