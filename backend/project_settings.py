"""ProjectSettings: what a project may decide for itself, without a new deployment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProjectSettings:
    """How a project wants its answers.

    Attributes:
        answer: The shape that carries masks: "brush", "bitmask", "polygon", "rectangle" or "ellipse"; None: the first
            of these that the labeling config has.
        auto_label: Let CLIP pick the label for clicks too; None: as the server's AUTO_LABEL says.
        clip_threshold: A per-region class (single choice) that is less probable is left out.
        choices_threshold: Of a multiple choice every class at least this probable is chosen.
        templates: CLIP prompt templates, each with one {}; () for the model's.
        polygon_tolerance: How far a polygon may run from its mask, in pixels of the original image.
        clean_masks: Take specks and pinholes out of masks.
        prefetch: How many of the next tasks are warmed; None: as the server's PREFETCH_TASKS says.
        text_prompt: The name of the TextArea that is a text prompt; None: there is none.
    """

    answer: str | None = None
    auto_label: bool | None = None
    clip_threshold: float = 0.0
    choices_threshold: float = 0.3
    templates: tuple[str, ...] = ()
    polygon_tolerance: float = 1.0
    clean_masks: bool = True
    prefetch: int | None = None
    text_prompt: str | None = None
