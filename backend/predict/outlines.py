"""Outlines of the masks that are sent as polygons, and what a person is told about them."""

from __future__ import annotations

from dataclasses import replace

from backend.geometry import Outline, OutlineOptions, mask_to_outline
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion, control_of
from backend.predict.prediction import Prediction
from backend.projects import ProjectSettings

MIN_LEFT_OUT = 0.05  # share of a mask that is worth a message


def outline_regions(prediction: Prediction, config: ImageConfig, settings: ProjectSettings) -> Prediction:
    """Outline the regions whose control takes polygons.

    If there is one region, what a person would not expect of its outline is added to the message.
    """
    if not any(control.kind == "polygon" for control in config.answers):
        return prediction
    options = OutlineOptions(settings.polygon_tolerance, settings.max_points, settings.polygon_parts == "all")
    regions = tuple(_outline(region, config, options) for region in prediction.regions)
    remark = ""
    if len(regions) == 1 and regions[0].outline is not None:
        remark = describe_outline(regions[0].outline, settings.max_points)
    message = " ".join(filter(None, [prediction.message, remark]))
    return replace(prediction, regions=regions, message=message)


def describe_outline(outline: Outline, max_points: int) -> str:
    """Say in a sentence what a person would not expect of an outline; "" if there is no such thing."""
    if len(outline.ring) > max_points:
        return f"This outline needs {len(outline.ring)} points."
    if outline.left_out >= MIN_LEFT_OUT:
        return "The outline leaves out a part of the mask: click that part to add it."
    if outline.parts > 1:
        return "A double line joins the parts of this outline."
    return "A double line joins the hole to the outline." if outline.holes else ""


def _outline(region: LabeledRegion, config: ImageConfig, options: OutlineOptions) -> LabeledRegion:
    if control_of(region, config).kind != "polygon":
        return region
    return replace(region, outline=mask_to_outline(region.mask, options, region.clicks))
