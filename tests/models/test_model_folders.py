"""Models that are folders: finding them, their fingerprint, and what is loaded when something changed since."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import CheckpointError
from backend.models.checkpoints import (
    find_classifier_checkpoint,
    find_detector_folder,
    find_segmenter_checkpoint,
    fingerprint_of,
    verify_pin,
)
from backend.models.entries import PublishedFile, PublishedFolder, SegmenterEntry
from backend.models.model_lock import LOCK_NAME, LockedModel, verify_download, write_to_lock
from backend.models.protocols import Segmenter
from backend.models.registry import DETECTORS, SEGMENTERS, find_classifier
from backend.settings import Settings
from backend.wiring import build_services
from tests.models import toy_family

TINY, LLMDET = SEGMENTERS["sam2.1_hiera_tiny"], DETECTORS["llmdet_tiny"]
COMMIT = "c" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A weights folder's model, of the toy family: its weights are the tolerance 8."""
    path = tmp_path / "owner--toy"
    path.mkdir()
    (path / "config.json").write_text("{}")
    with (path / "model.safetensors").open("wb") as file:
        np.save(file, 8.0)
    return path


def lock(folder: Path) -> None:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    write_to_lock(folder.parent, folder.name, LockedModel("owner/toy", COMMIT, files))


# ---- fingerprints


def test_the_fingerprint_is_the_digest_of_what_sha256sum_prints(folder: Path) -> None:
    printed = subprocess.run(
        ["sha256sum", "config.json", "model.safetensors"], cwd=folder, check=True, capture_output=True
    ).stdout
    assert fingerprint_of(folder) == hashlib.sha256(printed).hexdigest()


CHANGES: dict[str, Callable[[Path], object]] = {
    "config": lambda folder: (folder / "config.json").write_text('{"image_size": 512}'),
    "weights": lambda folder: (folder / "model.safetensors").write_bytes(b"other"),
    "a name": lambda folder: (folder / "config.json").rename(folder / "configuration.json"),
    "names exchanged": lambda folder: (
        (folder / "config.json").rename(folder / "x"),
        (folder / "model.safetensors").rename(folder / "config.json"),
        (folder / "x").rename(folder / "model.safetensors"),
    ),
    "another file": lambda folder: (folder / "adapter_config.json").write_text("{}"),
}
NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "hidden": lambda folder: (folder / ".DS_Store").write_bytes(b"\0"),
    "part": lambda folder: (folder / "model.safetensors.0123.part").write_bytes(b"half"),
    "model card": lambda folder: (folder / "README.md").write_text("# Toy"),
    "subfolder": lambda folder: (folder / ".cache/huggingface").mkdir(parents=True),
    "times": lambda folder: (folder / "config.json").touch(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with_what_the_model_reads(folder: Path, change: str) -> None:
    before = fingerprint_of(folder)
    CHANGES[change](folder)
    assert fingerprint_of(folder) != before


@pytest.mark.parametrize("change", NO_CHANGES)
def test_the_fingerprint_stays_when_nothing_changes_that_the_model_reads(folder: Path, change: str) -> None:
    before = fingerprint_of(folder)
    NO_CHANGES[change](folder)
    assert fingerprint_of(folder) == before


def test_a_folder_has_the_same_fingerprint_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"  # as the hub's own tools keep it
    blobs.mkdir(), snapshot.mkdir()
    for number, path in enumerate(folder.iterdir()):
        (blobs / f"{number}").write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(blobs / f"{number}")
    assert fingerprint_of(snapshot) == fingerprint_of(folder)


# ---- finding them


def test_a_model_folder_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_segmenter_checkpoint(TINY, "", tmp_path)
    assert str(caught.value) == (
        f"There is no model folder of sam2.1_hiera_tiny at {tmp_path / 'facebook--sam2.1-hiera-tiny'}. "
        "Download it with `python -m scripts.download_models sam2.1_hiera_tiny`."
    )
    with pytest.raises(CheckpointError, match=r"no model folder of llmdet_tiny at .*download_models llmdet_tiny`"):
        find_detector_folder(LLMDET, "", tmp_path)
    with pytest.raises(CheckpointError, match=r"no model folder of llmdet_tiny at nowhere\. Set DETECTOR_CHECKPOINT"):
        find_detector_folder(LLMDET, "nowhere", tmp_path)


def test_a_download_that_is_not_finished_is_told_from_a_wrong_folder(tmp_path: Path) -> None:
    path = tmp_path / "facebook--sam2.1-hiera-tiny"
    path.mkdir()
    (path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"is not a model folder of sam2\.1_hiera_tiny: it has no model\.safe"):
        find_segmenter_checkpoint(TINY, "", tmp_path)
    (path / "model.safetensors.de431c404385.part").write_bytes(b"half")
    with pytest.raises(CheckpointError) as caught:
        find_segmenter_checkpoint(TINY, "", tmp_path)
    assert f"The download of {path} is not finished: model.safetensors is missing." in str(caught.value)
    assert "download_models sam2.1_hiera_tiny`. It resumes where it stopped." in str(caught.value)
    (path / "model.safetensors").write_bytes(b"weights")
    assert find_segmenter_checkpoint(TINY, "", tmp_path) == path


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "sam2.pt").write_bytes(b"weights")
    with pytest.raises(
        CheckpointError,
        match=r"is a file, but sam2.1_hiera_tiny is loaded from a folder with config\.json, model\.safe",
    ):
        find_segmenter_checkpoint(TINY, str(tmp_path / "sam2.pt"), tmp_path)


