"""The categories and key points of an export, from the labeling config."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from backend.label_studio.config import LabelingConfig

AUTO = "AUTO"


@dataclass(frozen=True)
class LabelNames:
    """Names of the labels that regions may have.

    Attributes:
        categories: Of masks and boxes.
        key_points: Of key points.
        pose_indexes: Places of key points in a pose, by the label's name.
    """

    categories: tuple[str, ...]
    key_points: tuple[str, ...]
    pose_indexes: Mapping[str, int]


def category_names(config: LabelingConfig, keep: Collection[str] = ()) -> tuple[str, ...]:
    """Return the categories: the labels for masks in the order of the labeling config, each once.

    Args:
        keep: Names of controls whose rectangles are exported, too, although they have a smart tool.
    """
    names = [label.name for image in config.images for label in image.answer_classes]
    kept = [control for image in config.images for control in image.rectangles if control.name in keep]
    names += [name for control in kept for name in control.label_names if name != AUTO]
    return tuple(dict.fromkeys(names))


def key_point_names(config: LabelingConfig, keep: Collection[str] = ()) -> tuple[str, ...]:
    """Return the labels of key points in the order of the labeling config, each once: of controls without a smart tool.

    Args:
        keep: Names of controls whose key points are exported although they have one.
    """
    controls = [control for image in config.images for control in image.keypoints]
    exported = [control for control in controls if not control.smart or control.name in keep]
    return tuple(dict.fromkeys(name for control in exported for name in control.label_names if name != AUTO))
