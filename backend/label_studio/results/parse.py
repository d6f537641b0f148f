"""Results → regions, for annotations, drafts and predictions; the inverse of `build.build_results`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from backend.errors import BadRegion, BadRle, shorten
from backend.geometry import PixelRuns
from backend.label_studio.config import PATH_SEPARATOR, SHAPES, ImageConfig
from backend.label_studio.results.brush_strokes import find_painted, has_strokes
from backend.label_studio.results.fields import (
    RECTANGLE,
    Result,
    drawn_size_of,
    join_labels,
    json_type_of,
    kind_of_region,
    labels_of,
    value_of,
)
from backend.label_studio.results.labeled_region import LabeledRegion
from backend.label_studio.results.region_ids import is_own_id, new_region_id
from backend.label_studio.results.region_notes import parse_notes
from backend.label_studio.results.region_values import mask_from_value, runs_from_brush
from backend.values import Mask, Size

RESULT_REMEDY = "The annotation is damaged: delete it in Label Studio and create it again."
CLASS_KINDS = ("choices", "taxonomy")
SHAPES_BY_KEY = {"rle": "brush", "imageDataURL": "bitmask", "points": "polygon", "radiusX": "ellipse"}


@dataclass(frozen=True)
class SavedRegion:
    """A saved region whose mask is not decoded yet.

    Attributes:
        kind: The kind of its shape, such as "polygon".
        shape: The result that holds the mask.
        group: All results with the region's id: shape, labels, classes and texts.
    """

    region_id: str
    kind: str
    shape: Result
    group: Sequence[Result]

    def decode(self) -> LabeledRegion:
        """Return the region with its mask.

        Raises:
            BadRle: A brush whose mask is missing or cannot be decoded.
            BadRegion: Any other shape that is missing or cannot be drawn. Both messages name the region and its kind.
        """
        shape = self.decode_shape()
        label, *others = self.labels or ("",)
        return LabeledRegion(
            mask=shape.to_mask() if isinstance(shape, PixelRuns) else shape,
            label=label,
            region_id=self.region_id,
            score=self.score,
            choices=self.choices,
            control=str(self.shape.get("from_name") or ""),
            kind=self.kind,
            other_labels=tuple(others),
            notes=parse_notes(self.shape),
            painted=find_painted(value_of(self.shape), _size(self.shape)) if self.kind == "brush" else None,
        )

    def decode_shape(self) -> Mask | PixelRuns:
        """Return the mask, or of a brush its pixels as runs, which are not painted; raises as `decode` does."""
        try:
            value, size = value_of(self.shape), _size(self.shape)
            is_plain = self.kind == "brush" and not has_strokes(value)
            return runs_from_brush(value, size) if is_plain else mask_from_value(value, self.kind, size)
        except BadRegion as error:
            message = f'Region "{shorten(self.region_id)}" ({self.kind}): {error.message}'
            raise type(error)(message, remedy=error.remedy) from error

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the shape, then those that Labels controls give the region, each once."""
        separate = (result for result in self.group if result.get("type") == "labels")
        labels = (label for result in (self.shape, *separate) for label in labels_of(result))
        return tuple(dict.fromkeys(label for label in labels if label))

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """The values chosen for the region, by the name of the choices control."""
        choices = {str(result.get("from_name")): _choice_names(result) for result in self.group if _is_class(result)}
        return MappingProxyType(choices)

    @property
    def score(self) -> float | None:
        """The score that it was saved with; None if there is none, or one that is not a finite number."""
        return _saved_score(self.shape)


def parse_regions(results: Sequence[Result], config: ImageConfig) -> list[LabeledRegion]:
    """Decode all regions; a 1080p mask takes 2 MB. Raises as `find_regions` and `SavedRegion.decode` do."""
    return [saved.decode() for saved in find_regions(results, config)]


def find_regions(results: Sequence[Result], config: ImageConfig) -> Iterator[SavedRegion]:
    """Yield the regions with a mask of an annotation, draft or prediction in their order, whatever their kind.

    Prompts that were not accepted are skipped: keypoints, and rectangles of a control that has a smart tool and carries
    no answers. Label Studio stores an accepted shape a second time under a keypoint or rectangle control if one of that
    control's labels was selected at that moment. Of several shapes with one id, the first one under its own control
    counts; if only a copy is left, it is the region, with the copy's label. A label is returned as it was saved, even
    if the config no longer has it.

    Args:
        config: Labeling config of the image; results on the page's other images are skipped.

    Raises:
        BadRle: Not a list of results.
    """
    by_id: dict[str, list[Result]] = {}
    for result in join_labels(pick_image(results, config)):
        by_id.setdefault(str(result.get("id") or new_region_id()), []).append(result)
    for region_id, group in by_id.items():
        shapes = [result for result in group if shape_kind(result, config)]
        if shapes:
            own = next((result for result in shapes if kind_of_region(result) == shape_kind(result, config)), shapes[0])
            yield SavedRegion(region_id, str(shape_kind(own, config)), own, group)


