"""TransformersSam against `Sam2Model` and `EdgeTamModel`, on the same weights."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import BadPrompt
from backend.geometry import mask_iou
from backend.models.transformers_sam.preprocessing import normalize, squash
from backend.models.transformers_sam.prompt_decoder import MAX_IMAGES, PromptDecoder
from backend.models.transformers_sam.segmenter import TransformersSam
from backend.models.transformers_sam.steps import enlarge, features_of, prompts_to_tensors
from backend.values import Candidate, ImageEmbedding, Pixels, Prompt, ProposalParameters, Size
from tests.models.transformers_sam.library import LibraryAnswer, ask_library, build_processor
from tests.models.transformers_sam.tiny_models import SIDE

Draw = Callable[[Size], Pixels]
SIZE = Size(161, 90)
CELLS = SIDE // 4  # of a low-resolution mask
CLICK = Prompt(((50.0, 40.0),), (1,))
BOX = (20.0, 15.0, 120.0, 70.0)
EARLIER = np.where(np.add.outer(np.arange(CELLS), np.arange(CELLS)) > 30, 6.0, -6.0).astype(np.float32)[None]
PROMPTS = {
    "click": CLICK,
    "negative click": Prompt(((50.0, 40.0),), (0,)),
    "three points": Prompt(((50.0, 40.0), (20.0, 20.0), (140.5, 80.25)), (1, 0, 1)),
    "box": Prompt(box_xyxy=BOX),
    "box and points": Prompt(((50.0, 40.0), (30.0, 20.0)), (1, 0), BOX),
    "mask": Prompt(mask_logits=EARLIER),
    "mask and click": Prompt(((50.0, 40.0),), (1,), mask_logits=EARLIER),
    "mask, box and point": Prompt(((50.0, 40.0),), (0,), BOX, EARLIER),
}


def logits_of(candidates: list[Candidate]) -> np.ndarray:
    return np.concatenate([candidate.low_res_logits for candidate in candidates])


def assert_equal(found: list[Candidate], expected: LibraryAnswer) -> None:
    assert [candidate.score for candidate in found] == pytest.approx(expected.scores, abs=1e-5)
    error = float(np.abs(logits_of(found) - expected.logits).max())
    assert error < 1e-4
    assert_equal_beyond(error + 1e-5, found, expected)


def assert_equal_beyond(error: float, found: list[Candidate], expected: LibraryAnswer) -> None:
    """The masks are the same wherever the library's logit is not within the error of 0."""
    height, width = expected.masks[0].shape
    full_size = enlarge(torch.from_numpy(expected.logits)[None], Size(width, height))[0].numpy()
    for candidate, mask, logits in zip(found, expected.masks, full_size, strict=True):
        is_clear = np.abs(logits) > error
        assert is_clear.mean() > 0.98
        assert np.array_equal(candidate.mask[is_clear], mask[is_clear])


@pytest.mark.usefixtures("float32_embeddings")
@pytest.mark.parametrize("kind", PROMPTS)
def test_every_kind_of_prompt_is_answered_as_by_the_library(
    segmenter: TransformersSam, tiny: Any, picture: Draw, kind: str
) -> None:
    pixels, prompt = picture(SIZE), PROMPTS[kind]
    found = segmenter.decode(segmenter.encode(pixels), prompt)
    assert len(found) == (3 if kind == "click" else 1)
    assert_equal(found, ask_library(tiny, pixels, prompt))


def test_an_embedding_of_another_family_is_refused(segmenter: TransformersSam, picture: Draw, family: str) -> None:
    foreign = replace(segmenter.encode(picture(SIZE)), family="sam1")
    parameters = ProposalParameters(2, 0.0, 0.0, 0, 0.7)
    for use in (
        lambda: segmenter.decode(foreign, CLICK),
        lambda: segmenter.decode_many(foreign, [CLICK]),
        lambda: segmenter.propose(foreign, parameters),
    ):
        with pytest.raises(ValueError, match=f"This embedding is of 'sam1', but the model of '{family}'"):
            use()


def test_the_masks_of_the_tiny_models_can_show_a_difference(segmenter: TransformersSam, picture: Draw) -> None:
    embedding = segmenter.encode(picture(SIZE))
    shares = [segmenter.decode(embedding, prompt, max_masks=1)[0].mask.mean() for prompt in PROMPTS.values()]
    assert all(0.05 < share < 0.95 for share in shares)
    assert len(set(shares)) == len(shares)


