"""Controls of one image of a labeling page, found by their name or label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from backend.label_studio.config.controls import ClassControl, Control, ScoreControl, distinct
from backend.values import ClassName

AUTO = "AUTO"
MASK_KINDS = ("brush", "bitmask", "polygon")
"""Kinds of controls that hold the outline of a mask; a rectangle or an ellipse is only its frame."""


@dataclass(frozen=True)
class ImageConfig:
    """Controls of one image of the page.

    Attributes:
        name: `name` of the Image tag.
        data_key: Key of the task data that holds the image: `image` for `value="$image"`.
        answers: Controls that can hold a mask, in order of preference. A rectangle control with a smart tool sends
            prompts, so it is included only if the image has no other shape.
        keypoints: Keypoint controls of the image.
        rectangles: Rectangle controls of the image.
        region_choices: Choices and Taxonomy controls of the image with `perRegion="true"`.
        image_choices: Choices and Taxonomy controls of the image without it.
        scores: Per-region controls that show a score.
        text_areas: Names of the TextArea controls for the whole image.
        page_images: Names of all Image tags of the page, supported or not.
    """

    name: str
    data_key: str
    answers: tuple[Control, ...]
    keypoints: tuple[Control, ...] = ()
    rectangles: tuple[Control, ...] = ()
    region_choices: tuple[ClassControl, ...] = ()
    image_choices: tuple[ClassControl, ...] = ()
    scores: tuple[ScoreControl, ...] = ()
    text_areas: tuple[str, ...] = ()
    page_images: frozenset[str] = frozenset()

    @cached_property
    def answer_classes(self) -> tuple[ClassName, ...]:
        """Labels of the answer controls except AUTO, which is not a class."""
        labels = [label for control in self.answers for label in control.labels]
        return tuple(label for label in distinct(labels) if label.name != AUTO)

    def control(self, name: str) -> Control | None:
        """Return the control with that name that can send a prompt or hold a prediction."""
        return self._by_name.get(name)

    def senders(self, kind: str, name: object) -> Sequence[Control]:
        """Return the keypoint or rectangle control of that name; a plain tag is one `Control` per Labels control."""
        by_name = self._keypoints if kind == "keypoint" else self._rectangles
        return by_name.get(name, ()) if isinstance(name, str) else ()

    def answers_of(self, name: str) -> Sequence[Control]:
        """Return the answer controls of that name; a plain tag is one `Control` per Labels control."""
        return self._answers.get(name, ())

    def is_on_other_image(self, to_name: object) -> bool:
        """Whether `to_name` of a result is another image of the page."""
        return isinstance(to_name, str) and to_name != self.name and to_name in self.page_images

    @cached_property
    def _by_name(self) -> dict[str, Control]:
        controls = (*self.answers, *self.keypoints, *self.rectangles, *self.region_choices, *self.image_choices)
        return {control.name: control for control in reversed(controls)}  # the first of a name counts

    @cached_property
    def _answers(self) -> dict[str, list[Control]]:
        return _group_by_name(self.answers)

    @cached_property
    def _keypoints(self) -> dict[str, list[Control]]:
        return _group_by_name(self.keypoints)

    @cached_property
    def _rectangles(self) -> dict[str, list[Control]]:
        return _group_by_name(self.rectangles)

    @cached_property
    def _by_label(self) -> dict[str, Control]:
        return {name: control for control in reversed(self.answers) for name in control.label_names}

    def control_for(self, label: str) -> Control:
        """Return the control for a mask with that label: the first answer control that has it, or else the first."""
        return self._by_label.get(label, self.answers[0])

    def has_label(self, label: str) -> bool:
        """Whether an answer control has that label."""
        return label in self._by_label

    @cached_property
    def mask_controls(self) -> tuple[Control, ...]:
        """The answer controls that hold the outline of a mask."""
        return tuple(control for control in self.answers if control.kind in MASK_KINDS)

    def mask_control_for(self, label: str) -> Control | None:
        """Return the first control for masks with that label, else one whose masks have no label; None without."""
        labeled = (control for control in self.mask_controls if control.has_label(label))
        unlabeled = (control for control in self.mask_controls if control.labels_name == "")
        return next(labeled, None) or next(unlabeled, None)


def _group_by_name(controls: Sequence[Control]) -> dict[str, list[Control]]:
    groups: dict[str, list[Control]] = {}
    for control in controls:
        groups.setdefault(control.name, []).append(control)
    return groups
