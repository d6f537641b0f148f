"""The object graph, built from settings with the demo models."""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path

import pytest

from backend.cache import CacheCounts
from backend.models.registry import DEMO_CLIP, DEMO_SAM
from backend.predict import ModelFacts
from backend.settings import Settings
from backend.wiring import LoadedServices, build_predictor, build_services


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def counts() -> CacheCounts:
    return CacheCounts()


@pytest.fixture(scope="module")
def services(counts: CacheCounts) -> LoadedServices:
    return build_services(Settings(device="cpu"), counts)


def test_facts_are_those_of_the_loaded_files(services: LoadedServices) -> None:
    sam, clip = sha256(DEMO_SAM), sha256(DEMO_CLIP)
    assert services.facts == ModelFacts(
        sam_name="demo",
        sam_sha256=sam,
        clip_name="demo-clip",
        clip_sha256=clip,
        clip_problem="",
        device="cpu",
        encoder_dtype="float32",
        model_version=f"demo-{sam[:8]}+demo-clip-{clip[:8]}",
        is_demo=True,
    )
    assert services.facts.has_clip
    assert services.predictor.model_version == services.facts.model_version


def test_predictor_and_services_share_the_executor_and_the_counts(
    services: LoadedServices, counts: CacheCounts
) -> None:
    assert services.predictor.executor is services.executor
    assert services.cache.counts is counts


def test_without_clip_the_facts_say_why(caplog: pytest.LogCaptureFixture) -> None:
    off = build_services(Settings(device="cpu", clip_model="none")).facts
    assert (off.has_clip, off.clip_sha256, off.clip_problem) == (False, "", "CLIP_MODEL is none")
    assert off.model_version == f"demo-{off.sam_sha256[:8]}"
    with caplog.at_level(logging.ERROR):
        missing = build_services(Settings(device="cpu", clip_model="ViT-B-32", weights_dir="/nowhere")).facts
    assert not missing.has_clip
    assert missing.clip_name == "ViT-B-32"
    assert missing.clip_problem.startswith("There is no CLIP checkpoint at /nowhere/")
    assert f"Could not load CLIP; masks will have no classes. {missing.clip_problem}" in caplog.text


def test_models_from_other_files_are_not_the_demo(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(DEMO_SAM.read_bytes())
    assert build_services(Settings(device="cpu", clip_model="none")).facts.is_demo
    assert not build_services(Settings(device="cpu", clip_model="none", sam_checkpoint=str(other))).facts.is_demo


def test_a_predictor_for_commands_has_the_same_version_and_starts_no_warmer(services: LoadedServices) -> None:
    before = [thread.name for thread in threading.enumerate()].count("warmer")
    predictor = build_predictor(Settings(device="cpu"))
    assert predictor.model_version == services.facts.model_version
    assert [thread.name for thread in threading.enumerate()].count("warmer") == before
