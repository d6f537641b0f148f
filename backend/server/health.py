"""The document at /health and, for clients other than browsers, at /."""

from __future__ import annotations

from typing import Any

from backend.errors import BackendError
from backend.server.model_text import describe_clip, describe_detector, describe_device, describe_sam
from backend.server.services import Services


def describe_health_to_strangers(services: Services | None, error: BackendError | None) -> dict[str, Any]:
    """Build the document for callers without credentials: nothing but what a probe needs."""
    document = describe_health(services, error)
    return {key: document[key] for key in ("status", "ready")}


def describe_health(services: Services | None, error: BackendError | None) -> dict[str, Any]:
    """Build the document. Label Studio reads "status"; the rest is for people.

    Args:
        services: None while the models load.
        error: Why loading failed, if it did.
    """
    if error is not None:
        return {"status": "DOWN", "ready": False, "error": error.message, "remedy": error.remedy}
    if services is None:
        return {"status": "UP", "ready": False, "note": "The models are still loading."}
    facts = services.facts
    document = {
        "status": "UP",
        "ready": True,
        "model_version": facts.model_version,
        "sam": describe_sam(facts),
        "clip": describe_clip(facts),
        "detector": describe_detector(facts),
        "device": describe_device(facts),
        "demo_models": facts.is_demo,
        "cache": services.cache.description,
    }
    if facts.is_demo:
        document["warning"] = "Demo models, trained only on the demo's coloured shapes. Set SAM_MODEL and CLIP_MODEL."
    problems = [] if facts.has_clip else [f"Masks have no classes. CLIP: {describe_clip(facts)}"]
    if facts.lacks_detector:
        problems.append(f"No detector searches for texts. Detector: {describe_detector(facts)}")
    if problems:
        document["problem"] = " ".join(problems)
    return document
