"""Controls of all images of a page, each found by its image and read once."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from xml.etree.ElementTree import Element

from backend.label_studio.config.controls import (
    SCORE_NAME,
    SHAPES,
    ClassControl,
    Control,
    ScoreControl,
    is_smart,
    is_smart_only,
    read_class_control,
    read_labels,
    read_score_control,
    takes_several,
)
from backend.label_studio.config.limits import PageCount
from backend.label_studio.config.xml import ControlTags, is_true, read_attribute
from backend.values import ClassName

_DRAWN = (*SHAPES, "keypoint")
CONTROL_TAGS = frozenset(
    [*_DRAWN, *(f"{kind}labels" for kind in _DRAWN), "labels", "choices", "taxonomy", "number", "textarea"]
)


class PageControls:
    """Controls of all images of a page. Each tag is read once, however many images it refers to.

    Raises `BadConfig`, as all its methods do, if the page holds more than `count` allows.
    """

    def __init__(self, root: Element, count: PageCount) -> None:
        self._tags, self._count = ControlTags(root, CONTROL_TAGS), count
        self._labels: dict[Element, tuple[ClassName, ...]] = {}
        self._classes: dict[Element, ClassControl] = {}

    def find_shapes(self, kind: str, image_name: str) -> tuple[Control, ...]:
        """Return an image's controls of one kind: those that contain labels, then the plain ones."""
        with_labels, plain_tags, labels_tags = (
            self._tags.find(image_name, name) for name in (f"{kind}labels", kind, "labels")
        )
        self._count.add_controls(len(with_labels) + len(plain_tags) * max(len(labels_tags), 1))
        labeled = [
            Control(
                read_attribute(tag, "name"),
                image_name,
                self._labels_of(tag),
                kind,
                is_smart(tag),
                takes_several=takes_several(tag),
                smart_only=is_smart_only(tag),
            )
            for tag in with_labels
        ]
        separate = [(read_attribute(tag, "name"), self._labels_of(tag), takes_several(tag)) for tag in labels_tags]
        plain = [
            Control(
                read_attribute(tag, "name"),
                image_name,
                labels,
                kind,
                is_smart(tag),
                labels_name,
                several,
                is_smart_only(tag),
            )
            for tag in plain_tags
            for labels_name, labels, several in (separate or [("", (), False)])
        ]
        return tuple(control for control in (*labeled, *plain) if control.labels or control.labels_name == "")

    def find_classes(self, image_name: str, *, per_region: bool) -> tuple[ClassControl, ...]:
        """Return an image's Choices and Taxonomy controls, except those whose classes are not in the config."""
        tags = self._tags.find(image_name, "choices", "taxonomy")
        tags = [tag for tag in tags if is_true(tag, "perregion") == per_region]
        self._count.add_controls(len(tags))
        controls = (replace(self._class_control(tag), to_name=image_name) for tag in tags)
        return tuple(control for control in controls if control.labels)

    def find_scores(self, image_name: str) -> tuple[ScoreControl, ...]:
        """Return the per-region Number and TextArea controls named score or class_score, optionally with a suffix."""
        tags = self._tags.find(image_name, "number", "textarea")
        self._count.add_controls(len(tags))
        return tuple(
            read_score_control(tag, image_name)
            for tag in tags
            if is_true(tag, "perregion") and SCORE_NAME.fullmatch(read_attribute(tag, "name"))
        )

    def find_text_areas(self, image_name: str) -> tuple[str, ...]:
        """Return the names of an image's TextArea controls that are not per region."""
        tags = self._tags.find(image_name, "textarea")
        return tuple(read_attribute(tag, "name") for tag in tags if not is_true(tag, "perregion"))

    def find_other_text_areas(self, image_names: Container[str]) -> tuple[tuple[str, str], ...]:
        """Return name and object of each TextArea, not per region, of another object than an image."""
        others = [name for name in self._tags.object_names if name not in image_names]
        return tuple((area, name) for name in others for area in self.find_text_areas(name))

    def _labels_of(self, tag: Element) -> tuple[ClassName, ...]:
        if tag not in self._labels:
            self._labels[tag] = read_labels(tag, self._count)
        return self._labels[tag]

    def _class_control(self, tag: Element) -> ClassControl:
        if tag not in self._classes:
            self._classes[tag] = read_class_control(tag, self._count)
        return self._classes[tag]
