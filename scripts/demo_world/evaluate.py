"""Evaluate the two demo checkpoints on held-out scenes, through SamPredictor and the backend's models.

    python -m scripts.demo_world.evaluate [--scenes 120] [--proposal-scenes 30] [--first 10000] [--out FILE]

Both renderers of the demo world are evaluated; the second one is for evaluation only.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from tqdm import tqdm

from backend.engine import clean_candidate, keep_clean
from backend.geometry import mask_iou
from backend.models.checkpoints import load_into
from backend.models.clip.classifier import ClipClassifier, load_clip
from backend.models.registry import DEMO_CLIP, DEMO_SAM, find_classifier, find_segmenter
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Candidate, ClassName, Mask, ProposalOptions, Size
from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.evaluate_sam import answer_object
from scripts.demo_world.scenes import BACKGROUNDS, CLASS_NAMES, HELD_OUT_SEED, SHAPES, Scene

RENDERERS: dict[str, Callable[[int], Scene]] = {
    "demo world": scenes.make_scene,
    "second renderer": second_renderer.make_scene,
}
PROMPTS = ("click", "box", "corrected", "corrected_with_mask")
_CLASSES = [ClassName(name) for name in CLASS_NAMES]
_BACKGROUNDS = [ClassName(name) for name in BACKGROUNDS]
_MATCH = 0.75
DEMO_PROPOSAL = ProposalOptions(**asdict(find_segmenter("demo").automatic_masks))
UNSEEN = 10_000
"""Scenes from HELD_OUT_SEED + this on were first used after the committed models were chosen."""


@dataclass(frozen=True)
class ObjectFigures:
    """Figures of one object: IoU of each kind of prompt, SAM's score of the click, 1 if CLIP's class is correct."""

    shape: str
    colour: str
    background: str
    click: float
    box: float
    corrected: float
    corrected_with_mask: float
    click_score: float
    named_right: float
    named_right_with_true_mask: float


def load_demo_sam(path: Path = DEMO_SAM) -> Sam:
    """Load the committed SAM, or another of its architecture."""
    sam = build_sam("demo")
    load_into(sam, path, "demo")
    return sam.eval()


def load_demo_clip(path: Path = DEMO_CLIP) -> ClipClassifier:
    """Load the committed CLIP, or another of its architecture."""
    return load_clip(find_classifier("demo-clip"), path, device="cpu")


def measure_scene(predictor: SamPredictor, clip: ClipClassifier, scene: Scene) -> list[ObjectFigures]:
    """Evaluate every object of a scene."""
    predictor.set_image(scene.pixels)
    answers = [answer_object(predictor, item.mask) for item in scene.objects]
    clicked = [answer["click"][0] for answer in answers]
    seen = [mask if mask.any() else item.mask for mask, item in zip(clicked, scene.objects, strict=True)]
    truths = [item.mask for item in scene.objects]
    names = [scores[0].name for scores in clip.classify(scene.pixels, seen + truths, [_CLASSES], top_k=1)[0]]
    figures = []
    for i, (item, answer) in enumerate(zip(scene.objects, answers, strict=True)):
        ious = {kind: mask_iou(answer[kind][0], item.mask) for kind in PROMPTS}
        right = float(names[i] == item.class_name and clicked[i].any())
        with_truth = float(names[len(truths) + i] == item.class_name)
        score = answer["click"][1]
        figures.append(
            ObjectFigures(
                item.shape,
                item.colour,
                scene.background,
                **ious,
                click_score=score,
                named_right=right,
                named_right_with_true_mask=with_truth,
            )
        )
    return figures


def measure(renderer: str, sam: Sam, clip: ClipClassifier, count: int, first: int = 0) -> dict[str, Any]:
    """Evaluate clicks, boxes and classes on `count` held-out scenes: means, per shape and per background."""
    predictor, rows, right = SamPredictor(sam), [], 0
    for i in tqdm(range(count), desc=renderer, mininterval=5):
        scene = RENDERERS[renderer](HELD_OUT_SEED + first + i)
        rows += measure_scene(predictor, clip, scene)
        right += clip.classify_image(scene.pixels, _BACKGROUNDS, top_k=1)[0].name == scene.background
    correlation = float(np.corrcoef([r.click for r in rows], [r.click_score for r in rows])[0, 1])
    return {
        "scenes": count,
        "objects": len(rows),
        "mean": _means(rows),
        "click_score_correlation": correlation,
        "background_named_right": right / count,
        "per_shape": {shape: _means(r for r in rows if r.shape == shape) for shape in SHAPES},
        "per_background": {b: _means(r for r in rows if r.background == b) for b in BACKGROUNDS},
    }


def _means(rows: Iterable[ObjectFigures]) -> dict[str, float]:
    chosen = [asdict(row) for row in rows]
    names = [*PROMPTS, "named_right", "named_right_with_true_mask"]
    return (
        {"objects": len(chosen), **{name: float(np.mean([row[name] for row in chosen])) for name in names}}
        if chosen
        else {"objects": 0}
    )


def count_matches(proposals: list[Mask], truths: list[Mask], threshold: float = _MATCH) -> int:
    """Count the objects matched one to one to a proposal with at least this IoU, best pairs first."""
    table = np.array([[mask_iou(p, t) for t in truths] for p in proposals]).reshape(len(proposals), len(truths))
    matches = 0
    while table.size and table.max() >= threshold:
        row, column = np.unravel_index(int(table.argmax()), table.shape)
        table[row], table[:, column] = -1, -1
        matches += 1
    return matches


def measure_proposals(renderer: str, sam: Sam, count: int, first: int = 0) -> dict[str, float]:
    """Evaluate automatic masks at the checkpoint's defaults: recall and precision at IoU 0.75, seconds per image.

    Figures are of SAM's masks and, with `kept_`, of those that pre-annotation keeps after cleaning and NMS.
    """
    segmenter = SamSegmenter(sam, device="cpu")
    found = made = true = kept_found = kept_made = 0
    seconds = 0.0
    for i in tqdm(range(count), desc=f"{renderer}, automatic masks", mininterval=5):
        scene = RENDERERS[renderer](HELD_OUT_SEED + first + i)
        began = time.process_time()
        candidates = segmenter.propose(segmenter.encode(scene.pixels), DEMO_PROPOSAL)
        seconds += time.process_time() - began
        proposals, truths = [candidate.mask for candidate in candidates], [item.mask for item in scene.objects]
        kept = keep_as_preannotation(candidates)
        found, kept_found = found + count_matches(proposals, truths), kept_found + count_matches(kept, truths)
        made, kept_made, true = made + len(proposals), kept_made + len(kept), true + len(truths)
    return {
        "scenes": count,
        "recall": found / true,
        "precision": found / max(made, 1),
        "kept_recall": kept_found / true,
        "kept_precision": kept_found / max(kept_made, 1),
        "seconds_per_image": seconds / count,
    }


def keep_as_preannotation(proposals: list[Candidate], options: ProposalOptions = DEMO_PROPOSAL) -> list[Mask]:
    """Clean masks, best first, and return those that pre-annotation keeps."""
    height, width = proposals[0].mask.shape if proposals else (1, 1)
    return [one.mask for one in keep_clean([clean_candidate(one, Size(width, height)) for one in proposals], options)]


def table(figures: dict[str, Any]) -> str:
    """Format one renderer's figures as a Markdown table."""
    head = "| | objects | click | box | + corrective click | … with the mask | CLIP, SAM's mask | CLIP, true mask |"
    rows = [("all", figures["mean"]), *figures["per_shape"].items()]
    names = [*PROMPTS, "named_right", "named_right_with_true_mask"]
    lines = [
        f"| {label} | {row['objects']} | " + " | ".join(f"{row[n]:.3f}" for n in names) + " |"
        for label, row in rows
        if row["objects"]
    ]
    return "\n".join([head, "|---|" + "---:|" * 7, *lines])


