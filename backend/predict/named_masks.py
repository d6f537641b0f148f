"""The masks that texts name, each with the label and the classes of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from backend.engine import EncodedImage, ImageLabeler
from backend.geometry import mask_nms
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import FindText
from backend.label_studio.results import LabeledRegion
from backend.predict.phrases import Phrase, list_phrases
from backend.predict.region_stages import clean
from backend.predict.request_needs import search_vocabulary
from backend.projects import ProjectSettings
from backend.values import Candidate, ProposalOptions


@dataclass(frozen=True)
class NamedMask:
    """A mask with the phrase that names it.

    Attributes:
        score: The detector's score of its box; None where CLIP found it.
        decides: Whether the phrase decides about the per-region classes; else CLIP does.
    """

    candidate: Candidate
    phrase: Phrase
    score: float | None = None
    decides: bool = False

    def name_region(self, region: LabeledRegion, config: ImageConfig) -> LabeledRegion:
        """Give the mask's region the score of its box and the classes of its phrase."""
        controls = [one for one in config.region_choices if one.applies_to(region.label)] if self.decides else []
        named = {one.name: (self.phrase.choices[one.name],) for one in controls if one.name in self.phrase.choices}
        score = region.score if self.score is None else self.score
        return replace(region, score=score, choices=MappingProxyType({**region.choices, **named}))


def find_named(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    request: FindText,
    options: ProposalOptions,
    config: ImageConfig,
    settings: ProjectSettings,
) -> list[NamedMask]:
    """Find what a request's texts name, each object once.

    An object that several texts name belongs to the one that names it best; where CLIP searches for typed texts, whose
    probabilities do not compare, to the first.

    Raises:
        BadPrompt: A text that names nothing, or neither a detector nor CLIP is loaded.
    """
    phrases = {phrase.text: phrase for phrase in list_phrases(request, config)}
    vocabulary = search_vocabulary(config)
    found = labeler.search_all(encoded, list(phrases), options, vocabulary, settings.templates)
    has_boxes = labeler.boxes is not None
    if request.from_labels:
        found = sorted(found, key=lambda one: -one.probability)
    counts = dict.fromkeys(phrases, 0)
    named = []
    for one in found:
        mask = clean(one.candidate, encoded.image.size, settings)
        is_over = options.max_masks is not None and counts[one.text] >= options.max_masks
        if is_over or not options.allows_area(np.count_nonzero(mask.mask), mask.mask.size):
            continue
        counts[one.text] += 1
        score = one.probability if has_boxes else None
        named.append(NamedMask(mask, phrases[one.text], score, has_boxes or request.from_labels))
    if len(phrases) > 1 or has_boxes:  # the masks that CLIP finds for one text do not overlap anyway
        kept = mask_nms([one.candidate.mask for one in named], options.mask_nms_thresh)
        named = [named[place] for place in kept]
    return named


def texts_to_detect(labeler: ImageLabeler, request: object, config: ImageConfig) -> Sequence[str]:
    """Return the texts that the detector has to search for; () without one.

    Raises:
        BadPrompt: A text that names nothing.
    """
    if labeler.boxes is None or not isinstance(request, FindText):
        return ()
    return [phrase.text for phrase in list_phrases(request, config)]
