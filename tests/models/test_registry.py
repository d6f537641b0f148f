"""The registry: what it knows of each model, and that a new family needs a module and an entry and nothing else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadPrompt, BadSettings, CheckpointError
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_task
from backend.models import checkpoints
from backend.models.registry import (
    CLASSIFIERS,
    DEMO_CLIP,
    DEMO_SAM,
    SEGMENTERS,
    Ability,
    PublishedFile,
    SegmenterEntry,
    build_segmenter,
    find_classifier,
    find_segmenter,
    published_segmenters,
)
from backend.models.sam.segmenter import SamSegmenter
from backend.predict import Job, TaskPredictor
from backend.settings import Settings
from backend.values import ProposalParameters, Region
from backend.wiring import build_predictor, uses_demo_models
from tests.fakes import keypoint, rectangle
from tests.servers import LocalServer

CONFIG = parse_labeling_config(
    """<View><Image name="img" value="$photo"/>
    <BrushLabels name="b" toName="img"><Label value="cat"/></BrushLabels>
    <KeyPointLabels name="k" toName="img" smart="true"><Label value="cat"/></KeyPointLabels>
    <RectangleLabels name="r" toName="img" smart="true"><Label value="cat"/></RectangleLabels></View>"""
)


def test_an_unknown_segmenter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BadSettings, match=r"'vit_x', which is no known architecture\. Choose one of demo, vit_b, vit_l, vit_h"
    ):
        find_segmenter("vit_x")


def test_real_weights_keep_sams_own_thresholds() -> None:
    for name in ("vit_b", "vit_l", "vit_h"):
        d = find_segmenter(name).automatic_masks
        assert (d.points_per_side, d.pred_iou_thresh, d.stability_score_thresh, d.min_mask_region_area) == (
            32,
            0.86,
            0.92,
            100,
        )


def test_the_published_files_are_metas_own() -> None:
    """Names and pins as https://github.com/facebookresearch/segment-anything and `sha256sum` give them."""
    base = "https://dl.fbaipublicfiles.com/segment_anything/"
    assert {name: (file.url.removeprefix(base), file.sha256) for name, file in published_segmenters().items()} == {
        "vit_b": ("sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
        "vit_l": ("sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
        "vit_h": ("sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
    }


def test_every_entry_is_filed_under_its_name_and_has_a_builder() -> None:
    assert all(name == entry.name for entries in (SEGMENTERS, CLASSIFIERS) for name, entry in entries.items())
    for entry in SEGMENTERS.values():
        module, _, function = entry.builder.partition(":")
        assert callable(getattr(import_module(module), function))


def test_the_demo_sam_is_built_by_its_entry() -> None:
    segmenter = build_segmenter(find_segmenter("demo"), DEMO_SAM, device="cpu", dtype="auto")
    assert isinstance(segmenter, SamSegmenter)
    assert (segmenter.device, segmenter.encoder_dtype, segmenter.refines_by_logits) == ("cpu", "float32", True)
    assert segmenter.identity == "pre1-enc-float32-float16"  # part of the keys of every embedding that Redis keeps


def test_the_demo_clip_has_templates_and_a_checkpoint_of_its_own() -> None:
    demo, other = find_classifier("demo-clip"), find_classifier("ViT-B-32")
    assert (demo.templates, len(other.templates)) == (("a photo of a {}.", "a {}."), 6)
    assert (demo.bundled, other.bundled, other.configs) == (DEMO_CLIP, None, None)


@pytest.mark.parametrize(
    ("settings", "is_demo"),
    [
        (Settings(), True),
        (Settings(sam_model="vit_b"), True),  # CLIP is the demo's
        (Settings(clip_model="none"), True),
        (Settings(sam_model="vit_b", clip_model="ViT-B-32"), False),
        (Settings(sam_checkpoint="own.pth", clip_pretrained="own.pt"), False),
    ],
)
def test_demo_models_are_those_with_the_projects_own_weights(settings: Settings, is_demo: bool) -> None:
    assert uses_demo_models(settings) is is_demo


def test_a_published_file_may_have_another_name_in_the_weights_folder(tmp_path: Path) -> None:
    file = PublishedFile("https://huggingface.co/a/b/resolve/main/model.safetensors", 156, local_name="b.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"weights")
    found = checkpoints.find_segmenter_checkpoint(toy_entry(published=file), "", tmp_path)
    assert found == tmp_path / "b.safetensors"
    checkpoints.verify_pin(found, file)  # without a pin there is nothing to compare


def test_a_model_without_published_weights_asks_for_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"The weights of toy are not published\. Set SAM_CHECKPOINT"):
        checkpoints.find_segmenter_checkpoint(toy_entry(), "", tmp_path)


# ---- a family of one's own


def toy_entry(*, bundled: Path | None = None, published: PublishedFile | None = None) -> SegmenterEntry:
    return SegmenterEntry(
        "toy",
        family="toy",
        builder="tests.models.toy_family:build",
        licence="CC0-1.0",
        abilities=frozenset({Ability.POINTS, Ability.AUTOMATIC_MASKS}),
        automatic_masks=ProposalParameters(1, 0.0, 0.0, 300, 1.0),
        bundled=bundled,
        published=published,
    )


@pytest.fixture
def toy_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of the toy family, which is registered during the test."""
    checkpoint = tmp_path / "tolerance.npy"
    np.save(checkpoint, 8.0)
    monkeypatch.setitem(SEGMENTERS, "toy", toy_entry(bundled=checkpoint))
    return checkpoint


@pytest.fixture
def picture() -> np.ndarray:
    """64 x 48 grey pixels with a red square of 32 x 24, on the borders of the toy's cells."""
    pixels = np.full((48, 64, 3), 90, np.uint8)
    pixels[12:36, 16:48] = (200, 30, 30)
    return pixels


@dataclass(frozen=True)
class Toy:
    """The whole backend around the toy, and the address of the picture that it fetches."""

    predictor: TaskPredictor
    uri: str

    def ask(self, *prompts: dict, job: Job = Job()) -> tuple[Region, ...]:
        task = parse_task({"id": 1, "data": {"photo": self.uri}}, CONFIG, list(prompts), project_id="1")
        return self.predictor.predict(task, CONFIG, job).regions


@pytest.fixture
def toy(toy_checkpoint: Path, picture: np.ndarray, start_server: Callable[[], LocalServer]) -> Toy:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    server = start_server()
    server.respond = lambda seen, handler: (200, {"Content-Type": "image/png"}, file.getvalue())
    host = server.url.removeprefix("http://")
    settings = Settings(sam_model="toy", clip_model="none", image_allowed_hosts=frozenset({host}))
    return Toy(build_predictor(settings), f"{server.url}/a.png")


def test_a_new_family_answers_clicks_once_it_is_registered(toy: Toy, picture: np.ndarray) -> None:
    red = picture[..., 0] == 200
    (region,) = toy.ask(keypoint(50, 50, size=(64, 48)))
    assert region.label == "cat"
    assert np.array_equal(region.mask, red)
    (region,) = toy.ask(keypoint(5, 5, size=(64, 48)))
    assert np.array_equal(region.mask, ~red)


def test_a_new_family_makes_automatic_masks_with_its_entrys_parameters(toy: Toy) -> None:
    options = toy.predictor.default_proposal()
    assert (options.points_per_side, options.min_mask_region_area) == (1, 300)
    areas = [int(region.mask.sum()) for region in toy.ask(job=Job(proposal=options))]
    assert sorted(areas) == [32 * 24, 64 * 48 - 32 * 24]


def test_predictions_name_the_new_family_and_its_weights(toy: Toy, toy_checkpoint: Path) -> None:
    assert toy.predictor.model_version == f"toy-{hashlib.sha256(toy_checkpoint.read_bytes()).hexdigest()[:8]}"


def test_a_prompt_that_the_family_does_not_handle_is_refused(toy: Toy) -> None:
    box = rectangle(10, 10, 50, 50) | {"original_width": 64, "original_height": 48}
    with pytest.raises(BadPrompt, match="This model takes no boxes"):
        toy.ask(box)


@pytest.mark.usefixtures("toy_checkpoint")
def test_a_registered_family_is_among_those_there_are() -> None:
    with pytest.raises(BadSettings, match="Choose one of demo, vit_b, vit_l, vit_h, toy"):
        find_segmenter("vit_x")
