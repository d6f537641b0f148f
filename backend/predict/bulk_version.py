"""The model version of pre-annotations, which identifies everything that affects them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import FindText, SegmentAll
from backend.projects import ProjectSettings

CLICK_SETTINGS = (  # without effect on pre-annotation
    "auto_label",
    "correct_last",
    "messages",
    "min_score",
    "prefetch",
    "text_prompt",
)

OUTLINES_VERSION = 2  # of the rules that turn a mask into a polygon; 1 had all parts and holes in every polygon

BulkRequest = FindText | SegmentAll

REVIEW_VERSION = 1  # of the formula that scores masks for review


def build_version(model_version: str, config: LabelingConfig, request: BulkRequest, settings: ProjectSettings) -> str:
    """Build the predictions' version: the models' version, then 8 hex digits of everything else that affects them.

    Without a text, the text is not part of the digest; neither are settings that have their default or no effect here.
    """
    controls = [
        asdict(control)
        for image in config.images
        for control in (*image.answers, *image.region_choices, *image.image_choices)
    ]
    named: dict[str, Any] = {"proposal": asdict(request.options) if request.options else None, "controls": controls}
    if isinstance(request, FindText):
        named |= {"text": request.texts[0]} if len(request.texts) == 1 else {"texts": request.texts}
    if request.review:
        named["review"] = REVIEW_VERSION
    if any(control.kind == "polygon" for image in config.images for control in image.answers):
        named["outlines"] = OUTLINES_VERSION
    changed = {name: value for name, value in settings.changed().items() if name not in CLICK_SETTINGS}
    named |= {"settings": changed} if changed else {}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    return f"{model_version}-auto-{digest[:8]}"