def shape_kind(result: Result, config: ImageConfig) -> str | None:
    """Return the kind of the region whose shape a result is; None if it has no mask, or is a prompt, class or text.

    Saved classes, texts and separate labels carry a copy of their region's value, but are not shapes.
    """
    kind = stored_kind(result)
    return None if kind == RECTANGLE and _is_prompt(result, config) else kind


def stored_kind(result: Result) -> str | None:
    """Return what `shape_kind` does, but the kind of a rectangle that is a prompt, too."""
    own = kind_of_region(result)
    if own not in SHAPES and (not own or not str(result.get("type")).endswith("labels")):
        return None
    stored = next((kind for key, kind in SHAPES_BY_KEY.items() if key in value_of(result)), None)
    return stored or (own if own in SHAPES else None)


def count_left_out(results: Sequence[Result], config: ImageConfig) -> Counter[str]:
    """Count the drawn regions that `find_regions` skips, by the type of their result.

    These are keypoints and rectangles that were prompts and not accepted, and shapes without an area, such as vectors.
    """
    own = pick_image(results, config)
    read = {result.get("id") for result in own if shape_kind(result, config)}
    types = {
        str(result.get("id") or number): str(result.get("type"))
        for number, result in enumerate(own)
        if result.get("id") not in read
        if result.get("type") in ("keypoint", "rectangle", "vector") or kind_of_region(result) != result.get("type")
        if kind_of_region(result)  # "": separate labels, which repeat a shape
    }
    return Counter(types.values())


def parse_image_choices(results: Sequence[Result], config: ImageConfig) -> dict[str, tuple[str, ...]]:
    """Return the choices for the whole image by the name of their control. Raises `BadRle` as `parse_regions` does."""
    own = pick_image(results, config)
    per_region = {control.name for control in config.region_choices}
    classes = [result for result in own if _is_class(result) and result.get("from_name") not in per_region]
    region_ids = {result.get("id") for result in own if shape_kind(result, config)} if classes else set()
    return {
        str(result.get("from_name")): _choice_names(result) for result in classes if result.get("id") not in region_ids
    }


def pick_image(results: object, config: ImageConfig) -> list[Result]:
    """Return the results of one image of the page. Raises `BadRle` as `check_results` does."""
    return [result for result in check_results(results) if not config.is_on_other_image(result.get("to_name"))]


def check_results(results: object) -> Sequence[Result]:
    """Return the results of an annotation unchanged.

    Raises:
        BadRle: Not a list of objects, or an id that is neither a string nor a number.
    """
    if not isinstance(results, (list, tuple)):
        message = f'"result" of an annotation must be a list, but is {json_type_of(results)}.'
        raise BadRle(message, remedy=RESULT_REMEDY)
    for number, result in enumerate(results, start=1):
        if not isinstance(result, Mapping):
            message = f"Result {number} of an annotation must be an object, but is {json_type_of(result)}."
            raise BadRle(message, remedy=RESULT_REMEDY)
        if not isinstance(result.get("id"), (str, int, type(None))):
            message = f"The id of result {number} of an annotation must be a string, but is {shorten(result['id'])}."
            raise BadRle(message, remedy=RESULT_REMEDY)
    return results


def _is_prompt(result: Result, config: ImageConfig) -> bool:
    """Whether a rectangle comes from a control that sends prompts and carries no answers, and not from this backend."""
    name = result.get("from_name")
    sends = any(control.smart for control in config.senders(RECTANGLE, name))
    return sends and not config.answers_of(str(name)) and not is_own_id(result.get("id"))


def _is_class(result: Result) -> bool:
    return result.get("type") in CLASS_KINDS


def _saved_score(result: Result) -> float | None:
    score = result.get("score")
    try:
        number = float(score) if isinstance(score, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None  # the exported JSON cannot hold NaN


def _size(result: Result) -> Size:
    size = drawn_size_of(result)
    if size is None:
        width, height = shorten(result.get("original_width")), shorten(result.get("original_height"))
        message = f"It was saved with an image size of {width} x {height} pixels (original_width, original_height)."
        raise BadRle(message, remedy="Delete the region in Label Studio and draw it again.")
    return size


def choices_of(group: Sequence[Result]) -> Mapping[str, tuple[str, ...]]:
    """Return the values chosen for a region, by the name of the choices control, from all results with its id."""
    return MappingProxyType(
        {str(result.get("from_name")): _choice_names(result) for result in group if _is_class(result)}
    )


def _choice_names(result: Result) -> tuple[str, ...]:
    """Return the chosen names; the path of a taxonomy entry is joined with " / ". Anything else is skipped."""
    chosen: Any = value_of(result).get(str(result.get("type")))
    names = [_join_path(name) for name in chosen] if isinstance(chosen, list) else []
    return tuple(name for name in names if name is not None)


def _join_path(name: object) -> str | None:
    if isinstance(name, list):
        return PATH_SEPARATOR.join(name) if name and all(isinstance(part, str) for part in name) else None
    return name if isinstance(name, str) else None
