"""SamSegmenter against the library it stands on, on the same weights."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator, SamPredictor

from backend.errors import BadPrompt, BadSettings, ClientDisconnected
from backend.models.devices import choose_device
from backend.models.sam.architectures import build_sam
from backend.models.sam.automatic_masks import AutomaticMasks
from backend.models.sam.grouped_point_decoder import GroupedPointDecoder
from backend.models.sam.prompt_decoder import MAX_IMAGES
from backend.models.sam.segmenter import SamSegmenter
from backend.models.sam.steps import features_of
from backend.models.sam.torch_prompt import prompt_to_torch
from backend.runtime import Deadline, PriorityExecutor
from backend.values import Candidate, ImageEmbedding, Priority, Prompt, ProposalParameters, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene

CLICK = Prompt(((200.0, 150.0),), (1,))
PROMPTS = {
    "click": CLICK,
    "two points": Prompt(((200.0, 150.0), (90.0, 210.0)), (1, 0)),
    "negative only": Prompt(((200.0, 150.0),), (0,)),
    "box": Prompt(box_xyxy=(100.0, 80.0, 260.0, 240.0)),
    "box and point": Prompt(((200.0, 150.0),), (0,), (100.0, 80.0, 260.0, 240.0)),
}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(HELD_OUT_SEED, Size(400, 300))


@pytest.fixture
def float32_embeddings(monkeypatch) -> None:
    """Embeddings as exact as those of the libraries that a test compares with."""
    monkeypatch.setattr("backend.models.device_segmenter.DeviceSegmenter.embedding_dtype", np.dtype(np.float32))


def random_vit_b():
    torch.manual_seed(0)
    return build_sam("vit_b")


def peer_predict(predictor: SamPredictor, prompt: Prompt):
    """What SamPredictor answers, its best mask first."""
    masks, scores, logits = predictor.predict(
        point_coords=np.array(prompt.point_coords) if prompt.point_coords else None,
        point_labels=np.array(prompt.point_labels) if prompt.point_coords else None,
        box=None if prompt.box_xyxy is None else np.array(prompt.box_xyxy),
        mask_input=prompt.mask_logits,
        multimask_output=prompt.is_single_click,
    )
    order = np.argsort(-scores)
    return masks[order], scores[order], logits[order]


def assert_equal_to_peer(candidates: list[Candidate], masks, scores, logits) -> None:
    assert len(candidates) == len(masks)
    for candidate, mask, score, low_res in zip(candidates, masks, scores, logits, strict=True):
        assert np.array_equal(candidate.mask, mask)
        assert candidate.score == pytest.approx(float(score), abs=1e-6)
        assert np.allclose(candidate.low_res_logits[0], low_res, atol=1e-4)


@pytest.mark.usefixtures("float32_embeddings")
@pytest.mark.parametrize("name", PROMPTS)
def test_decode_equals_sampredictor_on_the_demo_sam(demo_sam, scene, name: str) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    predictor = SamPredictor(demo_sam)
    predictor.set_image(scene.pixels)
    assert_equal_to_peer(
        segmenter.decode(segmenter.encode(scene.pixels), PROMPTS[name]), *peer_predict(predictor, PROMPTS[name])
    )


@pytest.mark.slow
@pytest.mark.usefixtures("float32_embeddings")
def test_decode_equals_sampredictor_on_a_random_vit_b(scene) -> None:
    model = random_vit_b()
    del model.image_encoder.blocks[3:]  # of twelve: two with windows, one without; the others are like these
    segmenter = SamSegmenter(model, device="cpu")
    predictor = SamPredictor(model)
    predictor.set_image(scene.pixels)
    embedding = segmenter.encode(scene.pixels)
    assert (embedding.family, list(embedding.arrays)) == ("sam1", ["image_embed"])
    assert embedding.arrays["image_embed"].shape == (256, 64, 64)
    for prompt in PROMPTS.values():
        assert_equal_to_peer(segmenter.decode(embedding, prompt), *peer_predict(predictor, prompt))


def library_logits(model, embedding: ImageEmbedding, prompt: Prompt):
    """Low-resolution logits and scores of segment_anything's own decoder, best first."""
    points, boxes, masks = prompt_to_torch(model, embedding, prompt)
    sparse, dense = model.prompt_encoder(points=points, boxes=boxes, masks=masks)
    logits, scores = model.mask_decoder(
        image_embeddings=torch.from_numpy(embedding.arrays["image_embed"].astype(np.float32))[None],
        image_pe=model.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=prompt.is_single_click,
    )
    order = torch.argsort(scores[0], descending=True)
    return logits[0, order].numpy(), scores[0, order].numpy()


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (333, 127), (1, 1), (1023, 1025), (511, 700), (37, 36)])
def test_the_spec_of_an_embedding_is_known_before_it_is_encoded(demo_sam, size: tuple[int, int]) -> None:
    segmenter, (width, height) = SamSegmenter(demo_sam, device="cpu"), size
    assert segmenter.encode(np.zeros((height, width, 3), np.uint8)).spec == segmenter.embedding_spec(Size(*size))


