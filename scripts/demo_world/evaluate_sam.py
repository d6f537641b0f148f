"""How well a SAM answers clicks and boxes on scenes with known truth, through SamPredictor as users run it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from backend.geometry import mask_iou, mask_to_box
from backend.values import Mask
from scripts.demo_world.scenes import TUNING_SEED, Scene, click_point, make_scene


def tight_box(mask: Mask) -> np.ndarray:
    """XYXY of the mask's first and last pixels."""
    left, top, right, bottom = mask_to_box(mask)
    return np.array([left, top, right - 1, bottom - 1], np.float32)


def corrective_click(answer: Mask, truth: Mask) -> tuple[tuple[float, float], int]:
    """Where a person would click next: the middle of the largest wrong part; 1 where the mask lacks it, else 0."""
    best, where, label = 0, click_point(truth), 1
    for wrong, kind in ((truth & ~answer, 1), (answer & ~truth, 0)):
        _, parts, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=4)
        if len(stats) > 1 and int(stats[1:, cv2.CC_STAT_AREA].max()) > best:
            number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            best, where, label = int(stats[number, cv2.CC_STAT_AREA]), click_point(parts == number), kind
    return where, label


def answer_object(predictor: SamPredictor, truth: Mask) -> dict[str, tuple[Mask, float]]:
    """Mask and predicted IoU of a click, of a corrective one (without and with the previous mask), of a box."""
    point = np.float32([click_point(truth)])
    masks, scores, low_res = predictor.predict(point, np.array([1]), multimask_output=True)
    best = int(scores.argmax())
    found = {"click": (masks[best], float(scores[best]))}
    where, label = corrective_click(masks[best], truth)
    points, labels = np.concatenate([point, np.float32([where])]), np.array([1, label])
    for name, mask_input in (("corrected", None), ("corrected_with_mask", low_res[best : best + 1])):
        answer, score, _ = predictor.predict(points, labels, mask_input=mask_input, multimask_output=False)
        found[name] = (answer[0], float(score[0]))
    answer, score, _ = predictor.predict(box=tight_box(truth), multimask_output=False)
    found["box"] = (answer[0], float(score[0]))
    return found


def quick_check(sam: Sam, scenes: int = 8) -> dict[str, float]:
    """Mean IoU of each kind of prompt on a few tuning scenes, to watch the training by."""
    predictor, found = SamPredictor(sam), []
    for scene in tuning_scenes(scenes):
        predictor.set_image(scene.pixels)
        for item in scene.objects:
            found.append({n: mask_iou(m, item.mask) for n, (m, _) in answer_object(predictor, item.mask).items()})
    return {f"check_{name}": float(np.mean([f[name] for f in found])) for name in found[0]}


def tuning_scenes(count: int, first: int = 0) -> Sequence[Scene]:
    """Scenes that neither training nor the final evaluation sees."""
    return [make_scene(TUNING_SEED + first + i) for i in range(count)]
