"""The frozen values that travel between rooms. Everything here is in pixels of the upright image and knows numpy only.

Conventions: `mask` is bool (H, W); `pixels` is uint8 RGB (H, W, 3); `_xyxy` is left, top, right, bottom; points are XY.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


class Priority(IntEnum):
    """Who waits for whom in front of the models.

    A click goes before the image of an opened task, that before the tasks that come next, and all before bulk work.
    """

    CLICK = 0
    WARM = 1
    AHEAD = 2
    BULK = 3


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Prompt:
    """What a person drew for one object, in pixels of the original image.

    Attributes:
        point_coords: XY of each point; may be empty.
        point_labels: 1 (foreground) or 0 (background) for each point.
        box_xyxy: The box drawn around the object, if any.
        mask_logits: float32 (1, M, M), a previous answer to refine; M is the side of the model's low-resolution masks.
    """

    point_coords: tuple[tuple[float, float], ...] = ()
    point_labels: tuple[int, ...] = ()
    box_xyxy: Box | None = None
    mask_logits: NDArray[np.float32] | None = None

    @property
    def is_single_click(self) -> bool:
        """One foreground point and nothing else: ambiguous between part, object and whole."""
        return self.point_labels == (1,) and self.box_xyxy is None and self.mask_logits is None


@dataclass(frozen=True)
class ImageEmbedding:
    """What SAM's image encoder makes of one image; the thing worth caching.

    Attributes:
        features: float16 (C, S, S); (256, 64, 64) for SAM.
        original_size: Of the upright image.
        input_size: Of the image after SAM's resize, before padding to a square.
    """

    features: NDArray[np.float16]
    original_size: Size
    input_size: Size

    @property
    def nbytes(self) -> int:
        return int(self.features.nbytes)


@dataclass(frozen=True)
class Candidate:
    """One mask that SAM proposes: `mask` bool (H, W), `score` its predicted IoU, `low_res_logits` float32 (1, M, M)."""

    mask: Mask
    score: float
    low_res_logits: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ProposalParameters:
    """How automatic masks are made; names and meanings are `SamAutomaticMaskGenerator`'s, areas in pixels."""

    points_per_side: int
    pred_iou_thresh: float
    stability_score_thresh: float
    min_mask_region_area: int
    box_nms_thresh: float


@dataclass(frozen=True)
class ProposalOptions(ProposalParameters):
    """How automatic masks are made and which are kept.

    Attributes:
        mask_nms_thresh: Of two masks with a larger IoU, once they are cleaned, the one that SAM thinks less of goes; 1
            keeps both.
        score_threshold: Masks whose best class is less probable are dropped; 0 keeps all.
        max_masks: The best so many are kept; None keeps all.
    """

    mask_nms_thresh: float = 0.8
    score_threshold: float = 0.0
    max_masks: int | None = None


@dataclass(frozen=True)
class ClassName:
    """A class a person may choose: `name` as the labeling config spells it, `synonyms` that CLIP may read instead."""

    name: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassScore:
    """One class and its softmax probability in [0, 1]."""

    name: str
    score: float


@dataclass(frozen=True)
class Region:
    """One object of one image: a mask and what it is called.

    Attributes:
        mask: bool (H, W) at original size.
        label: The value of its label; "" where the labeling config has none for it.
        region_id: Label Studio's id, shared by the mask and its per-region choices.
        score: SAM's predicted IoU, or what was saved; None for a mask that a person painted.
        choices: Values chosen for this region, by the name of the choices control.
        class_scores: What CLIP thought, best first; empty when it was not asked.
        control: The name of the control that carries the mask; "": the first that has the label.
        kind: What it was saved as: "brush", "polygon", …; "" where it was not saved yet.
        other_labels: What it was saved with besides `label`, as happens by accident.
    """

    mask: Mask
    label: str
    region_id: str
    score: float | None = None
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    class_scores: tuple[ClassScore, ...] = ()
    control: str = ""
    kind: str = ""
    other_labels: tuple[str, ...] = ()
