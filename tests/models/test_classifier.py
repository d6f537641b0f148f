from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from backend.errors import BadSettings, CheckpointError
from backend.models.clip.classifier import ClipClassifier, load_clip
from backend.models.clip.text_features import BATCH_SIZE
from backend.models.entries import ClassifierEntry
from backend.values import ClassName

CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}
WORDS = (ClassName("cat"), ClassName("dog"), ClassName("bird"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of a tiny model's config, and a checkpoint of its random weights."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    torch.manual_seed(1)
    model = open_clip.create_model("tiny-clip")
    checkpoint = folder / "tiny.pt"
    torch.save(model.state_dict(), checkpoint)
    return folder, checkpoint


def load(tiny: tuple[Path, Path], templates: tuple[str, ...] = ("a photo of a {}.", "a {}.")) -> ClipClassifier:
    folder, checkpoint = tiny
    entry = ClassifierEntry("tiny-clip", templates, configs=folder)
    return load_clip(entry, checkpoint, device="cpu")


def pixels_and_mask() -> tuple[np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    return pixels, mask


def test_scores_equal_open_clips_zero_shot_classifier(tiny) -> None:
    classifier = load(tiny)
    pixels, _ = pixels_and_mask()
    model, _, preprocess = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(tiny[1]))
    weights = open_clip.build_zero_shot_classifier(
        model.eval(),
        open_clip.get_tokenizer("tiny-clip"),
        classnames=[word.name for word in WORDS],
        templates=[lambda name: f"a photo of a {name}.", lambda name: f"a {name}."],
    )
    with torch.inference_mode():
        image = preprocess(Image.fromarray(pixels))[None]
        logits = model.logit_scale.exp() * model.encode_image(image, normalize=True) @ weights
    expected = logits.softmax(dim=-1)[0].numpy()
    found = {score.name: score.score for score in classifier.classify_image(pixels, WORDS, top_k=3)}
    assert [found[word.name] for word in WORDS] == pytest.approx(expected, abs=1e-5)


def test_scores_are_best_first_and_sum_to_one(tiny) -> None:
    pixels, mask = pixels_and_mask()
    ((scores,),) = load(tiny).classify(pixels, [mask], [WORDS], top_k=3)
    assert sum(s.score for s in scores) == pytest.approx(1, abs=1e-5)
    assert [s.score for s in scores] == sorted((s.score for s in scores), reverse=True)


def test_top_k_keeps_the_best(tiny) -> None:
    pixels, mask = pixels_and_mask()
    classifier = load(tiny)
    ((three,),) = classifier.classify(pixels, [mask], [WORDS], top_k=3)
    ((one,),) = classifier.classify(pixels, [mask], [WORDS], top_k=1)
    assert one == three[:1]


def test_a_mask_is_looked_at_once_for_all_vocabularies(tiny, monkeypatch) -> None:
    classifier = load(tiny)
    batches: list[int] = []
    encode = classifier._encode_images
    monkeypatch.setattr(classifier, "_encode_images", lambda batch: (batches.append(len(batch)), encode(batch))[1])
    pixels, mask = pixels_and_mask()
    classifier.classify(pixels, [mask, mask], [WORDS, WORDS[:2]], top_k=1)
    assert batches == [2]


def test_text_is_encoded_once_for_a_vocabulary(tiny, monkeypatch) -> None:
    classifier = load(tiny)
    calls: list[int] = []
    encode = classifier._texts._encode
    monkeypatch.setattr(classifier._texts, "_encode", lambda texts: (calls.append(len(texts)), encode(texts))[1])
    pixels, mask = pixels_and_mask()
    for words in (WORDS, WORDS, WORDS[:2]):
        classifier.classify(pixels, [mask], [words], top_k=1)
    assert calls == [2 * 3, 2 * 2]  # two templates


def test_a_projects_templates_give_the_scores_of_a_classifier_that_has_them(tiny) -> None:
    pixels, mask = pixels_and_mask()
    classifier, theirs = load(tiny), ("a painting of a {}", "{} at night")
    ((before,),) = classifier.classify(pixels, [mask], [WORDS], top_k=3)
    ((found,),) = classifier.classify(pixels, [mask], [WORDS], top_k=3, templates=theirs)
    ((expected,),) = load(tiny, templates=theirs).classify(pixels, [mask], [WORDS], top_k=3)
    assert found == expected
    assert found != before
    assert classifier.classify(pixels, [mask], [WORDS], top_k=3) == [[before]]
    of_image = load(tiny, templates=theirs).classify_image(pixels, WORDS, top_k=3)
    assert classifier.classify_image(pixels, WORDS, top_k=3, templates=theirs) == of_image


def test_synonyms_are_read_instead_of_the_name(tiny) -> None:
    classifier = load(tiny)
    spoken = classifier._vocabulary_features((ClassName("N07", ("cat",)),))
    named = classifier._vocabulary_features((ClassName("cat"),))
    assert torch.equal(spoken, named)


def test_a_batch_that_does_not_fit_is_halved(tiny, monkeypatch) -> None:
    classifier = load(tiny)
    pixels, mask = pixels_and_mask()
    expected = classifier.classify(pixels, [mask] * 4, [WORDS], top_k=3)
    encode = classifier._clip.model.encode_image

    def small_memory(batch, normalize):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return encode(batch, normalize=normalize)

    monkeypatch.setattr(classifier._clip.model, "encode_image", small_memory)
    found = classifier.classify(pixels, [mask] * 4, [WORDS], top_k=3)
    assert [s.name for s in found[0][0]] == [s.name for s in expected[0][0]]


def test_a_device_without_memory_for_one_image_leaves_it_to_the_cpu(tiny, monkeypatch, caplog) -> None:
    classifier = load(tiny)
    pixels, mask = pixels_and_mask()
    expected = classifier.classify(pixels, [mask], [WORDS], top_k=3)
    other = load(tiny)
    other._clip._on_cpu = classifier._clip.model
    monkeypatch.setattr("backend.models.out_of_memory.free_memory", lambda _: None)

    def no_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    class Tensorless:
        encode_image = encode_text = staticmethod(no_memory)
        logit_scale = classifier._clip.model.logit_scale

    other._clip.model, other._clip.device = Tensorless(), torch.device("meta")
    found = other.classify(pixels, [mask], [WORDS], top_k=3)
    assert [s.score for s in found[0][0]] == pytest.approx([s.score for s in expected[0][0]], abs=1e-5)
    assert "CLIP ran out of memory on meta with " in caplog.text
    assert "; falling back to the CPU." in caplog.text


def test_a_model_that_open_clip_does_not_know_is_named(tiny) -> None:
    with pytest.raises(BadSettings, match="CLIP_MODEL is 'no-clip', which open_clip does not know"):
        load_clip(ClassifierEntry("no-clip", ("{}",)), tiny[1], device="cpu")


def test_a_checkpoint_of_another_model_is_named(tiny, tmp_path) -> None:
    wrong = tmp_path / "wrong.pt"
    torch.save({"weight": torch.zeros(2)}, wrong)
    with pytest.raises(CheckpointError, match=r"wrong\.pt cannot be loaded into CLIP model 'tiny-clip'"):
        load_clip(ClassifierEntry("tiny-clip", ("{}",), configs=tiny[0]), wrong, device="cpu")


def test_features_of_masks_and_texts_give_the_scores(tiny) -> None:
    classifier = load(tiny)
    pixels, mask = pixels_and_mask()
    masks = [mask, ~mask]
    cosines = classifier.embed_masks(pixels, masks) @ classifier.embed_texts(WORDS).T
    expected = torch.softmax(torch.tensor(classifier.logit_scale * cosines), dim=-1)
    for row, scores in zip(expected, classifier.classify(pixels, masks, [WORDS], top_k=3)[0], strict=True):
        assert {score.name: score.score for score in scores} == pytest.approx(
            {word.name: float(value) for word, value in zip(WORDS, row, strict=True)}, abs=1e-5
        )


def test_a_strip_is_not_blown_up_before_clip_looks_at_its_middle(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, shapes = load(tiny), []
    preprocess = classifier._preprocess

    def record(image):
        shapes.append(image.size)
        return preprocess(image)

    monkeypatch.setattr(classifier, "_preprocess", record)
    scores = classifier.classify_image(np.zeros((65_535, 1, 3), np.uint8), WORDS, top_k=3)
    assert shapes == [(1, 16)]
    assert sum(score.score for score in scores) == pytest.approx(1, abs=1e-5)


def many(count: int) -> tuple[ClassName, ...]:
    return tuple(ClassName(f"thing {number}", ("cat", f"thing {number}")[: number % 3]) for number in range(count))


def test_batches_of_texts_give_the_features_of_each_class_alone(tiny) -> None:
    names = many(200)  # 0, 1 or 2 synonyms each, two templates: batches end within a class
    together = load(tiny).embed_texts(names)
    alone = np.concatenate([load(tiny).embed_texts([name]) for name in names[:40]])
    assert together.shape == (200, 8)
    assert np.abs(together[:40] - alone).max() < 1e-5


def test_a_vocabulary_costs_one_run_of_clip_per_batch_and_not_per_class(tiny, monkeypatch) -> None:
    classifier = load(tiny, templates=("{}",))
    calls: list[int] = []
    encode = classifier._texts._encode
    monkeypatch.setattr(classifier._texts, "_encode", lambda texts: (calls.append(len(texts)), encode(texts))[1])
    classifier.embed_texts([ClassName(f"thing {number}") for number in range(1000)])
    assert calls == [BATCH_SIZE] * (1000 // BATCH_SIZE) + [1000 % BATCH_SIZE]


def test_a_vocabulary_that_was_given_up_goes_on_where_it_stopped(tiny) -> None:
    names = many(200)
    classifier, fresh = load(tiny), load(tiny)
    started = classifier.pending_texts(names)
    assert started is not None
    started.encode_next()
    again = classifier.pending_texts(names)
    assert again is started and not again.is_done
    assert np.array_equal(classifier.embed_texts(names), fresh.embed_texts(names))
    assert classifier.pending_texts(names) is None


def test_a_batch_of_texts_that_fails_is_encoded_again(tiny, monkeypatch) -> None:
    names = many(200)
    classifier, fresh = load(tiny), load(tiny)
    pending = classifier.pending_texts(names)
    encode = pending._encode
    pending.encode_next()

    def broken(_: list[str]) -> torch.Tensor:
        raise RuntimeError("the device is gone")

    pending._encode = broken
    with pytest.raises(RuntimeError, match="device is gone"):
        pending.encode_next()
    pending._encode = encode
    assert np.array_equal(classifier.embed_texts(names), fresh.embed_texts(names))


def test_texts_that_clip_would_not_read_to_the_end_are_cut_before_the_tokenizer(tiny, monkeypatch) -> None:
    classifier = load(tiny, templates=("a {}",))
    read: list[str] = []
    encode = classifier._texts._encode
    monkeypatch.setattr(classifier._texts, "_encode", lambda texts: (read.extend(texts), encode(texts))[1])
    classifier.embed_texts([ClassName("x" * 10_000), ClassName("word " * 10_000), ClassName("a red car")])
    assert read == [f"a {'x' * 100}", f"a {('word ' * 120)}", "a a red car"]


def test_crops_of_several_images_in_one_batch_are_classified_as_each_image_alone(tiny, monkeypatch) -> None:
    classifier, batches = load(tiny), []
    encode = classifier._encode_images
    monkeypatch.setattr(classifier, "_encode_images", lambda batch: (batches.append(len(batch)), encode(batch))[1])
    pixels, mask = pixels_and_mask()
    other = pixels[::-1].copy()
    alone = [classifier.classify(image, [mask, ~mask], [WORDS], top_k=3)[0] for image in (pixels, other)]
    batches.clear()
    crops = np.concatenate([classifier.crop_masks(image, [mask, ~mask]) for image in (pixels, other)])
    together = classifier.classify_crops(pickle.loads(pickle.dumps(crops)), [WORDS], top_k=3)[0]
    assert batches == [4]
    for one, row in zip([*alone[0], *alone[1]], together, strict=True):
        assert [score.name for score in one] == [score.name for score in row]
        assert [score.score for score in one] == pytest.approx([score.score for score in row], abs=1e-6)


def test_crops_are_prepared_as_by_open_clips_own_transform(tiny) -> None:
    classifier = load(tiny)
    pixels, mask = pixels_and_mask()
    crops = classifier.crop_masks(pixels, [mask, ~mask])
    _, _, preprocess = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(tiny[1]))
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(crop)) for crop in crops])
        expected = classifier._clip.model.encode_image(batch, normalize=True)
        assert torch.equal(classifier._embed_crops(crops), expected)
