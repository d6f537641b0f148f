"""The registry: what it knows of each model, and that a new family needs a module and an entry and nothing else."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import TestResponse

from backend.engine import keep_clean
from backend.errors import BadSettings, CheckpointError
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll, parse_task
from backend.label_studio.results import decode_brush
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
from backend.runtime import BackgroundLoader
from backend.server import Metrics, create_app
from backend.settings import Settings
from backend.values import Candidate, Nesting, ProposalOptions, ProposalParameters, Size
from backend.wiring import LoadedServices, build_predictor, build_services
from tests.fakes import keypoint, predict_body, rectangle
from tests.servers import LocalServer

ONE_LABEL = """<View><Image name="img" value="$photo"/>
<BrushLabels name="b" toName="img"><Label value="cat"/></BrushLabels></View>"""
SIZE = {"original_width": 64, "original_height": 48}


def test_an_unknown_segmenter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BadSettings,
        match=r"'vit_x', which is not a known model\. Did you mean vit_\w\? Choose one of demo, .*vit_b, vit_l, vit_h",
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
    files = {name: file for name, file in published_segmenters().items() if isinstance(file, PublishedFile)}
    of_meta = {name: file for name, file in files.items() if file.url.startswith(base)}
    assert {name: (file.url.removeprefix(base), file.sha256) for name, file in of_meta.items()} == {
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


def test_the_demos_own_models_are_marked_as_such() -> None:
    marked = [name for entries in (SEGMENTERS, CLASSIFIERS) for name, entry in entries.items() if entry.is_demo]
    assert marked == ["demo", "demo-clip"]


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


def test_the_spec_of_a_familys_embeddings_is_known_before_an_image_is_encoded(
    toy_checkpoint: Path, picture: np.ndarray
) -> None:
    segmenter = build_segmenter(find_segmenter("toy"), toy_checkpoint, device="cpu", dtype="auto")
    assert segmenter.embedding_spec(Size(64, 48)) == segmenter.encode(picture).spec


class ToyServer:
    """The whole backend around the toy, behind HTTP, and the address of the picture that it fetches."""

    def __init__(self, services: LoadedServices, uri: str) -> None:
        self.services, self.uri = services, uri
        loader = BackgroundLoader(lambda: services).start()
        loader.get(10)
        self._client = create_app(loader, Metrics(), max_body_bytes=10**6).test_client()

    def click(self, prompt: dict) -> TestResponse:
        """Send a prompt as Label Studio's page does."""
        return self._client.post("/predict", json=predict_body(self.uri, prompt | SIZE))

    def segment_all(self, options: ProposalOptions) -> list[dict]:
        config = parse_labeling_config(ONE_LABEL)
        task = parse_task({"id": 1, "data": {"photo": self.uri}}, config, project_id="1")
        prediction = self.services.predictor.predict(task, config, SegmentAll(options))
        return prediction["result"] if prediction else []


@pytest.fixture
def toy(toy_checkpoint: Path, picture: np.ndarray, start_server: Callable[[], LocalServer]) -> ToyServer:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    server = start_server()
    server.respond = lambda seen, handler: (200, {"Content-Type": "image/png"}, file.getvalue())
    host = server.url.removeprefix("http://")
    settings = Settings(sam_model="toy", clip_model="none", image_allowed_hosts=frozenset({host}))
    return ToyServer(build_services(settings), f"{server.url}/a.png")


def mask_of(result: dict) -> np.ndarray:
    return decode_brush(result["value"]["rle"], Size(64, 48))


def test_a_new_family_answers_clicks_once_it_is_registered(toy: ToyServer, picture: np.ndarray) -> None:
    red = picture[..., 0] == 200
    for x, y, expected in ((50, 50, red), (5, 5, ~red)):
        (prediction,) = toy.click(keypoint(x, y, "dog")).json["results"]
        (result,) = prediction["result"]
        assert result["value"]["brushlabels"] == ["dog"]
        assert np.array_equal(mask_of(result), expected)


def test_a_new_family_makes_automatic_masks_with_its_entrys_parameters(toy: ToyServer) -> None:
    options = toy.services.predictor.default_proposal()
    assert (options.points_per_side, options.min_mask_region_area) == (1, 300)
    areas = [int(mask_of(result).sum()) for result in toy.segment_all(options)]
    assert sorted(areas) == [32 * 24, 64 * 48 - 32 * 24]


def test_an_entry_says_which_masks_are_kept(
    toy_checkpoint: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ProposalOptions(1, 0.0, 0.0, 300, 1.0, mask_nms_thresh=0.6, nesting=Nesting.BEST)
    monkeypatch.setitem(SEGMENTERS, "toy", replace(toy_entry(bundled=toy_checkpoint), automatic_masks=kept))
    assert build_predictor(Settings(sam_model="toy", clip_model="none")).default_proposal() == kept


def test_the_demo_keeps_the_better_one_of_overlapping_and_of_nested_masks() -> None:
    def block(left: int, right: int, score: float) -> Candidate:
        mask = np.zeros((10, 100), bool)
        mask[:, left:right] = True
        return Candidate(mask, score)

    options = ProposalOptions(**asdict(find_segmenter("demo").automatic_masks))
    part, whole, other = block(0, 20, 0.9), block(0, 40, 0.8), block(50, 80, 0.7)
    assert keep_clean([part, whole, other], options) == [part, other]
    shifted = block(54, 84, 0.6)  # 26 of 34 columns are shared: an IoU of 0.76, and neither lies in the other
    assert keep_clean([other, shifted], options) == [other]


def test_the_facts_of_a_new_family_are_its_own(toy: ToyServer, toy_checkpoint: Path) -> None:
    facts, digest = toy.services.facts, hashlib.sha256(toy_checkpoint.read_bytes()).hexdigest()
    assert (facts.sam_name, facts.sam_sha256, facts.model_version) == ("toy", digest, f"toy-{digest[:8]}")
    assert (facts.device, facts.encoder_dtype, facts.is_demo) == ("cpu", "uint8", False)


def test_the_same_weights_under_two_names_share_no_cached_embedding(
    toy_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprints = []
    monkeypatch.setattr("backend.wiring.ImageEncoder", lambda *_, fingerprint: fingerprints.append(fingerprint))
    monkeypatch.setitem(SEGMENTERS, "other", replace(toy_entry(bundled=toy_checkpoint), name="other", family="other"))
    for name in ("toy", "other", "toy"):
        build_predictor(Settings(sam_model=name, clip_model="none"))
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


def test_a_cpu_is_suggested_one_segmenter() -> None:
    assert [name for name, entry in SEGMENTERS.items() if entry.suggested_for == "a CPU"] == ["mobile_sam"]


def test_a_prompt_that_the_family_does_not_handle_is_refused(toy: ToyServer) -> None:
    reply = toy.click(rectangle(10, 10, 50, 50))
    assert reply.status_code == 422
    assert "This model takes no boxes." in reply.text


@pytest.mark.usefixtures("toy_checkpoint")
def test_a_registered_family_is_among_those_there_are() -> None:
    with pytest.raises(BadSettings, match=r"Choose one of demo, .*vit_b, vit_l, vit_h, toy"):
        find_segmenter("vit_x")