def test_the_spec_of_the_published_models_is_the_one_of_the_paper() -> None:
    spec = SamSegmenter(random_vit_b(), device="cpu").embedding_spec(Size(1500, 1000))
    assert spec.arrays == {"image_embed": (np.dtype(np.float16), (256, 64, 64))}
    assert (spec.original_size, spec.input_size, spec.family) == (Size(1500, 1000), Size(1024, 683), "sam1")
    assert spec.nbytes == 2 * 2**20


@pytest.mark.parametrize("model_name", ["demo", "vit_b"])
def test_the_decoder_rounds_as_finely_as_the_library_with_any_number_of_points(model_name: str) -> None:
    torch.manual_seed(1)
    model = build_sam(model_name).requires_grad_(False)
    channels, side = model.mask_decoder.transformer_dim, model.prompt_encoder.image_embedding_size[0]
    generator = np.random.default_rng(0)
    features = generator.normal(size=(channels, side, side)).astype(np.float16)
    embedding = ImageEmbedding({"image_embed": features}, Size(400, 300), Size(side * 16, side * 12), "sam1")
    segmenter = SamSegmenter(model, device="cpu")
    earlier = generator.normal(size=(1, 4 * side, 4 * side)).astype(np.float32) * 5
    points = tuple((float(x), float(y)) for x, y in generator.uniform(0, 300, (21, 2)))
    labels = tuple(int(label) for label in generator.integers(0, 2, 21))
    prompts = [*PROMPTS.values(), Prompt(points, labels), Prompt(points[:3], labels[:3], mask_logits=earlier)]
    for prompt in prompts:
        logits, scores = library_logits(model, embedding, prompt)
        found = segmenter.decode(embedding, prompt)
        assert [c.score for c in found] == pytest.approx(scores.tolist(), abs=1e-5)
        assert np.abs(np.stack([c.low_res_logits[0] for c in found]) - logits).max() < 2e-5 * np.abs(logits).max()


def test_clicks_on_a_few_images_convert_each_embedding_once(demo_sam, scene, monkeypatch) -> None:
    segmenter, converted = SamSegmenter(demo_sam, device="cpu"), []

    def convert(model, embedding):
        converted.append(embedding)
        return features_of(model, embedding)

    monkeypatch.setattr("backend.models.sam.prompt_decoder.features_of", convert)
    one = segmenter.encode(scene.pixels)
    features = one.arrays["image_embed"]
    others = [replace(one, arrays={"image_embed": features + np.float16(shift)}) for shift in range(1, MAX_IMAGES)]
    for embedding in (one, *others, one, one, *others):
        segmenter.decode(embedding, CLICK, max_masks=1)
    assert converted == [one, *others]
    segmenter.decode(replace(one), CLICK, max_masks=1)  # one too many: the oldest makes room
    assert segmenter.decode(one, CLICK)[0].score == SamSegmenter(demo_sam, device="cpu").decode(one, CLICK)[0].score
    assert len(converted) == len(others) + 4


@pytest.mark.usefixtures("float32_embeddings")
def test_a_mask_prompt_equals_sampredictor(demo_sam, scene) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    predictor = SamPredictor(demo_sam)
    predictor.set_image(scene.pixels)
    embedding = segmenter.encode(scene.pixels)
    refined = Prompt(CLICK.point_coords, (1,), mask_logits=segmenter.decode(embedding, CLICK)[0].low_res_logits)
    assert_equal_to_peer(segmenter.decode(embedding, refined), *peer_predict(predictor, refined))


def iou(a, b) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


@pytest.mark.slow
def test_the_float16_cache_changes_almost_nothing_on_object_clicks(demo_sam, monkeypatch) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    ious = []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + 12):
        scene = make_scene(seed)
        kept = segmenter.encode(scene.pixels)
        assert kept.arrays["image_embed"].dtype == np.float16
        with monkeypatch.context() as patch:
            patch.setattr("backend.models.device_segmenter.DeviceSegmenter.embedding_dtype", np.dtype(np.float32))
            exact = segmenter.encode(scene.pixels)
        assert exact.arrays["image_embed"].dtype == np.float32
        for thing in scene.objects:
            prompt = Prompt((click_point(thing.mask),), (1,))
            masks = [segmenter.decode(embedding, prompt, max_masks=1)[0].mask for embedding in (exact, kept)]
            ious.append(iou(*masks))
    assert len(ious) >= 30
    assert np.mean(ious) >= 0.999


