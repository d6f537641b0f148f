"""The request union: what is asked of a task, decided once where a document is parsed.

- `Click`: key points and boxes of a person; a mask for each prompt.
- `FindText`: a text typed into the project's text prompt, or `--text`; a mask for each thing that the texts name.
- `SegmentAll`: pre-annotation; all masks, and the classes of the whole image.
- `ClassifyImage`: a page that opens, "Retrieve predictions"; the classes of the whole image. It never runs SAM.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.label_studio.requests.correctable_regions import CorrectableRegion
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.values import ProposalOptions


@dataclass(frozen=True)
class Click:
    """Points and boxes that a person drew on one image.

    Attributes:
        prompts: At least one.
        correctable: Masks on the page that the prompts may correct, newest first, not decoded.
    """

    prompts: tuple[LabeledPrompt, ...]
    correctable: tuple[CorrectableRegion, ...] = ()


@dataclass(frozen=True)
class FindText:
    """Everything that the texts name.

    Attributes:
        texts: At least one.
        options: How automatic masks are made; None for the model's defaults.
    """

    texts: tuple[str, ...]
    options: ProposalOptions | None = None


@dataclass(frozen=True)
class SegmentAll:
    """Everything in the image, and the classes of the whole image.

    Attributes:
        options: How automatic masks are made and which are kept; None for the model's defaults.
    """

    options: ProposalOptions | None = None


@dataclass(frozen=True)
class ClassifyImage:
    """The classes of the whole image."""


Request = Click | FindText | SegmentAll | ClassifyImage
