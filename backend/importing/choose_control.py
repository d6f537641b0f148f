"""Which control of the labeling config carries a region that comes from a file.

With a shape that somebody chose it is a control of that kind. Otherwise it is the first control with the label that
holds the mask exactly, one of the kind that the region was drawn as before others; if none holds it exactly, the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from backend.errors import BadDataSet, BadSettings, shorten
from backend.export import EncodedRegion
from backend.label_studio.config import Control, ImageConfig, LabelingConfig
from backend.label_studio.results import build_value, mask_from_value
from backend.values import Mask, Size

EXACT = frozenset({"brush", "bitmask"})


def add_ordinary_rectangles(image: ImageConfig) -> ImageConfig:
    """Return an image whose answers include the rectangle controls that people draw with, after all others.

    They are left out of a backend's answers because their smart tool sends prompts; what somebody drew with them is a
    region like any other.
    """
    known = {id(control) for control in image.answers}
    drawn = [one for one in image.rectangles if id(one) not in known and not one.smart_only and one.labels]
    return replace(image, answers=(*image.answers, *drawn))


def check_shape(config: LabelingConfig, shape: str) -> None:
    """Raise `BadSettings` unless a control of the labeling config is of that kind."""
    kinds = dict.fromkeys(one.kind for image in config.images for one in add_ordinary_rectangles(image).answers)
    if shape not in kinds:
        message = f"The labeling config has no control for the shape {shorten(repr(shape))}."
        raise BadSettings(message, remedy=f"It has: {', '.join(kinds)}. Choose one of them with --shape.")


def choose_control(region: EncodedRegion, mask: Mask, image: ImageConfig, shape: str, tolerance: float) -> Control:
    """Return the control for a region.

    Args:
        image: With `add_ordinary_rectangles`.
        shape: Kind of control that was chosen; "" for none.
        tolerance: Of polygons, in pixels.

    Raises:
        BadDataSet: No control has the label. The message continues "Region …".
    """
    fitting = [one for one in image.answers if one.has_label(region.label) or one.labels_name == ""]
    if not fitting:
        raise refuse_label(region.label, image)
    chosen = [one for one in fitting if one.kind == shape]
    if chosen or len(fitting) == 1:
        return (chosen or fitting)[0]
    ordered = sorted(fitting, key=lambda one: one.kind != region.kind)  # stable
    return next((one for one in ordered if holds_exactly(mask, one.kind, tolerance)), ordered[0])


def holds_exactly(mask: Mask, kind: str, tolerance: float) -> bool:
    """Whether a shape of that kind is the mask itself."""
    if kind in EXACT:
        return True
    if kind == "polygon" and tolerance == 0:
        return True
    values = build_value(mask, kind, tolerance=tolerance)
    size = Size(mask.shape[1], mask.shape[0])
    return bool(values) and bool((mask_from_value(values[0], kind, size) == mask).all())


def refuse_label(label: str, image: ImageConfig) -> BadDataSet:
    """Build the error of a label that no control has."""
    names = list(dict.fromkeys(name for control in image.answers for name in control.label_names))
    message = f"has the label {shorten(repr(label))}, which the labeling config does not have{suggest(label, names)}."
    known = shorten(", ".join(names)) or "none"
    return BadDataSet(message, remedy=f"Rename it with --rename OLD=NEW, or add it to the labeling config ({known}).")


def suggest(name: str, names: Sequence[str]) -> str:
    """Return a question with the closest name; "" if none is close."""
    folded = {one.casefold(): one for one in reversed(names)}
    close = get_close_matches(name.casefold(), list(folded), 1)
    return f" (did you mean {shorten(repr(folded[close[0]]))}?)" if close else ""
