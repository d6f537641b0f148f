"""What a person drew in an annotation, and whether it is their work or a prompt that was left behind.

Label Studio saves prompts that were not accepted, and those whose answer was accepted with the tick in the picture, as
ordinary regions. The first row that matches decides:

| evidence                                                                    | the region is                          |
|-----------------------------------------------------------------------------|----------------------------------------|
| a key point with `is_positive`: the page writes it for smart clicks only    | a prompt                               |
| a mask, polygon or ellipse: no smart tool draws them                        | work                                   |
| its control holds answers, or has smart="false" and not smartOnly="true"    | work                                   |
| `origin` is prediction or prediction-changed                                | work: a model's region, copied         |
| a rectangle with an id that this backend makes                              | work: an accepted answer               |
| its control has smartOnly="true", and thus no ordinary tool                 | a prompt                               |
| anything else: an ordinary tool may have drawn it (`smart` is true unless   | unclear                                |
| it is set), or the labeling config no longer has its control                |                                        |

The caller can settle unclear ones by what else lies at the same place. Drafts would not settle more: Label Studio
deletes the draft of an annotation when that is saved (`AnnotationsListAPI.delete_draft`; a signal for later changes),
and in a draft the rectangles of both tools have the same fields. Neither do ids: the page makes both in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from backend.errors import BadRegion, shorten
from backend.label_studio.config import ImageConfig
from backend.label_studio.results.fields import (
    KEYPOINT,
    RECTANGLE,
    Result,
    drawn_size_of,
    join_labels,
    kind_of_region,
    labels_of,
    value_of,
)
from backend.label_studio.results.parse import SavedRegion, choices_of, pick_image, stored_kind
from backend.label_studio.results.region_ids import is_own_id
from backend.label_studio.results.region_values import REMEDY, is_percent

NOT_DRAWN = frozenset(
    [
        "",
        "choices",
        "taxonomy",
        "textarea",
        "number",
        "rating",
        "datetime",
        "pairwise",
        "ranker",
        "relation",
        "reactcode",
    ]
)
"""Kinds of results that are no regions; "" is a separate label."""
IS_POSITIVE = "is_positive"
Points = tuple[tuple[float, float], ...]


class Verdict(Enum):
    """What a drawn region is."""

    WORK = "work"
    PROMPT = "prompt"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class DrawnRegion:
    """A region as a person drew it.

    Attributes:
        control: Name of its control (`from_name`).
        type: `type` of its result.
        region: With a mask; None for a key point, and for a shape that has none.
        group: All results with its id.
        is_key_point: Whether it is a point.
    """

    region_id: str
    control: str
    type: str
    verdict: Verdict
    result: Result
    group: Sequence[Result]
    region: SavedRegion | None = None
    is_key_point: bool = False

    @property
    def kind(self) -> str:
        """Kind of its shape, such as "polygon" or "keypoint"."""
        return self.region.kind if self.region is not None else kind_of_region(self.result)

    @property
    def is_smart_click(self) -> bool:
        """Whether it is certainly a click of the smart tool."""
        return self.is_key_point and IS_POSITIVE in self.result

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, each once."""
        separate = (result for result in self.group if result.get("type") == "labels")
        return tuple(dict.fromkeys(label for one in (self.result, *separate) for label in labels_of(one) if label))

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """The values chosen for it, by the name of the choices control."""
        return choices_of(self.group)


def find_drawn(results: Sequence[Result], config: ImageConfig) -> Iterator[DrawnRegion]:
    """Yield what was drawn on an image, in the order of the results.

    Unlike `parse.find_regions` it leaves nothing out, and gives regions without an id always the same one.

    Raises:
        BadRle: Not a list of results.
    """
    by_id: dict[str, list[Result]] = {}
    for number, result in enumerate(join_labels(pick_image(results, config)), start=1):
        by_id.setdefault(str(result.get("id") or f"result-{number}"), []).append(result)
    for region_id, group in by_id.items():
        drawn = _find_shape(region_id, group, config) or _find_other(region_id, group, config)
        if drawn is not None:
            yield drawn


def check_drawn(drawn: DrawnRegion, config: ImageConfig) -> None:
    """Raise `BadRegion` if two different shapes have its id, or if it is not clear which image of a page it lies on."""
    page, to_name = config.page_images, drawn.result.get("to_name")
    if len(page) > 1 and to_name not in page:  # `pick_image` takes it for every image of the page
        message = f"{_place(drawn)} lies on the image {shorten(to_name)}, which the labeling config does not have."
        raise BadRegion(message, remedy="Give the Image tag its old name again, or delete the region in Label Studio.")
    if len(drawn.group) == 1 or drawn.region is None:
        return
    shapes = [result for result in drawn.group if stored_kind(result) == kind_of_region(result)]
    if any(_shape_of(other) != _shape_of(shapes[0]) for other in shapes[1:]):
        message = f"{_place(drawn)} comes {len(shapes)} times in the annotation, with different shapes."
        remedy = "Several regions have one id: delete all but one in Label Studio, and draw the others again."
        raise BadRegion(message, remedy=remedy)


