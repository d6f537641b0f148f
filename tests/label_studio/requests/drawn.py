"""Builders of the results that Label Studio's page sends, on an image of 640x480 pixels; coordinates in percent."""

from __future__ import annotations

from typing import Any

from backend.label_studio.requests import PredictRequest, parse_predict_body, parse_predict_request


def result(kind: str, from_name: str, value: dict[str, Any], label: str, **more: Any) -> dict[str, Any]:
    return {
        "id": from_name, "type": kind, "from_name": from_name, "to_name": "image", "origin": "manual",
        "original_width": 640, "original_height": 480, "value": value | {kind: [label]},
    } | more  # fmt: skip


def point(x: float, y: float, positive: bool = True, label: str = "Cat", **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.2, "labels": [label]}
    return result("keypointlabels", "kp", value, label, is_positive=positive) | more


def rectangle(label: str = "Cat", x: float = 10, y: float = 10, side: float = 30, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": side, "height": side, "rotation": 0}
    return result("rectanglelabels", "rect", value, label) | more


def mask(label: str = "Cat", **more: Any) -> dict[str, Any]:
    return result("brushlabels", "brush", {"format": "rle", "rle": [0]}, label, **more)


def draft(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "updated_at": "2026-11-20T20:00:00Z", "annotation": None, "result": list(results)} | more


def parse(body: dict[str, Any], text_prompt: str | None = None) -> PredictRequest:
    """Parse a whole /predict body."""
    return parse_predict_request(parse_predict_body(body), text_prompt)
