"""The loaded models in words."""

from __future__ import annotations

from dataclasses import replace

from backend.predict import ModelFacts
from backend.server import describe_models
from backend.server.model_text import describe_clip, describe_detector, describe_device, describe_sam


def test_models_are_named_with_twelve_digits_of_their_digests(facts: ModelFacts) -> None:
    assert describe_sam(facts) == "vit_b (family sam1, SHA-256 0123456789ab)"
    assert describe_clip(facts) == "ViT-B-32 (SHA-256 fedcba987654)"


def test_a_clip_that_is_not_loaded_is_described_by_the_reason(facts: ModelFacts) -> None:
    without = replace(facts, clip_sha256="", clip_problem="There is no CLIP checkpoint at x.pt. Download it.")
    assert describe_clip(without) == "none: There is no CLIP checkpoint at x.pt. Download it."
    assert (facts.has_clip, without.has_clip) == (True, False)


def test_a_detector_that_is_not_loaded_is_described_by_the_reason(facts: ModelFacts) -> None:
    assert (describe_detector(facts), facts.lacks_detector) == ("none: DETECTOR is none", False)
    missing = replace(facts, detector_name="llmdet_tiny", detector_problem="There is no detector at x. Download it.")
    assert (describe_detector(missing), missing.lacks_detector) == (
        "none: There is no detector at x. Download it.",
        True,
    )


def test_device_and_dtype_are_of_the_encoder(facts: ModelFacts) -> None:
    assert describe_device(replace(facts, device="cuda:1", encoder_dtype="float16")) == "cuda:1, encoder in float16"


def test_all_models_fit_in_one_line(facts: ModelFacts) -> None:
    with_detector = replace(facts, detector_name="llmdet_tiny", detector_sha256="a" * 64, detector_problem="")
    assert describe_models(with_detector) == (
        "SAM vit_b (family sam1, SHA-256 0123456789ab), CLIP ViT-B-32 (SHA-256 fedcba987654), "
        "detector llmdet_tiny (SHA-256 aaaaaaaaaaaa), on cpu, encoder in float32"
    )
