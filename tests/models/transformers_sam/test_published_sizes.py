"""The published sizes on torch's meta device: shapes and parameter counts without a single weight."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from backend.errors import CheckpointError
from backend.models.registry import build_segmenter, find_segmenter
from backend.models.transformers_sam.segmenter import TransformersSam
from backend.models.transformers_sam.steps import LEVELS
from backend.values import Size
from scripts.measuring.random_weights import published_config

MILLIONS = {
    "sam2.1_hiera_tiny": 31.4,
    "sam2.1_hiera_small": 38.5,
    "sam2.1_hiera_base_plus": 73.3,
    "sam2.1_hiera_large": 216.9,
    "edgetam": 9.1,
}


@pytest.mark.parametrize("sam_model", MILLIONS)
def test_parameters_and_shapes_are_the_published_ones(sam_model: str) -> None:
    model_class = transformers.EdgeTamModel if sam_model == "edgetam" else transformers.Sam2Model
    with torch.device("meta"):
        model = model_class(published_config(sam_model)).eval()
        features = model.get_image_features(torch.zeros(1, 3, 1024, 1024)).fpn_hidden_states
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(
        MILLIONS[sam_model], abs=0.05
    )
    segmenter = TransformersSam(model, family=find_segmenter(sam_model).family, device="meta")
    spec = segmenter.embedding_spec(Size(1500, 1000))
    half = np.dtype(np.float16)
    assert spec.arrays == {
        "high_res_0": (half, (32, 256, 256)),
        "high_res_1": (half, (64, 128, 128)),
        "image_embed": (half, (256, 64, 64)),
    }
    assert (spec.original_size, spec.input_size, spec.nbytes) == (Size(1500, 1000), Size(1024, 1024), 8_388_608)
    for name, level in zip(LEVELS, features, strict=True):
        channels, rows, columns = spec.arrays[name][1]
        assert level.shape == (rows * columns, 1, channels)
    assert segmenter.mask_to_logits(np.ones((10, 30), bool)).shape == (1, 256, 256)


@pytest.mark.parametrize("sam_model", sorted(set(MILLIONS) - {"edgetam"}))
def test_the_config_of_a_published_model_is_taken_for_its_own_name(sam_model: str, tmp_path: Path) -> None:
    """So the weights are looked at, of which there are none."""
    config = published_config(sam_model).to_dict() | {"model_type": "sam2_video"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    other = "sam2.1_hiera_tiny" if sam_model != "sam2.1_hiera_tiny" else "sam2.1_hiera_small"
    with pytest.raises(CheckpointError, match=rf"SAM_MODEL is {other}, but .* contains {sam_model}\."):
        build_segmenter(find_segmenter(other), tmp_path, device="cpu", dtype="auto")
