"""A region in Label Studio's terms: a mask with its label, its control and its per-region choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from backend.geometry import Outline, Point
from backend.values import ClassScore, Mask


@dataclass(frozen=True)
class LabeledRegion:
    """One object of an image: a mask with its label.

    Attributes:
        mask: bool (H, W) at original size.
        label: Value of its label; "" if the labeling config has none for it.
        region_id: Label Studio's id, shared by the mask and its per-region choices.
        score: SAM's predicted IoU, the trust in the mask where it was asked for, or the saved score; None for a mask
            that a person painted.
        choices: Values chosen for this region, by the name of the choices control.
        class_scores: CLIP's classes, best first; empty if CLIP did not run.
        control: Name of the control that carries the mask; "" for the first one with the label.
        kind: Kind of shape that it was saved as: "brush", "polygon", …; "" before it is saved.
        other_labels: Further labels, where its control takes several; else saved with it by accident, and not sent.
        clicks: XY of the clicks that it answers, in their order; () for a mask without clicks.
        outline: How it is sent where its control takes polygons; None: within the tolerance, with all parts and holes.
        notes: Lines of its note (`meta.text`).
        painted: bool (H, W), the pixels that a person has painted or erased since the mask was accepted; None if there
            are none, or nothing else.
    """

    mask: Mask
    label: str
    region_id: str
    score: float | None = None
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    class_scores: tuple[ClassScore, ...] = ()
    control: str = ""
    kind: str = ""
    other_labels: tuple[str, ...] = ()
    clicks: tuple[Point, ...] = ()
    outline: Outline | None = None
    notes: tuple[str, ...] = ()
    painted: Mask | None = None