@pytest.mark.usefixtures("float32_embeddings")
@pytest.mark.parametrize("size", [Size(90, 161), Size(300, 20), Size(400, 600), Size(1, 300), Size(2, 2)], ids=str)
def test_any_aspect_ratio_is_squashed_as_by_the_library(
    segmenter: TransformersSam, tiny: Any, picture: Draw, size: Size
) -> None:
    pixels = picture(size)
    for prompt in (
        Prompt(((0.3 * size.width, 0.6 * size.height),), (1,)),
        Prompt(box_xyxy=(0.2 * size.width, 0.1 * size.height, 0.7 * size.width, 0.8 * size.height)),
    ):
        found = segmenter.decode(segmenter.encode(pixels), prompt)
        assert found[0].mask.shape == (size.height, size.width)
        assert_equal(found, ask_library(tiny, pixels, prompt))


def test_through_the_float16_cache_a_mask_differs_only_where_its_logit_is_within_the_error(
    segmenter: TransformersSam, tiny: Any, picture: Draw
) -> None:
    pixels = picture(SIZE)
    embedding = segmenter.encode(pixels)
    assert {array.dtype for array in embedding.arrays.values()} == {np.dtype(np.float16)}
    for prompt in PROMPTS.values():
        found, expected = segmenter.decode(embedding, prompt), ask_library(tiny, pixels, prompt)
        error = float(np.abs(logits_of(found) - expected.logits).max())
        assert 0 < error < 1e-3 * np.abs(expected.logits).max()
        assert [candidate.score for candidate in found] == pytest.approx(expected.scores, abs=1e-3)
        assert_equal_beyond(error, found, expected)


def test_a_single_click_has_three_masks_best_first(segmenter: TransformersSam, picture: Draw) -> None:
    embedding = segmenter.encode(picture(SIZE))
    found = segmenter.decode(embedding, CLICK)
    scores = [candidate.score for candidate in found]
    assert len(set(scores)) == 3 and scores == sorted(scores, reverse=True)
    (best,) = segmenter.decode(embedding, CLICK, max_masks=1)
    assert (best.score, np.array_equal(best.mask, found[0].mask)) == (scores[0], True)


