"""Fetching weights: settings that are wrong, files that the hub calls otherwise, digests kept beside the file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backend.models.registry import SEGMENTERS, PublishedFile
from scripts import download_models
from tests.paths import ROOT

DATA = b"weights of a model"
DIGEST = hashlib.sha256(DATA).hexdigest()
NAME = "ViT-B-32/laion2b_s34b_b79k"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gives DATA for every address; keeps what was asked for."""
    asked: list[str] = []

    def download(url: str, target: Path, *, sha256: str, on_progress: Callable[[int, int | None], None]) -> None:
        asked.append(url)
        assert sha256 == DIGEST
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(DATA)

    monkeypatch.setattr(download_models, "fetch_hub_digest", lambda url: DIGEST)
    monkeypatch.setattr(download_models, "download", download)
    return asked


def test_a_wrong_setting_is_two_lines_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOP_K", "x")
    assert download_models.main(["vit_b"]) == 1
    assert capsys.readouterr().err.startswith("error: TOP_K is 'x', which is not a whole number.\n  help: ")


def test_weights_go_where_the_settings_say(hub: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "here"))
    assert download_models.main([NAME]) == 0
    assert (tmp_path / "here" / "open_clip_ViT-B-32_laion2b_s34b_b79k.safetensors").read_bytes() == DATA


def test_a_file_that_open_clip_names_is_the_one_that_is_fetched(tmp_path: Path) -> None:
    wanted = download_models.resolve("ViTamin-S/datacomp1b", tmp_path)
    assert wanted.url == "https://huggingface.co/jienengchen/ViTamin-S/resolve/main/pytorch_model.bin"
    assert wanted.target == tmp_path / "open_clip_ViTamin-S_datacomp1b.bin"
    assert wanted.settings == f"CLIP_MODEL=ViTamin-S CLIP_PRETRAINED={wanted.target}"


def test_every_address_on_the_hub_is_owner_repository_and_a_file(tmp_path: Path) -> None:
    import open_clip

    for model, tag in open_clip.list_pretrained():
        if open_clip.get_pretrained_cfg(model, tag).get("hf_hub"):
            path = download_models.resolve(f"{model}/{tag}", tmp_path).url.removeprefix("https://huggingface.co/")
            _, _, *rest = path.split("/")
            assert rest[:2] == ["resolve", "main"] and len(rest) == 3


def test_the_digest_is_kept_beside_the_file_and_checked_the_next_time(
    hub: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [NAME, "--weights-dir", str(tmp_path)]
    assert download_models.main(command) == 0
    path = tmp_path / "open_clip_ViT-B-32_laion2b_s34b_b79k.safetensors"
    beside = path.with_name(path.name + ".sha256")
    assert beside.read_text() == f"{DIGEST}  {path.name}\n"
    assert download_models.main(command) == 0
    assert len(hub) == 1
    assert "was not verified" not in capsys.readouterr().out
    path.write_bytes(b"damaged since")
    assert download_models.main(command) == 1
    damaged = hashlib.sha256(b"damaged since").hexdigest()
    assert f"has SHA-256 {damaged}, expected {DIGEST}.\n  help: The file is damaged" in capsys.readouterr().err


def test_a_file_without_a_digest_beside_it_is_said_to_be_unchecked(
    hub: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "open_clip_ViT-B-32_laion2b_s34b_b79k.safetensors").write_bytes(DATA)
    assert download_models.main([NAME, "--weights-dir", str(tmp_path)]) == 0
    assert "was not verified: open_clip_ViT-B-32" in capsys.readouterr().out
    assert hub == []


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe"])
def test_a_damaged_digest_is_named(
    hub: list[str], tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "open_clip_ViT-B-32_laion2b_s34b_b79k.safetensors"
    path.write_bytes(DATA)
    path.with_name(path.name + ".sha256").write_bytes(content)
    assert download_models.main([NAME, "--weights-dir", str(tmp_path)]) == 1
    assert f"error: {path}.sha256 " in capsys.readouterr().err


def test_the_help_lists_the_segmenters_and_loads_no_torch() -> None:
    code = """import sys
from scripts import download_models
try:
    download_models.main(["--help"])
finally:
    print("torch" in sys.modules)"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "vit_l 1250 MB Apache-2.0 points, boxes, masks, automatic masks" in " ".join(ran.stdout.split())
    assert ran.stdout.endswith("\nFalse\n")


def test_a_segmenter_without_a_pin_is_checked_against_the_hubs_digest(
    hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://huggingface.co/owner/name/resolve/main/model.safetensors"
    published = PublishedFile(url, 156, local_name="name.safetensors")
    monkeypatch.setitem(SEGMENTERS, "new", replace(SEGMENTERS["vit_b"], name="new", published=published))
    command = ["new", "--weights-dir", str(tmp_path)]
    assert download_models.main(command) == 0
    assert hub == [url]
    assert (tmp_path / "name.safetensors").read_bytes() == DATA
    assert (tmp_path / "name.safetensors.sha256").read_text() == f"{DIGEST}  name.safetensors\n"
    assert "Use it with SAM_MODEL=new" in capsys.readouterr().out
    (tmp_path / "name.safetensors").write_bytes(b"damaged since")
    assert download_models.main(command) == 1
