"""The request union: one of four kinds, decided once, when a document is parsed.

- `Click`: an annotator's keypoints and boxes; one mask per prompt.
- `FindText`: text typed into the project's text prompt, or `--text`; one mask per object that the texts name.
- `SegmentAll`: pre-annotation; all masks, and the classes of the whole image.
- `ClassifyImage`: a task is opened, or "Retrieve predictions"; the classes of the whole image. It never runs SAM.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.label_studio.requests.correctable_regions import CorrectableRegion
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.values import ProposalOptions


@dataclass(frozen=True)
class Click:
    """Request for the masks of points and boxes that an annotator drew on one image.

    Attributes:
        prompts: At least one.
        correctable: Masks on the page that the prompts may correct, newest first, not decoded yet.
    """

    prompts: tuple[LabeledPrompt, ...]
    correctable: tuple[CorrectableRegion, ...] = ()


@dataclass(frozen=True)
class FindText:
    """Request for the masks of all objects that the texts name.

    Attributes:
        texts: At least one.
        options: Options of the automatic masks; None for the model's defaults.
    """

    texts: tuple[str, ...]
    options: ProposalOptions | None = None


@dataclass(frozen=True)
class SegmentAll:
    """Request for the masks of all objects in the image, and for the classes of the whole image.

    Attributes:
        options: Options of the automatic masks and of their filters; None for the model's defaults.
    """

    options: ProposalOptions | None = None


@dataclass(frozen=True)
class ClassifyImage:
    """Request for the classes of the whole image."""


Request = Click | FindText | SegmentAll | ClassifyImage
