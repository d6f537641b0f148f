"""Automatic masks, step by step, against segment_anything and torch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.amg import remove_small_regions

from backend.models.automatic_masks.device_finishing import FinishingOnDevice
from backend.models.automatic_masks.fast_mode import WaitingPoints, distinct_masks
from backend.models.automatic_masks.image_crops import plan_crops
from backend.models.automatic_masks.mask_axis import MaskAxis
from backend.models.automatic_masks.mask_enlarger import MaskEnlarger
from backend.models.automatic_masks.mask_finishing import FinishingOnCpu
from backend.models.automatic_masks.mask_part import crop_to_mask
from backend.models.automatic_masks.mask_selection import clean_part, keep_distinct
from backend.models.sam.architectures import build_sam
from backend.models.sam.automatic_masks import AutomaticMasks
from backend.models.sam.grouped_point_decoder import GroupedPointDecoder
from backend.models.sam.segmenter import SamSegmenter
from backend.models.sam.steps import enlarge
from backend.values import Candidate, ImageEmbedding, Mask, ProposalParameters, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene
from scripts.measuring.automatic_masks import build_generator

DEMO_SIDE, DEMO_INPUT = 128, 256
VIT_SIDE, VIT_INPUT = 256, 1024
SIZES = [Size(640, 480), Size(1920, 1080), Size(1000, 667), Size(480, 640), Size(63, 41), Size(1, 300)]


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def assert_same_masks(found: list[Candidate], expected: list[Mask]) -> None:
    """Check that the masks are the same but for rounding: to the bit but for one or 2 %, and all others nearly so."""
    assert len(found) == len(expected) > 0
    closest = [
        max((mask for mask in expected if mask.shape == one.mask.shape), key=lambda mask: iou(one.mask, mask))
        for one in found
    ]
    assert all(iou(candidate.mask, mask) > 0.999 for candidate, mask in zip(found, closest, strict=True))
    differing = sum(not np.array_equal(candidate.mask, mask) for candidate, mask in zip(found, closest, strict=True))
    assert differing <= max(1, 0.02 * len(found))


def library_masks(model: Sam, embedding: ImageEmbedding, parameters: ProposalParameters) -> list[Mask]:
    """What SamAutomaticMaskGenerator answers after the encoder."""
    generator = build_generator(model, parameters, points_per_batch=64, embedding=embedding)
    size = embedding.original_size
    return [record["segmentation"] for record in generator.generate(np.zeros((size.height, size.width, 3), np.uint8))]


@pytest.fixture
def float32_embeddings(monkeypatch) -> None:
    monkeypatch.setattr("backend.models.device_segmenter.DeviceSegmenter.embedding_dtype", np.dtype(np.float32))


@pytest.mark.parametrize("model_name", ["demo", "vit_b"])
def test_points_decoded_in_groups_have_the_librarys_logits_and_scores(model_name: str) -> None:
    torch.manual_seed(1)
    model = build_sam(model_name).requires_grad_(False)
    channels, side = model.mask_decoder.transformer_dim, model.prompt_encoder.image_embedding_size[0]
    features = torch.randn(1, channels, side, side)
    coords = torch.rand(5, 2, dtype=torch.float64) * model.image_encoder.img_size
    sparse, dense = model.prompt_encoder((coords[:, None], torch.ones(5, 1, dtype=torch.int)), None, None)
    expected, scores = model.mask_decoder(features, model.prompt_encoder.get_dense_pe(), sparse, dense, True)

    decoder = GroupedPointDecoder(model)
    image, points = decoder.share(features), decoder.encode_points(coords)
    chosen = torch.ones(5, 3, dtype=torch.bool)
    chosen[1], chosen[3, 0] = False, False
    for batch in (1, 2, 5):
        at = 0
        for sparse, wanted in zip(points.split(batch), chosen.split(batch), strict=True):
            decoded = decoder.decode(image, sparse)
            theirs = slice(at, at := at + len(sparse))
            assert torch.allclose(decoded.scores, scores[theirs], atol=1e-5)
            logits = decoder.upscale(decoded, wanted)
            assert logits.shape == expected[theirs][wanted].shape
            if len(logits):
                assert (logits - expected[theirs][wanted]).abs().max() < 3e-5 * expected.abs().max()


def blobs(side: int, count: int, seed: int) -> np.ndarray:
    """Logits (count, side, side) of discs with an uneven border, small and large, some beyond the border."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    logits = []
    for _ in range(count):
        (at_y, at_x), radius = generator.uniform(0, side, 2), generator.uniform(1, side / 2)
        waves = np.sin(x * generator.uniform(0.1, 1)) * np.cos(y * generator.uniform(0.1, 1))
        logits.append((radius - np.hypot(y - at_y, x - at_x)) * generator.uniform(0.3, 4) + 2 * waves)
    return np.stack(logits).astype(np.float32)


