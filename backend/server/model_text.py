"""The loaded models in words, for /health, the status page and the log."""

from __future__ import annotations

from backend.predict import ModelFacts

_SHOWN_DIGITS = 12  # of a SHA-256


def describe_sam(facts: ModelFacts) -> str:
    """Return SAM's name, family and digest: "vit_b (family sam1, SHA-256 0123456789ab)"."""
    return f"{facts.sam_name} (family {facts.sam_family}, SHA-256 {facts.sam_sha256[:_SHOWN_DIGITS]})"


def describe_clip(facts: ModelFacts) -> str:
    """Return CLIP's name and digest, or the reason why it is not loaded: "none: CLIP_MODEL is none"."""
    if not facts.has_clip:
        return f"none: {facts.clip_problem}"
    return f"{facts.clip_name} (SHA-256 {facts.clip_sha256[:_SHOWN_DIGITS]})"


def describe_detector(facts: ModelFacts) -> str:
    """Return the detector's name and digest, or the reason why none is loaded: "none: DETECTOR is none"."""
    if facts.detector_problem:
        return f"none: {facts.detector_problem}"
    return f"{facts.detector_name} (SHA-256 {facts.detector_sha256[:_SHOWN_DIGITS]})"


def describe_device(facts: ModelFacts) -> str:
    """Return the device and the encoder's dtype: "cpu, encoder in float32"."""
    return f"{facts.device}, encoder in {facts.encoder_dtype}"


def describe_models(facts: ModelFacts) -> str:
    """Return all of it in one line."""
    models = f"SAM {describe_sam(facts)}, CLIP {describe_clip(facts)}, detector {describe_detector(facts)}"
    return f"{models}, on {describe_device(facts)}"
