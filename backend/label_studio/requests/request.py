"""The request union, decided once, when a document is parsed.

- `Click`: an annotator's keypoints and boxes; one mask per prompt.
- `FindText`: text typed into the project's text prompt, or `--text`; one mask per object that the texts name.
- `FindEverything`, `FindLike`, `ResizeLast`, `ShowHelp`: commands typed into the text prompt (see `commands`).
- `SegmentAll`: pre-annotation; all masks, and the classes of the whole image.
- `ClassifyImage`: a task is opened, or "Retrieve predictions"; the classes of the whole image. It never runs SAM.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.label_studio.requests.correctable_regions import CorrectableRegion
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.label_studio.results import SavedRegion
from backend.values import ProposalOptions


@dataclass(frozen=True)
class Click:
    """Request for the masks of points and boxes that an annotator drew on one image.

    Attributes:
        prompts: At least one.
        correctable: Masks on the page that the prompts may correct, newest first, not decoded yet.
        waiting: Earlier boxes, not among the prompts, whose masks wait for the tick together with a prompt's.
        beside: Earlier boxes, apart from the prompts, whose masks may wait for the tick.
    """

    prompts: tuple[LabeledPrompt, ...]
    correctable: tuple[CorrectableRegion, ...] = ()
    waiting: tuple[LabeledPrompt, ...] = ()
    beside: tuple[LabeledPrompt, ...] = ()


@dataclass(frozen=True)
class FindText:
    """Request for the masks of all objects that the texts name.

    Attributes:
        texts: At least one, unless `from_labels`.
        options: Options of the automatic masks; None for the model's defaults.
        review: Whether the masks are scored for the order of their review.
        from_labels: Whether the classes of each image's labeling config are searched, in place of `texts`.
        accepted: Regions on the page where a text was typed, not decoded yet; their objects are not found again.
    """

    texts: tuple[str, ...]
    options: ProposalOptions | None = None
    review: bool = False
    from_labels: bool = False
    accepted: tuple[SavedRegion, ...] = ()


@dataclass(frozen=True)
class FindEverything:
    """Request for the masks of all objects in the image that are not labeled yet.

    Attributes:
        accepted: Regions on the page, not decoded yet.
    """

    accepted: tuple[SavedRegion, ...] = ()


@dataclass(frozen=True)
class FindLike:
    """Request for the masks of the objects that look like regions on the page.

    Attributes:
        accepted: Regions on the page, oldest first, not decoded yet; the newest one's label says which are meant.
    """

    accepted: tuple[SavedRegion, ...] = ()


@dataclass(frozen=True)
class ResizeLast:
    """Request for the last answer, a little larger or smaller.

    Attributes:
        accepted: Regions on the page, oldest first, not decoded yet.
        has_prompts: Whether the newest draft has points or boxes whose answer is neither accepted nor rejected.
    """

    grows: bool
    accepted: tuple[SavedRegion, ...] = ()
    has_prompts: bool = False


@dataclass(frozen=True)
class ShowHelp:
    """Request for one line that names the commands."""


@dataclass(frozen=True)
class SegmentAll:
    """Request for the masks of all objects in the image, and for the classes of the whole image.

    Attributes:
        options: Options of the automatic masks and of their filters; None for the model's defaults.
        review: Whether the masks are scored for the order of their review.
    """

    options: ProposalOptions | None = None
    review: bool = False


@dataclass(frozen=True)
class ClassifyImage:
    """Request for the classes of the whole image."""


Command = FindEverything | FindLike | ResizeLast | ShowHelp
TypedRequest = FindText | Command
Request = Click | TypedRequest | SegmentAll | ClassifyImage
