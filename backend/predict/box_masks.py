"""Masks of boxes that exist already, each with the label of its box.

| of the region   | is                                                                                          |
|-----------------|---------------------------------------------------------------------------------------------|
| score           | SAM's predicted IoU; for review the trust, in which the detector's score is p(class)        |
| class scores    | CLIP's of the per-region control, else the label of the box with the score of its detector  |
| choices         | what a person chose for the rectangle, else what CLIP picks                                 |
| note            | `from box ID`, the rectangle in Label Studio                                                |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backend.engine import EncodedImage, ImageLabeler, classify_candidates
from backend.errors import BadConfig, BadDataSet, shorten
from backend.geometry import clip_box
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import ImageBoxes, LabeledBox
from backend.label_studio.results import LabeledRegion
from backend.predict.region_labels import label_region, region_vocabularies
from backend.predict.region_stages import clean
from backend.projects import ProjectSettings
from backend.values import ClassScore, Region

Note = Callable[[str], None]
OUTSIDE, NO_MASK = "boxes outside their image", "boxes without a mask"


def check_box_size(drawn: ImageBoxes, image: SourceImage) -> None:
    """Raise `BadDataSet` for boxes of an image of another size: their coordinates would be wrong."""
    if drawn.size is not None and drawn.size != image.size:
        message = f"The boxes are of an image of {drawn.size} pixels, but {image.name} is {image.size}."
        remedy = "The picture was resized or turned after the boxes were made: make them again from this one."
        raise BadDataSet(message, remedy=remedy)


def masks_of_boxes(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    drawn: ImageBoxes,
    config: ImageConfig,
    settings: ProjectSettings,
    note: Note,
) -> list[LabeledRegion]:
    """Make the masks of an image's boxes, in their order, without parts that lie outside the box.

    Args:
        note: Called for each box that gets no mask, with `OUTSIDE` or `NO_MASK`.

    Raises:
        BadConfig: A label that no control for masks has.
    """
    size, boxes = encoded.image.size, []
    for box in drawn.boxes:
        clipped = clip_box(box.box_xyxy, size)
        if clipped is None:
            note(OUTSIDE)
        else:
            boxes.append((box, clipped))
    candidates = labeler.segment_boxes(encoded, [clipped for _, clipped in boxes])
    kept = []
    for (box, _), candidate in zip(boxes, candidates, strict=True):
        if candidate.mask.any():
            kept.append((box, clean(candidate, size, settings)))
        else:
            note(NO_MASK)
    vocabularies = region_vocabularies(config, with_labels=False)
    masks = [candidate for _, candidate in kept]
    regions = classify_candidates(labeler, encoded.image, masks, vocabularies, settings.templates)
    return [_label(region, box, config, settings) for region, (box, _) in zip(regions, kept, strict=True)]


def _label(region: Region, box: LabeledBox, config: ImageConfig, settings: ProjectSettings) -> LabeledRegion:
    control = config.mask_control_for(box.label)
    if control is None:
        where = f'the image "{shorten(config.name)}"'
        message = f"No control for masks of {where} has the label {shorten(repr(box.label))}."
        raise BadConfig(message, remedy="Add the label to a BrushLabels, BitmaskLabels or PolygonLabels control.")
    if box.score is not None:
        region = replace(region, class_scores=(*region.class_scores, (ClassScore(box.label, box.score),)))
    labeled = label_region(region, box.label if control.label_names else "", config, settings)
    notes = (*labeled.notes, f"from box {box.region_id}") if box.region_id else labeled.notes
    choices = {**labeled.choices, **_known_choices(box, config)}
    return replace(labeled, choices=choices, control=control.name, notes=notes)


def _known_choices(box: LabeledBox, config: ImageConfig) -> dict[str, tuple[str, ...]]:
    """Return what was chosen for the box, as far as the labeling config still has it."""
    chosen = {
        control.name: tuple(name for name in box.choices.get(control.name, ()) if control.has_label(name))
        for control in config.region_choices
    }
    return {name: names for name, names in chosen.items() if names}
