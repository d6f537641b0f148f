"""Task documents with small masks, as Label Studio lists them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import encode_brush
from backend.report import ReviewReader, Reviews
from backend.values import Mask

Json = dict[str, Any]
WIDTH, HEIGHT = 40, 20
CONFIG_XML = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="mask" toName="image"><Label value="cat"/><Label value="dog"/><Label value="hen"/></BrushLabels>
  <Choices name="kind" toName="image" perRegion="true"><Choice value="tabby"/><Choice value="tom"/></Choices>
</View>
"""
CONFIG = parse_labeling_config(CONFIG_XML)
_numbers = count(1)


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A rectangle of pixels in the test image."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def brush(region_id: str, mask: Mask, label: str = "cat", score: float | None = None, **fields: Any) -> Json:
    """A painted region."""
    height, width = mask.shape
    result: Json = {
        "id": region_id,
        "type": "brushlabels",
        "from_name": "mask",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [label] if label else []},
        **fields,
    }
    return result if score is None else {**result, "score": score}


def choice(region_id: str, chosen: str) -> Json:
    """The per-region choice of a region."""
    value = {"choices": [chosen]}
    return {"id": region_id, "type": "choices", "from_name": "kind", "to_name": "image", "value": value}


def damaged(region_id: str, label: str = "cat") -> Json:
    """A painted region whose run lengths were cut off."""
    result = brush(region_id, box(0, 0, 10, 10), label)
    result["value"]["rle"] = result["value"]["rle"][:9]
    return result


def prediction(number: int, *results: Json, version: str = "v1", created: str = "2026-01-01T08:00:00Z") -> Json:
    return {"id": number, "result": list(results), "model_version": version, "created_at": created}


def annotation(parent: int | None, *results: Json, by: str = "ann@example.com", **fields: Any) -> Json:
    return {
        "id": next(_numbers),
        "result": list(results),
        "parent_prediction": parent,
        "completed_by": {"id": 1, "email": by},
        "created_at": "2026-01-01T09:00:00Z",
        "was_cancelled": False,
        **fields,
    }


def task(number: int, predictions: Sequence[Json] = (), annotations: Sequence[Json] = ()) -> Json:
    data = {"image": f"/data/upload/1/{number}.png"}
    return {"id": number, "data": data, "predictions": list(predictions), "annotations": list(annotations)}


def read(*tasks: Json, class_from: str = "") -> Reviews:
    return ReviewReader(CONFIG, class_from).read(tasks)


def five_outcomes(number: int = 1) -> Json:
    """One region of each outcome: r1 untouched, r2 edited (IoU 0.5), r3 another class, r4 deleted, n1 added."""
    proposed = prediction(
        number,
        brush("r1", box(0, 0, 10, 10), "cat", 0.95),
        brush("r2", box(10, 0, 20, 10), "cat", 0.85),
        brush("r3", box(20, 0, 30, 10), "cat", 0.75),
        brush("r4", box(30, 0, 40, 10), "dog", 0.25),
    )
    final = annotation(
        number,
        brush("r1", box(0, 0, 10, 10), "cat", origin="prediction"),
        brush("r2", box(10, 0, 20, 20), "cat", origin="prediction-changed"),
        brush("r3", box(20, 0, 30, 10), "dog", origin="prediction-changed"),
        brush("n1", box(30, 10, 40, 20), "hen", origin="manual"),
        lead_time=12.5,
    )
    return task(number, [proposed], [final])
