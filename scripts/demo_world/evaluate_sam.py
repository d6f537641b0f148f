"""Evaluation of a SAM's clicks and boxes on scenes with exact masks, through SamPredictor."""

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
    """Return XYXY of the mask's first and last pixels."""
    left, top, right, bottom = mask_to_box(mask)
    return np.array([left, top, right - 1, bottom - 1], np.float32)


def corrective_click(answer: Mask, truth: Mask) -> tuple[tuple[float, float], int]:
    """Return the centre of the largest wrong part, with label 1 if it is missing from the mask, 0 if surplus."""
    best, where, label = 0, click_point(truth), 1
    for wrong, kind in ((truth & ~answer, 1), (answer & ~truth, 0)):
        _, parts, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=4)
        if len(stats) > 1 and int(stats[1:, cv2.CC_STAT_AREA].max()) > best:
            number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            best, where, label = int(stats[number, cv2.CC_STAT_AREA]), click_point(parts == number), kind
    return where, label


def answer_object(predictor: SamPredictor, truth: Mask) -> dict[str, tuple[Mask, float]]:
    """Return mask and predicted IoU of a click, a corrective click (without and with the previous mask) and a box."""
    point = np.float32([click_point(truth)])
    masks, scores, low_res = predictor.predict(point, np.array([1]), multimask_output=True)
    best = int(scores.argmax())
    answers = {"click": (masks[best], float(scores[best]))}
    where, label = corrective_click(masks[best], truth)
    points, labels = np.concatenate([point, np.float32([where])]), np.array([1, label])
    for name, mask_input in (("corrected", None), ("corrected_with_mask", low_res[best : best + 1])):
        answer, score, _ = predictor.predict(points, labels, mask_input=mask_input, multimask_output=False)
        answers[name] = (answer[0], float(score[0]))
    answer, score, _ = predictor.predict(box=tight_box(truth), multimask_output=False)
    answers["box"] = (answer[0], float(score[0]))
    return answers


def quick_check(sam: Sam, scenes: int = 8) -> dict[str, float]:
    """Return the mean IoU of each kind of prompt on a few tuning scenes, to monitor the training."""
    predictor, rows = SamPredictor(sam), []
    for scene in tuning_scenes(scenes):
        predictor.set_image(scene.pixels)
        for item in scene.objects:
            rows.append({n: mask_iou(m, item.mask) for n, (m, _) in answer_object(predictor, item.mask).items()})
    return {f"check_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}


def tuning_scenes(count: int, first: int = 0) -> Sequence[Scene]:
    """Draw scenes that neither training nor the final evaluation uses."""
    return [make_scene(TUNING_SEED + first + i) for i in range(count)]
