"""What programs are told of the backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.cache import CacheCounts, EmbeddingCache, LocalStore
from backend.errors import CheckpointError
from backend.runtime import PriorityExecutor
from backend.server import ModelFacts
from backend.server.health import describe_health


@pytest.fixture
def facts() -> Iterator[ModelFacts]:
    executor = PriorityExecutor(threads=1, max_waiting=1)
    yield ModelFacts(
        sam="vit_b (SHA-256 0)",
        clip="ViT-B-32 (SHA-256 1)",
        device="cpu, encoder in float32",
        model_version="fake-1",
        demo=False,
        clip_works=True,
        counts=CacheCounts(),
        cache=EmbeddingCache(LocalStore(10**6)),
        executor=executor,
    )
    executor.close()


def test_health_says_which_models_run_where(facts: ModelFacts) -> None:
    assert describe_health(facts, None) == {
        "status": "UP",
        "ready": True,
        "model_version": "fake-1",
        "sam": "vit_b (SHA-256 0)",
        "clip": "ViT-B-32 (SHA-256 1)",
        "device": "cpu, encoder in float32",
        "demo_models": False,
        "cache": facts.cache.description,
    }


def test_health_says_that_the_models_are_the_demo(facts: ModelFacts) -> None:
    document = describe_health(replace(facts, demo=True), None)
    assert document["demo_models"] is True
    assert "SAM_MODEL" in document["warning"]


def test_health_says_that_classes_are_missing(facts: ModelFacts) -> None:
    document = describe_health(replace(facts, clip="none: CLIP_MODEL is none", clip_works=False), None)
    assert document["problem"] == "Masks come without classes. CLIP: none: CLIP_MODEL is none"


def test_health_is_up_while_the_models_load() -> None:
    assert describe_health(None, None) == {"status": "UP", "ready": False, "note": "The models are still loading."}


def test_models_that_cannot_load_are_down_with_what_to_do() -> None:
    error = CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")
    assert describe_health(None, error) == {
        "status": "DOWN",
        "ready": False,
        "error": "sam.pth is damaged.",
        "remedy": "Fetch it again.",
    }
