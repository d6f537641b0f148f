"""Detection with tiny random models of the real classes, compared with transformers' own calls."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from backend.errors import BadPrompt
from backend.models.detectors.grounding_dino import MAX_OVERLAP, GroundingDinoDetector
from backend.models.detectors.loading import load_folder
from backend.models.entries import DetectorEntry
from backend.models.registry import build_detector
from backend.values import Detection
from tests.models.detectors.tiny_detectors import GROUNDING_DINO, LLMDET, without_limit, write_detector

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 70, 3), dtype=np.uint8)
TEXTS = ("A cat", "red ring", "a traffic light")
MANY = ("a red cat", "a blue dog", "the green car", "traffic light", "ring", "blue ring", "red car")


@pytest.fixture(scope="module", params=[LLMDET, GROUNDING_DINO], ids=lambda entry: entry.model_type)
def entry(request: pytest.FixtureRequest) -> DetectorEntry:
    return without_limit(request.param)


@pytest.fixture(scope="module")
def folder(entry: DetectorEntry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp(entry.name), entry)


@pytest.fixture(scope="module")
def detector(entry: DetectorEntry, folder: Path) -> GroundingDinoDetector:
    detector = build_detector(entry, folder, device="cpu")
    assert isinstance(detector, GroundingDinoDetector)
    return detector


def as_numbers(detections: list[Detection]) -> torch.Tensor:
    """Box and score of each, (N, 5)."""
    return torch.tensor([[*one.box_xyxy, one.score] for one in detections])


def test_boxes_scores_and_texts_are_those_of_the_librarys_own_calls(
    entry: DetectorEntry, folder: Path, detector: GroundingDinoDetector
) -> None:
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor
    from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps

    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, local_files_only=True).eval()
    inputs = processor(images=PIXELS, text=[list(TEXTS)], return_tensors="pt")
    with torch.inference_mode():
        output = model(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        output, inputs.input_ids, threshold=-1, target_sizes=[PIXELS.shape[:2]]
    )
    corners = expected["boxes"].clamp(torch.zeros(4), torch.tensor([70.0, 48, 70, 48]))
    (labels,) = build_label_maps(output.logits, inputs.input_ids)  # (texts, tokens), 1 where a token is of the text
    of_texts = output.logits[0].sigmoid()[:, None].masked_fill(~labels.bool(), 0).amax(2)  # (queries, texts)
    found = detector.detect(PIXELS, TEXTS)
    whole_scores = 0
    for one in found:
        query = int((corners - torch.tensor(one.box_xyxy)).abs().amax(1).argmin())
        torch.testing.assert_close(torch.tensor(one.box_xyxy), corners[query], atol=1e-3, rtol=0)
        assert one.text == TEXTS[int(of_texts[query].argmax())]
        assert one.score == pytest.approx(float(of_texts[query].max()), abs=1e-5)
        whole_scores += one.score == pytest.approx(float(expected["scores"][query]), abs=1e-5)
        assert one.score <= float(expected["scores"][query]) + 1e-5  # which also counts tokens that are no word
    assert {one.text for one in found} == set(TEXTS)
    assert whole_scores > 0
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_texts_beyond_one_pass_are_found_as_if_they_had_been_asked_in_two(detector: GroundingDinoDetector) -> None:
    passes = detector._tokens.split(MANY)
    assert [[text for text, _, _ in one.spans] for one in passes] == [list(MANY[:6]), list(MANY[6:])]
    halves = [*detector.detect(PIXELS, MANY[:6]), *detector.detect(PIXELS, MANY[6:])]
    together = detector.detect(PIXELS, MANY)
    assert sorted(together, key=repr) == sorted(halves, key=repr)
    assert {one.text for one in together} <= set(MANY)


def test_the_image_backbone_runs_once_and_every_pass_is_the_librarys_whole_call(
    folder: Path, detector: GroundingDinoDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    runs = count_images(detector, monkeypatch)
    predicted: list[tuple[torch.Tensor, torch.Tensor]] = []
    predict = detector._predict

    def keep(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        predicted.append(predict(*arguments))
        return predicted[-1]

    monkeypatch.setattr(detector, "_predict", keep)
    detector.detect(PIXELS, MANY)
    assert (len(runs), len(predicted)) == (1, 2)
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, local_files_only=True).eval()
    for of_pass, (logits, boxes) in zip(detector._tokens.split(MANY), predicted, strict=True):
        inputs = processor(images=PIXELS, text=[[text for text, _, _ in of_pass.spans]], return_tensors="pt")
        assert inputs.input_ids.tolist() == [list(of_pass.token_ids)]
        with torch.inference_mode():
            whole = model(**inputs)
        assert torch.equal(logits, whole.logits[0]) and torch.equal(boxes, whole.pred_boxes[0])


def count_images(detector: GroundingDinoDetector, monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Notes the shape of the pixels at every run of the image backbone."""
    backbone, runs = detector._model.model.model.backbone.conv_encoder.backbone, list[torch.Size]()
    forward = backbone.forward

    def noted(pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> Any:
        runs.append(pixel_values.shape)
        return forward(pixel_values, pixel_mask)

    monkeypatch.setattr(backbone, "forward", noted)
    return runs


def test_images_that_are_searched_at_once_keep_their_own_features_and_leave_none_behind(
    detector: GroundingDinoDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [PIXELS, PIXELS[::-1].copy(), PIXELS[:, ::-1].copy(), PIXELS]
    expected = [detector.detect(pixels, MANY) for pixels in images]
    runs = count_images(detector, monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda pixels: detector.detect(pixels, MANY), images)) == expected
    assert len(runs) == len(images)
    assert len(detector._model.model.model.backbone.conv_encoder._features) == 0


def test_a_box_has_to_reach_the_score_of_the_entry_or_of_the_call(
    entry: DetectorEntry, folder: Path, detector: GroundingDinoDetector
) -> None:
    every = detector.detect(PIXELS, TEXTS)
    limit = every[len(every) // 2].score
    reached = detector.detect(PIXELS, TEXTS, min_score=limit)
    assert 0 < len(reached) < len(every)
    assert {one.score >= limit for one in reached} == {True}
    strict = GroundingDinoDetector(load_folder(entry, folder), name="tiny", min_score=limit, device="cpu")
    assert strict.detect(PIXELS, TEXTS) == reached


def with_output(detector: GroundingDinoDetector, logits: torch.Tensor, boxes: torch.Tensor) -> GroundingDinoDetector:
    """A copy whose model answers with these logits (Q, T) and boxes (Q, 4), by their centres and as shares."""
    changed = copy.copy(detector)
    changed._predict = lambda model, image, of_pass: (logits, boxes)  # type: ignore[method-assign]
    return changed


def test_boxes_are_clipped_and_those_outside_or_without_area_or_not_finite_are_dropped(
    detector: GroundingDinoDetector,
) -> None:
    boxes = torch.tensor(
        [
            [0.5, 0.5, 2.0, 0.5],  # wider than the image of 70 by 48
            [1.5, 0.5, 0.1, 0.5],  # right of it
            [0.5, 0.5, 0.001, 0.5],  # 0.07 pixels wide
            [float("nan"), 0.5, 0.5, 0.5],
        ]
    )
    logits = torch.full((4, 24), -20.0)
    logits[:, 1] = 3.0  # the first token of the first text
    (found,) = with_output(detector, logits, boxes).detect(PIXELS, ["cat"])
    assert found == Detection((0.0, 12.0, 70.0, 36.0), found.score, "cat")
    assert found.score == pytest.approx(0.952574)  # 1 / (1 + exp(-3))


def test_of_overlapping_boxes_of_one_text_the_best_is_kept_and_another_text_keeps_its_own(
    detector: GroundingDinoDetector,
) -> None:
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.55], [0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.1, 0.1]])
    logits = torch.full((4, 24), -20.0)
    logits[[0, 1, 3], 1] = torch.tensor([1.0, 2.0, 0.0])  # "cat" is token 1, "dog" token 3
    logits[2, 3] = 0.5
    found = with_output(detector, logits, boxes).detect(PIXELS, ["cat", "dog"])
    assert [(one.text, round(one.score, 3)) for one in found] == [("cat", 0.881), ("dog", 0.622), ("cat", 0.5)]


