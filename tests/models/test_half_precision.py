"""What a half-precision encoder costs: on cuda, and on a CPU under the casts that CUDA's autocast makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.common import LayerNorm2d

from backend.errors import BadSettings
from backend.geometry import mask_iou
from backend.models.devices import choose_encoder_dtype
from backend.models.sam.segmenter import SamSegmenter
from backend.values import ImageEmbedding, Prompt
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene

MIN_IOU = 0.99
SCENES = 20
Encode = Callable[[Scene], ImageEmbedding]


def mean_agreement(segmenter: SamSegmenter, exact: Encode, half: Encode) -> tuple[float, int, int]:
    """Mean IoU of the best masks for a click on each object, how many candidates switched, and how many objects."""
    ious, switches = [], 0
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + SCENES):
        scene = make_scene(seed)
        one, other = exact(scene), half(scene)
        for thing in scene.objects:
            prompt = Prompt((click_point(thing.mask),), (1,))
            best = segmenter.decode(one, prompt)[0].mask
            overlap = [mask_iou(candidate.mask, best) for candidate in segmenter.decode(other, prompt)]
            switches += int(np.argmax(overlap) != 0)
            ious.append(overlap[0])
    return float(np.mean(ious)), switches, len(ious)


def _say(capsys: Any, dtype: str, found: tuple[float, int, int]) -> None:
    with capsys.disabled():
        print(f"\n{dtype}: mean IoU {found[0]:.4f}, {found[1]} of {found[2]} candidates switched")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_half_precision_encoder_agrees_with_float32(demo_sam, dtype: str, capsys, monkeypatch) -> None:
    """On a CPU, whose autocast leaves `pow` in half precision; CUDA's takes it in float32.

    The squares in SAM's LayerNorm2d go over float16's 65504: without that cast the mean IoU is 0.84.
    """
    plain = LayerNorm2d.forward

    def in_float32(self: LayerNorm2d, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return plain(self, x.float())

    segmenter = SamSegmenter(demo_sam, device="cpu")
    encode = segmenter._encode
    monkeypatch.setattr(LayerNorm2d, "forward", in_float32)

    def encode_half(model: Sam, resized: np.ndarray) -> np.ndarray:
        with torch.autocast("cpu", dtype=getattr(torch, dtype)):
            image = torch.as_tensor(resized).permute(2, 0, 1).contiguous()[None]
            return model.image_encoder(model.preprocess(image))[0].float().detach().numpy()

    def half(scene: Scene) -> ImageEmbedding:
        segmenter._encode = encode_half
        try:
            return segmenter.encode(scene.pixels)
        finally:
            segmenter._encode = encode

    found = mean_agreement(segmenter, lambda scene: segmenter.encode(scene.pixels), half)
    _say(capsys, f"{dtype} on a CPU", found)
    assert found[0] >= MIN_IOU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_half_precision_encoder_on_cuda_agrees_with_float32(demo_sam, dtype: str, capsys) -> None:
    exact = SamSegmenter(demo_sam, device="cuda", encoder_dtype="float32")
    half = SamSegmenter(demo_sam, device="cuda", encoder_dtype=dtype)
    found = mean_agreement(exact, lambda scene: exact.encode(scene.pixels), lambda scene: half.encode(scene.pixels))
    _say(capsys, f"{dtype} on cuda", found)
    assert found[0] >= MIN_IOU


def test_a_cpu_encodes_in_float32_whatever_is_asked() -> None:
    assert choose_encoder_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_encoder_dtype("float16", torch.device("cpu")) == torch.float32
    with pytest.raises(BadSettings, match="SAM_DTYPE is 'int4'"):
        choose_encoder_dtype("int4", torch.device("cpu"))


@pytest.mark.parametrize(("major", "dtype"), [(7, torch.float16), (8, torch.bfloat16)])
def test_a_card_that_only_emulates_bfloat16_gets_float16(major: int, dtype: torch.dtype, monkeypatch) -> None:
    """torch calls a T4 (7.5) capable of bfloat16, and is slow at it."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (major, 5))
    assert choose_encoder_dtype("auto", torch.device("cuda")) == dtype