def input_size(size: Size, length: int) -> Size:
    scale = length / max(size.width, size.height)
    return Size(max(1, int(size.width * scale + 0.5)), max(1, int(size.height * scale + 0.5)))


def build_enlarger(side: int, length: int, size: Size) -> MaskEnlarger:
    given = input_size(size, length)
    rows = MaskAxis(side, length // side, given.height, size.height)
    return MaskEnlarger(rows, MaskAxis(side, length // side, given.width, size.width), 0.0)


def torch_enlarge(logits: np.ndarray, length: int, size: Size) -> np.ndarray:
    """segment_anything.modeling.Sam.postprocess_masks of logits (N, M, M)."""
    given = input_size(size, length)
    resize = torch.nn.functional.interpolate
    canvas = resize(torch.from_numpy(logits)[:, None], (length, length), mode="bilinear", align_corners=False)
    canvas = canvas[..., : given.height, : given.width]
    return resize(canvas, (size.height, size.width), mode="bilinear", align_corners=False)[:, 0].numpy()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("side", "length"), [(DEMO_SIDE, DEMO_INPUT), (VIT_SIDE, VIT_INPUT)])
def test_masks_enlarged_only_where_they_lie_are_those_of_torch_to_the_bit(side: int, length: int, size: Size) -> None:
    logits = blobs(side, 12, seed=size.width)
    expected = torch_enlarge(logits, length, size) > 0
    enlarger = build_enlarger(side, length, size)
    for one, mask in zip(logits, expected, strict=True):
        found = enlarger.find(one, 0.0)
        assert found is not None
        part = enlarger.enlarge(found)
        assert np.array_equal(part.to_mask(size), mask)
        assert part.box_xyxy == found.box_xyxy


def test_pixels_at_the_threshold_fall_on_the_side_where_torch_puts_them() -> None:
    size, side = Size(1920, 1080), DEMO_SIDE
    logits = np.tile(np.linspace(-40, 40, side, dtype=np.float32), (side, 1))
    logits += np.linspace(0, 0.01, side, dtype=np.float32)[:, None]
    exact = torch_enlarge(logits[None], DEMO_INPUT, size)[0]
    for column in range(400, 1500, 50):  # thresholds that are the very logit of some pixel
        enlarger = build_enlarger(side, DEMO_INPUT, size)
        threshold = enlarger._threshold = exact[540, column]
        found = enlarger.find(logits, 0.5)
        assert found is not None
        assert iou(enlarger.enlarge(found).to_mask(size), exact > threshold) > 0.9999


def test_stability_is_measured_at_the_original_size() -> None:
    size = Size(333, 250)
    logits = blobs(DEMO_SIDE, 40, seed=3)
    enlarged = torch_enlarge(logits, DEMO_INPUT, size)
    stability = (enlarged > 1).sum(axis=(1, 2)) / np.maximum((enlarged > -1).sum(axis=(1, 2)), 1)
    enlarger = build_enlarger(DEMO_SIDE, DEMO_INPUT, size)
    limit = float(np.median(stability)) + 1e-3
    kept = [enlarger.find(one, limit) is not None for one in logits]
    assert kept == (stability >= limit).tolist()
    assert 10 < sum(kept) < 30


def test_logits_without_a_mask_are_unstable_but_an_empty_mask_where_stability_does_not_matter() -> None:
    enlarger = build_enlarger(DEMO_SIDE, DEMO_INPUT, Size(64, 48))
    nothing = np.full((DEMO_SIDE, DEMO_SIDE), -7, np.float32)
    assert enlarger.find(nothing, 0.01) is None
    found = enlarger.find(nothing, 0.0)
    assert found is not None and found.box_xyxy == (0, 0, 0, 0)
    assert not enlarger.enlarge(found).to_mask(Size(64, 48)).any()


@pytest.mark.parametrize("min_stability", [0.0, 0.8])
def test_finishing_on_a_device_gives_the_masks_of_finishing_on_the_cpu(demo_sam, monkeypatch, min_stability) -> None:
    monkeypatch.setattr(
        "backend.models.automatic_masks.device_finishing.MAX_BATCH_PIXELS", 3 * 400 * 300
    )  # three at once
    size = Size(400, 300)
    embedding = ImageEmbedding({}, size, input_size(size, DEMO_INPUT), "sam1")
    logits, scores = blobs(DEMO_SIDE, 25, seed=5), torch.linspace(0.5, 1, 25)
    logits[7] = -9
    one = FinishingOnCpu(build_enlarger(DEMO_SIDE, DEMO_INPUT, size), min_stability)
    other = FinishingOnDevice(partial(enlarge, demo_sam, embedding=embedding), size, 0.0, min_stability)
    for finishing in (one, other):
        for at in (0, 10, 20):
            finishing.add(torch.from_numpy(logits[at : at + 10]), scores[at : at + 10])
    assert one.found() == other.found()
    count = len(one.found()[1])
    assert count == 25 if min_stability == 0 else 5 < count < 25
    places = list(range(count - 1, 0, -2))
    for part, expected in zip(other.parts(places), one.parts(places), strict=True):
        assert part.box_xyxy == expected.box_xyxy
        assert np.array_equal(part.pixels, expected.pixels)


def test_finishing_on_a_device_without_any_mask_finds_none() -> None:
    finishing = FinishingOnDevice(lambda logits: logits, Size(40, 30), 0.0, 0.5)
    assert finishing.found() == ([], [])
    assert finishing.parts([]) == []


@pytest.mark.parametrize("seed", range(40))
def test_small_parts_and_holes_go_as_in_the_library(seed: int) -> None:
    generator = np.random.default_rng(seed)
    size = Size(int(generator.integers(8, 70)), int(generator.integers(8, 70)))
    mask = np.zeros((size.height, size.width), bool)
    for inside in (True, True, False, True, False):  # rectangles in each other, over the border, beside it
        x, y = generator.integers(-5, size.width), generator.integers(-5, size.height)
        right, bottom = x + generator.integers(1, 40), y + generator.integers(1, 40)
        mask[max(y, 0) : bottom, max(x, 0) : right] = inside
    min_area = int(generator.integers(2, 150))
    filled, has_filled = remove_small_regions(mask, min_area, "holes")
    expected, has_removed = remove_small_regions(filled, min_area, "islands")
    part = crop_to_mask(mask, (0, 0))
    cleaned = clean_part(part, size, min_area)
    assert np.array_equal(cleaned.to_mask(size), expected)
    assert (cleaned is part) == (not has_filled and not has_removed)


def test_of_two_boxes_that_overlap_too_much_the_better_one_remains() -> None:
    boxes = [
        (0, 0, 11, 11),
        (0, 0, 11, 10),
        (0, 0, 4, 4),
    ]  # the first two: 10x10 and 10x9 between pixel centres
    assert keep_distinct(boxes, [0.7, 0.8, 0.9], 0.89) == [2, 1]
    assert keep_distinct(boxes, [0.7, 0.8, 0.9], 0.91) == [2, 1, 0]
    assert keep_distinct([], [], 0.5) == []


def test_automatic_masks_leave_no_image_in_the_cache_of_clicks(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding = segmenter.encode(make_scene(HELD_OUT_SEED, Size(160, 120)).pixels)
    segmenter.propose(embedding, ProposalParameters(4, 0.3, 0.3, 0, 0.7))
    assert segmenter._decoders_of(demo_sam, embedding).prompts._images.get(id(embedding)) is None


def test_the_number_of_points_at_once_does_not_change_the_masks(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding = segmenter.encode(make_scene(HELD_OUT_SEED + 1, Size(320, 240)).pixels)
    parameters, masks = ProposalParameters(6, 0.6, 0.6, 50, 0.7), AutomaticMasks(demo_sam, segmenter.encode)
    one_by_one = masks.propose(embedding, parameters, 1)
    assert_same_masks(masks.propose(embedding, parameters, 7), [candidate.mask for candidate in one_by_one])


@pytest.mark.usefixtures("float32_embeddings")
def test_masks_in_crops_are_the_librarys(demo_sam) -> None:
    segmenter, parameters = SamSegmenter(demo_sam, device="cpu"), ProposalParameters(4, 0.6, 0.6, 30, 0.7, 1)
    pixels = make_scene(HELD_OUT_SEED + 3, Size(320, 240)).pixels
    expected = build_generator(demo_sam, parameters, points_per_batch=64).generate(pixels)
    found = segmenter.propose(segmenter.encode(pixels), parameters, pixels)
    assert_same_masks(found, [record["segmentation"] for record in expected])
    crops = [tuple(record["crop_box"]) for record in expected]
    assert len(set(crops)) > 2, "the scene has masks that come from crops"


def test_points_on_a_confident_mask_wait_no_longer() -> None:
    side = 8
    cells = torch.tensor([[column, row] for row in range(side) for column in range(side)])
    waiting = WaitingPoints(cells, min_score=0.9)
    first = waiting.take(4)
    logits = torch.full((2, side, side), -5.0)
    logits[0, :, :4], logits[1, :2] = 5, 5  # the left half, and the two upper rows with too low a score
    waiting.skip_covered(logits, torch.tensor([0.95, 0.5]), 0.0)
    rest = torch.cat([waiting.take(5), waiting.take(100)])
    right = {index for index in range(side * side) if index % side >= 4}
    assert set(rest.tolist()) == right - set(first.tolist())
    assert len(waiting.take(1)) == 0


def test_of_nearly_the_same_masks_at_low_resolution_the_best_remains() -> None:
    logits = torch.full((4, 128, 128), -5.0)
    logits[0, 20:60, 20:60] = 5
    logits[1, 20:62, 20:60] = 5  # 95 % of it is the first
    logits[2, 20:60, 70:90] = 5
    assert distinct_masks(logits, torch.tensor([0.8, 0.9, 0.7, 0.6]), 0.0).tolist() == [1, 2, 3]


def test_fast_mode_finds_the_objects_with_fewer_points(demo_sam, monkeypatch) -> None:
    segmenter, decoded = SamSegmenter(demo_sam, device="cpu"), []
    decode = GroupedPointDecoder.decode
    monkeypatch.setattr(
        GroupedPointDecoder, "decode", lambda *arguments: decoded.append(len(arguments[2])) or decode(*arguments)
    )
    scene = make_scene(HELD_OUT_SEED + 5, Size(320, 240))
    embedding, exact = segmenter.encode(scene.pixels), ProposalParameters(12, 0.65, 0.65, 100, 0.6)
    truths = [item.mask for item in scene.objects]
    masks = segmenter.propose(embedding, exact)
    found = [max(iou(c.mask, truth) for c in masks) > 0.75 for truth in truths]
    assert sum(decoded) == 144 and sum(found) >= 2
    decoded.clear()
    masks = segmenter.propose(embedding, replace(exact, fast=True))
    assert sum(decoded) < 130
    assert [max(iou(c.mask, truth) for c in masks) > 0.75 for truth in truths] == found


def test_masks_in_crops_need_the_pixels(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding = segmenter.encode(np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(ValueError, match="need the pixels of the image"):
        segmenter.propose(embedding, ProposalParameters(1, 0.6, 0.6, 0, 0.7, 1))


def test_an_image_of_one_pixel_has_no_empty_crop() -> None:
    assert [crop.box_xyxy for crop in plan_crops(Size(1, 1), 1)] == [(0, 0, 1, 1), (0, 0, 1, 1)]


@pytest.mark.slow
@pytest.mark.usefixtures("float32_embeddings")
def test_automatic_masks_of_demo_scenes_are_the_librarys(demo_sam) -> None:
    segmenter, parameters = SamSegmenter(demo_sam, device="cpu"), ProposalParameters(7, 0.6, 0.6, 100, 0.7)
    found, expected = [], []
    for number, size in enumerate([Size(640, 480)] * 4 + [Size(1920, 1080)]):
        embedding = segmenter.encode(make_scene(HELD_OUT_SEED + 20 + number, size).pixels)
        found += segmenter.propose(embedding, parameters)
        expected += library_masks(demo_sam, embedding, parameters)
    assert_same_masks(found, expected)


@pytest.mark.slow
def test_automatic_masks_of_a_random_vit_b_are_the_librarys() -> None:
    torch.manual_seed(0)
    model, size = build_sam("vit_b").requires_grad_(False), Size(640, 480)
    rough = torch.randn(1, 256, 6, 6)
    features = torch.nn.functional.interpolate(rough, (64, 64), mode="bicubic")[0].numpy()
    embedding = ImageEmbedding({"image_embed": features}, size, Size(1024, 768), "sam1")
    parameters = ProposalParameters(2, -1.0, 0.0, 0, 1.0)  # random masks are neither good nor stable
    found = SamSegmenter(model, device="cpu").propose(embedding, parameters)
    assert_same_masks(found, library_masks(model, embedding, parameters))


@pytest.mark.gpu
def test_automatic_masks_on_a_gpu_are_those_of_the_cpu(demo_sam) -> None:
    on_cpu, copy = SamSegmenter(demo_sam, device="cpu"), build_sam("demo")
    copy.load_state_dict(demo_sam.state_dict())  # before the segmenter, which prepares what depends on the weights
    embedding = on_cpu.encode(make_scene(HELD_OUT_SEED + 2).pixels)
    parameters = ProposalParameters(12, 0.7, 0.7, 100, 0.7)
    expected = on_cpu.propose(embedding, parameters)
    assert len(expected) > 3
    found = SamSegmenter(copy, device="cuda").propose(embedding, parameters)
    assert [c.score for c in found] == pytest.approx([c.score for c in expected], abs=1e-4)
    assert all(iou(one.mask, other.mask) > 0.999 for one, other in zip(found, expected, strict=True))
