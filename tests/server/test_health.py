"""The health document."""

from __future__ import annotations

from dataclasses import replace

from backend.errors import CheckpointError
from backend.server.health import describe_health
from backend.wiring import LoadedServices


def test_health_says_which_models_run_where(services: LoadedServices) -> None:
    document = describe_health(services, None)
    assert document == {
        "status": "UP",
        "ready": True,
        "model_version": "fake-1",
        "sam": "vit_b (family sam1, SHA-256 0123456789ab)",
        "clip": "ViT-B-32 (SHA-256 fedcba987654)",
        "detector": "none: DETECTOR is none",
        "device": "cpu, encoder in float32",
        "demo_models": False,
        "cache": services.cache.description,
    }
    assert list(document)[:5] == ["status", "ready", "model_version", "sam", "clip"]


def test_health_warns_of_demo_models(services: LoadedServices) -> None:
    document = describe_health(replace(services, facts=replace(services.facts, is_demo=True)), None)
    assert document["demo_models"] is True
    assert "SAM_MODEL" in document["warning"]


def test_health_says_that_classes_are_missing(services: LoadedServices) -> None:
    facts = replace(services.facts, clip_sha256="", clip_problem="CLIP_MODEL is none")
    document = describe_health(replace(services, facts=facts), None)
    assert document["problem"] == "Masks have no classes. CLIP: none: CLIP_MODEL is none"


def test_health_says_why_the_wanted_detector_is_not_loaded(services: LoadedServices) -> None:
    facts = replace(services.facts, detector_name="llmdet_tiny", detector_problem="There is no detector at x.")
    document = describe_health(replace(services, facts=facts), None)
    assert document["detector"] == "none: There is no detector at x."
    assert document["problem"] == "No detector searches for texts. Detector: none: There is no detector at x."


def test_health_is_up_while_the_models_load() -> None:
    assert describe_health(None, None) == {"status": "UP", "ready": False, "note": "The models are still loading."}


def test_models_that_failed_to_load_are_down_with_a_remedy() -> None:
    error = CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")
    assert describe_health(None, error) == {
        "status": "DOWN",
        "ready": False,
        "error": "sam.pth is damaged.",
        "remedy": "Fetch it again.",
    }
