"""Automatic masks with SAM 2.1 and EdgeTAM against SamAutomaticMaskGenerator around the library's own calls."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from backend.engine import EncodedImage, ImageLabeler, segment_image
from backend.images import SourceImage
from backend.models.automatic_masks import generator as generator_module
from backend.models.automatic_masks.device_finishing import FinishingOnDevice
from backend.models.automatic_masks.mask_axis import MaskAxis
from backend.models.automatic_masks.mask_enlarger import MaskEnlarger
from backend.models.transformers_sam.automatic_masks import AutomaticMasks, Sam2PointDecoder
from backend.models.transformers_sam.segmenter import TransformersSam
from backend.values import Candidate, ImageEmbedding, Mask, ProposalOptions, ProposalParameters, Size
from tests.fakes import noise_png
from tests.models.transformers_sam.generator import ask_generator, draw_discs, encode_colours, prefer_few_discs

SIZE = Size(161, 90)
SIZES = [SIZE, Size(90, 161), Size(300, 40), Size(20, 31)]
PARAMETERS = ProposalParameters(7, 0.2, 0.5, 30, 0.9)


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def assert_same(found: list[Candidate], expected: list[dict[str, Any]]) -> None:
    """Check that the masks are the same, each with its predicted IoU, in any order."""
    assert len(found) == len(expected) > 3
    left = list(expected)
    for candidate in found:
        closest = max(left, key=lambda record: iou(candidate.mask, record["segmentation"]))
        assert iou(candidate.mask, closest["segmentation"]) > 0.999
        assert candidate.score == pytest.approx(closest["predicted_iou"], abs=1e-5)
        left = [record for record in left if record is not closest]


@pytest.fixture(scope="session")
def model(tiny: Any) -> Any:
    return prefer_few_discs(tiny)


@pytest.fixture
def masks(model: Any) -> AutomaticMasks:
    return AutomaticMasks(model, encode_colours)


@pytest.mark.parametrize("points_per_batch", [4, 100])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_masks_are_those_of_the_generator_around_the_library(
    masks: AutomaticMasks, model: Any, size: Size, points_per_batch: int
) -> None:
    pixels = draw_discs(size)
    found = masks.propose(encode_colours(pixels), PARAMETERS, points_per_batch)
    assert_same(found, ask_generator(model, pixels, PARAMETERS))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_without_limits_there_are_masks_of_all_points(masks: AutomaticMasks, model: Any) -> None:
    parameters, pixels = ProposalParameters(4, 0.0, 0.0, 0, 1.0), draw_discs(SIZE)
    found = masks.propose(encode_colours(pixels), parameters, 4)
    assert_same(found, ask_generator(model, pixels, parameters))


@pytest.mark.parametrize("size", [Size(300, 40), Size(20, 31)], ids=str)
def test_masks_in_crops_are_those_of_the_generator(masks: AutomaticMasks, model: Any, size: Size) -> None:
    parameters, pixels = ProposalParameters(4, 0.1, 0.5, 30, 0.9, 1), draw_discs(size)
    expected = ask_generator(model, pixels, parameters)
    assert len({tuple(record["crop_box"]) for record in expected}) > 1, "some masks come from crops"
    assert_same(masks.propose(encode_colours(pixels), parameters, 4, pixels), expected)


def test_finishing_as_on_a_gpu_gives_the_same_masks(masks: AutomaticMasks, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = encode_colours(draw_discs(SIZE))
    on_cpu = masks.propose(embedding, PARAMETERS, 4)

    def finish_on_device(generator: AutomaticMasks, _: ImageEmbedding, min_stability: float) -> FinishingOnDevice:
        enlarge = partial(generator._decoder.enlarge, embedding=embedding)
        return FinishingOnDevice(enlarge, SIZE, 0.0, min_stability)

    monkeypatch.setattr(AutomaticMasks, "_build_finishing", finish_on_device)
    on_device = masks.propose(embedding, PARAMETERS, 4)
    assert [one.score for one in on_device] == [one.score for one in on_cpu]
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(on_device, on_cpu, strict=True))


def test_fast_mode_finds_most_of_the_masks_with_fewer_points(
    masks: AutomaticMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    open_image = type(masks._decoder).open_image

    def count(decoder: Any, embedding: Any, points: Any) -> Any:
        decode = open_image(decoder, embedding, points)
        return lambda batch, min_iou: decoded.append(len(batch)) or decode(batch, min_iou)

    monkeypatch.setattr(type(masks._decoder), "open_image", count)
    embedding, parameters = encode_colours(draw_discs(SIZE)), ProposalParameters(12, 0.2, 0.5, 0, 0.7)
    exact = masks.propose(embedding, parameters, 4)
    assert sum(decoded) == 144
    decoded.clear()
    fast = masks.propose(embedding, replace(parameters, fast=True), 4)
    assert sum(decoded) < 144
    found = [max(iou(one.mask, other.mask) for other in fast) > 0.7 for one in exact]
    assert np.mean(found) > 0.6


def test_an_object_score_below_zero_empties_no_mask(masks: AutomaticMasks, model: Any) -> None:
    """As in `Sam2Model`, unlike in the video model."""
    absent = copy.deepcopy(model)
    absent.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(-10)
    pixels = draw_discs(SIZE)
    found = AutomaticMasks(absent, encode_colours).propose(encode_colours(pixels), PARAMETERS, 4)
    assert_same(found, ask_generator(absent, pixels, PARAMETERS))
    assert [one.score for one in found] == [one.score for one in masks.propose(encode_colours(pixels), PARAMETERS, 4)]


@pytest.mark.parametrize("size", [*SIZES, Size(1920, 1080), Size(1, 300)], ids=str)
@pytest.mark.parametrize("cells", [32, 256])
def test_masks_squashed_in_one_step_are_those_of_torch_to_the_bit(size: Size, cells: int) -> None:
    random = np.random.default_rng(size.width)
    coarse = torch.from_numpy(random.normal(size=(6, 1, 9, 9)).astype(np.float32))
    logits = torch.nn.functional.interpolate(coarse, (cells, cells), mode="bicubic") * 9
    full = torch.nn.functional.interpolate(logits, (size.height, size.width), mode="bilinear", align_corners=False)
    rows, columns = (MaskAxis(cells, 1, cells, length) for length in (size.height, size.width))
    enlarger = MaskEnlarger(rows, columns, 0.0)
    for one, expected in zip(logits[:, 0].numpy(), (full[:, 0] > 0).numpy(), strict=True):
        found = enlarger.find(one, 0.0)
        assert found is not None
        assert np.array_equal(enlarger.enlarge(found).to_mask(size), expected)


def test_a_cpu_decodes_four_points_at_once_and_half_as_many_while_memory_is_short(
    segmenter: TransformersSam, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes: list[int] = []
    open_image = Sam2PointDecoder.open_image

    def refuse_several(decoder: Any, embedding: Any, points: Any) -> Any:
        decode = open_image(decoder, embedding, points)

        def run(batch: torch.Tensor, min_iou: float) -> Any:
            sizes.append(len(batch))
            if len(batch) > 1:
                raise torch.OutOfMemoryError("out of memory")
            return decode(batch, min_iou)

        return run

    monkeypatch.setattr(Sam2PointDecoder, "open_image", refuse_several)
    parameters = ProposalParameters(3, 0.0, 0.0, 0, 1.0)
    embedding = segmenter.encode(draw_discs(SIZE))
    assert segmenter.propose(embedding, parameters)
    assert sizes == [4, 2, *[1] * 9]
    assert "with 4 points at once" in caplog.text and "with 2 points at once" in caplog.text


def test_clicks_go_first_between_two_batches(masks: AutomaticMasks, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[None] = []
    monkeypatch.setattr(generator_module, "make_way", lambda: turns.append(None))
    masks.propose(encode_colours(draw_discs(SIZE)), PARAMETERS, 4)
    assert len(turns) == 13  # 49 points


def test_a_bulk_run_segments_an_image_with_it(segmenter: TransformersSam) -> None:
    image = SourceImage(noise_png(161, 90, seed=1))
    encoded = EncodedImage(image, segmenter.encode(image.pixels))
    regions = segment_image(ImageLabeler(segmenter, None), encoded, ProposalOptions(4, 0.1, 0.0, 0, 1.0, 1))
    assert regions and all(region.mask.shape == (90, 161) and region.mask.any() for region in regions)
    assert [region.score for region in regions] == sorted((region.score for region in regions), reverse=True)
