"""MobileSAM: the names in the published file, and answers equal to those of SamPredictor around the same model."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from backend.cache.codec import decode_embedding, encode_embedding
from backend.cache.seal import DamagedEntry
from backend.errors import CheckpointError
from backend.images import SourceImage
from backend.models.checkpoints import find_segmenter_checkpoint
from backend.models.registry import SEGMENTERS, PublishedFile, build_segmenter, find_segmenter
from backend.models.sam.architectures import build_sam
from backend.models.sam.mobile_sam import build_mobile_sam, load_published, published_name
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Candidate, ImageEmbedding, Pixels, Prompt, ProposalParameters, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene
from tests.models.published_tiny_vit import PublishedTinyViT
from tests.models.test_automatic_masks import assert_same_masks, library_masks
from tests.models.tiny_mobile_sam import IMAGE_SIZE, SIZES, build_random, build_tiny, publish

PUBLISHED_BYTES = 40_728_226  # of mobile_sam.pt
SHAPES = [Size(200, 150), Size(150, 200), Size(333, 37), Size(41, 400), Size(257, 255)]
KINDS = ["click", "background click", "two points", "box", "box and points", "click and mask", "mask alone"]


@pytest.fixture(scope="module")
def model() -> Sam:
    return build_random()


@pytest.fixture
def segmenter(model: Sam) -> SamSegmenter:
    return SamSegmenter(model, device="cpu", family="mobile_sam")


@pytest.fixture
def float32_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings as exact as those of the library."""
    monkeypatch.setattr("backend.models.device_segmenter.DeviceSegmenter.embedding_dtype", np.dtype(np.float32))


def draw(size: Size) -> Pixels:
    """A scene of the demo world, cut or repeated to a size."""
    pixels = make_scene(HELD_OUT_SEED, Size(400, 400)).pixels
    return np.ascontiguousarray(np.resize(pixels, (400, 400, 3))[: size.height, : size.width])


def build_prompt(kind: str, size: Size) -> Prompt:
    """A prompt at the same place of an image of any size."""
    at = lambda x, y: (x * size.width, y * size.height)  # noqa: E731
    box = (*at(0.2, 0.1), *at(0.8, 0.7))
    logits = np.random.default_rng(5).normal(size=(1, 64, 64)).astype(np.float32) * 4
    return {
        "click": Prompt((at(0.5, 0.5),), (1,)),
        "background click": Prompt((at(0.5, 0.5),), (0,)),
        "two points": Prompt((at(0.5, 0.5), at(0.1, 0.8)), (1, 0)),
        "box": Prompt(box_xyxy=box),
        "box and points": Prompt((at(0.5, 0.5), at(0.3, 0.2)), (1, 0), box),
        "click and mask": Prompt((at(0.5, 0.5),), (1,), mask_logits=logits),
        "mask alone": Prompt(mask_logits=logits),
    }[kind]


