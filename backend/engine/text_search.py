"""TextSearch: which automatic masks of an image a text names.

The masks come from whoever makes them, CLIP through the Protocol below; how they are compared is in `text_prompts`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from backend.engine.encoded_image import EncodedImage
from backend.engine.packed_masks import MAX_BYTES, ProposedMasks, pack
from backend.engine.ports import TextReader
from backend.engine.text_matching import parse_text, probability, standing_out, text_log_odds
from backend.errors import BadPrompt
from backend.runtime import LeastRecentlyUsed
from backend.values import Candidate, ClassName, ProposalParameters

log = logging.getLogger(__name__)

MOST_LOGGED = 10


Propose = Callable[[EncodedImage, ProposalParameters], list[Candidate]]  # none of the masks is empty


@dataclass(frozen=True)
class FoundMask:
    """A mask that a text names, and how probable that is in [0, 1]."""

    candidate: Candidate
    probability: float


class TextSearch:
    """Searches images for what a text names; the masks of an image are made once, however many texts are asked.

    Args:
        classifier: CLIP, or None: every text is then refused.
        propose: Makes an image's automatic masks, always with the same SAM.
    """

    def __init__(self, classifier: TextReader | None, propose: Propose) -> None:
        self._classifier, self._propose = classifier, propose
        self._proposed = LeastRecentlyUsed[tuple[object, ...], ProposedMasks](MAX_BYTES, lambda kept: kept.nbytes)

    def search(
        self,
        encoded: EncodedImage,
        text: str,
        parameters: ProposalParameters,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[FoundMask]:
        """The automatic masks that a text names, the most probable first; none where nothing stands out.

        Args:
            text: As "the red car"; best in English.
            parameters: How automatic masks are made.
            vocabulary: The project's classes, against which the text has to hold its own.
            templates: CLIP's prompt templates; () for the model's.

        Raises:
            BadPrompt: A text that names nothing, or there is no CLIP to read it.
        """
        image, query = encoded.image, parse_text(text)
        if self._classifier is None:
            remedy = "Click on the thing or draw a box around it; /health says what is wrong with CLIP."
            raise BadPrompt("CLIP is not loaded, so no text can be read.", remedy=remedy)
        proposed = self._propose_once(encoded, parameters, self._classifier)
        if not proposed.scores:
            log.info('Text "%s" on %s: there is no automatic mask.', query.spoken, image.name)
            return []
        features, scale = proposed.image_features, self._classifier.logit_scale
        embed_texts = partial(self._classifier.embed_texts, templates=templates)
        odds = text_log_odds(query, vocabulary, features, embed_texts, scale)
        masks, chances = proposed.masks(), probability(odds)
        places = standing_out(odds, masks)
        scores = " ".join(f"{chance:.2f}" for chance in sorted(chances, reverse=True)[:MOST_LOGGED])
        message = 'Text "%s" on %s: %d of %d masks stand out; the best scores are %s.'
        log.info(message, query.spoken, image.name, len(places), len(masks), scores)
        return [FoundMask(Candidate(masks[i], proposed.scores[i]), float(chances[i])) for i in places]

    def _propose_once(
        self, encoded: EncodedImage, parameters: ProposalParameters, classifier: TextReader
    ) -> ProposedMasks:
        """The image's automatic masks and what CLIP sees under them, kept for the next text.

        The models are this finder's own for ever, so the image and what SAM was asked name what is kept.
        """
        image = encoded.image
        key = (image.digest, *(getattr(parameters, field.name) for field in fields(ProposalParameters)))
        kept = self._proposed.get(key)
        if kept is None:
            found = self._propose(encoded, parameters)
            masks = [candidate.mask for candidate in found]
            features = classifier.embed_masks(image.pixels, masks) if masks else np.zeros((0, 1), np.float32)
            kept = pack(found, (image.size.height, image.size.width), features)
            self._proposed.put(key, kept)
        return kept
