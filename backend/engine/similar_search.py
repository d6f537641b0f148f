"""Search by example among the automatic masks of an image. How masks are compared is in `similar_masks`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.engine.encoded_image import EncodedImage
from backend.engine.packed_masks import ProposedMasks
from backend.engine.ports import TextReader
from backend.engine.proposal_cache import ProposalCache
from backend.engine.similar_masks import (
    GENERAL_WORDS,
    Features,
    match_exemplars,
    pick_similar,
    pick_unlabeled,
    prefer_parts,
)
from backend.errors import BadPrompt
from backend.geometry import separate_parts
from backend.values import Candidate, ClassName, Mask, Pixels, ProposalParameters

log = logging.getLogger(__name__)

MIN_POINTS_PER_SIDE = 24  # of the grid on which automatic masks are made for a search: a person waits for all of a kind
MIN_PART_SHARE = 0.3  # of a mask's largest part; smaller ones are stray pieces, or of an object that is mostly hidden
MIN_BOX_NMS_THRESH = 0.7  # the best of several masks of one object is chosen here, so fewer are dropped before


@dataclass(frozen=True)
class SimilarMask:
    """A mask that looks like an exemplar.

    Attributes:
        similarity: In [0, 1].
        exemplar: Index of the exemplar that it is most similar to.
    """

    candidate: Candidate
    similarity: float
    exemplar: int


class SimilarSearch:
    """Search by example among an image's automatic masks.

    Args:
        classifier: CLIP; with None every search is refused.
        proposals: Makes and keeps the automatic masks.
    """

    def __init__(self, classifier: TextReader | None, proposals: ProposalCache) -> None:
        self._classifier, self._proposals = classifier, proposals

    def search(
        self,
        encoded: EncodedImage,
        exemplars: Sequence[Mask],
        labeled: Sequence[Mask],
        parameters: ProposalParameters,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[SimilarMask]:
        """Find the automatic masks that look like exemplars on the same image.

        Args:
            exemplars: At least one, none of them empty.
            labeled: Masks that have a label already, the exemplars among them; they are not found again.
            parameters: How automatic masks are made; on a grid of at least `MIN_POINTS_PER_SIDE`, and with
                at least `MIN_BOX_NMS_THRESH`.
            vocabulary: The project's classes, which help to tell masks apart.
            templates: CLIP's prompt templates; () for the model's.

        Returns:
            The most similar first; empty if no mask is similar enough.

        Raises:
            BadPrompt: CLIP is not loaded.
        """
        if self._classifier is None:
            remedy = "Click the objects or draw boxes around them; /health says why CLIP is not loaded."
            raise BadPrompt('"like this" needs CLIP, which is not loaded.', remedy=remedy)
        image = encoded.image
        finer = replace(
            parameters,
            points_per_side=max(parameters.points_per_side, MIN_POINTS_PER_SIDE),
            box_nms_thresh=max(parameters.box_nms_thresh, MIN_BOX_NMS_THRESH),
        )
        proposed = self._proposals.propose(encoded, finer, self._classifier)
        if not proposed.scores:
            return []
        searched = _add_parts(proposed, image.pixels, self._classifier)
        masks, scores = searched.masks, searched.scores
        names = [names for names in (vocabulary, GENERAL_WORDS) if names]
        texts = np.concatenate([self._classifier.embed_texts(own, templates) for own in names])
        seen = self._classifier.embed_masks(image.pixels, exemplars)
        similarity = match_exemplars(seen, searched.features, texts, self._classifier.logit_scale)
        is_kept = prefer_parts(similarity, searched.whole_of)
        chosen = [place for place in pick_unlabeled(masks, labeled, wholes=exemplars) if is_kept[place]]
        picked = pick_similar(similarity[chosen], [masks[i] for i in chosen], [scores[i] for i in chosen])
        found, nearest = [chosen[place] for place in picked], similarity.argmax(axis=1)
        log.info("%d of %d masks on %s look like %d exemplars.", len(found), len(masks), image.name, len(exemplars))
        return [SimilarMask(Candidate(masks[i], scores[i]), float(similarity[i].max()), int(nearest[i])) for i in found]


@dataclass(frozen=True)
class _Searched:
    """Automatic masks, and behind them the large parts of those that have several.

    Attributes:
        scores: SAM's predicted IoU; a part has that of its mask.
        features: CLIP's image features, float32 (N, D).
        whole_of: For each part the index of the mask that it belongs to, None for any other mask.
    """

    masks: list[Mask]
    scores: list[float]
    features: Features
    whole_of: list[int | None]


def _add_parts(proposed: ProposedMasks, pixels: Pixels, classifier: TextReader) -> _Searched:
    masks, scores, features = proposed.masks(), list(proposed.scores), proposed.image_features
    split = [(separate_parts(mask, MIN_PART_SHARE), whole) for whole, mask in enumerate(masks)]
    owned = [(part, whole) for parts, whole in split if len(parts) > 1 for part in parts]
    parts, wholes = [part for part, _ in owned], [whole for _, whole in owned]
    if parts:
        features = np.concatenate([features, classifier.embed_masks(pixels, parts)])
    whole_of = [*[None] * len(masks), *wholes]
    return _Searched([*masks, *parts], [*scores, *(scores[whole] for whole in wholes)], features, whole_of)