def key_point_xy(drawn: DrawnRegion) -> tuple[float, float]:
    """Return a key point's place in pixels.

    Raises:
        BadRegion: Its coordinates or the size of its image are missing or damaged.
    """
    value, size = value_of(drawn.result), drawn_size_of(drawn.result)
    x, y = (value.get(name, math.nan) for name in "xy")
    if size is None or not is_percent(x) or not is_percent(y):
        message = f'Region "{shorten(drawn.region_id)}" ({KEYPOINT}): It lies at {shorten(x)}, {shorten(y)} percent'
        raise BadRegion(f"{message} of an image of {size or 'unknown size'}.", remedy=REMEDY)
    return x * size.width / 100, y * size.height / 100


def outline_of(region: SavedRegion) -> Points:
    """Return the corners of a drawn polygon or (rotated) rectangle in pixels, clockwise as drawn; () for other kinds.

    The region is one that `decode` accepts.
    """
    value, size = value_of(region.shape), drawn_size_of(region.shape)
    if size is None or region.kind not in ("polygon", RECTANGLE):
        return ()
    across, down = size.width / 100, size.height / 100
    if region.kind == "polygon":
        return tuple((float(x) * across, float(y) * down) for x, y in value["points"])
    return _corners(value, across, down)


def parent_of(result: Result) -> str:
    """Return the id of the region that a region belongs to (`parentID`); "" if there is none."""
    parent = result.get("parentID")
    return str(parent) if isinstance(parent, (str, int)) and not isinstance(parent, bool) else ""


def _corners(value: Mapping[str, Any], across: float, down: float) -> Points:
    """The rectangle is rotated clockwise about its top left corner; y points down."""
    left, top = value["x"] * across, value["y"] * down
    width, height = value["width"] * across, value["height"] * down
    turn = math.radians(value.get("rotation") or 0)
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return tuple((left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners)


def _find_shape(region_id: str, group: Sequence[Result], config: ImageConfig) -> DrawnRegion | None:
    shapes = [(kind, result) for result in group if (kind := stored_kind(result))]
    if not shapes:
        return None
    kind, first = next((one for one in shapes if kind_of_region(one[1]) == one[0]), shapes[0])
    verdict = _judge(first, config) if kind == RECTANGLE else Verdict.WORK
    control, saved = str(first.get("from_name") or ""), SavedRegion(region_id, kind, first, group)
    return DrawnRegion(region_id, control, str(first.get("type")), verdict, first, group, saved)


def _find_other(region_id: str, group: Sequence[Result], config: ImageConfig) -> DrawnRegion | None:
    """Return the key point, or a shape without an area, such as a vector, or one of an unknown type."""
    drawn = [result for result in group if kind_of_region(result) not in NOT_DRAWN and _is_on(result, config)]
    if not drawn:
        return None
    first, is_key_point = drawn[0], kind_of_region(drawn[0]) == KEYPOINT
    verdict = Verdict.UNCLEAR
    if is_key_point:
        verdict = Verdict.PROMPT if IS_POSITIVE in first else _judge(first, config)
    control = str(first.get("from_name") or "")
    return DrawnRegion(region_id, control, str(first.get("type")), verdict, first, group, None, is_key_point)


def _judge(result: Result, config: ImageConfig) -> Verdict:
    """Judge a rectangle or a key point by its control, id and origin."""
    kind, name = kind_of_region(result), str(result.get("from_name"))
    controls = config.senders(kind, name)
    if config.answers_of(name) or (controls and not any(control.smart for control in controls)):
        return Verdict.WORK
    if str(result.get("origin", "")).startswith("prediction") or (kind == RECTANGLE and is_own_id(result.get("id"))):
        return Verdict.WORK
    return Verdict.PROMPT if controls and all(control.smart_only for control in controls) else Verdict.UNCLEAR


def _shape_of(result: Result) -> dict[str, Any]:
    """Return the value of a result without its labels."""
    return {key: part for key, part in value_of(result).items() if not key.endswith("labels")}


def _place(drawn: DrawnRegion) -> str:
    return f'Region "{shorten(drawn.region_id)}" ({drawn.kind})'


def _is_on(result: Result, config: ImageConfig) -> bool:
    """Whether the result belongs to the image, and not to a text or a sound on the page."""
    return result.get("to_name") in (config.name, None) or (
        kind_of_region(result) == KEYPOINT or drawn_size_of(result) is not None
    )
