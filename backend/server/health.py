"""What the backend says of itself to programs: the document at /health and, where no browser asks, at /."""

from __future__ import annotations

from typing import Any

from backend.errors import BackendError
from backend.server.status_page import ModelFacts


def describe_health(facts: ModelFacts | None, error: BackendError | None) -> dict[str, Any]:
    """Label Studio wants "status"; the rest is for the person who wonders what runs here.

    Args:
        facts: What runs here; None while the models load.
        error: Why they will never be there.
    """
    if error is not None:
        return {"status": "DOWN", "ready": False, "error": error.message, "remedy": error.remedy}
    if facts is None:
        return {"status": "UP", "ready": False, "note": "The models are still loading."}
    document = {
        "status": "UP",
        "ready": True,
        "model_version": facts.model_version,
        "sam": facts.sam,
        "clip": facts.clip,
        "device": facts.device,
        "demo_models": facts.demo,
        "cache": facts.cache.description,
    }
    if facts.demo:
        document["warning"] = "Demo models: they know only the demo's coloured shapes. Set SAM_MODEL and CLIP_MODEL."
    if not facts.clip_works:
        document["problem"] = f"Masks come without classes. CLIP: {facts.clip}"
    return document