def test_most_limits_how_many_candidates_are_enlarged_and_keeps_the_best(demo_sam, scene) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding = segmenter.encode(scene.pixels)
    three, one = segmenter.decode(embedding, CLICK), segmenter.decode(embedding, CLICK, max_masks=1)
    assert [len(three), len(one)] == [3, 1]
    assert three[0].score == one[0].score == max(c.score for c in three)


def test_an_empty_prompt_is_refused(demo_sam, scene) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    with pytest.raises(BadPrompt, match="The prompt is empty"):
        segmenter.decode(segmenter.encode(scene.pixels), Prompt())


def test_automatic_masks_for_a_client_who_has_left_end_between_two_batches_of_points(
    demo_sam, scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter, batches = SamSegmenter(demo_sam, device="cpu"), []
    embedding = segmenter.encode(scene.pixels)
    decode = GroupedPointDecoder.decode
    monkeypatch.setattr(GroupedPointDecoder, "decode", lambda *arguments: batches.append(1) or decode(*arguments))
    many = ProposalParameters(16, 0.5, 0.5, 100, 0.7)  # 256 points, 8 at once
    leaves = Deadline(has_disconnected=lambda: len(batches) >= 2)
    work = PriorityExecutor(2, for_clicks=1).submit(Priority.BULK, lambda: segmenter.propose(embedding, many), leaves)
    with pytest.raises(ClientDisconnected):
        work.result(120)
    assert len(batches) == 2


@pytest.mark.usefixtures("float32_embeddings")
@pytest.mark.parametrize(
    "parameters",
    [
        ProposalParameters(8, 0.5, 0.5, 100, 0.7),
        ProposalParameters(8, 0.0, 0.0, 0, 0.7),
        ProposalParameters(6, 0.7, 0.8, 50, 0.5),
        ProposalParameters(4, 2.0, 0.5, 100, 0.7),  # nothing is that good
    ],
)
def test_proposals_equal_samautomaticmaskgenerator(demo_sam, scene, parameters: ProposalParameters) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    found = segmenter.propose(segmenter.encode(scene.pixels), parameters)
    peer = SamAutomaticMaskGenerator(
        demo_sam,
        points_per_side=parameters.points_per_side,
        pred_iou_thresh=parameters.pred_iou_thresh,
        stability_score_thresh=parameters.stability_score_thresh,
        min_mask_region_area=parameters.min_mask_region_area,
        box_nms_thresh=parameters.box_nms_thresh,
    )
    expected = sorted(peer.generate(scene.pixels), key=lambda record: -record["predicted_iou"])
    assert [c.score for c in found] == pytest.approx([r["predicted_iou"] for r in expected], abs=1e-6)
    for candidate, record in zip(found, expected, strict=True):
        assert np.array_equal(candidate.mask, record["segmentation"])


def test_a_mask_turned_into_logits_comes_back_as_that_mask(demo_sam, scene) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    thing = max(scene.objects, key=lambda thing: thing.mask.sum())
    logits = segmenter.mask_to_logits(thing.mask)
    assert logits.shape == (1, 128, 128)
    enlarged = demo_sam.postprocess_masks(torch.from_numpy(logits)[None], (192, 256), (300, 400))[0, 0].numpy() > 0
    assert iou(enlarged, thing.mask) > 0.93


def test_logits_of_a_mask_are_its_signed_distance_at_low_resolution_and_at_the_border_its_coverage(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    mask = np.zeros((256, 256), bool)
    mask[:, :128] = True  # at half the size: 64 of 128 columns
    row = segmenter.mask_to_logits(mask)[0, 40]
    assert row[[62, 65]].tolist() == [3, -3]
    assert 0 < row[63] <= 1 and row[64] == pytest.approx(-row[63])  # the border runs between the two
    assert (row[:56] == 15).all() and (row[72:] == -15).all()


def test_logits_tell_where_in_a_low_resolution_pixel_the_border_runs(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    borders = []
    for width in (512, 514, 516, 518):  # pixels of 1024, of which eight are a low-resolution pixel
        mask = np.zeros((1024, 1024), bool)
        mask[:, :width] = True
        row = segmenter.mask_to_logits(mask)[0, 40]
        last = int(np.flatnonzero(row > 0)[-1])
        borders.append(8 * (last + 0.5 + row[last] / (row[last] - row[last + 1])))
    assert borders == pytest.approx([512, 514, 516, 518], abs=1.0)


def test_a_line_of_one_pixel_in_a_large_image_is_still_in_its_logits(demo_sam) -> None:
    mask = np.zeros((2000, 3000), bool)
    mask[714, 500:2500] = True
    logits = SamSegmenter(demo_sam, device="cpu").mask_to_logits(mask)[0]
    assert np.isfinite(logits).all()
    assert {int(row) for row in np.nonzero(logits > 0)[0]} == {30}  # 714 / 3000 * 128 = 30.5


class RunsOut:
    """Stands where the model is called and has no memory the first `times`."""

    def __init__(self, segmenter: SamSegmenter, times: int) -> None:
        self.segmenter, self.times = segmenter, times

    def __call__(self, work, *arguments):
        if self.times > 0:
            self.times -= 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return work(*arguments)


def test_a_device_without_memory_costs_a_warning_not_the_answer(demo_sam, scene, monkeypatch, caplog) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    expected = segmenter.encode(scene.pixels).arrays["image_embed"]
    segmenter._sam.device = torch.device("cuda")  # so it believes; the model itself stays where it is
    monkeypatch.setattr("backend.models.out_of_memory.free_memory", lambda _: None)
    runs_out, encode = RunsOut(segmenter, 1), segmenter._encode
    monkeypatch.setattr(segmenter, "_encode", lambda *arguments: runs_out(encode, *arguments))
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(segmenter.encode(scene.pixels).arrays["image_embed"], expected)
    assert "SAM ran out of memory on cuda" in caplog.text


def test_proposals_are_tried_with_fewer_points_when_memory_runs_out(demo_sam, scene, monkeypatch, caplog) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding, parameters = segmenter.encode(scene.pixels), ProposalParameters(4, 0.3, 0.3, 0, 0.7)
    expected = [c.score for c in segmenter.propose(embedding, parameters)]
    runs_out, propose = RunsOut(segmenter, 1), AutomaticMasks.propose
    monkeypatch.setattr(AutomaticMasks, "propose", lambda *arguments: runs_out(propose, *arguments))
    with caplog.at_level(logging.WARNING):
        assert [c.score for c in segmenter.propose(embedding, parameters)] == pytest.approx(expected)
    assert "ran out of memory on cpu with 8 points at once" in caplog.text


def test_other_errors_are_not_taken_for_a_lack_of_memory(demo_sam, scene, monkeypatch) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")

    def fail(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(segmenter, "_encode", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        segmenter.encode(scene.pixels)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(BadSettings, match=r"DEVICE is 'cuda:99', but torch sees"):
        choose_device("cuda:99")
    with pytest.raises(BadSettings, match="DEVICE is 'toaster', which torch does not know"):
        choose_device("toaster")


STRIPS = [Size(1, 4000), Size(4000, 1), Size(4000, 2), Size(1, 65_535), Size(1, 1)]


@pytest.mark.parametrize("size", STRIPS, ids=str)
def test_an_image_that_is_a_strip_gets_finite_masks_of_its_size(demo_sam, size: Size) -> None:
    """The library would resize 1x4000 pixels to 0x1024."""
    segmenter = SamSegmenter(demo_sam, device="cpu")
    pixels = np.full((size.height, size.width, 3), 40, np.uint8)
    pixels[size.height // 4 : size.height // 2, size.width // 4 : size.width // 2] = (240, 60, 60)
    embedding = segmenter.encode(pixels)
    assert embedding.original_size == size
    assert min(embedding.input_size.width, embedding.input_size.height) == (256 if size == Size(1, 1) else 1)
    assert np.isfinite(embedding.arrays["image_embed"]).all()
    centre = (size.width / 2, size.height / 2)
    logits = segmenter.mask_to_logits(np.ones((size.height, size.width), bool))
    assert np.isfinite(logits).all()
    prompts = [
        Prompt((centre,), (1,)),
        Prompt(box_xyxy=(0.0, 0.0, float(size.width), float(size.height))),
        Prompt((centre,), (1,), mask_logits=logits),
    ]
    for prompt in prompts:
        for candidate in segmenter.decode(embedding, prompt):
            assert candidate.mask.shape == (size.height, size.width)
            assert np.isfinite(candidate.score) and np.isfinite(candidate.low_res_logits).all()
    few = ProposalParameters(4, 0.0, 0.0, 0, 0.7)
    for candidate in segmenter.propose(embedding, few):
        assert candidate.mask.shape == (size.height, size.width)


def test_a_click_in_a_strip_lies_where_it_was_made(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    coords, _ = prompt_to_torch(
        demo_sam, segmenter.encode(np.zeros((4000, 1, 3), np.uint8)), Prompt(((0.5, 1000.0),), (1,))
    )[0]
    assert coords.tolist() == [[[0.5, 64.0]]]  # of 1x256: a quarter of the height, the middle of the one column