def test_only_the_masks_that_are_wanted_are_brought_to_the_original_size(
    segmenter: TransformersSam, picture: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []

    def count(logits: torch.Tensor, size: Size) -> torch.Tensor:
        counts.append(logits.shape[1])
        return enlarge(logits, size)

    monkeypatch.setattr("backend.models.transformers_sam.segmenter.enlarge", count)
    embedding = segmenter.encode(picture(SIZE))
    for wanted in (1, 2, None):
        segmenter.decode(embedding, CLICK, max_masks=wanted)
    assert counts == [1, 2, 3]


@pytest.mark.usefixtures("float32_embeddings")
def test_an_unstable_single_mask_gives_way_to_the_best_of_three_as_in_the_librarys_evaluation_mode(
    tiny: Any, family: str, picture: Draw
) -> None:
    pixels, kept = picture(SIZE), {}
    for threshold in (0.0, 2.0):  # no mask, and every mask, is less stable than that
        model = copy.deepcopy(tiny)
        model.mask_decoder.dynamic_multimask_stability_thresh = threshold
        segmenter = TransformersSam(model.train(), family=family, device="cpu")
        found = segmenter.decode(segmenter.encode(pixels), PROMPTS["box"])
        assert_equal(found, ask_library(model, pixels, PROMPTS["box"]))
        kept[threshold] = found[0].score
    assert kept[0.0] != kept[2.0]


# ---- embeddings


def test_an_embedding_is_cached_without_the_embedding_for_no_memory_which_video_does_not_add(
    segmenter: TransformersSam, tiny: Any, picture: Draw
) -> None:
    pixels = picture(SIZE)
    pixel_values = build_processor()(images=pixels, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        video = tiny.get_image_features(pixel_values).fpn_hidden_states  # of (S, 1, C)
        finest, finer, image = tiny.get_image_embeddings(pixel_values)
    embedding = segmenter.encode(pixels)
    for name, level in zip(("high_res_0", "high_res_1", "image_embed"), video, strict=True):
        array = embedding.arrays[name]
        assert np.allclose(array.reshape(len(array), -1).T, level[:, 0], atol=1e-6, rtol=2**-11)
    features = features_of(tiny, embedding)
    assert torch.allclose(features.image, image, atol=5e-3)
    assert (image[0].numpy() - embedding.arrays["image_embed"]).std() > 0.1  # what is added is not next to nothing
    assert torch.allclose(features.high_res[0], finest, atol=5e-3)
    assert torch.allclose(features.high_res[1], finer, atol=5e-3)


@pytest.mark.parametrize("size", [SIZE, Size(90, 161), Size(1, 1), Size(700, 20)], ids=str)
def test_the_spec_of_an_embedding_is_known_before_it_is_encoded(
    segmenter: TransformersSam, picture: Draw, size: Size
) -> None:
    embedding = segmenter.encode(picture(size))
    assert embedding.spec == segmenter.embedding_spec(size)
    assert embedding.input_size == Size(SIDE, SIDE)  # squashed, whatever the aspect ratio


def test_the_two_families_share_neither_specs_nor_identity_with_sam_1(segmenter: TransformersSam, family: str) -> None:
    assert segmenter.embedding_spec(SIZE).family == family
    assert segmenter.identity == f"squash{SIDE}v1-enc-float32-float16"  # part of the keys of every embedding in Redis


@pytest.mark.parametrize("size", [Size(1500, 1000), Size(333, 1025), Size(37, 36), Size(1, 4000)], ids=str)
def test_the_pixels_that_the_encoder_gets_are_those_of_the_librarys_processor(picture: Draw, size: Size) -> None:
    pixels = picture(size)
    pixels.flags.writeable = False  # as a decoded image from the cache is
    expected = build_processor(256)(images=pixels.copy(), return_tensors="pt")["pixel_values"]
    assert (normalize(squash(pixels, 256)) - expected).abs().max() < 1e-5


def test_clicks_on_a_few_images_convert_each_embedding_once(
    segmenter: TransformersSam, picture: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def convert(model: Any, embedding: ImageEmbedding) -> Any:
        converted.append(embedding)
        return features_of(model, embedding)

    monkeypatch.setattr("backend.models.transformers_sam.prompt_decoder.features_of", convert)
    one = segmenter.encode(picture(SIZE))
    others = [replace(one) for _ in range(MAX_IMAGES - 1)]
    for embedding in (one, *others, one, *others):
        segmenter.decode(embedding, CLICK, max_masks=1)
    assert converted == [one, *others]
    segmenter.decode(replace(one), CLICK, max_masks=1)  # one too many: the oldest makes room
    segmenter.decode(one, CLICK, max_masks=1)
    assert len(converted) == MAX_IMAGES + 2


def test_threads_that_click_on_different_images_do_not_mix_them(segmenter: TransformersSam, picture: Draw) -> None:
    sizes = [Size(60 + 10 * number, 50) for number in range(6)]  # more than are kept on the device
    prompt = Prompt(((30.0, 20.0),), (1,))
    embeddings = [segmenter.encode(picture(size)) for size in sizes]
    expected = [segmenter.decode(embedding, prompt)[0].mask for embedding in embeddings]
    wrong: list[int] = []

    def click(first: int) -> None:
        for step in range(2 * len(sizes)):
            place = (first + step) % len(sizes)
            embedding = segmenter.encode(picture(sizes[place])) if step == first else embeddings[place]
            if not np.array_equal(segmenter.decode(embedding, prompt)[0].mask, expected[place]):
                wrong.append(place)

    threads = [threading.Thread(target=click, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == [] and not any(thread.is_alive() for thread in threads)


# ---- prompts


def test_a_prompt_is_scaled_by_width_and_by_height(tiny: Any) -> None:
    prompt = Prompt(((200.0, 100.0),), (1,), (0.0, 50.0, 800.0, 400.0))
    tensors = prompts_to_tensors(tiny, Size(800, 400), prompt)
    assert tensors.points is not None and tensors.boxes is not None
    assert tensors.points.tolist() == [[[[SIDE / 4, SIDE / 4]]]]
    assert tensors.boxes.tolist() == [[[0, SIDE / 8, SIDE, SIDE]]]


def test_an_empty_prompt_is_refused(segmenter: TransformersSam, picture: Draw) -> None:
    with pytest.raises(BadPrompt, match=r"The prompt is empty\. Click a point or draw a box\."):
        segmenter.decode(segmenter.encode(picture(SIZE)), Prompt())


def test_a_mask_prompt_is_squashed_like_the_image_and_grows_with_the_distance_from_the_border(
    segmenter: TransformersSam,
) -> None:
    mask = np.zeros((CELLS * 2, CELLS * 4), bool)  # two rows and four columns of pixels for each cell
    mask[:, : CELLS * 2] = True
    logits = segmenter.mask_to_logits(mask)
    assert (logits.shape, logits.dtype) == ((1, CELLS, CELLS), np.float32)
    middle = CELLS // 2
    for row in logits[0]:
        assert row[[middle - 3, middle - 2, middle + 1, middle + 2]].tolist() == [5, 3, -3, -5]
        assert 0 < row[middle - 1] <= 1 and row[middle] == pytest.approx(-row[middle - 1])
    tall = segmenter.mask_to_logits(mask.T.copy())
    assert np.array_equal(tall[0], logits[0].T)


def test_logits_are_revised_at_low_resolution_with_a_scale_for_each_axis(
    segmenter: TransformersSam, picture: Draw
) -> None:
    size, scales = Size(64, 256), []

    def only_the_top_half(logits: np.ndarray, cells_per_pixel: tuple[float, float]) -> np.ndarray:
        scales.append(cells_per_pixel)
        revised = np.full_like(logits, -5)
        revised[: CELLS // 2] = 5
        return revised

    (candidate,) = segmenter.decode(segmenter.encode(picture(size)), PROMPTS["three points"], revise=only_the_top_half)
    assert scales == [(CELLS / 64, CELLS / 256)]
    assert candidate.mask[:128].all() and not candidate.mask[128:].any()
    assert set(np.unique(candidate.low_res_logits)) == {-5, 5}


def test_many_prompts_are_decoded_as_one_by_one_with_at_most_four_at_once_on_a_cpu(
    segmenter: TransformersSam, picture: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding, sizes = segmenter.encode(picture(SIZE)), []
    places = np.random.default_rng(1).uniform((0, 0), (120, 60), (11, 2)).tolist()
    clicks = [Prompt(((x, y),), (1,)) for x, y in places[:6]]
    boxes = [Prompt(box_xyxy=(x, y, x + 30, y + 25)) for x, y in places[6:]]
    prompts = [prompt for pair in zip(clicks, boxes, strict=False) for prompt in pair] + clicks[5:]
    expected = [segmenter.decode(embedding, prompt, max_masks=1)[0] for prompt in prompts]
    decode = PromptDecoder.decode

    def record(self: PromptDecoder, embedding: ImageEmbedding, tensors: Any, *, multimask: bool) -> Any:
        logits, scores = decode(self, embedding, tensors, multimask=multimask)
        sizes.append((len(scores), multimask))
        return logits, scores

    monkeypatch.setattr(PromptDecoder, "decode", record)
    found = segmenter.decode_many(embedding, prompts)
    assert sizes == [(4, True), (2, True), (4, False), (1, False)]
    assert [candidate.score for candidate in found] == pytest.approx([one.score for one in expected], abs=1e-6)
    for candidate, one in zip(found, expected, strict=True):
        assert np.count_nonzero(candidate.mask != one.mask) <= 2  # logits of 0 but for rounding
    assert segmenter.decode_many(embedding, []) == []


def test_a_device_without_memory_costs_a_warning_not_the_answer(
    segmenter: TransformersSam, picture: Draw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    embedding = segmenter.encode(picture(SIZE))
    prompts = [CLICK, PROMPTS["box"], Prompt(((90.0, 60.0),), (1,))]
    expected = segmenter.decode_many(embedding, prompts)
    decode, failures = PromptDecoder.decode, [torch.OutOfMemoryError("CUDA out of memory.")]

    def run_out_once(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return decode(*arguments, **named)

    monkeypatch.setattr(PromptDecoder, "decode", run_out_once)
    found = segmenter.decode_many(embedding, prompts)
    assert "SAM 2 ran out of memory on cpu with 4 prompts at once" in caplog.text
    assert [candidate.score for candidate in found] == pytest.approx([one.score for one in expected], abs=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_encoder_runs_in_half_precision_under_autocast(
    segmenter: TransformersSam, tiny: Any, picture: Draw, dtype: str
) -> None:
    """As on CUDA, here on a CPU; the features stay within the rounding of the precision."""
    pixels = picture(SIZE)
    exact = segmenter.encode(pixels)
    with torch.inference_mode(), torch.autocast("cpu", dtype=getattr(torch, dtype)):
        features = tiny.get_image_features(normalize(squash(pixels, SIDE)), return_dict=True).fpn_hidden_states
    for name, level in zip(("high_res_0", "high_res_1", "image_embed"), features, strict=True):
        expected = exact.arrays[name].reshape(len(exact.arrays[name]), -1).T.astype(np.float32)
        error = np.abs(level[:, 0].float().numpy() - expected).mean() / np.abs(expected).mean()
        assert 0 < error < {"bfloat16": 0.05, "float16": 0.01}[dtype]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_clicks_on_cuda_agree_with_the_cpu(tiny: Any, family: str, picture: Draw, dtype: str) -> None:
    pixels = picture(SIZE)
    on_cpu = TransformersSam(copy.deepcopy(tiny), family=family, device="cpu")
    on_cuda = TransformersSam(copy.deepcopy(tiny), family=family, device="cuda", encoder_dtype=dtype)
    assert on_cuda.identity != on_cpu.identity
    for prompt in PROMPTS.values():
        expected = on_cpu.decode(on_cpu.encode(pixels), prompt, max_masks=1)[0]
        found = on_cuda.decode(on_cuda.encode(pixels), prompt, max_masks=1)[0]
        assert found.score == pytest.approx(expected.score, abs=0.05)
        assert mask_iou(found.mask, expected.mask) > 0.9
