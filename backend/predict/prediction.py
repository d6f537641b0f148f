"""What is predicted for one image, before it becomes Label Studio's JSON, and what is answered for a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.label_studio.results import LabeledRegion
from backend.values import ClassScore, Prompt


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        regions: Its objects.
        image_choices: What is chosen for the whole image, by the name of the control.
        image_scores: CLIP's classes of the whole image, by the name of the control, best first.
        message: What to tell the person on the page, one line; "" for nothing.
        replaced: Regions of the page's draft that the answer to `ResizeLast` was made from.
        chains: The box and clicks that a region is SAM's answer to, by its id; see `click_chains`.
    """

    regions: tuple[LabeledRegion, ...] = ()
    image_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    image_scores: Mapping[str, tuple[ClassScore, ...]] = field(default_factory=dict)
    message: str = ""
    replaced: tuple[LabeledRegion, ...] = ()
    chains: Mapping[str, Prompt] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskAnswer:
    """The answer to a request for a task.

    Attributes:
        document: A Label Studio prediction; None if it would be empty.
        message: What to tell the person on the page, one line; "" for nothing. It is not part of the prediction,
            because predictions of tasks without a prompt are stored.
    """

    document: dict[str, Any] | None = None
    message: str = ""


def mean_score(predictions: Sequence[Prediction]) -> float | None:
    """The score of a document: the mean of the regions' scores; without a region, of the image classes' best ones."""
    regions = [region.score for prediction in predictions for region in prediction.regions if region.score is not None]
    whole = [scores[0].score for prediction in predictions for scores in prediction.image_scores.values() if scores]
    scores = regions or whole
    return sum(scores) / len(scores) if scores else None
