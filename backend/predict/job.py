"""What the hall is asked for and what it answers, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.projects import DEFAULTS, ProjectSettings
from backend.values import ClassScore, ProposalOptions, Region


@dataclass(frozen=True)
class Job:
    """What is wanted of a task, the same for a click, an opened page and a whole project; not when, or how urgently.

    Attributes:
        proposal: How everything is found where nobody clicked or typed; None: nothing is proposed.
        settings: The project's.
        texts: What they name is found and nothing else; (): what was typed into the project's text prompt counts.
    """

    proposal: ProposalOptions | None = None
    settings: ProjectSettings = DEFAULTS
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What is to be said about one image: its objects, and what is chosen for the whole by the name of the control.

    `image_scores`: what CLIP thought of the whole, by the name of the control, best first.
    """

    regions: tuple[Region, ...] = ()
    image_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    image_scores: Mapping[str, tuple[ClassScore, ...]] = field(default_factory=dict)


def mean_score(predictions: Sequence[Prediction]) -> float | None:
    """Of a document: the mean of the regions' scores, of the image classes' best ones where there is no region."""
    regions = [region.score for found in predictions for region in found.regions if region.score is not None]
    whole = [scores[0].score for found in predictions for scores in found.image_scores.values() if scores]
    scores = regions or whole
    return sum(scores) / len(scores) if scores else None