def test_no_two_boxes_of_a_text_overlap_much(detector: GroundingDinoDetector) -> None:
    for text in TEXTS:
        boxes = as_numbers([one for one in detector.detect(PIXELS, [text]) if one.text == text])[:, :4]
        overlaps = box_iou(boxes, boxes).fill_diagonal_(0)
        assert float(overlaps.max()) <= MAX_OVERLAP


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 2), (3, 64)])
def test_images_of_odd_shapes_are_read(detector: GroundingDinoDetector, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 90, np.uint8)
    for one in detector.detect(pixels, ["cat"]):
        left, top, right, bottom = one.box_xyxy
        assert 0 <= left < right <= shape[1]
        assert 0 <= top < bottom <= shape[0]


def test_without_texts_nothing_is_found(detector: GroundingDinoDetector) -> None:
    assert detector.detect(PIXELS, []) == []


def test_texts_that_the_model_cannot_read_are_refused_by_name(detector: GroundingDinoDetector) -> None:
    for refused in (detector.check_texts, lambda texts: detector.detect(PIXELS, texts)):
        call: Callable[[list[str]], Any] = refused
        with pytest.raises(BadPrompt, match='The text "" is empty'):
            call(["cat", ""])
        with pytest.raises(BadPrompt, match='The text "zebra" has no word that the detector knows'):
            call(["zebra"])
        with pytest.raises(BadPrompt, match="has 22 tokens, but the detector reads at most 21 of a text") as error:
            call(["cat", "red " * 21 + "car"])
        assert error.value.remedy == "Describe the object in fewer words."
    detector.check_texts(["red " * 20 + "car"])


