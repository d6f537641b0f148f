"""Several annotations of one image to one: what more than half of the annotators agree on.

- Regions of two annotators are the same object if they have the same label and an IoU of 0.5 or more. Pairs are joined
  greedily, the highest IoU first, into groups with at most one region of each annotator.
- An object is kept if strictly more than half of the annotators have it: 2 of 3, 2 of 2, but not 1 of 2 or 2 of 4. An
  annotator who drew nothing counts. The others are listed.
- A pixel belongs to the mask if strictly more than half of the group's regions have it. So a tie leaves it out: of two
  regions it is the intersection.
- Rectangles, polygons and ellipses count as their pixels. If the majority's mask is that of one of the shapes, the
  region is that shape, else a mask without outline or kind.
- Key points match if they have the same label and parent and are at most 1 % of the image's longer side apart, the
  nearest first; a kept one lies at the mean. One whose parent is not kept is listed.
- Choices, per region and for the image, are kept if strictly more than half agree on the values of a control, else
  listed.

A kept region has the id of its lowest annotation id (then region id). The order in which annotators come makes no
difference.

Worked example: three annotators paint pixels 0-3, 0-3 and 1-4 of a row as "cat". IoUs are 1 and 3/5, so it is one
object of three; pixels 0 to 3 have two or three of them, pixel 4 one. The mask is 0-3.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from pycocotools import mask as coco_mask

from backend.errors import ExportError, shorten
from backend.export.records import Choices, EncodedRegion, KeyPoint, LabeledImage, encode_region
from backend.values import Mask

MIN_IOU = 0.5
MAX_POINT_DISTANCE = 0.01  # of the image's longer side
T = TypeVar("T", EncodedRegion, KeyPoint)
Member = tuple[int, int]  # rank of the annotator, position among that annotator's regions or points
Pair = tuple[float, Member, Member]  # the lower number first


@dataclass(frozen=True)
class _Votes:
    """Members of one group, and the number of annotators of the image."""

    members: tuple[Member, ...]
    annotators: int

    @property
    def is_majority(self) -> bool:
        return 2 * len(self.members) > self.annotators


def merge_annotators(images: Sequence[LabeledImage]) -> tuple[LabeledImage, tuple[str, ...]]:
    """Merge what several annotators did on one image.

    Args:
        images: The same image once for each annotator, also for those who drew nothing; at least one.

    Returns:
        The consensus, and a line for each thing that was left out because too few agree on it.

    Raises:
        ExportError: The annotators drew on different sizes of the image.
    """
    ranked = sorted(images, key=_image_order)
    first = ranked[0]
    if len({image.size for image in ranked}) > 1:
        sizes = ", ".join(f"{image.size} in annotation {image.annotation_id}" for image in ranked)
        remedy = "The image was replaced after it was annotated. Delete the annotations of its older version."
        raise ExportError(f"The annotators drew on different sizes of the image: {sizes}.", remedy=remedy)
    if len(ranked) == 1:
        return first, ()
    reasons: list[str] = []
    regions, new_ids = _merge_regions(ranked, reasons)
    points = _merge_points(ranked, new_ids, reasons)
    choices = _merge_choices([image.choices for image in ranked], "the image", reasons)
    merged = replace(first, regions=regions, key_points=points, choices=choices, annotation_id=None, annotator="")
    return merged, tuple(reasons)


def _merge_regions(
    ranked: Sequence[LabeledImage], reasons: list[str]
) -> tuple[tuple[EncodedRegion, ...], Mapping[tuple[int, str], str]]:
    """Return the regions of the consensus, and by annotator and region id the id of the region they became."""
    drawn = [[_named(region, image) for region in image.regions if region.area] for image in ranked]
    kept: list[EncodedRegion] = []
    new_ids: dict[tuple[int, str], str] = {}
    for votes in _vote(drawn, _region_pairs(drawn)):
        regions = [drawn[rank][at] for rank, at in votes.members]
        merged = _merge_group(regions, reasons) if votes.is_majority else None
        if merged is None or not merged.area:
            what = "no pixel that more than half of them have" if merged else _count(votes)
            reasons.extend(f"{_describe(region)}: {what}" for region in regions)
            continue
        kept.append(merged)
        new_ids |= {(rank, drawn[rank][at].region_id): merged.region_id for rank, at in votes.members}
    return tuple(kept), new_ids


def _merge_group(regions: Sequence[EncodedRegion], reasons: list[str]) -> EncodedRegion:
    """Merge the regions of one object, ordered by annotation; the first one gives the id."""
    first = regions[0]
    masks = [region.decode_mask() for region in regions]
    mask: Mask = np.asarray(2 * np.sum(masks, axis=0, dtype=np.int64) > len(masks))
    merged = encode_region(mask, first.label, first.region_id)
    same = next((one for one in regions if one.segmentation["counts"] == merged.segmentation["counts"]), None)
    scores = {region.score for region in regions}
    others = {region.other_labels for region in regions}
    return replace(
        merged,
        kind=same.kind if same else "",
        outline=same.outline if same else (),
        score=scores.pop() if len(scores) == 1 else None,
        other_labels=others.pop() if len(others) == 1 else (),
        choices=_merge_choices([region.choices for region in regions], _describe(first), reasons),
        is_crowd=2 * sum(region.is_crowd for region in regions) > len(regions),
        annotation_id=first.annotation_id,
    )


def _merge_points(
    ranked: Sequence[LabeledImage], new_ids: Mapping[tuple[int, str], str], reasons: list[str]
) -> tuple[KeyPoint, ...]:
    placed: list[list[KeyPoint]] = []
    for rank, image in enumerate(ranked):
        placed.append([])
        for point in (_named(one, image) for one in image.key_points):
            parent_id = new_ids.get((rank, point.parent_id), "")
            if point.parent_id and not parent_id:
                reasons.append(f"{_describe(point)}: its object was not kept")
            else:
                placed[rank].append(replace(point, parent_id=parent_id))
    merged = []
    for votes in _vote(
        placed, _point_pairs(placed, MAX_POINT_DISTANCE * max(ranked[0].size.width, ranked[0].size.height))
    ):
        points = [placed[rank][at] for rank, at in votes.members]
        if votes.is_majority:
            x, y = (
                math.fsum(values) / len(points) for values in ([one.x for one in points], [one.y for one in points])
            )
            choices = _merge_choices([point.choices for point in points], _describe(points[0]), reasons)
            merged.append(replace(points[0], x=x, y=y, choices=choices))
        else:
            reasons.extend(f"{_describe(point)}: {_count(votes)}" for point in points)
    return tuple(merged)


def _vote(items: Sequence[Sequence[T]], pairs: Iterable[Pair]) -> Iterator[_Votes]:
    """Join pairs greedily into groups with at most one item of each annotator; yield all groups in a fixed order."""
    groups = {(rank, at): [(rank, at)] for rank, own in enumerate(items) for at in range(len(own))}
    for _, one, other in sorted(pairs):
        mine, theirs = groups[one], groups[other]
        if {rank for rank, _ in mine}.isdisjoint(rank for rank, _ in theirs):
            mine += theirs
            groups |= dict.fromkeys(theirs, mine)
    for member, group in sorted(groups.items()):
        if member == min(group):
            yield _Votes(tuple(sorted(group)), len(items))


def _region_pairs(drawn: Sequence[Sequence[EncodedRegion]]) -> Iterator[Pair]:
    """Yield the pairs of regions that may be one object, with 1 - IoU."""
    for rank, mine in enumerate(drawn):
        for other_rank in range(rank + 1, len(drawn)):
            theirs = drawn[other_rank]
            if mine and theirs:
                crowd = [0] * len(theirs)
                ious = coco_mask.iou([one.segmentation for one in mine], [one.segmentation for one in theirs], crowd)
                for at, to in np.argwhere(ious >= MIN_IOU).tolist():
                    if mine[at].label == theirs[to].label:
                        yield 1 - float(ious[at, to]), (rank, at), (other_rank, to)


def _point_pairs(placed: Sequence[Sequence[KeyPoint]], max_distance: float) -> Iterator[Pair]:
    everyone = [((rank, at), point) for rank, own in enumerate(placed) for at, point in enumerate(own)]
    for number, (member, one) in enumerate(everyone):
        for to, other in everyone[number + 1 :]:
            distance = math.hypot(one.x - other.x, one.y - other.y)
            if member[0] != to[0] and distance <= max_distance and _key(one) == _key(other):
                yield distance, member, to


def _merge_choices(given: Sequence[Choices], what: str, reasons: list[str]) -> Choices:
    merged: dict[str, tuple[str, ...]] = {}
    for control in sorted({control for choices in given for control in choices}):
        values, count = Counter(choices.get(control, ()) for choices in given).most_common(1)[0]
        if 2 * count > len(given):
            merged |= {control: values} if values else {}
        else:
            reasons.append(f"{what}: no values of {shorten(control)} that more than half agree on")
    return merged


def _key(point: KeyPoint) -> Hashable:
    return point.label, point.parent_id


def _image_order(image: LabeledImage) -> tuple[int, str, list[str]]:
    return image.annotation_id or 0, image.annotator, [region.region_id for region in image.regions]


def _named(item: T, image: LabeledImage) -> T:
    return item if item.annotation_id is not None else replace(item, annotation_id=image.annotation_id)


def _count(votes: _Votes) -> str:
    return f"{len(votes.members)} of {votes.annotators} annotators have it"


def _describe(item: EncodedRegion | KeyPoint) -> str:
    return f'region "{shorten(item.region_id)}" of annotation {item.annotation_id} ({shorten(item.label)})'
