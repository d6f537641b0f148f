"""The model version of pre-annotations, which identifies everything that affects them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, fields, replace
from typing import Any

from backend.label_studio.config import Control, LabelingConfig
from backend.label_studio.requests import FindText, FromBoxes, SegmentAll
from backend.projects import ProjectSettings
from backend.values import ProposalOptions

# Options that were part of every version from the start; later ones are if their value is not the default.
ALWAYS_NAMED = (
    "points_per_side",
    "pred_iou_thresh",
    "stability_score_thresh",
    "min_mask_region_area",
    "box_nms_thresh",
    "mask_nms_thresh",
    "score_threshold",
    "max_masks",
)

OUTLINES_VERSION = 2  # of the rules that turn a mask into a polygon; 1 had all parts and holes in every polygon
REVIEW_VERSION = 1  # of the formula that scores masks for review

BulkRequest = FindText | SegmentAll | FromBoxes


def build_version(model_version: str, config: LabelingConfig, request: BulkRequest, settings: ProjectSettings) -> str:
    """Build the predictions' version: the models' version, then 8 hex digits of everything else that affects them.

    Of masks made from boxes it says so: "…-boxes-0a1b2c3d" in place of "…-auto-0a1b2c3d".

    Without a text, the text is not part of the digest; neither are settings that have their default or no effect here.
    """
    controls = [
        _name_control(control)
        for image in config.images
        for control in (*image.answers, *image.region_choices, *image.image_choices)
    ]
    named: dict[str, Any] = {"controls": controls}
    if isinstance(request, FromBoxes):
        named["boxes"] = dict(request.source)
    else:
        named["proposal"] = _name_options(request.options)
    if isinstance(request, FindText) and request.from_labels:
        named["text_from_labels"] = True
    elif isinstance(request, FindText):
        named |= {"text": request.texts[0]} if len(request.texts) == 1 else {"texts": request.texts}
    if request.review:
        named["review"] = REVIEW_VERSION
    if any(control.kind == "polygon" for image in config.images for control in image.answers):
        named["outlines"] = OUTLINES_VERSION
    changed = settings.changed_in_bulk()
    named |= {"settings": changed} if changed else {}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    return f"{model_version}-{'boxes' if isinstance(request, FromBoxes) else 'auto'}-{digest[:8]}"


def with_options(request: BulkRequest, options: ProposalOptions) -> BulkRequest:
    """Return the request with these options of automatic masks, unless it has its own or makes none."""
    return request if isinstance(request, FromBoxes) else replace(request, options=request.options or options)


def is_bulk_version(version: str) -> bool:
    """Return whether a model version has the form of those that `build_version` builds."""
    return re.fullmatch(r".+-(auto|boxes)-[0-9a-f]{8}", version) is not None


def _name_control(control: Control) -> dict[str, Any]:
    named = asdict(control)
    del named["smart_only"]  # tells prompts from work in an export, and changes no prediction
    if not named["takes_several"]:  # which versions did not name before labels could be several
        del named["takes_several"]
    return named


def _name_options(options: ProposalOptions | None) -> dict[str, Any] | None:
    if options is None:
        return None
    defaults = {field.name: field.default for field in fields(options)}
    return {name: value for name, value in asdict(options).items() if name in ALWAYS_NAMED or value != defaults[name]}
