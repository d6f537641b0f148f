"""Models that the backend does without if they cannot be loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from unittest.mock import Mock

import pytest

from backend.errors import BadSettings
from backend.models.checkpoints import fingerprint_of
from backend.models.optional_models import load_classifier, load_detector
from backend.settings import Settings
from backend.wiring import build_predictor, build_services
from tests.models.detectors.tiny_detectors import LLMDET, write_detector


def test_a_model_that_is_switched_off_is_not_looked_for() -> None:
    nowhere = Path("/nowhere")
    assert load_detector("none", "", nowhere, "cpu").problem == "DETECTOR is none"
    assert load_classifier("none", "", nowhere, "cpu").problem == "CLIP_MODEL is none"


def test_an_unknown_detector_is_refused_with_the_closest_name() -> None:
    with pytest.raises(BadSettings, match="DETECTOR is 'llmdet_tinny', which is not a known model") as error:
        load_detector("llmdet_tinny", "", Path("weights"), "cpu")
    assert error.value.remedy.startswith("Did you mean llmdet_tiny? Choose one of none, llmdet_tiny,")


def test_a_detector_that_is_not_there_or_of_another_family_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_detector(tmp_path / "folder", LLMDET)
    other_family = f"The folder {folder} holds a model of type 'mm-grounding-dino'"
    download, own = "`python -m scripts.download_models {}`", "Set DETECTOR_CHECKPOINT to the folder of such a model"
    for name, checkpoint, said, remedy in (
        (
            "llmdet_tiny",
            "",
            f"There is no model folder of llmdet_tiny at {tmp_path}/iSEE-Laboratory--llmdet_tiny.",
            download,
        ),
        ("llmdet_tiny", str(tmp_path / "other"), f"There is no model folder of llmdet_tiny at {tmp_path}/other.", own),
        (
            "grounding_dino_tiny",
            str(folder),
            other_family,
            download,
        ),
    ):
        with caplog.at_level(logging.ERROR):
            loaded = load_detector(name, checkpoint, tmp_path, "cpu")
        assert (loaded.model, loaded.sha256) == (None, "")
        assert loaded.problem.startswith(said)
        assert remedy.format(name) in loaded.problem
        assert f"Could not load the detector; CLIP will search for texts. {said}" in caplog.text


def test_a_clip_that_does_not_fit_into_memory_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.models.clip import classifier

    monkeypatch.setattr(classifier.open_clip, "create_model_and_transforms", Mock(side_effect=MemoryError))
    loaded = load_classifier("demo-clip", "", Path("weights"), "cpu")
    assert loaded.model is None
    assert loaded.problem == (
        "CLIP ran out of memory on this machine (DEVICE=cpu) with its weights. "
        "Set CLIP_MODEL to a smaller model, or to none for masks without classes."
    )


def test_a_detector_is_named_by_the_facts_and_by_what_it_predicts(tmp_path: Path) -> None:
    from backend.label_studio.requests import FindText, SegmentAll

    folder = write_detector(tmp_path / "folder", LLMDET)
    digest = fingerprint_of(folder)
    settings = Settings(device="cpu", clip_model="none", detector="llmdet_tiny", detector_checkpoint=str(folder))
    services = build_services(settings)
    facts, predictor = services.facts, services.predictor
    assert (facts.detector_name, facts.detector_sha256, facts.detector_problem) == ("llmdet_tiny", digest, "")
    assert predictor.labeler.can_search
    assert predictor.version_for(SegmentAll()) == facts.model_version
    assert predictor.version_for(FindText(("cat",))) == f"{facts.model_version}+llmdet_tiny-{digest[:8]}"
    services.executor.close()


def test_without_its_detector_the_backend_starts_and_says_why(tmp_path: Path) -> None:
    settings = Settings(device="cpu", clip_model="none", detector="llmdet_tiny", weights_dir=str(tmp_path))
    services = build_services(settings)
    assert services.facts.lacks_detector
    assert services.facts.detector_problem.startswith("There is no model folder of llmdet_tiny at")
    assert not services.predictor.labeler.can_search
    services.executor.close()
    with pytest.raises(BadSettings, match="DETECTOR is 'yolo'"):
        build_predictor(settings.model_copy(update={"detector": "yolo"}))
