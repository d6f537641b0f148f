"""Choose the grid and the thresholds of automatic masks for the demo SAM's registry entry, on tuning scenes.

python -m scripts.demo_world.tune_proposals [--points-per-side 16 20] [--box-nms-thresh 0.6] [--renderer NAME]
"""

from __future__ import annotations

import argparse
import time

import torch

from backend.models.sam.segmenter import SamSegmenter
from backend.values import ProposalParameters
from scripts.demo_world.evaluate import RENDERERS, count_matches, keep_as_preannotation, load_demo_sam
from scripts.demo_world.scenes import TUNING_SEED

_FIRST = 1000  # not the scenes that monitor the training
PREDICTED_IOU = (0.6, 0.65, 0.7, 0.75, 0.8)
STABILITY = (0.6, 0.65, 0.7, 0.75, 0.8)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points-per-side", type=int, nargs="+", default=[20])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--box-nms-thresh", type=float, default=0.6)
    parser.add_argument("--renderer", choices=list(RENDERERS), default="demo world")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for points in chosen.points_per_side:
        _report(chosen.renderer, points, chosen.scenes, chosen.box_nms_thresh)


def _report(renderer: str, points_per_side: int, count: int, box_nms_thresh: float) -> None:
    """Print recall and precision for each pair of thresholds, as generated and as pre-annotation keeps the masks."""
    segmenter = SamSegmenter(load_demo_sam(), device="cpu")
    pairs = [(quality, stability) for quality in PREDICTED_IOU for stability in STABILITY]
    counts = {pair: [0, 0, 0, 0] for pair in pairs}  # found, made, found and made as pre-annotation keeps them
    objects, seconds = 0, 0.0
    for seed in range(TUNING_SEED + _FIRST, TUNING_SEED + _FIRST + count):
        scene = RENDERERS[renderer](seed)
        truths = [item.mask for item in scene.objects]
        objects += len(truths)
        embedding = segmenter.encode(scene.pixels)
        for stability in STABILITY:
            parameters = ProposalParameters(points_per_side, min(PREDICTED_IOU), stability, 100, box_nms_thresh)
            began = time.process_time()
            candidates = segmenter.propose(embedding, parameters)
            seconds += time.process_time() - began
            for quality in PREDICTED_IOU:  # a mask is never dropped for a worse one, so this filter may come last
                good = [candidate for candidate in candidates if candidate.score > quality]
                masks, kept = [candidate.mask for candidate in good], keep_as_preannotation(good)
                figures = count_matches(masks, truths), len(masks), count_matches(kept, truths), len(kept)
                counts[quality, stability] = [a + b for a, b in zip(counts[quality, stability], figures, strict=True)]
    print(
        f"{renderer}: {points_per_side} points per side, box NMS {box_nms_thresh}, {count} scenes, {objects} objects, "
        f"{seconds / count / len(STABILITY):.2f} s per image after the encoder"
    )
    for (quality, stability), (found, made, kept_found, kept_made) in counts.items():
        print(
            f"  pred_iou {quality:.2f} stability {stability:.2f}: "
            f"recall {found / objects:.3f} precision {found / max(made, 1):.3f}, "
            f"kept {kept_found / objects:.3f} and {kept_found / max(kept_made, 1):.3f}"
        )


if __name__ == "__main__":
    main()
