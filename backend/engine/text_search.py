"""Search by text: by a detector where one is loaded, else by CLIP among the automatic masks of the image.

How CLIP compares masks and texts is in `text_matching`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from backend.engine.box_search import BoxSearch
from backend.engine.encoded_image import EncodedImage
from backend.engine.found_mask import FoundMask
from backend.engine.known_words import KnownWords
from backend.engine.ports import TextReader
from backend.engine.proposal_cache import ProposalCache
from backend.engine.text_matching import TextQuery, matching_masks, parse_text, probability, text_log_odds
from backend.errors import BadPrompt, shorten
from backend.values import Candidate, ClassName, ProposalParameters

log = logging.getLogger(__name__)

MAX_LOGGED_SCORES = 10


class TextSearch:
    """Search by text.

    Args:
        classifier: CLIP; with None, and without a detector, every text is refused.
        proposals: Makes and keeps the automatic masks.
        known: The words that CLIP knows; by default all.
        boxes: Searches with a detector, in place of CLIP.
    """

    def __init__(
        self,
        classifier: TextReader | None,
        proposals: ProposalCache,
        known: KnownWords | None = None,
        boxes: BoxSearch | None = None,
    ) -> None:
        self._classifier, self._proposals, self._known = classifier, proposals, known or KnownWords(None)
        self._boxes = boxes

    def search_all(
        self,
        encoded: EncodedImage,
        texts: Sequence[str],
        parameters: ProposalParameters,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[FoundMask]:
        """Find the masks that texts name, of one text after the other or, with a detector, the best score first.

        The arguments and errors are those of `search`. An object can be found by several texts.
        """
        if self._boxes is not None:
            found = self._boxes.search(encoded, texts)
            log.info("Detector on %s: %d masks for %d texts.", encoded.image.name, len(found), len(texts))
            return found
        return [one for text in texts for one in self.search(encoded, text, parameters, vocabulary, templates)]

    def search(
        self,
        encoded: EncodedImage,
        text: str,
        parameters: ProposalParameters,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[FoundMask]:
        """Find the automatic masks that a text names, by CLIP.

        Args:
            text: For example "the red car"; English works best.
            parameters: How automatic masks are made.
            vocabulary: The project's classes, which compete with the text for each mask.
            templates: CLIP's prompt templates; () for the model's.

        Returns:
            The most probable first; empty if no mask stands out.

        Raises:
            BadPrompt: The text names nothing, has words that CLIP does not know, or CLIP is not loaded.
        """
        image, query = encoded.image, parse_text(text)
        if self._classifier is None:
            remedy = "Click the object or draw a box around it; /health says why neither is loaded."
            raise BadPrompt("Text prompts need a detector or CLIP.", remedy=remedy)
        self.check_words(query, vocabulary)
        vocabulary = self._known.known_classes(vocabulary)
        proposed = self._proposals.propose(encoded, parameters, self._classifier)
        if not proposed.scores:
            log.info('Text "%s" on %s: the image has no automatic masks.', query.spoken, image.name)
            return []
        features, scale = proposed.image_features, self._classifier.logit_scale
        embed_texts = partial(self._classifier.embed_texts, templates=templates)
        odds = text_log_odds(query, vocabulary, features, embed_texts, scale)
        masks, probabilities = proposed.masks(), probability(odds)
        places = matching_masks(odds, masks)
        scores = " ".join(f"{value:.2f}" for value in sorted(probabilities, reverse=True)[:MAX_LOGGED_SCORES])
        message = 'Text "%s" on %s: %d of %d masks match; best probabilities %s.'
        log.info(message, query.spoken, image.name, len(places), len(masks), scores)
        return [FoundMask(Candidate(masks[i], proposed.scores[i]), float(probabilities[i]), text) for i in places]

    def check(self, text: str, vocabulary: Sequence[ClassName]) -> None:
        """Raise BadPrompt for a text that names nothing, or that the detector or CLIP cannot read."""
        if self._boxes is not None:
            self._boxes.check([text])
        else:
            self.check_words(parse_text(text), vocabulary)

    def check_words(self, query: TextQuery, vocabulary: Sequence[ClassName]) -> None:
        """Raise BadPrompt for a text with words that CLIP does not know."""
        unknown, lexicon = self._known.unknown_words(query, vocabulary), self._known.lexicon
        if unknown and lexicon is not None:
            words = ", ".join(f'"{shorten(word)}"' for word in unknown)
            raise BadPrompt(f"{lexicon.limits} They cannot read {words}.", remedy=f'Try "{lexicon.example}".')
