"""Many prompts on one image get the masks that each gets alone, in groups of any size."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from backend.models.sam.architectures import build_sam
from backend.models.sam.prompt_groups import PromptGroups
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Candidate, ImageEmbedding, Prompt, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene

PIXELS = make_scene(HELD_OUT_SEED, Size(400, 300)).pixels
PROMPTS = [
    Prompt(((200.5, 150.5),), (1,)),
    Prompt(box_xyxy=(100.0, 80.0, 260.0, 240.0)),
    Prompt(((20.0, 30.0),), (1,)),
    *(Prompt(box_xyxy=(left, 10.0, left + 90.0, 120.0)) for left in (0.0, 60.0, 310.0)),
    *(Prompt(((x, y),), (1,)) for x in (60.0, 330.0) for y in (40.0, 250.0)),
]


def one_by_one(segmenter: SamSegmenter, embedding: ImageEmbedding) -> list[Candidate]:
    return [segmenter.decode(embedding, prompt, max_masks=1)[0] for prompt in PROMPTS]


def assert_the_same(candidates: list[Candidate], expected: list[Candidate]) -> None:
    assert len(candidates) == len(expected)
    for candidate, other in zip(candidates, expected, strict=True):
        assert candidate.score == pytest.approx(other.score, abs=1e-5)
        assert np.count_nonzero(candidate.mask != other.mask) <= 2  # rounding at the threshold


@pytest.mark.parametrize("at_once", [1, 3, 8, 100])
def test_clicks_and_boxes_in_one_group_get_the_masks_that_they_get_alone(demo_sam, at_once: int) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding = segmenter.encode(PIXELS)
    expected = one_by_one(segmenter, embedding)
    assert min(np.count_nonzero(candidate.mask) for candidate in expected) > 0
    assert_the_same(PromptGroups(demo_sam).decode(embedding, PROMPTS, at_once), expected)
    assert_the_same(segmenter.decode_many(embedding, PROMPTS), expected)


def test_a_random_vit_b_gives_the_same_too() -> None:
    torch.manual_seed(0)
    segmenter = SamSegmenter(build_sam("vit_b"), device="cpu")
    spec = segmenter.embedding_spec(Size(400, 300))
    features = np.random.default_rng(0).normal(size=(1, 256, 64, 64))[0].astype(np.float16)
    embedding = ImageEmbedding({"image_embed": features}, spec.original_size, spec.input_size, spec.family)
    assert_the_same(segmenter.decode_many(embedding, PROMPTS[:3]), one_by_one(segmenter, embedding)[:3])


def test_no_prompts_have_no_masks(demo_sam) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    assert segmenter.decode_many(segmenter.encode(PIXELS), []) == []


def test_groups_are_smaller_where_memory_runs_out(demo_sam, monkeypatch, caplog) -> None:
    segmenter = SamSegmenter(demo_sam, device="cpu")
    embedding, decode, sizes = segmenter.encode(PIXELS), PromptGroups.decode, []

    def runs_out_once(groups: PromptGroups, embedding: ImageEmbedding, prompts: list[Prompt], count: int):
        sizes.append(count)
        if len(sizes) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return decode(groups, embedding, prompts, count)

    monkeypatch.setattr(PromptGroups, "decode", runs_out_once)
    with caplog.at_level(logging.WARNING):
        assert_the_same(segmenter.decode_many(embedding, PROMPTS), one_by_one(segmenter, embedding))
    assert sizes == [8, 2]
    assert "ran out of memory on cpu with 8 prompts at once" in caplog.text
