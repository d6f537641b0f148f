"""What a mask is called: its label and its per-region classes.

| control                        | what is chosen                                                                  |
|--------------------------------|---------------------------------------------------------------------------------|
| labels of the shapes           | what the person picked, else the most probable (`label_for_click` says when)    |
| Choices, Taxonomy: single      | the most probable class; none if it is less probable than `clip_threshold`      |
| Choices with choice="multiple" | every class at least as probable as `choices_threshold`, best first; maybe none |
| either with whenLabelValue     | the same, for masks with that label only                                        |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from backend.engine import ImageLabeler
from backend.errors import BadPrompt
from backend.images import SourceImage
from backend.label_studio.config import ClassControl, LabelingConfig
from backend.label_studio.results import new_region_id
from backend.projects import ProjectSettings
from backend.values import Candidate, ClassScore, Region

Scores = tuple[ClassScore, ...]


def name_regions(
    labeler: ImageLabeler,
    image: SourceImage,
    candidates: Sequence[Candidate],
    labels: Sequence[str | None],
    config: LabelingConfig,
    settings: ProjectSettings,
) -> list[Region]:
    """Give each mask its label (None: CLIP picks) and its per-region classes, looking at it once.

    Args:
        config: Of the image; its first answer controls are preferred.

    Raises:
        BadPrompt: There are several labels and no CLIP to pick one.
    """
    controls, masks = config.region_choices, [candidate.mask for candidate in candidates]
    vocabularies = [control.labels for control in controls]
    if None in labels and config.answer_classes:
        vocabularies.append(config.answer_classes)
    scored = labeler.classify(image, masks, vocabularies, settings.templates)
    nothing: list[Scores] = [() for _ in candidates]
    label_scores = scored[len(controls)] if len(scored) > len(controls) else nothing
    regions = []
    for place, (candidate, picked) in enumerate(zip(candidates, labels, strict=True)):
        label = _best_label(label_scores[place], config) if picked is None else picked
        by_control = {control.name: scores[place] for control, scores in zip(controls, scored, strict=False)}
        regions.append(_region(candidate, label, by_control, label_scores[place], config, settings))
    return regions


def choose(control: ClassControl, scores: Sequence[ClassScore], settings: ProjectSettings) -> tuple[str, ...]:
    """The classes that a control is answered with; `scores` best first."""
    if control.multiple:
        return tuple(score.name for score in scores if score.score >= settings.choices_threshold)
    return tuple(score.name for score in scores[:1] if score.score >= settings.clip_threshold)


def _region(
    candidate: Candidate,
    label: str,
    by_control: Mapping[str, Scores],
    label_scores: Scores,
    config: LabelingConfig,
    settings: ProjectSettings,
) -> Region:
    own = [control for control in config.region_choices if control.is_for(label)]
    chosen = {control.name: choose(control, by_control[control.name], settings) for control in own}
    return Region(
        mask=candidate.mask,
        label=label,
        region_id=new_region_id(),
        score=candidate.score,
        choices=MappingProxyType({name: names for name, names in chosen.items() if names}),
        class_scores=next((by_control[control.name] for control in own), ()) or label_scores,
    )


def _best_label(scores: Scores, config: LabelingConfig) -> str:
    """CLIP's label; without CLIP the only one there is, and never one that nobody chose. "" where there are none."""
    if scores:
        return scores[0].name
    if len(config.answer_classes) <= 1:
        return config.answer_classes[0].name if config.answer_classes else ""
    raise BadPrompt(
        "CLIP is not loaded, so no label can be picked for this mask.",
        remedy="Pick a label yourself instead of AUTO; /health says what is wrong with CLIP.",
    )
