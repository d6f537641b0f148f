"""The click rules: whether a prompt selects a new object, the next larger candidate, or corrects a mask on the page.

| points                                                       | answer                                            |
|--------------------------------------------------------------|---------------------------------------------------|
| all on or near a mask with their label, or with any label if | that mask, corrected, under its own id            |
| they have none                                               |                                                   |
| only negative, on a mask with another label                  | that mask, corrected, with the label of the click |
| positive, near such a mask, and SAM is sure of another object | that other object, as a new region               |
| several positive at (nearly) the same place, nothing else    | SAM's next larger candidate, cyclically           |
| only negative, no box, no mask there                         | refused; it does not count with the next ones     |
| one positive, on nothing (see `click_on_nothing`)            | refused; it does not count with the next ones     |
| a box alone, on nothing (see `box_on_nothing`)               | refused                                           |
| any others, a box, or both                                   | SAM's best candidate, as a new region             |

`correctable_masks` says what "near" is. SAM is sure of another object if its answer to the points alone has a predicted
IoU of at least 0.5 and at most a tenth of it lies inside the mask: objects of one class often touch, and a click on a
neighbour must not change an accepted mask. But where they touch, SAM finds the neighbour at what the mask misses, too:
a point at the edge of the other object, within half a percent of the image's longer side, means the mask. "Nearly the
same place" is 1 % of the image's diagonal.

Label Studio saves a changed label some seconds later. A person who picks the mask's new label before an Alt+click must
not be refused for that, and the tick would give the mask the picked label anyway.

A mask that SAM has answered within the last minute is corrected as SAM's answer, by one more click, unless it has been
changed since; any other as a mask on the page. See `click_chains`.

A mask that was answered a moment ago and is in no draft yet is corrected by the same rules, except that a positive
point on it never means it: Label Studio sends no click on an accepted mask, so that one was rejected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt
from backend.geometry import Point, distance_to_mask, pixel_of
from backend.label_studio.requests import LabeledPrompt
from backend.label_studio.results import LabeledRegion
from backend.predict.box_on_nothing import check_box_answer
from backend.predict.click_chains import continue_chain, find_chain
from backend.predict.click_on_nothing import IGNORED, ClicksOnNothing
from backend.predict.correctable_masks import CorrectableMasks
from backend.predict.messages import describe_size
from backend.predict.remembered_answer import RememberedAnswer
from backend.predict.split_clicks import split_by_mask
from backend.runtime import NO_DEADLINE, Deadline, timed
from backend.values import Candidate, Mask, Prompt, Size

SAME_PLACE = 0.01  # of the image's diagonal
OTHER_SCORE = 0.5  # minimum predicted IoU of another object
OTHER_OVERLAP = 0.1  # maximum share of that object inside the mask
OTHER_EDGE = 0.005  # of the image's longer side: how far from that object's edge the points are at least
MIN_COVER = 0.5  # minimum share of a mask that may have been rejected, inside what SAM finds at the points alone
CORRECTS_LAST = "Correcting the last mask."


@dataclass(frozen=True)
class ClickAnswer:
    """A mask for one prompt.

    Attributes:
        corrected: The region on the page that it corrects; None for a new region.
        message: What to tell the person about it, one line; "" for nothing.
        takes_label: Whether the corrected region gets the label of the click; else it keeps its own.
        chain: The box and clicks that the candidate is SAM's answer to; None if it was made in another way.
    """

    candidate: Candidate
    corrected: LabeledRegion | None = None
    message: str = ""
    takes_label: bool = False
    chain: Prompt | None = None

    @property
    def kept_label(self) -> str:
        """The label of the corrected region; "" for a new region."""
        return self.corrected.label if self.corrected else ""

    def held_points(self, prompt: Prompt) -> tuple[Point, ...]:
        """Return the points that hold in the mask that answers a prompt: with the earlier ones of a continued chain."""
        return (self.chain if self.corrected and self.chain else prompt).point_coords


@dataclass(frozen=True)
class ClickRules:
    """The rules above for the prompts of one request on one image.

    Attributes:
        masks: Those that the prompts may correct.
        nothing: Verdicts on single clicks.
        min_score: Minimum predicted IoU of a single click; see `click_on_nothing`.
        min_box_score: Minimum predicted IoU of a box; see `box_on_nothing`.
        deadline: Of the request, which ends the work between two masks or two runs of SAM.
        recalled: The last answers on the image, newest first.
    """

    labeler: ImageLabeler
    encoded: EncodedImage
    masks: CorrectableMasks
    nothing: ClicksOnNothing
    min_score: float = 0.0
    min_box_score: float = 0.0
    deadline: Deadline = NO_DEADLINE
    recalled: Sequence[RememberedAnswer] = ()

    def split(self, prompt: LabeledPrompt) -> list[LabeledPrompt]:
        """Split the points by their masks (see `split_clicks`); points on nothing before them do not count."""
        parts, labels = split_by_mask(prompt, self.masks), prompt.prompt.point_labels
        if len(parts) > 1 or len(labels) < 3 or labels[0] == 0 or not self.masks.regions:
            return parts
        counting, is_short = self._settle(prompt.prompt)
        if not is_short:
            return parts
        parts = split_by_mask(replace(prompt, prompt=counting), self.masks)
        return parts if len(parts) > 1 else [prompt]

    @timed("sam")
    def answer(self, prompt: LabeledPrompt) -> ClickAnswer:
        """Answer one prompt.

        Raises:
            BadPrompt: Only negative points, and no mask to subtract from; or a click or a box on nothing.
            Overloaded, ClientDisconnected: The answer would come too late.
        """
        return self._correct(prompt) or self._begin_object(prompt)

    def _correct(self, prompt: LabeledPrompt) -> ClickAnswer | None:
        """Correct the mask that the points are near, or find the other object there; None without such a mask."""
        corrected, takes_label = self.masks.find(prompt), False
        if corrected is None and prompt.label and is_background(prompt.prompt):
            corrected, takes_label = self.masks.find(replace(prompt, label="")), True
        if corrected is None:
            return None
        region = self.masks.with_id(corrected.region_id)
        min_cover = MIN_COVER if region.may_be_rejected else 0.0
        other = self._find_other_object(prompt.prompt, corrected.mask, min_cover)
        if other is not None:
            return ClickAnswer(other, chain=self._chain_of(prompt.prompt))
        chain = find_chain(self.recalled, corrected, self.masks.config)
        if chain is not None:
            chain = continue_chain(chain, prompt.prompt)
            candidate = self._segment(chain)
        else:
            candidate = self.labeler.refine(self.encoded, prompt.prompt, corrected.mask, deadline=self.deadline)
        return ClickAnswer(candidate, corrected, CORRECTS_LAST if region.is_recent else "", takes_label, chain)

    def _find_other_object(self, points: Prompt, mask: Mask, min_cover: float) -> Candidate | None:
        """Find another object than the mask that positive points near it select; None if they may mean the mask itself.

        Args:
            min_cover: Minimum share of the mask that an answer to the points alone covers if they mean the mask.
        """
        if not all(points.point_labels) or any(distance_to_mask(mask, at, 0.0) == 0 for at in points.point_coords):
            return None
        alone = self._segment(points)
        inside = int(np.count_nonzero(alone.mask & mask))
        is_apart = inside < OTHER_OVERLAP * int(np.count_nonzero(alone.mask))
        is_apart = is_apart or inside < min_cover * int(np.count_nonzero(mask))
        is_sure = alone.score >= OTHER_SCORE and all(_is_inside(alone.mask, at) for at in points.point_coords)
        return alone if is_apart and is_sure else None

    def _begin_object(self, prompt: LabeledPrompt) -> ClickAnswer:
        """Answer a prompt that corrects no mask."""
        points = prompt.prompt
        if is_background(points) and points.box_xyxy is None:
            if len(points.point_labels) > 1:  # the first one was refused, stayed on the page and does not count
                counting = replace(points, point_coords=points.point_coords[1:], point_labels=points.point_labels[1:])
                return self._answer_rest(prompt, counting)
            raise BadPrompt("No mask here to take a part from.", remedy="Click the object first.")
        repeats = count_repeats(points, self.encoded.image.size)
        if repeats:
            first = Prompt(points.point_coords[:1], points.point_labels[:1])
            larger = self.labeler.segment_larger(self.encoded, first, repeats)
            return ClickAnswer(larger.candidate, message=describe_size(larger.place, larger.count))
        if points.is_single_click:
            found = self.nothing.answer(self.labeler, self.encoded, points, self.min_score, self.deadline)
            return ClickAnswer(found.candidate, chain=self._chain_of(Prompt((found.place,), (1,))))
        counting, is_short = self._settle(points)
        if is_short:
            return self._answer_rest(prompt, counting)
        candidate = self._segment(counting)
        if points.box_xyxy is not None and not points.point_coords:
            check_box_answer(candidate, points.box_xyxy, self.min_box_score)
        return ClickAnswer(candidate, chain=self._chain_of(counting))

    def _answer_rest(self, prompt: LabeledPrompt, counting: Prompt) -> ClickAnswer:
        """Answer the points that are left without the first ones, which do not count; the person is told so once."""
        answer = self.answer(replace(prompt, prompt=counting))
        return answer if IGNORED in answer.message else replace(answer, message=f"{answer.message} {IGNORED}".strip())

    def _segment(self, points: Prompt) -> Candidate:
        return self.labeler.segment(self.encoded, points, deadline=self.deadline)[0]

    def _chain_of(self, points: Prompt) -> Prompt | None:
        return points if self.labeler.is_chain(points) else None

    def _settle(self, points: Prompt) -> tuple[Prompt, bool]:
        return self.nothing.settle(self.labeler, self.encoded, points, self.min_score, self.deadline)


def _is_inside(mask: Mask, at: Point) -> bool:
    """Whether a point lies in a mask, and not at its edge (`OTHER_EDGE`); the image's border is none."""
    reach = round(OTHER_EDGE * max(mask.shape))
    x, y = pixel_of((*at, 1), mask.shape)
    return bool(mask[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].all())


def is_background(prompt: Prompt) -> bool:
    """Whether all points of a prompt take something away."""
    return bool(prompt.point_labels) and not any(prompt.point_labels)


def count_repeats(prompt: Prompt, size: Size) -> int:
    """Number of times a single click was repeated at nearly the same place; 0 for any other prompt."""
    if prompt.box_xyxy is not None or not prompt.point_labels or not all(prompt.point_labels):
        return 0
    reach = SAME_PLACE * math.hypot(size.width, size.height)
    first = prompt.point_coords[0]
    is_same_place = all(math.dist(first, point) <= reach for point in prompt.point_coords)
    return len(prompt.point_coords) - 1 if is_same_place else 0
