"""The sections of the benchmark: what each measures, on which pictures and how often.

Torch is imported by the section that needs it, so that the command's help does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.settings import Settings
from backend.values import Prompt, Size

TWELVE_MEGAPIXELS = Size(4000, 3000)
FASTER_CLASSES = {"demo-clip": 1.8, "ViT-B-32": 1.3}
FASTER_PROJECT = {"640x480": 5.0, "1080p": 12.0}
FASTER_CLICK = {"demo": 1 / 0.8, "vit_b": 1 / 0.95}


@dataclass(frozen=True)
class Bench:
    """Inputs shared by the sections; the subject is loaded once."""

    settings: Settings
    pictures: Sequence[Any]
    small: Sequence[Any]
    folder: Path
    repeats: int

    @property
    def few(self) -> int:
        return max(3, self.repeats // 8)

    @cached_property
    def subject(self) -> Any:
        from scripts.measuring.subjects import build_subject

        return build_subject(self.settings)


def _measure_click(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks, payloads, redis_tier

    subject, pictures = bench.subject, bench.pictures
    rows: list[Any] = clicks.measure_click(
        subject, pictures, repeats=bench.repeats, aim=FASTER_CLICK.get(subject.name, 1.0)
    )
    rows.append(clicks.measure_next_click(subject, pictures[0], repeats=bench.few))
    rows.append(clicks.measure_return(subject, pictures, repeats=bench.few))
    rows.append(redis_tier.measure_redis_click(subject, pictures[0], bench.folder, repeats=bench.repeats))
    return rows + payloads.measure_payload(subject, pictures[0], repeats=bench.repeats)


def _measure_model(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks

    return clicks.measure_model(bench.subject, bench.pictures[0], encodes=bench.few, repeats=bench.repeats)


def _measure_http(bench: Bench) -> list[Any]:
    from scripts.measuring import clicks, server

    (in_server, *_) = clicks.measure_click(bench.subject, bench.pictures, repeats=bench.repeats, aim=1.0)
    return server.measure_http(
        bench.settings, bench.pictures, bench.folder, repeats=bench.repeats, in_server_ms=in_server.p50_ms
    )


def _measure_vit_b(bench: Bench) -> list[Any]:
    """Measure a click, the return to an image and a click from Redis; encoding five images takes most of the time."""
    from scripts.measuring import clicks, redis_tier
    from scripts.measuring.subjects import build_subject, with_random_weights

    settings = with_random_weights(bench.settings, "vit_b", bench.folder)
    subject = build_subject(settings.model_copy(update={"clip_model": "none"}))
    rows = clicks.measure_click(subject, bench.pictures, repeats=bench.few, aim=FASTER_CLICK["vit_b"])
    rows.append(clicks.measure_return(subject, bench.pictures, repeats=1))
    return [*rows, redis_tier.measure_redis_click(subject, bench.pictures[0], bench.folder, repeats=bench.few)]


def _measure_codec(bench: Bench) -> list[Any]:
    from scripts.measuring import codecs, shapes

    rows, subject, picture = [], bench.subject, bench.pictures[0]
    embedding = subject.segmenter.encode(picture.scene.pixels)
    for what, masks in (
        ("1080p", _objects(subject, embedding, picture)),
        ("12 MP", _objects(subject, replace(embedding, original_size=TWELVE_MEGAPIXELS), picture)),
    ):
        rows += codecs.measure_codec(what, masks[:4], repeats=bench.few)
        rows += shapes.measure_shapes(what, masks[:4], repeats=bench.few)
    return rows


def _measure_export(bench: Bench) -> list[Any]:
    from scripts.measuring.exporting import measure_export

    return measure_export(bench.folder, repeats=bench.few)


def _measure_classes(bench: Bench) -> list[Any]:
    from scripts.measuring import bulk
    from scripts.measuring.subjects import with_random_clip

    if not bench.subject.predictor.labeler.can_classify:
        return []
    rows = [
        bulk.measure_clip(bench.subject, pictures, repeats=bench.few, aim=FASTER_CLASSES.get(bench.settings.clip_model))
        for pictures in (bench.small, bench.pictures)
    ]
    random = replace(bench.subject, settings=with_random_clip(bench.settings, "ViT-B-32", bench.folder))
    aim = FASTER_CLASSES["ViT-B-32"]
    return [*rows, bulk.measure_clip(random, bench.small, repeats=bench.few, aim=aim)]


def _measure_automatic_masks(bench: Bench) -> list[Any]:
    from scripts.measuring import automatic_masks

    rows, few = [], 3  # SamAutomaticMaskGenerator takes half a minute for an image of 1080p
    for pictures, aims in ((bench.small[:few], (6.0, 4.0)), (bench.pictures[:few], (15.0, 10.0))):
        rows += automatic_masks.measure_with_encoder(bench.subject, pictures, aims=aims)
    rows += [automatic_masks.measure_fast_mode(bench.subject, of_size) for of_size in (bench.small, bench.pictures)]
    return [*rows, *automatic_masks.measure_random_models(bench.settings, bench.small[0], bench.folder, repeats=few)]


def _measure_preannotation(bench: Bench) -> list[Any]:
    from scripts.measuring.user_script import measure_user_script

    if not bench.subject.predictor.labeler.can_classify:
        return []
    return [
        measure_user_script(bench.subject, pictures[:2], repeats=3, aim=FASTER_PROJECT[size])
        for size, pictures in (("640x480", bench.small), ("1080p", bench.pictures))
    ]


def _measure_import(bench: Bench) -> list[Any]:
    from scripts.measuring.importing import measure_import

    return [measure_import(bench.settings, bench.folder)]


def _measure_pipeline(bench: Bench) -> list[Any]:
    from scripts.measuring import pipeline

    rows = [
        pipeline.measure_overhead(bench.settings, pictures, repeats=3) for pictures in (bench.small, bench.pictures)
    ]
    workers = pipeline.measure_workers(bench.settings, bench.small, repeats=3)
    return [*rows, workers, pipeline.measure_actors(bench.settings, bench.small, repeats=5)]


def _measure_review(bench: Bench) -> list[Any]:
    from scripts.measuring.review import measure_review

    return [measure_review(bench.subject, pictures[: bench.few + 1]) for pictures in (bench.small, bench.pictures)]


def _measure_rates(bench: Bench) -> list[Any]:
    from scripts.measuring.rates import measure_rates

    return measure_rates(bench.settings, bench.pictures[0], bench.folder, repeats=3)


def _measure_families(bench: Bench) -> list[Any]:
    from scripts.measuring.families import DEFAULT_FAMILIES, measure_families

    threads = bench.settings.torch_threads
    figures = measure_families(DEFAULT_FAMILIES, bench.folder, encodes=bench.few, clicks=bench.repeats, threads=threads)
    return [row for one in figures for row in one.rows]


SECTIONS: dict[str, Callable[[Bench], list[Any]]] = {
    "click": _measure_click,
    "model": _measure_model,
    "http": _measure_http,
    "vit_b": _measure_vit_b,
    "codec": _measure_codec,
    "export": _measure_export,
    "classes": _measure_classes,
    "automatic_masks": _measure_automatic_masks,
    "preannotation": _measure_preannotation,
    "import": _measure_import,
    "pipeline": _measure_pipeline,
    "review": _measure_review,
    "rates": _measure_rates,
    "families": _measure_families,
}


def _objects(subject: Any, embedding: Any, picture: Any) -> list[Any]:
    """Return SAM's masks of the picture's objects, at the embedding's original size."""
    from scripts.demo_world.scenes import click_point

    scale = embedding.original_size.width / picture.scene.size.width
    points = [click_point(scene_object.mask) for scene_object in picture.scene.objects]
    prompts = [Prompt(((x * scale, y * scale),), (1,)) for x, y in points]
    return [subject.segmenter.decode(embedding, prompt, max_masks=1)[0].mask for prompt in prompts]
