"""Which masks look like others, decided from CLIP features alone; the exemplars may come from other images.

Two masks look alike if both hold:

- CLIP sees the same classes in both: the Bhattacharyya coefficient of their class probabilities is at least 0.4. The
  classes are those of the project and `GENERAL_WORDS`.
- The cosine of their image features is at least 0.65. This tells masks apart where the classes are too coarse to.

Precision and recall on 64 tuning scenes of the demo world with one exemplar each, 576 objects to find, of which SAM's
automatic masks hold about 92 %:

| classes          | same classes alone | cosine alone | both        |
|------------------|--------------------|--------------|-------------|
| the 64           | 0.962 0.913        | 0.932 0.898  | 0.970 0.898 |
| the eight shapes | 0.654 0.899        | 0.932 0.898  | 0.936 0.889 |
| none             | 0.417 0.901        | 0.932 0.898  | 0.924 0.889 |

The more masks of an object there are, the more it matters which of them is taken. Recall and precision on 22 of these
scenes, 222 objects to find, with SAM's masks on a grid of 12 or 24 points a side:

| of the masks of one object  | 12          | 24          |
|-----------------------------|-------------|-------------|
| the most similar            | 0.874 0.902 | 0.838 0.845 |
| the one with the best score | 0.901 0.952 | 0.932 0.954 |

How score and agreement choose among them, and how masks with several parts are searched: docs/text_prompts.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.engine.text_matching import KINDS, NEUTRAL
from backend.values import ClassName, Mask

MIN_AGREEMENT = 0.4
MIN_COSINE = 0.65
KNOWN_IOU = 0.5  # of a mask with one that is labeled already
KNOWN_SHARE = 0.8  # of a mask inside an exemplar
SAME_OBJECT_SHARE = 0.5  # of the smaller of two masks inside the other, if they are of one object
SUPPORT_WEIGHT = 0.6  # of a mask's mean IoU with all masks of its object (itself among them), against its predicted IoU
GRID = 256  # masks are compared at about this many pixels a side
STRIP = 32  # rows of all masks that are compared at a time, to keep the memory small

GENERAL_WORDS: tuple[ClassName, ...] = tuple(map(ClassName, (*NEUTRAL, *KINDS)))
"""Classes for what the project has no class for."""

Features = NDArray[np.float32]  # (N, D), unit vectors


def match_exemplars(exemplars: Features, features: Features, texts: Features, scale: float) -> NDArray[np.float64]:
    """Compute how much each mask looks like each exemplar.

    Args:
        exemplars: Image features of the exemplars, (E, D).
        features: Image features of the masks, (N, D).
        texts: Text features of the project's classes and `GENERAL_WORDS`, (T, D).
        scale: CLIP's logit scale.

    Returns:
        (N, E): 0 for two that do not look alike, otherwise the agreement of their classes times their cosine.
    """
    cosine = features.astype(np.float64) @ exemplars.T
    agreement = np.sqrt(_class_probabilities(features, texts, scale)) @ np.sqrt(
        _class_probabilities(exemplars, texts, scale).T
    )
    is_alike = (cosine >= MIN_COSINE) & (agreement >= MIN_AGREEMENT)
    return np.where(is_alike, cosine * agreement, 0.0)


def prefer_parts(similarity: NDArray[np.float64], whole_of: Sequence[int | None]) -> NDArray[np.bool_]:
    """Decide between a mask and its separate parts: the parts, unless the whole looks more like the exemplars.

    SAM often draws two objects that look alike as one mask, above all where they are smaller than what it was trained
    on; its parts are the objects then. An object that another one divides is more like the exemplar than each half.

    Args:
        similarity: (N, E), see `match_exemplars`.
        whole_of: For each part the index of the mask that it belongs to, and None for any other mask.

    Returns:
        bool (N,): False for a mask that is replaced by its parts, and for the parts of a mask that is kept whole.
    """
    best = similarity.max(axis=1, initial=0.0)
    parts_of: dict[int, list[int]] = {}
    for place, whole in enumerate(whole_of):
        if whole is not None:
            parts_of.setdefault(whole, []).append(place)
    is_kept = np.ones(len(best), bool)
    for whole, parts in parts_of.items():
        is_kept[parts if best[whole] > best[parts].max() else whole] = False
    return is_kept


def pick_similar(similarity: NDArray[np.float64], masks: Sequence[Mask], scores: Sequence[float]) -> list[int]:
    """Return the indices of the masks that look like an exemplar, the most similar first, each object once.

    Of several masks of one object the one with the best score is taken, not the most similar one: CLIP sees the same
    class in a part, in the whole, and in the whole with something of its surroundings, and SAM knows which is drawn
    well. Its score counts together with the agreement of the masks: SAM drew most of them from clicks of their own, and
    a mask that overlaps little with the others of its object is rarely right.

    Args:
        similarity: (N, E), see `match_exemplars`.
        masks: The N masks, bool (H, W).
        scores: Their predicted IoU.
    """
    best = similarity.max(axis=1, initial=0.0)
    alike = [int(place) for place in np.flatnonzero(best > 0)]
    shared = _count_shared([masks[place] for place in alike])
    areas = np.diagonal(shared)
    is_same = shared >= SAME_OBJECT_SHARE * np.maximum(np.minimum.outer(areas, areas), 1)
    iou = shared / np.maximum(np.add.outer(areas, areas) - shared, 1)
    for itself in (is_same, iou):  # also where no pixel of a thin mask is looked at
        np.fill_diagonal(itself, 1)
    support = (iou * is_same).sum(axis=1) / is_same.sum(axis=1)
    ranks = np.array([scores[place] for place in alike]) + SUPPORT_WEIGHT * support
    kept: list[int] = []
    for number in np.argsort(-ranks, kind="stable"):
        if not is_same[number, kept].any():
            kept.append(int(number))
    return sorted((alike[number] for number in kept), key=lambda place: -best[place])


def pick_unlabeled(masks: Sequence[Mask], labeled: Sequence[Mask], wholes: Sequence[Mask] = ()) -> list[int]:
    """Return the indices of the masks that are not among those that are labeled already.

    Args:
        masks, labeled: bool (H, W), all of one size.
        wholes: Masks whose parts are left out as well.
    """
    small, known, whole = _coarse(masks), _coarse(labeled), _coarse(wholes)
    return [
        place
        for place, mask in enumerate(small)
        if not any(_iou(mask, other) >= KNOWN_IOU for other in known)
        and not any(np.count_nonzero(mask & other) >= KNOWN_SHARE * np.count_nonzero(mask) for other in whole)
    ]


def _class_probabilities(features: Features, texts: Features, scale: float) -> NDArray[np.float64]:
    logits = scale * (features.astype(np.float64) @ texts.T)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _coarse(masks: Sequence[Mask]) -> list[Mask]:
    step = max(1, max(masks[0].shape) // GRID) if len(masks) else 1
    return [mask[::step, ::step] for mask in masks]


def _count_shared(masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Count the pixels that each two of N masks share, (N, N); by products of matrices, as N may be hundreds."""
    small = _coarse(masks)
    shared = np.zeros((len(small), len(small)))
    for top in range(0, small[0].shape[0] if small else 0, STRIP):
        strip = np.array([mask[top : top + STRIP].ravel() for mask in small], np.float32)
        shared += strip @ strip.T
    return shared


def _iou(one: Mask, other: Mask) -> float:
    return float(np.count_nonzero(one & other) / max(np.count_nonzero(one | other), 1))
