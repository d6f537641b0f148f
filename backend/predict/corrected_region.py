"""What a corrected region keeps of the one that it replaces."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion, is_own_note


def keep_identity(region: LabeledRegion, old: LabeledRegion | None, config: ImageConfig) -> LabeledRegion:
    """Give a corrected region its old id, which makes Label Studio replace it, and what a person decided about it.

    That is its control, further labels, the chosen classes, and the lines of its note that this backend did not write.
    """
    if old is None:
        return region
    choices = dict(region.choices)
    for control in config.region_choices:
        chosen = old.choices.get(control.name, ())
        if chosen and all(map(control.has_label, chosen)):
            choices[control.name] = chosen
    controls = config.answers_of(old.control)
    fits = any(not control.labels or control.has_label(region.label) for control in controls)
    control_name = old.control if fits else region.control
    notes = (*region.notes, *_persons_notes(old, config))
    return replace(
        region,
        region_id=old.region_id,
        choices=MappingProxyType(choices),
        control=control_name,
        other_labels=tuple(label for label in old.other_labels if label != region.label),
        notes=notes,
    )


def _persons_notes(region: LabeledRegion, config: ImageConfig) -> list[str]:
    """The lines of a region's note without those that list classes with their probabilities."""
    names = {name for control in config.region_choices for name in control.label_names}
    names.update(label.name for label in config.answer_classes)
    return [line for line in region.notes if not is_own_note(line, names)]