def test_a_file_in_the_place_of_the_weights_folder_is_called_a_file_when_a_model_is_loaded(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("")
    find: dict[str, Callable[[], object]] = {
        "folder": lambda: find_segmenter_checkpoint(TINY, "", weights),
        "file": lambda: find_segmenter_checkpoint(SEGMENTERS["vit_b"], "", weights),
        "detector": lambda: find_detector_folder(LLMDET, "", weights),
        "CLIP": lambda: find_classifier_checkpoint(find_classifier("ViT-B-32"), "openai", weights),
    }
    for call in find.values():
        with pytest.raises(CheckpointError, match=r"weights is a file\. Set WEIGHTS_DIR"):
            call()
    assert find_segmenter_checkpoint(SEGMENTERS["demo"], "", weights).is_file()


# ---- what changed since the download


def test_a_downloaded_folder_that_changed_is_not_loaded(folder: Path) -> None:
    lock(folder)
    verify_download(folder, None, folder.parent)
    (folder / ".DS_Store").write_bytes(b"\0")
    verify_download(folder, None, folder.parent)
    (folder / "config.json").write_text('{"image_size": 512}')
    (folder / "adapter_config.json").write_text("{}")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as caught:
        verify_download(folder, None, folder.parent)
    assert caught.value.message == (
        f"{folder} is not as it was downloaded (changed: config.json; missing: model.safetensors; "
        "added: adapter_config.json)."
    )
    assert "copy it to another folder and set its path" in caught.value.remedy


def test_weights_of_ones_own_are_let_through(folder: Path, tmp_path: Path) -> None:
    verify_download(folder, None, folder.parent)  # nothing is locked
    lock(folder)
    own = tmp_path / "mine" / folder.name
    own.mkdir(parents=True)
    (own / "config.json").write_text("trained further")
    verify_download(own, None, folder.parent)


def test_a_pin_counts_though_the_lock_says_otherwise(folder: Path) -> None:
    lock(folder)
    published = PublishedFolder("owner/toy", ("config.json",), 1, pins=(("model.safetensors", "0" * 64),))
    with pytest.raises(CheckpointError, match=rf"model\.safetensors has SHA-256 \w+, but this project pins {'0' * 64}"):
        verify_download(folder, published, folder.parent)


def test_a_pinned_file_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("damaged")
    (tmp_path / "a.pth").write_bytes(b"weights")
    published = PublishedFile("https://example.org/a.pth", 1, hashlib.sha256(b"weights").hexdigest())
    verify_pin(tmp_path / "a.pth", published)
    verify_download(tmp_path / "a.pth", published, tmp_path)
    (tmp_path / "a.pth").write_bytes(b"others")
    with pytest.raises(CheckpointError, match=r"but a\.pth has"):
        verify_download(tmp_path / "a.pth", published, tmp_path)


# ---- in the server


def build_toy(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    return toy_family.build(entry, checkpoint / "model.safetensors", device=device, dtype=dtype)


@pytest.fixture
def toy_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    published = PublishedFolder("owner/toy", ("config.json", "model.safetensors"), 1)
    entry = replace(TINY, name="toy", family="toy", builder=f"{__name__}:build_toy", published=published)
    monkeypatch.setitem(SEGMENTERS, "toy", entry)
    lock(folder)
    return Settings(sam_model="toy", clip_model="none", weights_dir=str(folder.parent))


def test_the_server_loads_a_folder_as_it_was_downloaded_and_names_it_by_its_fingerprint(
    toy_settings: Settings, folder: Path
) -> None:
    facts = build_services(toy_settings).facts
    assert (facts.sam_name, facts.sam_sha256) == ("toy", fingerprint_of(folder))
    assert facts.model_version == f"toy-{fingerprint_of(folder)[:8]}"


def test_the_server_does_not_load_a_folder_that_changed(toy_settings: Settings, folder: Path) -> None:
    (folder / "config.json").write_text('{"image_size": 512}')
    with pytest.raises(CheckpointError, match=r"is not as it was downloaded \(changed: config\.json\)"):
        build_services(toy_settings)


def test_the_server_loads_no_clip_that_changed_and_says_why(folder: Path) -> None:
    path = folder.parent / "open_clip_ViT-B-32_tag.safetensors"
    path.write_bytes(b"other weights")
    write_to_lock(folder.parent, path.name, LockedModel("owner/clip", COMMIT, {path.name: "0" * 64}))
    settings = Settings(clip_model="ViT-B-32", clip_pretrained="tag", weights_dir=str(folder.parent))
    facts = build_services(settings).facts
    assert f"{path} is not as it was downloaded (changed: {path.name})." in facts.clip_problem
