"""A hub of a test's own, in the layout of the Hugging Face hub: large files lie on another host."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.servers import Answer, LocalServer, Seen

LARGE = (".safetensors", ".bin", ".pt")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def commit_of(number: int) -> str:
    return f"{number:x}" * 40


@dataclass
class HubStub:
    """Repositories by name, each with its commits; `branches` says which commit main is.

    Attributes:
        gated: Repositories whose files need `token`.
        private: Repositories that only `token` sees; anybody else is told that they do not exist.
        cut: File names whose next download ends in the middle.
        published: Overrides of the digests that the hub publishes, by (commit, name).
    """

    api: LocalServer
    storage: LocalServer
    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    published: dict[tuple[str, str], str] = field(default_factory=dict)
    token: str = "hf_secret"

    def add(self, repository: str, commit: str, files: dict[str, bytes]) -> None:
        """Add a commit, which main is then."""
        self.commits.setdefault(repository, {})[commit] = files
        self.branches[repository] = commit

    def downloads(self) -> list[str]:
        """File names that were asked for, in order; a large one once, though it has a redirect."""
        return [path.rsplit("/", 1)[-1] for path in self.api.paths() if "/resolve/" in path]

    def ranges(self) -> list[str | None]:
        """The Range of each request that was answered with a file."""
        return [seen.headers.get("range") for seen in self.storage.seen]

    def tokens(self, server: LocalServer) -> set[str | None]:
        return {seen.headers.get("authorization") for seen in server.seen}

    def answer_api(self, seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        path = unquote(urlsplit(seen.path).path)
        is_known = seen.headers.get("authorization") == f"Bearer {self.token}"
        owner, name = path.removeprefix("/api/models").split("/")[1:3]
        repository = f"{owner}/{name}"
        if repository not in self.commits or (repository in self.private and not is_known):
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        if path.startswith("/api/"):
            return self._describe(repository, path.rsplit("/", 1)[-1])
        if repository in self.gated and not is_known:
            status = 403 if "authorization" in seen.headers else 401
            return status, {"X-Error-Code": "GatedRepo"}, b""
        commit, file = path.split("/")[-2:]
        data = self.commits[repository].get(self._resolve(repository, commit), {}).get(file)
        if data is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        if file.endswith(LARGE):
            return 302, {"Location": f"{self.storage.url}/{repository}/{commit}/{file}?signature=x"}, b""
        return self._serve(seen, handler, file, data)

    def answer_storage(self, seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        owner, name, commit, file = unquote(urlsplit(seen.path).path).strip("/").split("/")
        data = self.commits[f"{owner}/{name}"][self._resolve(f"{owner}/{name}", commit)][file]
        return self._serve(seen, handler, file, data)

    def _resolve(self, repository: str, revision: str) -> str:
        return self.branches[repository] if revision == "main" else revision

    def _describe(self, repository: str, revision: str) -> Answer:
        commit = self._resolve(repository, revision)
        if commit not in self.commits[repository]:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        siblings = []
        for name, data in self.commits[repository][commit].items():
            sibling: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": "0" * 40}
            if name.endswith(LARGE):
                digest = self.published.get((commit, name), sha256(data))
                sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
            siblings.append(sibling)
        return 200, {"Content-Type": "application/json"}, json.dumps({"sha": commit, "siblings": siblings}).encode()

    def _serve(self, seen: Seen, handler: BaseHTTPRequestHandler, file: str, data: bytes) -> Answer | None:
        start = int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start >= len(data) > 0:
            return 416, {}, b""
        rest = data[start:]
        if file not in self.cut:
            return (206 if start else 200), {}, rest
        self.cut.remove(file)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[: len(rest) // 2])
        return None


def start_hub(start_server: Callable[[], LocalServer]) -> HubStub:
    hub = HubStub(start_server(), start_server())
    hub.api.respond, hub.storage.respond = hub.answer_api, hub.answer_storage
    return hub
