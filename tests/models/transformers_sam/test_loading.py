"""A folder becomes a segmenter, or is refused with what is wrong with it and what to do."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import BadSettings, CheckpointError
from backend.models.checkpoints import fingerprint_of
from backend.models.registry import build_segmenter, find_segmenter
from backend.models.transformers_library import TRANSFORMERS_VERSION
from backend.models.transformers_sam.segmenter import TransformersSam
from backend.values import Prompt, Size
from scripts.measuring.random_weights import published_config
from tests.models.transformers_sam.tiny_models import SAM_MODELS, SIDE, build_tiny, write_folder
from tests.paths import ROOT

CLICK = Prompt(((30.0, 20.0),), (1,))


def build(family: str, folder: Path) -> Any:
    return build_segmenter(find_segmenter(SAM_MODELS[family]), folder, device="cpu", dtype="auto")


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_gives_the_model_that_was_written_to_it(tiny: Any, family: str, folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    loaded, original = build(family, folder), TransformersSam(tiny, family=family, device="cpu")
    assert (loaded.device, loaded.encoder_dtype, loaded.refines_by_logits) == ("cpu", "float32", True)
    found, expected = (one.decode(one.encode(pixels), CLICK) for one in (loaded, original))
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
    assert loaded.encode(pixels).spec == original.embedding_spec(Size(70, 50))


def test_of_a_video_folder_the_image_part_is_loaded(tiny: Any, family: str, tmp_path: Path) -> None:
    """As facebook/sam2.1-hiera-tiny is: the config of the video model, and weights that clicks do not use."""
    import transformers

    config = tiny.config
    parts = {name: getattr(config, name) for name in ("vision_config", "prompt_encoder_config", "mask_decoder_config")}
    kinds = {"sam2": transformers.Sam2VideoConfig, "edgetam": transformers.EdgeTamVideoConfig}
    models = {"sam2": transformers.Sam2VideoModel, "edgetam": transformers.EdgeTamVideoModel}
    sizes = {"memory_encoder_output_channels": 64, "memory_encoder_hidden_size": 128, "mask_downsampler_embed_dim": 128}
    fuser = {"memory_fuser_embed_dim": 128, "memory_attention_hidden_size": 128}
    video_config = kinds[family](**parts, image_size=SIDE, **sizes, **fuser)
    torch.manual_seed(1)
    video = models[family](video_config)
    video.load_state_dict(tiny.state_dict(), strict=False)
    folder = write_folder(tmp_path / "video", family, video.state_dict())
    (folder / "config.json").write_text(json.dumps(video_config.to_dict()))
    assert json.loads((folder / "config.json").read_text())["model_type"] == f"{family}_video"
    assert len(video.state_dict()) > len(tiny.state_dict())
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    loaded, original = build(family, folder), TransformersSam(tiny, family=family, device="cpu")
    found, expected = (one.decode(one.encode(pixels), CLICK) for one in (loaded, original))
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)


def test_the_backbone_of_edgetam_need_not_be_named_by_the_config(tmp_path: Path) -> None:
    """`EdgeTamConfig` writes "archirecture", and reads a ResNet from that."""
    folder = write_folder(tmp_path / "edgetam", "edgetam", build_tiny("edgetam").state_dict())
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["backbone_config"] = {"model_type": "timm_wrapper", "archirecture": "repvit_m1"}
    (folder / "config.json").write_text(json.dumps(config))
    build("edgetam", folder)


# ---- weights


NAME = "mask_decoder.conv_s0.weight"


def test_missing_weights_are_named(tiny: Any, family: str, tmp_path: Path) -> None:
    state = tiny.state_dict()
    del state[NAME]
    with pytest.raises(CheckpointError, match=rf"does not match the model '.*': it lacks {re.escape(NAME)}\. Set SAM_"):
        build(family, write_folder(tmp_path / "a", family, state))


def test_unexpected_weights_are_named(tiny: Any, family: str, tmp_path: Path) -> None:
    more = {f"mask_decoder.hf_{number}.weight": torch.zeros(1) for number in range(5)}
    named = r"also has mask_decoder\.hf_0\.weight, mask_decoder\.hf_1\.weight, mask_decoder\.hf_2\.weight and 2 more\."
    with pytest.raises(CheckpointError, match=named):
        build(family, write_folder(tmp_path / "a", family, tiny.state_dict() | more))


def test_weights_of_another_shape_are_named(tiny: Any, family: str, tmp_path: Path) -> None:
    state = tiny.state_dict() | {NAME: torch.zeros(8, 64, 1, 1)}
    with pytest.raises(CheckpointError, match=rf"has other shapes of {re.escape(NAME)}\."):
        build(family, write_folder(tmp_path / "a", family, state))


def test_weights_of_another_family_under_the_right_config_are_refused(tiny: Any, family: str, tmp_path: Path) -> None:
    other = build_tiny("edgetam" if family == "sam2" else "sam2")
    with pytest.raises(CheckpointError, match=r"it lacks vision_encoder\..* more; it also has vision_encoder\."):
        build(family, write_folder(tmp_path / "a", family, other.state_dict()))


def test_half_a_file_is_told_from_a_missing_one(family: str, folder: Path) -> None:
    weights = folder / "model.safetensors"
    command = f"python -m scripts.download_models {SAM_MODELS[family]}"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=rf"\({len(data) // 2} bytes\) is damaged or incomplete: .*{command}"):
        build(family, folder)
    weights.unlink()
    with pytest.raises(CheckpointError, match=rf"it has no model\.safetensors\. Download it with `{command}`"):
        build(family, folder)


# ---- configs


def test_a_folder_of_another_family_is_refused_with_the_setting_for_it(family: str, folder: Path) -> None:
    other, setting = ("edgetam", "edgetam") if family == "sam2" else ("sam2", "one of the sam2.1_hiera models")
    change_config(folder, model_type=f"{other}_video")
    with pytest.raises(
        CheckpointError, match=rf"'{other}_video', but .* is one of type .* Set SAM_MODEL to {setting}\."
    ):
        build(family, folder)


@pytest.mark.parametrize("model_type", ["clip", None, 7, "x" * 5000])
def test_a_folder_of_any_other_model_is_refused(family: str, folder: Path, model_type: Any) -> None:
    change_config(folder, model_type=model_type)
    with pytest.raises(CheckpointError, match=r"holds a model of type .* Set SAM_CHECKPOINT to a folder of") as caught:
        build(family, folder)
    assert len(str(caught.value)) < 1500


def test_what_is_no_model_folder_is_refused(family: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"is a file, but .* is loaded from a folder with config\.json, model\.safetensors"
    ):
        build(family, folder / "model.safetensors")
    (folder / "config.json").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"config\.json \(1 bytes\) is damaged or incomplete: .* Delete it\. Download it"
    ):
        build(family, folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"config\.json .* it is a list, not an object with settings"):
        build(family, folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"is not a model folder of .*: it has no config\.json"):
        build(family, folder)


def test_a_config_with_values_of_the_wrong_type_is_refused(family: str, folder: Path) -> None:
    change_config(folder, mask_decoder_config={"hidden_size": "many"})
    with pytest.raises(CheckpointError, match=r"config\.json is not the config of .*hidden_size"):
        build(family, folder)


def test_a_published_size_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    """Before the weights are read, which are hundreds of megabytes."""
    folder = write_folder(tmp_path / "a", "sam2", {NAME: torch.zeros(1)})
    change_config(folder, vision_config=published_config("sam2.1_hiera_base_plus").to_dict()["vision_config"])
    message = (
        r"SAM_MODEL is sam2\.1_hiera_tiny, but .* contains sam2\.1_hiera_base_plus\. Set SAM_MODEL=sam2\.1_hiera_b"
    )
    with pytest.raises(CheckpointError, match=message):
        build("sam2", folder)


def test_no_fingerprint_is_shared_between_families(tmp_path: Path) -> None:
    """Nor between two configs of the same weights."""
    state = {NAME: torch.zeros(1)}
    folders = [write_folder(tmp_path / name, name, state) for name in ("sam2", "edgetam")]
    folders.append(write_folder(tmp_path / "video", "sam2", state, model_type="sam2_video"))
    assert len({fingerprint_of(folder) for folder in folders}) == 3


# ---- transformers


def test_without_transformers_the_setting_and_the_command_are_named(
    family: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # so that its import fails
    command = re.escape("`pip install -r requirements-models.txt -c constraints.txt`")
    with pytest.raises(BadSettings, match=rf"SAM_MODEL={SAM_MODELS[family]} needs transformers .* {command}"):
        build(family, folder)


def test_another_version_of_transformers_is_refused(family: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.__version__", "4.57.1")
    with pytest.raises(
        BadSettings, match=rf"needs transformers {TRANSFORMERS_VERSION}, but 4\.57\.1 is installed\. Ins"
    ):
        build(family, folder)


def test_the_version_is_the_one_that_is_installed_by_the_requirements() -> None:
    assert f"transformers=={TRANSFORMERS_VERSION}" in (ROOT / "requirements-models.txt").read_text().splitlines()
    assert importlib.metadata.version("transformers") == TRANSFORMERS_VERSION
