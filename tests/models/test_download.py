"""Downloads of one file: resume and verification."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from backend.errors import CheckpointError
from backend.models.download import download

DATA = bytes(range(256)) * 20_000  # 5 MB


class Files(http.server.BaseHTTPRequestHandler):
    """Serves DATA with ranges; /cut ends in the middle once."""

    cut = True
    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Files.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        if self.path == "/cut" and Files.cut:
            Files.cut = False
            self.wfile.write(DATA[: len(DATA) // 2])
            self.close_connection = True
        else:
            self.wfile.write(DATA[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Files.cut, Files.ranges = True, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_address[1]}"
        http_server.shutdown()


def quiet(_: int, __: int | None) -> None:
    pass


def test_a_download_is_verified_and_put_in_place(server: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "weights.pth"
    digest = hashlib.sha256(DATA).hexdigest()
    download(f"{server}/a", target, sha256=digest, on_progress=lambda *p: seen.append(p))
    assert target.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_download_is_continued_where_it_stopped(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pth"
    with pytest.raises(CheckpointError) as caught:
        download(f"{server}/cut", target, sha256=None, on_progress=quiet)
    assert "run the same command again; it resumes" in caught.value.remedy
    assert not target.exists()
    download(f"{server}/cut", target, sha256=None, on_progress=quiet)
    assert target.read_bytes() == DATA
    assert Files.ranges == [None, f"bytes={len(DATA) // 2}-"]


def test_another_digest_is_refused_and_not_kept(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pth"
    with pytest.raises(CheckpointError, match=r"/a has SHA-256 [0-9a-f]{64} instead of 00"):
        download(f"{server}/a", target, sha256="00", on_progress=quiet)
    assert list(tmp_path.iterdir()) == []
