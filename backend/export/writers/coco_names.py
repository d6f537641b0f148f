"""Entries and files that COCO instances and COCO key points have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.export.records import Choices, Json, LabeledImage
from backend.export.writers.json_parts import JsonParts


def open_document(folder: Path, name: str, description: str, categories: Sequence[Json]) -> JsonParts:
    """Begin a COCO document, whose lists "images" and "annotations" are to be filled.

    Args:
        name: Of the file.
        description: Of the data set.
    """
    head = {"info": {"description": description, "version": "1.0"}, "licenses": [], "categories": list(categories)}
    return JsonParts(folder / name, head, ("images", "annotations"))


def document_name(what: str, split: str) -> str:
    """Return a file's name: "instances.json", or "instances_train.json" for a split."""
    return f"{what}_{split}.json" if split else f"{what}.json"


def build_image(image: LabeledImage) -> Json:
    """Build an image's entry."""
    return {
        "id": image.image_id,
        "file_name": image.file_name,
        "coco_url": image.image_uri,
        "width": image.size.width,
        "height": image.size.height,
        "task_id": image.task_id,
        "annotation_id": image.annotation_id,
        "attributes": choices_to_attributes(image.choices),
    }


def choices_to_attributes(choices: Choices) -> dict[str, str | list[str]]:
    """Convert choices: one value becomes a string, several a list; controls without a value are left out."""
    return {name: values[0] if len(values) == 1 else list(values) for name, values in choices.items() if values}
