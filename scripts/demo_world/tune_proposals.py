"""Choose the thresholds of automatic masks for the demo SAM's registry entry, on tuning scenes.

python -m scripts.demo_world.tune_proposals [--points-per-side 12 16] [--scenes 30]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from segment_anything import SamAutomaticMaskGenerator

from backend.geometry import mask_iou
from scripts.demo_world.evaluate import load_demo_sam
from scripts.demo_world.evaluate_sam import tuning_scenes

_FIRST = 1000  # not the scenes that monitor the training


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points-per-side", type=int, nargs="+", default=[12])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--box-nms-thresh", type=float, default=0.7)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for points in chosen.points_per_side:
        _report(points, chosen.scenes, chosen.box_nms_thresh)


def _report(points_per_side: int, count: int, box_nms_thresh: float) -> None:
    """Generate all masks once, then print recall and precision for each pair of thresholds."""
    generator = SamAutomaticMaskGenerator(
        load_demo_sam(),
        points_per_side,
        pred_iou_thresh=0.3,
        stability_score_thresh=0.3,
        min_mask_region_area=100,
        box_nms_thresh=box_nms_thresh,
    )
    rows, objects, seconds = [], 0, 0.0
    for number, scene in enumerate(tuning_scenes(count, _FIRST)):
        began = time.process_time()
        answers = generator.generate(scene.pixels)
        seconds += time.process_time() - began
        truths = [item.mask for item in scene.objects]
        for answer in answers:
            overlaps = [mask_iou(answer["segmentation"], truth) for truth in truths]
            rows.append(
                (
                    answer["predicted_iou"],
                    answer["stability_score"],
                    max(overlaps),
                    number * 100 + int(np.argmax(overlaps)),
                )
            )
        objects += len(truths)
    print(
        f"{points_per_side} points per side, {count} scenes, {objects} objects, "
        f"{seconds / count:.2f} s per image without thresholds"
    )
    table = np.array(rows)
    for quality in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85):
        for stability in (0.5, 0.6, 0.7, 0.8, 0.9):
            kept = table[(table[:, 0] >= quality) & (table[:, 1] >= stability)]
            found = len(np.unique(kept[kept[:, 2] >= 0.75, 3]))
            print(
                f"  pred_iou {quality:.2f} stability {stability:.1f}: "
                f"recall {found / objects:.3f} precision {found / max(len(kept), 1):.3f}"
            )


if __name__ == "__main__":
    main()
