"""The frozen values that rooms exchange, in pixels of the upright image; numpy only.

Conventions: `mask` is bool (H, W); `pixels` is uint8 RGB (H, W, 3); `_xyxy` is left, top, right, bottom; points are XY.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
ReviseLogits = Callable[[NDArray[np.float32], tuple[float, float]], NDArray[np.float32]]
"""Low-resolution logits (M, M), and their columns and rows for each pixel of the original image → revised logits."""


class Priority(IntEnum):
    """Order in the model queue: clicks, images of opened tasks, prefetched tasks, bulk work."""

    CLICK = 0
    WARM = 1
    PREFETCH = 2
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
    """A prompt for one object, in pixels of the original image.

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
        """Whether it is one foreground point and nothing else, which is ambiguous between part, object and whole."""
        return self.point_labels == (1,) and self.box_xyxy is None and self.mask_logits is None


@dataclass(frozen=True)
class EmbeddingSpec:
    """Everything about an embedding but its values; the encoder's output for an image of a given size always has it.

    `arrays` has dtype and shape by name; the sizes and the family are those of `ImageEmbedding`.
    """

    arrays: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
    original_size: Size
    input_size: Size
    family: str

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(dtype.itemsize * math.prod(shape) for dtype, shape in self.arrays.values())


@dataclass(frozen=True)
class ImageEmbedding:
    """Output of an image encoder for one image, as named arrays; the value that is cached.

    Attributes:
        arrays: Arrays by name, each with its own dtype and shape; must not be written to. SAM 1 has one, "image_embed",
            float16 (C, S, S), which is (256, 64, 64) for the published models.
        original_size: Of the upright image.
        input_size: Of the image after the model's resize, before padding to a square.
        family: The model family whose decoder reads the arrays, such as "sam1".
    """

    arrays: Mapping[str, NDArray[Any]]
    original_size: Size
    input_size: Size
    family: str

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def spec(self) -> EmbeddingSpec:
        """Its arrays' dtypes and shapes, its sizes and its family."""
        arrays = {name: (array.dtype, array.shape) for name, array in self.arrays.items()}
        return EmbeddingSpec(arrays, self.original_size, self.input_size, self.family)


@dataclass(frozen=True)
class Candidate:
    """A candidate mask: `mask` bool (H, W), `score` its predicted IoU, `low_res_logits` float32 (1, M, M)."""

    mask: Mask
    score: float
    low_res_logits: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Detection:
    """A box in pixels of the upright image, its score in [0, 1], and the text that names what is in it."""

    box_xyxy: Box
    score: float
    text: str


@dataclass(frozen=True)
class ProposalParameters:
    """Parameters of automatic masks, with the names and meanings of `SamAutomaticMaskGenerator`; areas in pixels.

    With `fast`, points that a confident mask covers are skipped, and similar masks are merged early, for some recall.
    """

    points_per_side: int
    pred_iou_thresh: float
    stability_score_thresh: float
    min_mask_region_area: int
    box_nms_thresh: float
    crop_n_layers: int = 0
    fast: bool = False


class Nesting(str, Enum):
    """What is kept of masks that lie in others.

    All of them; the outermost; those that no other lies in; or of a whole and its part the one with the higher score.
    """

    BOTH = "both"
    WHOLES = "wholes"
    PARTS = "parts"
    BEST = "best"


@dataclass(frozen=True)
class ProposalOptions(ProposalParameters):
    """Parameters of automatic masks, and which masks are kept.

    Attributes:
        mask_nms_thresh: Of two cleaned masks with a larger IoU the one with the lower predicted IoU is dropped; 1 keeps
            both.
        score_threshold: Masks whose best class is less probable are dropped; 0 keeps all.
        max_masks: Number of best masks to keep; None keeps all.
        class_thresholds: Other minimum probabilities of single classes, by name.
        background_words: What may be in the image besides the classes. They compete with the classes for each mask, and
            a mask that one of them wins is dropped, unless there is a label for it.
        background_label: The class for the masks that a background word wins; "" drops them.
        min_area: Smaller masks are dropped, in pixels.
        min_area_share, max_area_share: Smaller and larger masks are dropped, as shares of the image.
        nesting: Whether wholes, parts or both are kept, or the better ones.
        containment_thresh: The share of a mask's pixels that must lie in a larger mask to make it a part of that one.
    """

    mask_nms_thresh: float = 0.8
    score_threshold: float = 0.0
    max_masks: int | None = None
    class_thresholds: tuple[tuple[str, float], ...] = ()
    background_words: tuple[str, ...] = ()
    background_label: str = ""
    min_area: int = 0
    min_area_share: float = 0.0
    max_area_share: float = 1.0
    nesting: Nesting = Nesting.BOTH
    containment_thresh: float = 0.9

    def min_probability(self, class_name: str) -> float:
        """Return the probability that a class must have to keep a mask."""
        return dict(self.class_thresholds).get(class_name, self.score_threshold)

    def allows_area(self, area: int, image_area: int) -> bool:
        """Whether a mask of that many pixels is neither too small nor too large for an image of `image_area`."""
        return max(self.min_area, self.min_area_share * image_area) <= area <= self.max_area_share * image_area

    @property
    def drops_by_class(self) -> bool:
        """Whether a mask can be dropped for its class."""
        return self.score_threshold > 0 or bool(self.class_thresholds) or bool(self.background_words)


@dataclass(frozen=True)
class ClassName:
    """A class of the vocabulary: `name` as in the labeling config, `synonyms` that CLIP reads instead."""

    name: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lexicon:
    """The words that a classifier was trained on, if they are few; it must not be asked about others.

    Attributes:
        words: In any form, singular or plural.
        limits: What it knows, in a sentence for annotators.
        example: A text that it can search for.
    """

    words: frozenset[str]
    limits: str
    example: str


@dataclass(frozen=True)
class ClassScore:
    """One class and its softmax probability in [0, 1]."""

    name: str
    score: float


@dataclass(frozen=True)
class Region:
    """One segmented object.

    Attributes:
        mask: bool (H, W) at original size.
        score: SAM's predicted IoU.
        class_scores: For each vocabulary that was asked, its classes, best first; empty ones where there is no CLIP.
        is_background: For each of them, whether a background word is more probable than every class.
    """

    mask: Mask
    score: float
    class_scores: tuple[tuple[ClassScore, ...], ...] = ()
    is_background: tuple[bool, ...] = ()