def test_the_text_backbone_runs_once_for_the_same_texts(
    entry: DetectorEntry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build_detector(entry, folder, device="cpu")
    assert isinstance(detector, GroundingDinoDetector)
    backbone = detector._model.model.model.text_backbone.backbone
    runs: list[tuple[int, ...]] = []
    backbone.register_forward_pre_hook(lambda module, arguments: runs.append(tuple(arguments[0].shape)))
    first = detector.detect(PIXELS, TEXTS)
    other_image = detector.detect(PIXELS[::-1].copy(), TEXTS)
    assert (detector.detect(PIXELS, TEXTS), len(runs)) == (first, 1)
    assert other_image != first
    detector.detect(PIXELS, TEXTS[:2])
    assert len(runs) == 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_model_runs_under_the_casts_of_half_precision(
    entry: DetectorEntry, folder: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build_detector(entry, folder, device="cpu")
    assert isinstance(detector, GroundingDinoDetector)
    exact = detector.detect(PIXELS, TEXTS)
    halved = GroundingDinoDetector(load_folder(entry, folder), name="tiny", min_score=0.0, device="cpu")
    monkeypatch.setattr(halved, "_dtype", dtype)  # what CUDA has by default
    found = halved.detect(PIXELS, TEXTS)
    assert found != exact
    assert abs(len(found) - len(exact)) <= 5
    assert all(0 < one.score < 1 and one.text in TEXTS for one in found)


def test_on_a_device_without_memory_the_answer_comes_from_the_cpu(
    entry: DetectorEntry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build_detector(entry, folder, device="cpu")
    assert isinstance(detector, GroundingDinoDetector)
    expected = detector.detect(PIXELS, TEXTS)
    full_model, predict = detector._model.model, detector._predict
    monkeypatch.setattr(detector._model, "device", torch.device("meta"))  # anything but the CPU has a copy there

    def run_out(model: Any, image: Any, of_pass: Any) -> Any:
        if model is full_model:
            raise torch.OutOfMemoryError
        return predict(model, image, of_pass)

    monkeypatch.setattr(detector, "_predict", run_out)
    assert detector.detect(PIXELS, TEXTS) == expected
