"""Time of each model stage of a bulk run for the published architectures, from which docs/scaling.md calculates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.settings import Settings
from scripts.measuring.automatic_masks import limit_survivors
from scripts.measuring.bulk import class_vocabulary, load_classifier
from scripts.measuring.place import Picture
from scripts.measuring.subjects import with_random_clip
from scripts.measuring.timing import Row, build_row, time_ms

GROUP = "Stages of a bulk run"
POINTS_PER_SIDE = 32  # SamAutomaticMaskGenerator's default
ON_CPU, ON_GPU = ("vit_b",), ("vit_b", "vit_l", "vit_h")
CLIP_ON_CPU, CLIP_ON_GPU = ("ViT-B-32",), ("ViT-B-32", "ViT-L-14")


def measure_rates(settings: Settings, picture: Picture, folder: Path, *, repeats: int) -> list[Row]:
    """Measure the encoder, the automatic masks and CLIP with random weights, which are as fast as others."""
    is_cuda = SamSegmenter(build_sam("demo"), device=settings.device).device.startswith("cuda")
    rows = []
    for name in ON_GPU if is_cuda else ON_CPU:
        rows += _measure_sam(settings, name, picture, repeats)
    for name in CLIP_ON_GPU if is_cuda else CLIP_ON_CPU:
        rows.append(_measure_clip(with_random_clip(settings, name, folder), picture, repeats))
    return rows


def _measure_sam(settings: Settings, name: str, picture: Picture, repeats: int) -> list[Row]:
    torch.manual_seed(0)
    segmenter = SamSegmenter(build_sam(name), device=settings.device, encoder_dtype=settings.sam_dtype)
    pixels, size = picture.scene.pixels, picture.scene.size
    embedding = segmenter.encode(pixels)
    parameters = limit_survivors(segmenter, embedding, POINTS_PER_SIDE)
    count = len(segmenter.propose(embedding, parameters))
    side = f"{POINTS_PER_SIDE}x{POINTS_PER_SIDE}"
    return [
        _measure(f"encode an image of {size}, SAM {name}", partial(segmenter.encode, pixels), repeats),
        _measure(
            f"automatic masks of {size}, {side} points, SAM {name}",
            partial(segmenter.propose, embedding, parameters),
            repeats,
            remark=f"after the encoder; {count} masks remain",
        ),
    ]


def _measure_clip(settings: Settings, picture: Picture, repeats: int) -> Row:
    classifier, classes = load_classifier(settings), class_vocabulary()
    masks = [scene_object.mask for scene_object in picture.scene.objects]
    crops = classifier.crop_masks(picture.scene.pixels, (masks * 100)[:100])
    work = partial(classifier.classify_crops, crops, [classes], top_k=5)
    return _measure(f"classify 100 crops, CLIP {settings.clip_model}", work, repeats, remark="after cropping")


def _measure(what: str, work: Callable[[], object], repeats: int, *, remark: str = "") -> Row:
    work()  # a warm-up
    return build_row(GROUP, what, [time_ms(work) for _ in range(repeats)], remark=remark)
