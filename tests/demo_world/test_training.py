"""What the small models learn from: SAM's own arithmetic, faster; targets, prompts and losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.models.sam.architectures import build_sam
from backend.values import Size
from scripts.demo_world import batched
from scripts.demo_world.captions import class_sentences
from scripts.demo_world.crops import around, rough_mask
from scripts.demo_world.losses import mask_losses, true_ious
from scripts.demo_world.pool import Sample, scene_to_sample
from scripts.demo_world.prompts import augment, correct, cut_window, draw_prompts
from scripts.demo_world.sam_trainer import Schedule
from scripts.demo_world.scenes import CLASS_NAMES, TUNING_SEED, make_scene


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(3)
    model = build_sam("demo")
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model


@pytest.fixture(scope="module")
def sample() -> Sample:
    return scene_to_sample(make_scene(TUNING_SEED + 1, objects=5))


@torch.inference_mode()
def test_the_batched_forward_pass_is_sams_own(sam) -> None:
    image = torch.randn(1, 3, 256, 256)
    embedding = batched.encode(sam, image, [(0, 0)])
    torch.testing.assert_close(embedding, sam.image_encoder(image))

    coords, labels = torch.tensor([[[30.0, 40.0]], [[200.0, 90.0]]]), torch.tensor([[1], [0]])
    previous = torch.randn(2, 1, 128, 128)
    sparse, dense = sam.prompt_encoder((coords, labels), None, previous)
    padded = torch.cat([coords, torch.zeros(2, 1, 2)], dim=1), torch.cat([labels, -torch.ones(2, 1, dtype=int)], dim=1)
    torch.testing.assert_close(batched.embed_prompts(sam, *padded), sparse)
    torch.testing.assert_close(batched.embed_masks(sam, previous, torch.tensor([True, True])), dense)

    masks, scores = sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense)
    twice = embedding.expand(2, -1, -1, -1)
    positions = batched.dense_positions(sam, [(0, 0)] * 2, 32)
    ours, our_scores = batched.decode(sam, twice, positions, sparse, dense)
    torch.testing.assert_close(ours, masks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(our_scores, scores, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_box_is_embedded_as_sam_embeds_it(sam) -> None:
    box = torch.tensor([[10.0, 20.0, 110.0, 90.0]])
    sparse, _ = sam.prompt_encoder(None, box, None)
    torch.testing.assert_close(batched.embed_prompts(sam, box.reshape(1, 2, 2), torch.tensor([[2, 3]])), sparse)


def test_covers_are_the_area_of_each_mask(sample: Sample) -> None:
    scene = make_scene(TUNING_SEED + 1, objects=5)
    _, covers, (height, width) = sample
    assert (height, width) == (192, 256)
    for cover, item in zip(covers, scene.objects, strict=True):
        assert cover.sum() / 255 == pytest.approx(item.mask.sum() * (128 / 640) ** 2, rel=0.02)


def test_augmenting_moves_pixels_and_covers_together() -> None:
    pixels, cover = np.zeros((256, 256, 3), np.uint8), np.zeros((1, 128, 128), np.uint8)
    pixels[20:60, 100:160], cover[0, 10:30, 50:80] = 255, 255
    for seed in range(20):
        turned, covers, _ = augment(np.random.default_rng(seed), (pixels, cover, (192, 256)))
        assert np.array_equal(turned[::2, ::2].max(axis=2) > 127, covers[0] > 127)


def test_a_window_keeps_its_place_on_the_canvas(sample: Sample) -> None:
    for seed in range(10):
        window = cut_window(np.random.default_rng(seed), sample, 128)
        x, y = window.offset
        assert x % 8 == y % 8 == 0
        assert np.array_equal(window.pixels, sample[0][y : y + 128, x : x + 128])


def test_prompts_lie_on_what_they_ask_for(sample: Sample) -> None:
    window = cut_window(np.random.default_rng(0), sample, 256)
    prompts = draw_prompts(np.random.default_rng(1), window, 200)
    kinds = {tuple(labels) for labels in prompts.labels.tolist()}
    assert kinds == {(1, -1), (2, 3), (1, 1)}
    for coords, labels, target, hit in zip(prompts.coords, prompts.labels, prompts.targets, prompts.hit, strict=True):
        x, y = ((coords[0] + 0.5) / 2).astype(int)
        if labels[0] == 1:
            assert (target[y, x] > 0.5) == hit
        elif hit:
            rows, columns = np.nonzero(target > 0.5)
            tight = 2 * np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            side = max(tight[2] - tight[0], tight[3] - tight[1])
            assert np.abs(coords.reshape(4) + 0.5 - tight).max() <= max(0.08 * side, 3)


def test_a_correction_clicks_where_the_answer_was_wrong(sample: Sample) -> None:
    window = cut_window(np.random.default_rng(0), sample, 256)
    prompts = draw_prompts(np.random.default_rng(1), window, 30)
    answers = prompts.targets > 0.5
    answers[:, :, 60:] ^= True
    again = correct(np.random.default_rng(2), prompts, answers, np.zeros((30, 2), np.float32))
    assert again.labels.shape == (30, 3)
    for coords, label, answer, target in zip(
        again.coords[:, 0], again.labels[:, 0], answers, prompts.targets, strict=True
    ):
        x, y = ((coords + 0.5) / 2).astype(int)
        assert answer[y, x] != (target[y, x] > 0.5)
        assert label == int(target[y, x] > 0.5)


def test_the_true_iou_of_half_a_square_is_one_half() -> None:
    target = torch.zeros(1, 32, 32)
    target[0, 8:24, 8:24] = 1
    logits = torch.full((1, 2, 32, 32), -9.0)
    logits[0, 0, 8:16, 8:24] = 9.0
    assert true_ious(logits, target).tolist() == [[0.5, 0.0]]


def test_a_better_mask_loses_less() -> None:
    target = torch.zeros(1, 32, 32)
    target[0, 8:24, 8:24] = 1
    right = (target * 16 - 8)[:, None]
    shifted, empty = right.roll(3, dims=-1), torch.full_like(right, -8.0)
    losses = mask_losses(torch.cat([right, shifted, empty], dim=1), target)[0]
    assert losses[0] < 0.02 < losses[1] < losses[2]


def test_the_rate_warms_up_stays_falls_slowly_and_then_to_nothing() -> None:
    schedule = Schedule(
        window_steps=600,
        canvas_steps=400,
        warmup_steps=10,
        cooldown_from=700,
        cooldown_steps=400,
        final_steps=100,
        learning_rate=1.0,
    )
    assert schedule.rate(0) == pytest.approx(0.1)
    assert schedule.rate(700) == 1.0
    assert schedule.rate(800) == pytest.approx(0.75)
    assert schedule.rate(950) == pytest.approx(min(0.375, 0.5))
    assert schedule.rate(980) == pytest.approx(0.2)
    assert schedule.rate(999) == pytest.approx(0.01)


def test_a_rough_mask_is_still_of_the_same_object() -> None:
    y, x = np.mgrid[:480, :640]
    mask = np.hypot(x - 300, y - 200) < 60
    for seed in range(20):
        rough = rough_mask(np.random.default_rng(seed), mask, 640)
        assert (rough & mask).sum() / (rough | mask).sum() > 0.6


def test_the_neighbourhood_of_a_mask_holds_the_whole_crop() -> None:
    from backend.models.clip.crop import crop_for_clip

    scene = make_scene(TUNING_SEED + 4, Size(400, 300))
    for item in scene.objects:
        place = around(item.mask)
        near = crop_for_clip(scene.pixels[place], item.mask[place], 64)
        assert np.array_equal(near, crop_for_clip(scene.pixels, item.mask, 64))


def test_each_class_has_one_sentence_that_names_its_colour() -> None:
    sentences = class_sentences(np.random.default_rng(0))
    assert len(sentences) == len(CLASS_NAMES)
    assert all(name.split()[0] in sentence for name, sentence in zip(CLASS_NAMES, sentences, strict=True))