def _proposal_line(figures: dict[str, float]) -> str:
    return (
        f"Automatic masks at IoU {_MATCH}: recall {figures['recall']:.3f}, precision {figures['precision']:.3f}; as "
        f"pre-annotation keeps them {figures['kept_recall']:.3f} and {figures['kept_precision']:.3f}; "
        f"{figures['seconds_per_image']:.2f} s per image."
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=120, help="number of scenes for clicks, boxes and classes")
    parser.add_argument("--proposal-scenes", type=int, default=30, help="number of scenes for automatic masks")
    parser.add_argument("--first", type=int, default=UNSEEN, help="offset of the first scene from HELD_OUT_SEED")
    parser.add_argument("--sam", type=Path, default=DEMO_SAM)
    parser.add_argument("--clip", type=Path, default=DEMO_CLIP)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    chosen = parser.parse_args(arguments)
    figures = measure_all(chosen.sam, chosen.clip, chosen.scenes, chosen.proposal_scenes, chosen.first)
    if chosen.out:
        chosen.out.write_text(json.dumps(figures, indent=1) + "\n")


def measure_all(
    sam_path: Path, clip_path: Path, count: int, proposal_count: int, first: int = UNSEEN
) -> dict[str, Any]:
    """Evaluate and print everything, on one thread."""
    torch.set_num_threads(1)
    sam, clip, figures = load_demo_sam(sam_path), load_demo_clip(clip_path), {}
    for renderer in RENDERERS:
        found = figures[renderer] = measure(renderer, sam, clip, count, first)
        print(f"\n{renderer}: {count} scenes, {found['objects']} objects\n\n{table(found)}\n")
        print(
            f"Predicted and true IoU correlate at {found['click_score_correlation']:.2f}; "
            f"background correct in {found['background_named_right']:.3f}."
        )
        if proposal_count:
            found["proposals"] = measure_proposals(renderer, sam, proposal_count, first)
            print(_proposal_line(found["proposals"]))
    return figures


if __name__ == "__main__":
    main()
