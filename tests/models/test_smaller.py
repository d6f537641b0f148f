"""What is suggested for a model that does not fit, down to the person who clicks or runs a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from backend.bulk import PipelineRunner, build_task_pipeline
from backend.errors import OutOfMemory
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.models import registry
from backend.models.registry import SEGMENTERS, build_segmenter, find_segmenter
from backend.models.smaller import CLIP, find_smaller, out_of_memory
from backend.settings import Settings
from backend.wiring import build_predictor
from tests.fakes import CONFIG, FakeSegmenter, Hall, keypoint, predict_body
from tests.server.fakes import ServerOnFakes


def chain(name: str) -> list[str]:
    """All suggestions, one after the other."""
    smaller = find_smaller(name)
    return [] if smaller is None else [smaller, *chain(smaller)]


def test_the_next_smaller_model_of_the_same_family_comes_first_and_a_light_one_last() -> None:
    assert find_smaller("vit_h") == "vit_l"
    assert chain("vit_h")[:3] == ["vit_l", "vit_b", "sam2.1_hiera_small"]
    assert chain("sam2.1_hiera_large") == [
        "sam2.1_hiera_base_plus",
        "sam2.1_hiera_small",
        "sam2.1_hiera_tiny",
        "edgetam",
        "mobile_sam",
    ]
    assert chain("llmdet_base") == ["llmdet_tiny"]


@pytest.mark.parametrize("name", SEGMENTERS)
def test_what_is_suggested_is_smaller_and_can_do_the_same(name: str) -> None:
    for suggested in map(find_segmenter, chain(name)):
        assert suggested.abilities >= find_segmenter(name).abilities
        assert suggested.published.megabytes < find_segmenter(name).published.megabytes
        assert not suggested.is_demo


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("vit_b", "Set SAM_MODEL=sam2.1_hiera_small, the next smaller model, or give this process more memory."),
        ("mobile_sam", "There is no smaller model; give this process more memory."),
        ("demo", "There is no smaller model; give this process more memory."),
        ("llmdet_tiny", "Set DETECTOR=none, or give this process more memory."),
        (CLIP, "Set CLIP_MODEL to a smaller model, or to none for masks without classes."),
        ("another", "Choose a smaller model, or give this process more memory."),
    ],
)
def test_the_remedy_names_the_setting(name: str, remedy: str) -> None:
    error = out_of_memory(name, "the CPU", "an image")
    assert error.message == f"{name} ran out of memory on the CPU with an image."
    assert error.remedy == remedy


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("not enough memory: 9 GB")])
def test_a_model_that_does_not_fit_when_it_is_loaded_is_explained(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("backend.models.sam.family.build", build)
    with pytest.raises(OutOfMemory) as caught:
        build_segmenter(find_segmenter("vit_h"), Path("x.pth"), device="cuda:1", dtype="auto")
    assert str(caught.value).startswith(
        "vit_h ran out of memory on this machine (DEVICE=cuda:1) with its weights. Set "
    )
    assert "SAM_MODEL=vit_l" in caught.value.remedy


def test_another_error_at_loading_is_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise RuntimeError("size mismatch")

    monkeypatch.setattr("backend.models.sam.family.build", build)
    with pytest.raises(RuntimeError, match="size mismatch"):
        build_segmenter(find_segmenter("vit_h"), Path("x.pth"), device="cpu", dtype="auto")


def test_a_detector_that_does_not_fit_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(registry, "import_module", lambda _: type("Module", (), {"build": build}))
    with pytest.raises(OutOfMemory, match=r"grounding_dino_tiny ran out of memory .* Set DETECTOR=none, or"):
        registry.build_detector(registry.find_detector("grounding_dino_tiny"), Path("x"), device="cpu")


class NoMemory(FakeSegmenter):
    """As a segmenter of vit_h on cuda whose encoder fits nowhere."""

    def encode(self, pixels: Any) -> Any:
        raise out_of_memory("vit_h", "cuda and on the CPU", "an image")


SENTENCE = "vit_h ran out of memory on cuda and on the CPU with an image."


def test_a_click_is_answered_with_the_sentence() -> None:
    server = ServerOnFakes(Hall(segmenter=NoMemory()))
    reply = server.predict(predict_body("a.png", keypoint(50, 50)))
    assert reply.status_code == 500
    assert SENTENCE in reply.get_data(as_text=True) and "SAM_MODEL=vit_l" in reply.get_data(as_text=True)


def test_a_bulk_run_tells_it_of_each_task_and_goes_on() -> None:
    steps = Hall(segmenter=NoMemory()).predictor.stages(parse_labeling_config(CONFIG), SegmentAll())
    tasks = [{"id": number, "data": {"photo": "a.png"}} for number in (1, 2)]
    outcomes = list(PipelineRunner(build_task_pipeline(steps))(tasks))
    assert [str(outcome.error).startswith(SENTENCE) for outcome in outcomes] == [True, True]


def test_the_demo_names_itself_when_its_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the settings to the error: the name is the registry's."""
    predictor = build_predictor(Settings(device="cpu", torch_threads=1, clip_model="none"))
    segmenter: Any = predictor.labeler._segmenter

    def encode(*_: object) -> None:
        raise torch.OutOfMemoryError("CPU out of memory.")

    monkeypatch.setattr(segmenter, "_encode", encode)
    with pytest.raises(OutOfMemory, match=r"^demo ran out of memory on the CPU with an image\."):
        segmenter.encode(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy())
