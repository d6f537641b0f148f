"""Objects that a text or a command finds, without those that have a mask on the page.

Masks of the last minute that Label Studio has not saved yet may be accepted, pending or rejected. A text or a command
that finds their objects again suggests the remembered mask under its old id. That is right in each case: an
accepted mask is replaced by itself instead of getting a duplicate, a pending one stays on the page, and a rejected one
would have been suggested again anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.engine import pick_unlabeled
from backend.geometry import mask_iou
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion
from backend.predict.answer_memory import AnswerMemory
from backend.predict.remembered_answer import RememberedAnswer
from backend.values import Size

SAME_OBJECT_IOU = 0.75


@dataclass(frozen=True)
class NewObjects:
    """What a text or a command found that has no mask on the page.

    Attributes:
        labeled: Number of those that have one and are left out.
        is_repeated: Whether some of the regions are unsaved masks, suggested again under their ids.
    """

    regions: tuple[LabeledRegion, ...]
    labeled: int = 0
    is_repeated: bool = False


def leave_out_labeled(
    found: Sequence[LabeledRegion],
    accepted: Sequence[LabeledRegion],
    memory: AnswerMemory,
    size: Size,
    config: ImageConfig,
) -> NewObjects:
    """Leave out the objects that have a mask on the page as it was saved, and repeat unsaved masks of the others.

    An unsaved mask of a click is repeated whatever its label, one of another text or command only for the same label.

    Args:
        accepted: The regions on the page.
        size: Of the image.
    """
    kept = pick_unlabeled([region.mask for region in found], [region.mask for region in accepted])
    unsaved = unsaved_regions(memory.reusable, accepted, size, config)
    clicked = unsaved_regions([one for one in memory.reusable if one.prompt_ids], accepted, size, config)
    regions = reuse_unsaved(reuse_unsaved([found[place] for place in kept], clicked), unsaved, same_label=True)
    return NewObjects(regions, len(found) - len(kept), has_repeated(regions, unsaved))


def has_repeated(regions: Sequence[LabeledRegion], unsaved: Sequence[LabeledRegion]) -> bool:
    """Whether some of the regions are unsaved ones, by their ids."""
    return bool({region.region_id for region in regions} & {region.region_id for region in unsaved})


def unsaved_regions(
    remembered: Sequence[RememberedAnswer], accepted: Sequence[LabeledRegion], size: Size, config: ImageConfig
) -> list[LabeledRegion]:
    """Return the remembered regions that are not on the page as it was saved, newest first.

    Args:
        accepted: The regions on the page.
        size: Of the image.
    """
    known = {region.region_id for region in accepted}
    found = []
    for answer in remembered:
        found += [region for region in answer.regions(config) if region.region_id not in known]
        known |= {region.region_id for region in found}
    return [region for region in found if region.mask.shape == (size.height, size.width) and region.mask.any()]


def reuse_unsaved(
    regions: Sequence[LabeledRegion], unsaved: Sequence[LabeledRegion], *, same_label: bool = False
) -> tuple[LabeledRegion, ...]:
    """Replace regions by unsaved ones of the same object.

    Args:
        unsaved: Newest first.
        same_label: Whether only those with the region's label count.
    """
    chosen: dict[str, LabeledRegion] = {}
    for region in regions:
        same = (other for other in unsaved if not same_label or other.label == region.label)
        again = next((other for other in same if mask_iou(other.mask, region.mask) >= SAME_OBJECT_IOU), region)
        chosen.setdefault(again.region_id, again)
    return tuple(chosen.values())
