"""The drawn regions of one image: which are exported, which are left out, and which are undecided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from backend.bulk.encode_saved import encode_saved_region
from backend.bulk.label_names import LabelNames
from backend.bulk.read_counts import option
from backend.errors import BackendError, BadRegion, ExportError, shorten
from backend.export import EncodedRegion, KeyPoint, check_region
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import (
    MESSAGE_ID,
    DrawnRegion,
    Result,
    SavedRegion,
    Verdict,
    check_drawn,
    find_drawn,
    is_own_id,
    key_point_xy,
    outline_of,
    parent_of,
)
from backend.values import Size

OnBadRegion = Callable[[BackendError], None]
MIN_SAME_PLACE_IOU = 0.7  # of a box and the box around the mask that answered it


@dataclass(frozen=True)
class ControlChoice:
    """What a person has decided about controls, by their names.

    Attributes:
        keep: All of their regions are work, except for clicks that are marked as such.
        drop: All of their regions are left out.
    """

    keep: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()


@dataclass
class TaskNotes:
    """What was met in one task; it counts only if the task is exported.

    Attributes:
        on_bad_region: Called with the reason why a region cannot be exported. Unless it raises, the region is left out.
        undecided: Regions that may be prompts or a person's work.
        has_only_left_out: Whether an image has nothing but regions that were left out.
    """

    on_bad_region: OnBadRegion
    left_out: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    empty: list[str] = field(default_factory=list)
    undecided: list[DrawnRegion] = field(default_factory=list)
    has_only_left_out: bool = False


@dataclass(frozen=True)
class ImageRegions:
    """Reader of one image's regions.

    Attributes:
        size: Of the image.
        annotation_id: Of the annotation that they belong to.
    """

    config: ImageConfig
    choice: ControlChoice
    labels: LabelNames
    size: Size
    annotation_id: int | None
    notes: TaskNotes

    def read(self, results: Sequence[Result]) -> tuple[tuple[EncodedRegion, ...], tuple[KeyPoint, ...]]:
        """Read the regions and key points in their order; undecided ones are noted.

        Raises:
            BackendError: Not a list of results, or `on_bad_region` raises.
        """
        regions: list[EncodedRegion] = []
        points: list[KeyPoint] = []
        unclear: list[DrawnRegion] = []
        left_out_before = self.notes.left_out.total()
        for drawn in find_drawn(results, self.config):
            verdict = self._decide(drawn)
            if verdict is Verdict.PROMPT:
                self.notes.left_out[drawn.type] += 1
            elif verdict is Verdict.UNCLEAR:
                unclear.append(drawn)
            else:
                self._read_one(drawn, regions, points)
        for drawn in unclear:
            self._settle(drawn, regions)
        is_bare = not points and not any(region.area for region in regions)
        self.notes.has_only_left_out |= is_bare and self.notes.left_out.total() > left_out_before
        self.notes.messages += sum(result.get("id") == MESSAGE_ID for result in results)
        return tuple(regions), tuple(points)

    def _decide(self, drawn: DrawnRegion) -> Verdict:
        if drawn.is_smart_click or drawn.control in self.choice.drop:
            return Verdict.PROMPT
        if drawn.region is None and not drawn.is_key_point:
            return Verdict.UNCLEAR
        if drawn.control in self.choice.keep:
            return Verdict.WORK
        is_work = drawn.verdict is Verdict.WORK
        return Verdict.UNCLEAR if is_work and self._is_strange(drawn) else drawn.verdict

    def _is_strange(self, drawn: DrawnRegion) -> bool:
        """Whether it lies in a control of prompts, and has a label that the exported ones do not have."""
        known = self.labels.key_points if drawn.is_key_point else self.labels.categories
        sends = any(control.smart for control in self.config.senders(drawn.kind, drawn.control))
        return sends and not self.config.answers_of(drawn.control) and not {*drawn.labels[:1]} <= {*known}

    def _read_one(self, drawn: DrawnRegion, regions: list[EncodedRegion], points: list[KeyPoint]) -> None:
        try:
            check_drawn(drawn, self.config)
            if drawn.region is None:
                points.append(self._read_point(drawn))
                return
            region = self._encode(drawn.region)
            check_region(region, self.size, self.labels.categories)
        except (BadRegion, ExportError) as error:
            self.notes.on_bad_region(error)
        else:
            regions.append(region)
            if not region.area:
                self.notes.empty.append(f'region "{shorten(region.region_id)}" ({region.kind})')

    def _encode(self, saved: SavedRegion) -> EncodedRegion:
        return replace(encode_saved_region(saved), annotation_id=self.annotation_id, outline=outline_of(saved))

    def _read_point(self, drawn: DrawnRegion) -> KeyPoint:
        x, y = key_point_xy(drawn)
        label = next(iter(drawn.labels), "")
        if label not in self.labels.key_points:
            where = f'Region "{shorten(drawn.region_id)}" (keypoint)'
            known = shorten(", ".join(self.labels.key_points)) or "none"
            what = f"has the label {shorten(repr(label))}" if label else "has no label"
            message = f"{where} {what}; the labels of key points in the labeling config are: {known}."
            raise ExportError(message, remedy="Assign one of these in Label Studio, or delete the point there.")
        index, parent = self.labels.pose_indexes.get(label), parent_of(drawn.result)
        return KeyPoint(drawn.region_id, label, x, y, parent, index, self.annotation_id, drawn.choices)

    def _settle(self, drawn: DrawnRegion, regions: Sequence[EncodedRegion]) -> None:
        """Leave out what an accepted mask of the same label lies over; anything else remains undecided."""
        answers = (region for region in regions if is_own_id(region.region_id) and region.label in drawn.labels)
        try:
            is_answered = any(_is_at(drawn, region) for region in answers)
        except BadRegion as error:
            self.notes.on_bad_region(error)
            return
        if is_answered:
            self.notes.left_out[drawn.type] += 1
        else:
            self.notes.undecided.append(drawn)


def refuse_undecided(undecided: Sequence[DrawnRegion]) -> ExportError:
    """Build the error of a task with undecided regions."""
    first = undecided[0]
    more = f" (and {len(undecided) - 1} more regions of this task)" if len(undecided) > 1 else ""
    what = f'Region "{shorten(first.region_id)}" ({shorten(first.type)}) of the control {shorten(repr(first.control))}'
    drop = option("--drop", first.control)
    if not (first.region or first.is_key_point):
        remedy = f"Leave the regions of this control out with {drop}."
        return ExportError(f"{what} has no area, so no format can hold it{more}.", remedy=remedy)
    message = f"{what} may be a prompt that was left behind, or somebody's work{more}."
    keep = option("--keep", first.control)
    remedy = f"Export the regions of this control with {keep}, or leave them out with {drop}."
    return ExportError(message, remedy=remedy)


def _is_at(drawn: DrawnRegion, region: EncodedRegion) -> bool:
    """Whether a mask lies where a point or a rectangle is.

    Raises:
        BadRegion: The point or rectangle is damaged.
    """
    left, top, width, height = region.bbox
    if drawn.is_key_point:
        x, y = map(int, key_point_xy(drawn))
        is_near = left <= x < left + width and top <= y < top + height
        return is_near and bool(region.decode_mask()[y, x])
    if drawn.region is None:
        return False
    drawn.region.decode()  # raises for a damaged rectangle
    xs, ys = zip(*outline_of(drawn.region), strict=True)
    across = min(max(xs), left + width) - max(min(xs), left)
    down = min(max(ys), top + height) - max(min(ys), top)
    shared = max(across, 0) * max(down, 0)
    union = (max(xs) - min(xs)) * (max(ys) - min(ys)) + width * height - shared
    return shared >= MIN_SAME_PLACE_IOU * union
