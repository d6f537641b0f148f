"""Proposals with known errors for scenes of the demo world, and what a careful person makes of them.

The truth is exact, so every proposal that differs from it is one that the person corrects: the report on such a project
must find these numbers again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.geometry import Ellipse, ellipse_to_mask, mask_iou
from backend.label_studio.config import LabelingConfig
from backend.label_studio.results import LabeledRegion, build_prediction, build_results
from backend.values import Mask
from scripts.demo_world.damage import CHANGES, damage_mask
from scripts.demo_world.scenes import Scene, SceneObject
from scripts.demo_world.surfaces import COLOURS

Json = dict[str, Any]
HARD = "orange"  # the class that the made-up model is bad at
SHARES = {"untouched": 0.68, "edited": 0.14, "reclassified": 0.09, "added": 0.09}
SHARES_OF_HARD = {"untouched": 0.25, "edited": 0.35, "reclassified": 0.25, "added": 0.15}
SCORES = {"untouched": (0.72, 0.99), "edited": (0.4, 0.9), "reclassified": (0.45, 0.92), "deleted": (0.2, 0.75)}
GHOSTS_A_SCENE = 0.6  # proposals where there is nothing
MAX_GHOST_IOU = 0.2  # with any object; far from counting as its mask
ATTEMPTS = 30


@dataclass(frozen=True)
class Correction:
    """A proposal and what it becomes.

    Attributes:
        outcome: "untouched", "edited", "reclassified", "deleted" or "added".
        proposal, final: None on the side that has no region.
        iou: Of the two masks; None unless there are both.
    """

    outcome: str
    proposal: LabeledRegion | None
    final: LabeledRegion | None
    iou: float | None


def correct_scene(scene: Scene, seed: int) -> list[Correction]:
    """Make up a prediction of a scene and correct it; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    masks = [one.mask for one in scene.objects]
    corrections = [_correct(one, masks, rng) for one in scene.objects]
    if rng.random() < GHOSTS_A_SCENE and (ghost := _draw_ghost(scene, rng)) is not None:
        proposal = _region(ghost, str(rng.choice(COLOURS)), "circle", rng, "deleted")
        corrections.append(Correction("deleted", proposal, None, None))
    return corrections


def build_pair(
    corrections: Sequence[Correction], config: LabelingConfig, model_version: str, seed: int, *, hand_made: bool = False
) -> tuple[Json, Json]:
    """Build a prediction and the annotation that a person made from it, without ids of Label Studio.

    Args:
        hand_made: The annotation of somebody who saw no prediction, which takes three times as long.
    """
    rng = np.random.default_rng(seed)
    image = config.images[0]
    proposals = [one.proposal for one in corrections if one.proposal is not None]
    finals = [one.final for one in corrections if one.final is not None]
    scores = [one.score for one in proposals if one.score is not None]
    prediction = build_prediction(build_results(proposals, image), model_version, min(scores, default=None))
    work = sum(one.outcome != "untouched" for one in corrections)
    seconds = (4 + 7.0 * work if not hand_made else 4 + 11.0 * len(finals)) * rng.uniform(0.8, 1.2)
    origins = {one.final.region_id: _origin(one) for one in corrections if one.final is not None}
    results = [{**result, "origin": origins[str(result["id"])]} for result in build_results(finals, image)]
    return prediction, {"result": results, "lead_time": round(seconds, 3), "was_cancelled": False}


def build_documents(
    scenes: Mapping[str, Scene],
    config: LabelingConfig,
    model_version: str,
    annotators: Sequence[str] = ("ann@example.com",),
) -> Iterator[tuple[Json, list[Correction]]]:
    """Build task documents as Label Studio lists them, each with the corrections that are in it."""
    for number, (name, scene) in enumerate(scenes.items(), start=1):
        corrections = correct_scene(scene, number)
        prediction, annotation = build_pair(corrections, config, model_version, number)
        prediction |= {"id": 1000 + number, "created_at": "2026-01-02T08:00:00.000000Z"}
        annotation |= {
            "id": 2000 + number,
            "created_at": "2026-01-02T09:00:00.000000Z",
            "parent_prediction": prediction["id"],
            "completed_by": {"id": 1, "email": annotators[number % len(annotators)]},
        }
        data = {config.images[0].data_key: f"/data/upload/1/{name}"}
        yield {"id": number, "data": data, "predictions": [prediction], "annotations": [annotation]}, corrections


def _origin(correction: Correction) -> str:
    """Return what Label Studio's page writes as the `origin` of a region."""
    origins = {"added": "manual", "untouched": "prediction"}
    return origins.get(correction.outcome, "prediction-changed")


def _correct(one: SceneObject, masks: Sequence[Mask], rng: np.random.Generator) -> Correction:
    shares = SHARES_OF_HARD if one.colour == HARD else SHARES
    outcome = str(rng.choice(list(shares), p=list(shares.values())))
    final = _region(one.mask, one.colour, one.shape, rng)
    if outcome == "added":
        return Correction(outcome, None, final, None)
    colour, mask = one.colour, one.mask
    if outcome == "reclassified":
        colour = str(rng.choice([name for name in COLOURS if name != colour]))
    if outcome == "edited":
        damaged = damage_mask(str(rng.choice(list(CHANGES))), mask, masks, rng)
        outcome, mask = ("untouched", mask) if damaged is None else (outcome, damaged)
    proposal = _region(mask, colour, one.shape, rng, outcome, final.region_id)
    return Correction(outcome, proposal, final, mask_iou(mask, one.mask))


def _region(
    mask: Mask, colour: str, shape: str, rng: np.random.Generator, outcome: str = "", region_id: str = ""
) -> LabeledRegion:
    score = round(float(rng.uniform(*SCORES[outcome])), 4) if outcome else None
    own = region_id or rng.bytes(8).hex()
    return LabeledRegion(mask, colour, own, score, {"class": (f"{colour} {shape}",)})


def _draw_ghost(scene: Scene, rng: np.random.Generator) -> Mask | None:
    """Draw an ellipse that covers no object; None if no place is found."""
    width, height = scene.size.width, scene.size.height
    for _ in range(ATTEMPTS):
        radii = tuple(rng.uniform(0.04, 0.1, 2) * max(width, height))
        centre = (float(rng.uniform(0.1, 0.9) * width), float(rng.uniform(0.1, 0.9) * height))
        ellipse = Ellipse(centre, (float(radii[0]), float(radii[1])), 0.0)
        mask = ellipse_to_mask(ellipse, scene.size)
        if all(mask_iou(mask, one.mask) <= MAX_GHOST_IOU for one in scene.objects):
            return mask
    return None
