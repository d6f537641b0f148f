"""Entries and file names that COCO instances and COCO key points have in common."""

from __future__ import annotations

from backend.export.records import Choices, Json, LabeledImage


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
