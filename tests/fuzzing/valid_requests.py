"""Valid requests to start from: recorded ones, and built ones for what no recording shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from backend.label_studio.config import SHAPES
from backend.label_studio.results import build_value
from tests.fakes import keypoint, noise_png, predict_body, rectangle
from tests.recorded import load_payload

FILES = {
    "a.png": noise_png(40, 30, 1),
    "b.png": noise_png(40, 30, 2),
    "/data/local-files/?d=imgs/a640.png": noise_png(640, 480, 3),
    "/data/upload/3/44f7da9b-scene-000.png": noise_png(640, 480, 5),
    "/data/upload/8/04dd5068-scene-001.png": noise_png(640, 480, 4),
}
RECORDED_PREDICTIONS = (
    "batch_predict_3_tasks",
    "interactive_keypoint_negative",
    "interactive_keypoint_positive",
    "interactive_keypoint_second",
    "interactive_keypoint_with_draft",
    "interactive_rectangle",
    "one_row_click_and_alt_click",
    "one_row_click_without_label",
    "plain_keypoint",
    "plain_rectangle",
)
RECORDED_WEBHOOKS = (
    "webhook_annotation_created",
    "webhook_annotation_updated",
    "webhook_annotations_deleted",
    "webhook_project_updated",
    "webhook_start_training",
    "webhook_tasks_created",
)
LABELS = '<Label value="cat"/><Label value="dog" alias="hound" hint="dog, puppy"/>'
PROMPT_TAGS = f"""<KeyPointLabels name="k" toName="img" smart="true">{LABELS}<Label value="AUTO"/></KeyPointLabels>
<RectangleLabels name="r" toName="img" smartOnly="true">{LABELS}</RectangleLabels>"""
CLASS_TAGS = """<Choices name="kind" toName="img" perRegion="true"><Choice value="black"/><Choice value="white"/>
</Choices>
<Choices name="tags" toName="img" choice="multiple" allowNested="true"><Choice value="in"><Choice value="hall"/>
</Choice><Choice value="out"/></Choices>
<Taxonomy name="species" toName="img" perRegion="true" whenLabelValue="cat,dog"><Choice value="pet">
<Choice value="tom"/><Choice value="puppy"/></Choice><Choice value="wild"/></Taxonomy>
<Number name="score" toName="img" perRegion="true" min="0" max="100" step="0.5"/>
<Number name="class_score" toName="img" perRegion="true" max="1" step="0.01"/>
<TextArea name="score_text" toName="img" perRegion="true"/>"""
TEXT_TAGS = '<!-- backend: {"text_prompt": "find", "choices_threshold": 0.1} --><TextArea name="find" toName="img"/>'
TWO_IMAGES = """<View><Image name="img" value="$photo"/><Image name="other" value="$second"/>
<PolygonLabels name="p" toName="img"><Label value="cat"/><Label value="dog"/></PolygonLabels>
<BrushLabels name="b" toName="other"><Label value="cat"/></BrushLabels>
<KeyPointLabels name="k" toName="img, other" smart="true"><Label value="cat"/></KeyPointLabels>
<Choices name="c" toName="other"><Choice value="x"/><Choice value="y"/></Choices>
<Choices name="d" toName="img"><Choice value="x"/><Choice value="y"/></Choices></View>"""
PLAIN_TAGS = f"""<View><Image name="img" value="$photo"/><Brush name="b" toName="img"/><KeyPoint name="k" toName="img"/>
<Labels name="what" toName="img">{LABELS}</Labels>{CLASS_TAGS}</View>"""


def valid_predictions() -> list[dict[str, Any]]:
    """Bodies of POST /predict, each answered with 200."""
    return [*map(load_payload, RECORDED_PREDICTIONS), *_built_predictions()]


def valid_setups() -> list[dict[str, Any]]:
    """Bodies of POST /setup, each answered with 200."""
    recorded = load_payload("setup")
    every_setting = {
        "answer": "brush", "auto_label": True, "clip_threshold": 0.2, "choices_threshold": 0.3, "templates": ["a {}"],
        "polygon_tolerance": 2, "clean_masks": False, "prefetch": 3, "text_prompt": None,
    }  # fmt: skip
    extras: list[Any] = [{}, every_setting, orjson.dumps(every_setting).decode(), "", {"auto_label": "true"}]
    schemas = [recorded["schema"], rich_config("brush"), rich_config("polygon")]
    built = [
        recorded | {"schema": schema, "extra_params": extra}
        for schema in schemas
        for extra in extras
        if "BrushLabels" in schema or extra in ({}, "")
    ]
    return [recorded, *built]


def valid_webhooks() -> list[dict[str, Any]]:
    """Bodies of POST /webhook, each answered with 200."""
    finished = load_payload("webhook_annotation_created")
    rich = finished | {"project": finished["project"] | {"label_config": rich_config("ellipse")}}
    return [*map(load_payload, RECORDED_WEBHOOKS), rich]


def rich_config(kind: str) -> str:
    """A labeling config whose masks are of one kind, with every other tag that the backend reads."""
    tag = {"brush": "BrushLabels", "bitmask": "BitmaskLabels", "polygon": "PolygonLabels"}.get(kind)
    tag = tag or {"rectangle": "RectangleLabels", "ellipse": "EllipseLabels"}[kind]
    answer = f'<{tag} name="b" toName="img" smart="false">{LABELS}</{tag}>'
    return f'<View><Image name="img" value="$photo"/>{answer}{PROMPT_TAGS}{CLASS_TAGS}{TEXT_TAGS}</View>'


def _built_predictions() -> Iterator[dict[str, Any]]:
    for kind in SHAPES:
        config, mask = rich_config(kind), saved_mask(kind)
        yield predict_body("a.png", keypoint(40, 50), config=config)
        yield _with(predict_body("a.png", keypoint(40, 50), config=config), drafts=[_draft(mask)])
        yield _with(predict_body("a.png", keypoint(40, 50), config=config), predictions=[_draft(mask)])
    for kind in ("brush", "bitmask", "polygon"):  # which a negative point corrects
        config, mask, negative = rich_config(kind), saved_mask(kind), keypoint(50, 50, positive=False)
        yield _with(predict_body("a.png", negative, config=config), drafts=[_draft(mask, *_classes(mask))])
    config = rich_config("brush")
    yield predict_body("a.png", keypoint(30, 30), keypoint(31, 30), config=config)
    yield predict_body("a.png", keypoint(30, 30, "AUTO"), config=config)
    yield predict_body("a.png", rectangle(10, 10, 30, 30), rectangle(60, 60, 20, 20, "hound"), config=config)
    box = rectangle(10, 10, 60, 60)
    yield _with(predict_body("a.png", keypoint(30, 30), config=config), drafts=[_draft(box)])
    yield _with(predict_body("a.png", box, config=config), drafts=[_draft(keypoint(30, 30))])
    submitted = _draft(saved_mask("brush"), keypoint(30, 30) | {"id": "old"})
    yield _with(predict_body("a.png", keypoint(30, 30), config=config), annotations=[submitted], drafts=[])
    for texts in (["cat"], ["black", "the white cat"]):
        area = {"type": "textarea", "from_name": "find", "to_name": "img", "id": "t", "value": {"text": texts}}
        yield predict_body("a.png", area, config=config)
        yield _with(predict_body("a.png", area, config=config), drafts=[_draft(area)])
    yield predict_body("a.png", config=config)
    yield _with(predict_body("a.png", config=TWO_IMAGES), data={"photo": "a.png", "second": "b.png"})
    both = predict_body("a.png", keypoint(30, 30) | {"to_name": "other"}, config=TWO_IMAGES)
    yield _with(both, data={"photo": "a.png", "second": "b.png"})
    plain = keypoint(50, 50) | {"type": "keypoint"}
    named = {"id": "kp", "type": "labels", "from_name": "what", "to_name": "img", "value": {"labels": ["cat"]}}
    yield predict_body("a.png", plain, named, config=PLAIN_TAGS)
    many = predict_body("a.png", config=config)
    yield many | {"tasks": [many["tasks"][0] | {"id": number} for number in range(5)]}


def saved_mask(kind: str) -> dict[str, Any]:
    """A saved region with the label cat on an image of 40x30 pixels."""
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:25] = True
    (value,) = build_value(mask, kind, tolerance=0.5)
    return {
        "id": f"mask-{kind}", "type": f"{kind}labels", "from_name": "b", "to_name": "img", "origin": "manual",
        "original_width": 40, "original_height": 30, "image_rotation": 0, "score": 0.5,
        "value": value | {f"{kind}labels": ["cat"]},
    }  # fmt: skip


def _classes(mask: dict[str, Any]) -> list[dict[str, Any]]:
    """The classes that a person chose for a region."""
    return [
        mask | {"type": "choices", "from_name": "kind", "value": {"choices": ["white"]}},
        mask | {"type": "taxonomy", "from_name": "species", "value": {"taxonomy": [["pet", "tom"]]}},
    ]


def _draft(*results: dict[str, Any]) -> dict[str, Any]:
    return {"id": 9, "updated_at": "2026-11-20T20:53:27.259945Z", "annotation": None, "result": list(results)}


def _with(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body with fields of its only task replaced."""
    return body | {"tasks": [body["tasks"][0] | fields]}
