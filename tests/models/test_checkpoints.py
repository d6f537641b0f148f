from __future__ import annotations

import hashlib
import http.server
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from backend.errors import BadSettings, CheckpointError
from backend.models import checkpoints
from backend.models.checkpoints import Published
from backend.models.sam.architectures import build_sam
from scripts import download_models

DATA = bytes(range(256)) * 20_000  # 5 MB


class Files(http.server.BaseHTTPRequestHandler):
    """Serves DATA with ranges; /cut ends in the middle once, /hub names a digest as the Hugging Face hub does."""

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

    def do_HEAD(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        if self.path == "/hub":
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(DATA).hexdigest()}"')
        self.end_headers()

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
    checkpoints.download(f"{server}/a", target, sha256=digest, on_progress=lambda *p: seen.append(p))
    assert target.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_download_is_continued_where_it_stopped(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pth"
    with pytest.raises(CheckpointError) as caught:
        checkpoints.download(f"{server}/cut", target, sha256=None, on_progress=quiet)
    assert "continues where it stopped" in caught.value.remedy
    assert not target.exists()
    checkpoints.download(f"{server}/cut", target, sha256=None, on_progress=quiet)
    assert target.read_bytes() == DATA
    assert Files.ranges == [None, f"bytes={len(DATA) // 2}-"]


def test_another_digest_is_refused_and_not_kept(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pth"
    with pytest.raises(CheckpointError, match=r"arrived with SHA-256 [0-9a-f]{64} instead of 00"):
        checkpoints.download(f"{server}/a", target, sha256="00", on_progress=quiet)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_message_says_where_to_put_the_file(tmp_path: Path, capsys, monkeypatch) -> None:
    nowhere = Published("http://127.0.0.1:9/sam_vit_b_01ec64.pth", "00", 375)  # the discard port: nobody listens
    monkeypatch.setattr(download_models, "SAM_FILES", {"vit_b": nowhere})
    assert download_models.main(["vit_b", "--weights-dir", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "http://127.0.0.1:9/sam_vit_b_01ec64.pth could not be fetched" in message
    assert f"put it at {tmp_path / 'sam_vit_b_01ec64.pth'}" in message


def test_the_hub_names_the_digest_before_it_redirects(server: str) -> None:
    assert checkpoints.fetch_hub_digest(f"{server}/hub") == hashlib.sha256(DATA).hexdigest()
    with pytest.raises(CheckpointError, match="names no SHA-256"):
        checkpoints.fetch_hub_digest(f"{server}/small")


def test_a_name_nobody_publishes_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        download_models.resolve("vit_x", tmp_path)
    assert "'vit_x' is no model" in caught.value.message
    assert "vit_b, vit_l, vit_h" in caught.value.remedy
    with pytest.raises(BadSettings) as caught:
        download_models.resolve("ViT-B-32/nothing", tmp_path)
    assert "laion2b_s34b_b79k" in caught.value.remedy


def test_an_open_clip_name_becomes_an_address_on_the_hub(tmp_path: Path) -> None:
    wanted = download_models.resolve("ViT-B-32/laion2b_s34b_b79k", tmp_path)
    assert "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/main/" in wanted.url
    wanted.target.write_bytes(b"weights")
    assert checkpoints.find_clip_checkpoint("ViT-B-32", "laion2b_s34b_b79k", tmp_path) == wanted.target


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"but file\.pth has abc"):
        checkpoints.verify_pin(path, Published("https://example.org/file.pth", "abc", 1))


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.find_sam_checkpoint("vit_h", "", tmp_path)
    assert "python -m scripts.download_models vit_h" in caught.value.remedy
    with pytest.raises(CheckpointError, match=r"There is no SAM checkpoint at nowhere\.pth"):
        checkpoints.find_sam_checkpoint("vit_h", "nowhere.pth", tmp_path)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.find_clip_checkpoint("ViT-B-32", "laion2b_s34b_b79k", tmp_path)
    assert "python -m scripts.download_models ViT-B-32/laion2b_s34b_b79k" in caught.value.remedy


@pytest.mark.parametrize("name", ["sam.pth", "sam.safetensors"])
def test_a_damaged_checkpoint_is_named_with_its_size(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x04 damaged")
    with pytest.raises(CheckpointError, match=rf"{name} \(10 bytes\) is damaged"):
        checkpoints.load_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {1: 2}, {"state_dict": None}])
def test_a_file_that_holds_no_weights_by_name_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "list.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="not weights by their names"):
        checkpoints.load_state_dict(path)


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path: Path, capsys) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load_state_dict(path)
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load_state_dict(plain)
    assert "code ran" not in capsys.readouterr().out


def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"other\.pth is not one of model 'demo': Missing key"):
        checkpoints.load_into(build_sam("demo"), path, "demo")


def test_real_sam_checkpoints_load_by_their_published_layout(tmp_path: Path) -> None:
    """Meta's files are plain state dicts saved by torch.save; random weights of the real ViT-B take the same way."""
    torch.manual_seed(0)
    source, path = build_sam("vit_b"), tmp_path / "sam_vit_b_01ec64.pth"
    torch.save(source.state_dict(), path)
    target = build_sam("vit_b")
    checkpoints.load_into(target, checkpoints.find_sam_checkpoint("vit_b", "", tmp_path), "vit_b")
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name])
