"""The label of a mask and its per-region classes.

| control                        | value                                                                           |
|--------------------------------|---------------------------------------------------------------------------------|
| labels of the shapes           | the picked label, else the most probable one (`label_for_click` says when)      |
| those with choice="multiple"   | as above, and all others that are at least as probable as `choices_threshold`   |
| Choices, Taxonomy: single      | the most probable class; none if it is less probable than `clip_threshold`      |
| Choices with choice="multiple" | every class at least as probable as `choices_threshold`, best first; maybe none |
| either with whenLabelValue     | the same, for masks with that label only                                        |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from backend.errors import BadPrompt
from backend.label_studio.config import ClassControl, ImageConfig
from backend.label_studio.results import LabeledRegion, build_note, new_region_id
from backend.projects import ProjectSettings
from backend.values import ClassName, ClassScore, Region

Scores = tuple[ClassScore, ...]


def region_vocabularies(config: ImageConfig, *, with_labels: bool) -> list[Sequence[ClassName]]:
    """The vocabularies of a mask: the classes of each per-region control, then the labels if CLIP picks one."""
    vocabularies: list[Sequence[ClassName]] = [control.labels for control in config.region_choices]
    if with_labels and config.answer_classes:
        vocabularies.append(config.answer_classes)
    return vocabularies


def label_region(
    region: Region,
    picked: str | None,
    config: ImageConfig,
    settings: ProjectSettings,
    thresholds: Mapping[str, float] = MappingProxyType({}),
) -> LabeledRegion:
    """Give a mask its label and its per-region classes.

    Args:
        region: With class scores for `region_vocabularies`.
        picked: The label that a person picked; None lets CLIP pick.
        config: Of the image; its first answer controls are preferred.
        thresholds: As for `choose`.

    Raises:
        BadPrompt: CLIP has to pick among several labels and is not loaded.
    """
    label, others = (picked, []) if picked is not None else _pick_labels(region, config, settings, thresholds)
    by_control, class_scores = _read_scores(region, label, config)
    controls = [control for control in config.region_choices if control.applies_to(label)]
    chosen = {control.name: choose(control, by_control[control.name], settings, thresholds) for control in controls}
    return LabeledRegion(
        mask=region.mask,
        label=label,
        region_id=new_region_id(),
        score=region.score,
        choices=MappingProxyType({name: names for name, names in chosen.items() if names}),
        class_scores=class_scores,
        other_labels=tuple(others),
        notes=(build_note(class_scores),) if settings.class_probabilities and class_scores else (),
    )


def find_deciding(region: Region, config: ImageConfig) -> tuple[int, bool]:
    """Find the vocabulary that decides about a mask whose label CLIP picks: its first control's, else the labels'.

    Returns:
        The vocabulary's place in `region_vocabularies`, and whether a mask may have several of its classes.

    Raises:
        BadPrompt: As `label_region`.
    """
    label = _best_label(scores_of_labels(region, config), config)
    for place, control in enumerate(config.region_choices):
        if control.applies_to(label):
            if place < len(region.class_scores) and region.class_scores[place]:
                return place, control.multiple
            break
    return len(config.region_choices), _takes_several(label, config)


def choose(
    control: ClassControl,
    scores: Sequence[ClassScore],
    settings: ProjectSettings,
    thresholds: Mapping[str, float] = MappingProxyType({}),
) -> tuple[str, ...]:
    """The classes that a control gets.

    Args:
        scores: Best first.
        thresholds: Minimum probabilities of single classes, in place of the settings'.
    """
    default = settings.choices_threshold if control.multiple else settings.clip_threshold
    looked_at = scores if control.multiple else scores[:1]
    return tuple(score.name for score in looked_at if score.score >= thresholds.get(score.name, default))


def scores_by_control(region: Region, config: ImageConfig) -> dict[str, Scores]:
    """The class scores of a mask for each per-region control."""
    return {control.name: scores for control, scores in zip(config.region_choices, region.class_scores, strict=False)}


def scores_of_labels(region: Region, config: ImageConfig) -> Scores:
    """The scores of the labels; () unless CLIP was asked to pick one."""
    place = len(config.region_choices)
    return region.class_scores[place] if len(region.class_scores) > place else ()


def _read_scores(region: Region, label: str, config: ImageConfig) -> tuple[Mapping[str, Scores], Scores]:
    """The scores by control, and the scores that count for a region with that label."""
    by_control = scores_by_control(region, config)
    own = next((by_control[control.name] for control in config.region_choices if control.applies_to(label)), ())
    return by_control, own or scores_of_labels(region, config)


def _pick_labels(
    region: Region, config: ImageConfig, settings: ProjectSettings, thresholds: Mapping[str, float]
) -> tuple[str, list[str]]:
    """CLIP's label, and the further ones where the control takes several."""
    scores = scores_of_labels(region, config)
    best = _best_label(scores, config)
    if not _takes_several(best, config):
        return best, []
    control = config.control_for(best)
    enough = [one.name for one in scores if one.score >= thresholds.get(one.name, settings.choices_threshold)]
    label, *others = [name for name in enough if control.has_label(name)] or [best]
    return label, others


def _takes_several(label: str, config: ImageConfig) -> bool:
    return bool(config.answers) and config.control_for(label).takes_several


def _best_label(scores: Scores, config: ImageConfig) -> str:
    """CLIP's label; without CLIP the only label, but never a guess. "" if the config has none."""
    if scores:
        return scores[0].name
    if len(config.answer_classes) <= 1:
        return config.answer_classes[0].name if config.answer_classes else ""
    raise BadPrompt(
        "CLIP is not loaded, so it cannot choose a label for this mask.",
        remedy="Pick a label other than AUTO; /health says why CLIP is not loaded.",
    )
