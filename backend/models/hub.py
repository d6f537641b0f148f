"""The Hugging Face hub, or a mirror with the same layout: which files a revision of a repository has.

    GET /api/models/{repository}/revision/{revision}?blobs=true
        {"sha": commit, "siblings": [{"rfilename": name, "size": bytes, "lfs": {"sha256": digest, …}}, …], …}
        Only large files, which are stored apart from the repository, have "lfs".
    GET /{repository}/resolve/{commit}/{name}
        The file, by way of a redirect to the storage if it is large.

Source: huggingface_hub 2.4.0, `HfApi.model_info(files_metadata=True)` and `hf_hub_url`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from backend.errors import BadSettings, CheckpointError, shorten
from backend.models.http_get import open_url

PUBLIC_HUB = "https://huggingface.co"
_MAX_JSON_BYTES = 16 << 20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class HubFile:
    """A file of a revision; of a small one the hub publishes no SHA-256."""

    name: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class Snapshot:
    """A commit of a repository and its files by name."""

    repository: str
    commit: str
    files: Mapping[str, HubFile]


@dataclass(frozen=True)
class Hub:
    """Address of the hub or a mirror, and the token of an account there, which is sent to no other host."""

    endpoint: str = PUBLIC_HUB
    token: str = field(default="", repr=False)

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Hub:
        """Read HF_ENDPOINT and HF_TOKEN, the names that the hub's own tools use.

        Raises:
            BadSettings: HF_ENDPOINT is not a URL, or HF_TOKEN would cross the network unencrypted.
        """
        endpoint, token = variables.get("HF_ENDPOINT", "").strip().rstrip("/"), variables.get("HF_TOKEN", "").strip()
        endpoint = endpoint or PUBLIC_HUB
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadSettings(
                f"HF_ENDPOINT is {shorten(endpoint)!r}, which is not a URL.",
                remedy=f"Set it to the address of a mirror, such as {PUBLIC_HUB}, or leave it empty.",
            )
        if token and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise BadSettings(
                f"HF_TOKEN would be sent unencrypted to {shorten(endpoint)}.",
                remedy="Set HF_ENDPOINT to an https address, or unset HF_TOKEN.",
            )
        if not re.fullmatch("[!-~]*", token):
            raise BadSettings(
                "HF_TOKEN has characters that no token has.", remedy="Copy it again from the hub's settings."
            )
        return cls(endpoint, token)

    def fetch_snapshot(self, repository: str, revision: str) -> Snapshot:
        """Look up the commit that a branch, tag or commit stands for, and its files.

        Raises:
            CheckpointError: Unreachable, refused, or not the hub's document.
        """
        url = f"{self.endpoint}/api/models/{quote(repository)}/revision/{quote(revision, safe='')}?blobs=true"
        with open_url(url, token=self.token) as response:
            text = response.read(_MAX_JSON_BYTES)
        try:
            return _parse_snapshot(repository, json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{url} did not answer as the hub does: {shorten(text[:200].decode('utf-8', 'replace'))}",
                remedy="Check HF_ENDPOINT, and whether a proxy or a sign-in page answers in its place.",
            ) from error

    def file_url(self, repository: str, commit: str, name: str) -> str:
        """Return the URL of a file."""
        return f"{self.endpoint}/{quote(repository)}/resolve/{quote(commit, safe='')}/{quote(name)}"


def _parse_snapshot(repository: str, document: Any) -> Snapshot:
    commit = document["sha"]
    if re.fullmatch("[0-9a-f]{40}", commit) is None:
        raise ValueError(commit)
    files = {}
    for item in document["siblings"]:
        size, digest = item.get("size"), (item.get("lfs") or {}).get("sha256")
        if digest is not None and re.fullmatch("[0-9a-f]{64}", digest) is None:
            raise ValueError(digest)
        files[item["rfilename"]] = HubFile(item["rfilename"], None if size is None else int(size), digest)
    return Snapshot(repository, commit, files)