class Peer:
    """SamPredictor's answers on one image, best first."""

    def __init__(self, model: Sam, pixels: Pixels) -> None:
        self._predictor = SamPredictor(model)
        self._predictor.set_image(pixels)

    def predict(self, prompt: Prompt) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return logits at original size (masks, H, W), scores, and logits at low resolution."""
        logits, scores, low_res = self._predictor.predict(
            point_coords=np.array(prompt.point_coords) if prompt.point_coords else None,
            point_labels=np.array(prompt.point_labels) if prompt.point_coords else None,
            box=None if prompt.box_xyxy is None else np.array(prompt.box_xyxy),
            mask_input=prompt.mask_logits,
            multimask_output=prompt.is_single_click,
            return_logits=True,
        )
        order = np.argsort(-scores)
        return logits[order], scores[order], low_res[order]


def low_res_of(candidates: list[Candidate]) -> np.ndarray:
    return np.stack([candidate.low_res_logits[0] for candidate in candidates])


# ---- equality


@pytest.mark.usefixtures("float32_embeddings")
@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_sampredictor_for_every_prompt_and_shape(
    model: Sam, segmenter: SamSegmenter, kind: str, size: Size
) -> None:
    pixels, prompt = draw(size), build_prompt(kind, size)
    candidates = segmenter.decode(segmenter.encode(pixels), prompt)
    logits, scores, low_res = Peer(model, pixels).predict(prompt)
    assert np.abs(low_res_of(candidates) - low_res).max() < 1e-4
    assert [candidate.score for candidate in candidates] == pytest.approx(scores.tolist(), abs=1e-5)
    for candidate, expected in zip(candidates, logits, strict=True):
        is_certain = np.abs(expected) > 1e-4
        assert np.array_equal(candidate.mask[is_certain], (expected > 0)[is_certain])
        assert is_certain.mean() > 0.99
        assert 0.05 < candidate.mask.mean() < 0.95  # a mask of everything or nothing would equal any other such


def test_through_the_cache_masks_are_equal_wherever_the_logit_exceeds_the_error(
    model: Sam, segmenter: SamSegmenter
) -> None:
    certain = []
    for size in SHAPES:
        pixels = draw(size)
        cached = decode_embedding(encode_embedding(segmenter.encode(pixels)), segmenter.embedding_spec(size))
        assert cached.arrays["image_embed"].dtype == np.float16
        peer = Peer(model, pixels)
        for kind in KINDS:
            prompt = build_prompt(kind, size)
            candidates, (logits, _, low_res) = segmenter.decode(cached, prompt), peer.predict(prompt)
            error = np.abs(low_res_of(candidates) - low_res).max()
            assert 0 < error < 0.03 * np.abs(low_res).max()
            for candidate, expected in zip(candidates, logits, strict=True):
                is_certain = np.abs(expected) > error
                assert np.array_equal(candidate.mask[is_certain], (expected > 0)[is_certain])
                certain.append(is_certain.mean())
    assert np.mean(certain) > 0.97


def test_the_candidates_of_a_click_are_ranked_by_score(model: Sam, segmenter: SamSegmenter) -> None:
    size = SHAPES[0]
    pixels, prompt = draw(size), build_prompt("click", size)
    embedding = segmenter.encode(pixels)
    scores = [candidate.score for candidate in segmenter.decode(embedding, prompt)]
    predictor = SamPredictor(model)
    predictor.set_image(pixels)
    _, unranked, _ = predictor.predict(np.array(prompt.point_coords), np.array([1]), multimask_output=True)
    assert np.argsort(-unranked).tolist() == [0, 2, 1]  # the model's own order is another one
    assert scores == pytest.approx(sorted(unranked.tolist(), reverse=True), abs=0.02)
    (best,) = segmenter.decode(embedding, prompt, max_masks=1)
    assert best.score == scores[0]


@pytest.mark.usefixtures("float32_embeddings")
def test_a_click_on_a_photo_that_is_stored_turned_hits_the_upright_pixels(model: Sam, segmenter: SamSegmenter) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw(Size(150, 200))).save(file, "PNG", exif=exif)
    image = SourceImage(file.getvalue())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    assert image.size == Size(200, 150)
    prompt = Prompt(((40.0, 110.0),), (1,))
    candidates = segmenter.decode(segmenter.encode(image.pixels), prompt)
    _, _, low_res = Peer(model, upright).predict(prompt)
    assert np.abs(low_res_of(candidates) - low_res).max() < 1e-4


def test_many_prompts_get_the_masks_that_each_gets_alone(segmenter: SamSegmenter) -> None:
    size = SHAPES[0]
    embedding = segmenter.encode(draw(size))
    prompts = [build_prompt("click", size), build_prompt("box", size), Prompt(((30.0, 20.0),), (1,))] * 4
    for prompt, together in zip(prompts, segmenter.decode_many(embedding, prompts), strict=True):
        (alone,) = segmenter.decode(embedding, prompt, max_masks=1)
        assert together.score == pytest.approx(alone.score, abs=1e-5)
        assert np.count_nonzero(together.mask != alone.mask) <= 3  # rounding at the threshold


def test_automatic_masks_are_those_of_the_librarys_generator(model: Sam, segmenter: SamSegmenter) -> None:
    embedding = segmenter.encode(draw(SHAPES[0]))
    # random masks reach all borders, so their boxes are the same, and suppressing those would leave one mask
    parameters = ProposalParameters(6, 0.1, 0.0, 0, 1.0)
    found = segmenter.propose(embedding, parameters)
    assert len(found) == 36  # of three candidates of each point, the one whose score is above 0.1
    assert_same_masks(found, library_masks(model, embedding, parameters))


def test_a_mask_of_the_page_becomes_a_prompt_of_this_models_size(segmenter: SamSegmenter) -> None:
    mask = np.zeros((150, 200), bool)
    mask[30:100, 50:150] = True
    logits = segmenter.mask_to_logits(mask)
    assert logits.shape == (1, 64, 64)
    cells = (logits[0] > 0)[: round(64 * 150 / 200)]  # 64 columns for 200 pixels, so 0.32 a pixel
    assert np.argwhere(cells).min(axis=0).tolist() == [10, 16]  # 30 and 50 pixels
    assert np.argwhere(cells).max(axis=0).tolist() == [31, 47]  # up to 100 and 150


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_encoder_runs_under_autocast_and_agrees_with_float32(model: Sam, dtype: torch.dtype) -> None:
    images = torch.randn(1, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = model.image_encoder(images)
        with torch.autocast("cpu", dtype=dtype):
            half = model.image_encoder(images).float()
    assert 0 < (half - exact).abs().mean() < 0.05 * exact.abs().mean()


# ---- embeddings of other families are refused


def test_an_embedding_names_its_family_and_another_familys_is_refused(model: Sam, segmenter: SamSegmenter) -> None:
    size = SHAPES[0]
    mine = segmenter.encode(draw(size))
    assert mine.spec == segmenter.embedding_spec(size)
    assert mine.family == "mobile_sam"
    others = ImageEmbedding(mine.arrays, mine.original_size, mine.input_size, "sam1")
    with pytest.raises(DamagedEntry, match="family 'sam1' instead of 'mobile_sam'"):
        decode_embedding(encode_embedding(others), segmenter.embedding_spec(size))
    click, parameters = build_prompt("click", size), ProposalParameters(2, 0.0, 0.0, 0, 0.7)
    for use in (
        lambda: segmenter.decode(others, click),
        lambda: segmenter.decode_many(others, [click]),
        lambda: segmenter.propose(others, parameters),
        lambda: SamSegmenter(model, device="cpu").decode(mine, click),
    ):
        with pytest.raises(ValueError, match="This embedding is of '"):
            use()


# ---- the published file


def test_the_published_file_is_pinned_at_the_commit_that_added_it() -> None:
    """As download scripts of other projects pin it, which agree on commit, size and SHA-256."""
    entry = SEGMENTERS["mobile_sam"]
    assert isinstance(entry.published, PublishedFile)
    base, path = "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/", "/weights/mobile_sam.pt"
    assert entry.published.url == f"{base}f706ad9c4eb7f219c00d9050e46328518ffb65d2{path}"
    assert entry.published.sha256 == "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
    assert entry.published.megabytes == round(PUBLISHED_BYTES / 1e6)
    assert (entry.family, entry.suggested_for) == ("mobile_sam", "a CPU")


def test_at_real_size_shapes_and_parameters_are_the_published_ones() -> None:
    with torch.device("meta"):
        model = build_mobile_sam()
        features = model.image_encoder(torch.empty(1, 3, 1024, 1024))
        sparse, dense = torch.empty(1, 2, 256), torch.empty(1, 256, 64, 64)
        masks, scores = model.mask_decoder(features, model.prompt_encoder.get_dense_pe(), sparse, dense, True)
    assert (features.shape, masks.shape, scores.shape) == ((1, 256, 64, 64), (1, 3, 256, 256), (1, 3))
    counts = {"image_encoder": 0, "others": 0}
    for name, parameter in model.named_parameters():
        counts["image_encoder" if name.startswith("image_encoder.") else "others"] += parameter.numel()
    assert counts == {"image_encoder": 5_743_892, "others": 4_064_560}  # 5.74M + 4.06M
    classifier = 2 * 320 + 321 * 1000
    tensors = sum(tensor.nbytes for tensor in model.state_dict().values()) + 4 * classifier
    assert 0 < PUBLISHED_BYTES - tensors < 250_000  # names, shapes and alignment of 439 tensors


@pytest.mark.parametrize(
    ("ours", "published"),
    [
        ("image_encoder.patch_embed.conv1.conv.weight", "image_encoder.patch_embed.seq.0.c.weight"),
        ("image_encoder.patch_embed.conv2.bn.running_var", "image_encoder.patch_embed.seq.2.bn.running_var"),
        ("image_encoder.stages.0.blocks.1.conv3.conv.weight", "image_encoder.layers.0.blocks.1.conv3.c.weight"),
        ("image_encoder.stages.1.downsample.conv1.conv.weight", "image_encoder.layers.0.downsample.conv1.c.weight"),
        ("image_encoder.stages.3.downsample.conv2.bn.bias", "image_encoder.layers.2.downsample.conv2.bn.bias"),
        (
            "image_encoder.stages.2.blocks.5.attn.attention_biases",
            "image_encoder.layers.2.blocks.5.attn.attention_biases",
        ),
        (
            "image_encoder.stages.3.blocks.0.local_conv.conv.weight",
            "image_encoder.layers.3.blocks.0.local_conv.c.weight",
        ),
        ("image_encoder.stages.1.blocks.0.mlp.fc1.bias", "image_encoder.layers.1.blocks.0.mlp.fc1.bias"),
        ("image_encoder.neck.2.weight", "image_encoder.neck.2.weight"),
        ("mask_decoder.output_upscaling.0.weight", "mask_decoder.output_upscaling.0.weight"),
        ("prompt_encoder.no_mask_embed.weight", "prompt_encoder.no_mask_embed.weight"),
    ],
)
def test_each_name_has_its_counterpart_in_the_published_file(ours: str, published: str) -> None:
    assert published_name(ours) == published


def test_a_published_file_gives_the_embedding_of_a_second_implementation(model: Sam, tmp_path: Path) -> None:
    path, loaded, state = tmp_path / "mobile_sam.pt", build_tiny(), publish(model)
    torch.save(state, path)
    load_published(loaded, path, "mobile_sam")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    images = torch.randn(2, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        mine, expected = loaded.image_encoder(images), PublishedTinyViT(state, SIZES).encode(images)
    assert mine.shape == expected.shape == (2, 32, 16, 16)
    assert expected.std() > 0.5
    assert (mine - expected).abs().max() < 2e-5


def test_the_published_file_is_loaded_by_its_registry_entry(tmp_path: Path) -> None:
    torch.manual_seed(0)
    entry = find_segmenter("mobile_sam")
    state = {published_name(name): tensor for name, tensor in build_mobile_sam().state_dict().items()}
    torch.save(state, tmp_path / "mobile_sam.pt")
    path = find_segmenter_checkpoint(entry, "", tmp_path)
    segmenter = build_segmenter(entry, path, device="cpu", dtype="auto")
    assert isinstance(segmenter, SamSegmenter)
    spec = segmenter.embedding_spec(Size(1500, 1000))
    assert (spec.family, spec.input_size, spec.nbytes) == ("mobile_sam", Size(1024, 683), 2 * 2**20)


def test_indices_that_older_files_hold_are_not_needed(model: Sam, tmp_path: Path) -> None:
    path = tmp_path / "mobile_sam.pt"
    indices = {"image_encoder.layers.1.blocks.0.attn.attention_bias_idxs": torch.zeros(49, 49, dtype=torch.long)}
    torch.save(publish(model) | indices, path)
    load_published(build_tiny(), path, "mobile_sam")


# ---- files that are refused


def refuse(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_published(build_tiny(), path, "mobile_sam")
    assert "python -m scripts.download_models mobile_sam" in caught.value.remedy
    return caught.value


def test_missing_and_unexpected_weights_are_named_as_in_the_file(model: Sam, tmp_path: Path) -> None:
    path, state = tmp_path / "mobile_sam.pt", publish(model)
    del state["image_encoder.layers.0.downsample.conv1.c.weight"]
    state["image_encoder.layers.9.extra"] = torch.zeros(1)
    torch.save(state, path)
    assert refuse(path).message == (
        f"The checkpoint {path} does not match the model 'mobile_sam': missing "
        "image_encoder.layers.0.downsample.conv1.c.weight; unexpected image_encoder.layers.9.extra."
    )


def test_a_weight_of_another_shape_is_named(model: Sam, tmp_path: Path) -> None:
    path = tmp_path / "mobile_sam.pt"
    torch.save(publish(model) | {"image_encoder.neck.1.bias": torch.zeros(7)}, path)
    with pytest.raises(CheckpointError, match=r"'mobile_sam': size mismatch for image_encoder\.neck\.1\.bias"):
        load_published(build_tiny(), path, "mobile_sam")


def test_weights_of_sams_first_release_are_recognized(tmp_path: Path) -> None:
    path = tmp_path / "sam_vit_b_01ec64.pth"
    torch.save(build_sam("demo").state_dict(), path)
    message = refuse(path).message
    assert "unexpected image_encoder.pos_embed, image_encoder.patch_embed.proj.weight and 61 more" in message
    assert "These are weights of SAM's first release (vit_b, vit_l, vit_h)." in message


def test_weights_of_transformers_are_recognized_and_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"vision_encoder.backbone.pos_embed": torch.zeros(1)}, path)
    assert "These are weights of a model of transformers, such as SAM 2.1 or EdgeTAM." in refuse(path).message
    assert refuse(tmp_path).message == f"{tmp_path} is a folder, but the weights of 'mobile_sam' are one file."


def test_its_own_file_is_refused_by_another_family(model: Sam, tmp_path: Path) -> None:
    path = tmp_path / "mobile_sam.pt"
    torch.save(publish(model), path)
    with pytest.raises(CheckpointError, match=r"does not match the model 'demo': Missing key"):
        build_segmenter(find_segmenter("demo"), path, device="cpu", dtype="auto")
