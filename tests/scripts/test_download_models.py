"""`scripts.download_models`: names, the hub, digests of earlier versions, and the table of models."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import BadSettings
from backend.models.entries import PublishedFile, PublishedFolder
from backend.models.hub_download import HubModel
from backend.models.model_lock import LOCK_NAME
from backend.models.registry import DETECTORS, SEGMENTERS
from scripts import download_models
from scripts.downloading.wanted import resolve
from tests.hub_stub import HubStub, commit_of, sha256, start_hub
from tests.paths import ROOT
from tests.servers import LocalServer

DATA = b"weights of a model"
DIGEST = hashlib.sha256(DATA).hexdigest()
CLIP = "ViT-B-32/laion2b_s34b_b79k"
CLIP_REPOSITORY, CLIP_FILE = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_ViT-B-32_laion2b_s34b_b79k.safetensors"
TINY_REPOSITORY, TINY_FOLDER = "facebook/sam2.1-hiera-tiny", "facebook--sam2.1-hiera-tiny"
TINY = {"config.json": b'{"model_type": "sam2_video"}', "model.safetensors": DATA}


@pytest.fixture
def hub(start_server: Callable[[], LocalServer], monkeypatch: pytest.MonkeyPatch) -> HubStub:
    """A hub with a CLIP model and SAM 2.1 tiny, which the commands of this test take for the real one."""
    stub = start_hub(start_server)
    stub.add(CLIP_REPOSITORY, commit_of(1), {"open_clip_model.safetensors": DATA})
    stub.add(TINY_REPOSITORY, commit_of(1), TINY)
    monkeypatch.setenv("HF_ENDPOINT", stub.api.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    unpinned = PublishedFolder(TINY_REPOSITORY, ("config.json", "model.safetensors"), 156)
    entry = SEGMENTERS["sam2.1_hiera_tiny"]
    monkeypatch.setitem(SEGMENTERS, entry.name, replace(entry, published=unpinned))
    return stub


def run(*arguments: object) -> int:
    return download_models.main([str(argument) for argument in arguments])


# ---- names


def test_a_wrong_setting_is_two_lines_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOP_K", "x")
    assert run("vit_b") == 1
    assert capsys.readouterr().err.startswith("error: TOP_K is 'x', which is not a whole number.\n  help: ")


@pytest.mark.parametrize(
    ("name", "closest"),
    [("sam2_hiera_tiny", "sam2.1_hiera_tiny"), ("mobilesam", "mobile_sam"), ("llm_det_tiny", "llmdet_tiny")],
)
def test_an_unknown_name_is_answered_with_the_closest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, closest: str
) -> None:
    assert run(name, "--weights-dir", tmp_path) == 1
    assert f"error: Unknown model '{name}'.\n  help: Did you mean {closest}? Choose mobile_sam, " in (
        capsys.readouterr().err
    )


def test_the_hubs_name_of_a_model_is_answered_with_the_name_here(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"facebook/SAM2\.1-hiera-tiny is called sam2\.1_hiera_tiny here\. Choose"):
        resolve("facebook/SAM2.1-hiera-tiny", tmp_path)


def test_a_model_that_ships_with_the_project_needs_no_download(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo") == 1
    assert "error: demo ships with this project.\n  help: It needs no download." in capsys.readouterr().err


def test_neither_names_nor_the_list_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--list", "vit_b"]):
        with pytest.raises(SystemExit, match="2"):
            run(*arguments)
        assert "give the names of models, or --list" in capsys.readouterr().err


def test_every_published_model_has_files_and_settings(tmp_path: Path) -> None:
    for name in SEGMENTERS.keys() - {"demo"}:
        assert resolve(name, tmp_path).settings == f"SAM_MODEL={name}"
    for name in DETECTORS:
        wanted = resolve(name, tmp_path)
        assert isinstance(wanted.source, HubModel) and "model.safetensors" in wanted.source.files
        assert (wanted.target.parent, wanted.settings) == (tmp_path, f"DETECTOR={name}")


def test_a_file_that_open_clip_names_is_the_one_that_is_fetched(tmp_path: Path) -> None:
    wanted = resolve("ViTamin-S/datacomp1b", tmp_path)
    target = tmp_path / "open_clip_ViTamin-S_datacomp1b.bin"
    assert wanted.source == HubModel(target.name, "jienengchen/ViTamin-S", "main", {"pytorch_model.bin": target.name})
    assert wanted.settings == f"CLIP_MODEL=ViTamin-S CLIP_PRETRAINED={target}"


def test_every_clip_model_on_the_hub_is_owner_repository_and_a_file(tmp_path: Path) -> None:
    import open_clip

    for model, tag in open_clip.list_pretrained():
        if open_clip.get_pretrained_cfg(model, tag).get("hf_hub"):
            source = resolve(f"{model}/{tag}", tmp_path).source
            assert isinstance(source, HubModel)
            assert source.repository.count("/") == 1
            assert [file.count("/") for file in source.files] == [0]


# ---- downloads


def test_a_folder_comes_with_its_digests_and_the_setting_that_uses_it(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sam2.1_hiera_tiny", "--weights-dir", tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{TINY_FOLDER}: {TINY_REPOSITORY} at commit {commit_of(1)}",
        f"  SHA-256 {sha256(TINY['config.json'])}  config.json (locked now)",
        f"  SHA-256 {DIGEST}  model.safetensors (locked now)",
        f"From now on {tmp_path / LOCK_NAME} says what these files must be.",
        "Use it with SAM_MODEL=sam2.1_hiera_tiny",
    ]
    assert run("sam2.1_hiera_tiny", "--weights-dir", tmp_path) == 0
    shown = capsys.readouterr().out
    assert f"{tmp_path / TINY_FOLDER} already exists." in shown and "model.safetensors (as locked)" in shown
    assert hub.downloads() == ["config.json", "model.safetensors"]


def test_this_projects_pin_is_told_from_what_is_trusted_on_first_use(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = SEGMENTERS["sam2.1_hiera_tiny"]
    assert isinstance(entry.published, PublishedFolder)
    pinned = replace(entry.published, pins=(("model.safetensors", DIGEST),))
    monkeypatch.setitem(SEGMENTERS, entry.name, replace(entry, published=pinned))
    assert run(entry.name, "--weights-dir", tmp_path) == 0
    shown = capsys.readouterr().out
    assert "config.json (locked now)" in shown and "model.safetensors (pinned)" in shown


def test_weights_go_where_the_settings_say(hub: HubStub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "here"))
    assert run(CLIP) == 0
    assert (tmp_path / "here" / CLIP_FILE).read_bytes() == DATA


def test_a_clip_model_is_locked_and_checked_the_next_time(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(CLIP, "--weights-dir", tmp_path) == 0
    assert json.loads((tmp_path / LOCK_NAME).read_text())["models"] == {
        CLIP_FILE: {"repository": CLIP_REPOSITORY, "commit": commit_of(1), "files": {CLIP_FILE: DIGEST}}
    }
    assert run(CLIP, "--weights-dir", tmp_path) == 0
    assert hub.downloads() == ["open_clip_model.safetensors"]
    (tmp_path / CLIP_FILE).write_bytes(b"damaged since")
    assert run(CLIP, "--weights-dir", tmp_path) == 1
    assert f"is not as it was downloaded: changed: {CLIP_FILE}.\n  help: Delete what" in capsys.readouterr().err


def test_an_update_follows_the_branch(hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(CLIP, "--weights-dir", tmp_path)
    hub.add(CLIP_REPOSITORY, commit_of(2), {"open_clip_model.safetensors": b"better"})
    assert run(CLIP, "--weights-dir", tmp_path) == 0
    assert (tmp_path / CLIP_FILE).read_bytes() == DATA
    assert run(CLIP, "--update", "--weights-dir", tmp_path) == 0
    assert (tmp_path / CLIP_FILE).read_bytes() == b"better"
    assert f"at commit {commit_of(2)}" in capsys.readouterr().out


def test_a_digest_file_of_an_earlier_version_is_still_read(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / CLIP_FILE
    path.write_bytes(DATA)
    beside = path.with_name(path.name + ".sha256")
    beside.write_text(f"{DIGEST}  {path.name}\n")
    assert run(CLIP, "--weights-dir", tmp_path) == 0
    assert hub.downloads() == []
    (tmp_path / LOCK_NAME).unlink()
    path.write_bytes(b"damaged since")
    assert run(CLIP, "--weights-dir", tmp_path) == 1
    damaged = hashlib.sha256(b"damaged since").hexdigest()
    assert f"has SHA-256 {damaged}, expected {DIGEST}.\n  help: The file is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe"])
def test_a_damaged_digest_file_is_named(
    hub: HubStub, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / CLIP_FILE
    path.write_bytes(DATA)
    path.with_name(path.name + ".sha256").write_bytes(content)
    assert run(CLIP, "--weights-dir", tmp_path) == 1
    assert f"error: {path}.sha256 " in capsys.readouterr().err


def test_a_single_file_on_the_hub_without_a_pin_is_locked(
    hub: HubStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://huggingface.co/{TINY_REPOSITORY}/resolve/main/model.safetensors"
    published = PublishedFile(url, 156, local_name="name.safetensors")
    monkeypatch.setitem(SEGMENTERS, "new", replace(SEGMENTERS["vit_b"], name="new", published=published))
    assert run("new", "--weights-dir", tmp_path) == 0
    assert (tmp_path / "name.safetensors").read_bytes() == DATA
    locked = json.loads((tmp_path / LOCK_NAME).read_text())["models"]["name.safetensors"]
    assert locked == {"repository": TINY_REPOSITORY, "commit": commit_of(1), "files": {"name.safetensors": DIGEST}}


def test_a_pinned_file_is_downloaded_by_its_own_address_and_not_locked(
    start_server: Callable[[], LocalServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_server()
    server.respond = lambda seen, handler: (200, {}, DATA)
    published = PublishedFile(f"{server.url}/a.pth", 0, DIGEST)
    monkeypatch.setitem(SEGMENTERS, "vit_b", replace(SEGMENTERS["vit_b"], published=published))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for _ in range(2):
        assert run("vit_b", "--weights-dir", tmp_path) == 0
    assert f"a.pth: SHA-256 {DIGEST}, as this project pins it." in capsys.readouterr().out
    assert [seen.headers.get("authorization") for seen in server.seen] == [None]
    assert not (tmp_path / LOCK_NAME).exists()
    (tmp_path / "a.pth").write_bytes(b"damaged")
    assert run("vit_b", "--weights-dir", tmp_path) == 1


# ---- the list


def show_list(weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run("--list", "--weights-dir", weights) == 0
    return capsys.readouterr().out


def row(shown: str, name: str) -> list[str]:
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == [name]]
    return line.split()


def test_the_list_shows_every_model_with_its_facts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = show_list(tmp_path, capsys, monkeypatch, 110)
    assert row(shown, "demo")[1:] == ["Apache-2.0", "-", "5", "points,", "boxes,", "masks,", "automatic", "bundled"]
    assert row(shown, "sam2.1_hiera_tiny")[1:4] == ["Apache-2.0", "156", "126"]  # 31.4 million x 4 bytes
    assert row(shown, "vit_b")[1:4] == ["Apache-2.0", "375", "375"]
    assert row(shown, "llmdet_base")[1:] == ["Apache-2.0", "937", "929", "words", "to", "boxes", "-"]
    assert [name for name in (*SEGMENTERS, *DETECTORS) if not row(shown, name)] == []
    assert "suggested  mobile_sam, for a CPU" in shown


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_no_line_of_the_list_is_wider_than_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    shown = show_list(tmp_path, capsys, monkeypatch, columns)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert "sam2.1_hiera_base_plus  Apache-2.0" in shown  # nothing is cut off


def test_the_list_shows_what_is_here_and_whether_it_is_as_it_was_downloaded(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def state(name: str) -> str:
        return row(show_list(tmp_path, capsys, monkeypatch, 110), name)[-1]

    assert state("sam2.1_hiera_tiny") == "-"
    hub.cut.add("model.safetensors")
    run("sam2.1_hiera_tiny", "--weights-dir", tmp_path)
    assert state("sam2.1_hiera_tiny") == "partial"
    run("sam2.1_hiera_tiny", CLIP, "--weights-dir", tmp_path)
    assert state("sam2.1_hiera_tiny") == "verified"
    assert f" {CLIP_FILE}: verified" in show_list(tmp_path, capsys, monkeypatch, 110)
    (tmp_path / TINY_FOLDER / "config.json").write_text("{}")
    shown = show_list(tmp_path, capsys, monkeypatch, 110)
    assert row(shown, "sam2.1_hiera_tiny")[-1] == "changed"
    assert f"{tmp_path / TINY_FOLDER} is not as it was downloaded (changed: config.json)." in shown
    (tmp_path / LOCK_NAME).unlink()
    assert state("sam2.1_hiera_tiny") == "unverified"


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "models": {"a": {}}}', '{"version": 9, "models": {}}'])
def test_with_a_damaged_lock_the_list_shows_what_the_pins_know_and_what_to_do(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("vit_b", "vit_l"):
        published = PublishedFile(f"https://weights.invalid/{name}.pth", 1, DIGEST)
        monkeypatch.setitem(SEGMENTERS, name, replace(SEGMENTERS[name], published=published))
    (tmp_path / "vit_b.pth").write_bytes(DATA)
    (tmp_path / "vit_l.pth").write_bytes(b"damaged")
    (tmp_path / CLIP_FILE).write_bytes(DATA)
    (tmp_path / LOCK_NAME).write_text(content)
    shown = show_list(tmp_path, capsys, monkeypatch, 110)
    assert (row(shown, "vit_b")[-1], row(shown, "vit_l")[-1]) == ("verified", "changed")
    assert f" {CLIP_FILE}: unverified" in shown
    assert shown.count(str(tmp_path / LOCK_NAME)) == 1
    if "9" in content:
        assert "is of version 9; this project reads version 1. Update the project" in shown
    else:
        assert f"The lock {tmp_path / LOCK_NAME} is damaged" in shown and "Restore it from a backup. Or delete" in shown


def test_a_file_in_the_place_of_the_weights_folder_is_called_a_file(
    hub: HubStub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.write_text("")
    said = f"The weights folder {weights} is a file."
    assert said in show_list(weights, capsys, monkeypatch, 110)
    for name in ("sam2.1_hiera_tiny", "vit_b"):
        assert run(name, "--weights-dir", weights) == 1
        assert f"error: {said}\n  help: Set WEIGHTS_DIR (or --weights-dir) to a folder" in capsys.readouterr().err


def test_the_list_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    code = f"""import sys
from scripts import download_models
download_models.main(["--list", "--weights-dir", {str(tmp_path)!r}])
print(set(sys.modules) & {{"torch", "transformers", "open_clip", "huggingface_hub"}})"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert ran.stdout.endswith("\nset()\n")
