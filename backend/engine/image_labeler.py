"""ImageLabeler: encoded image and prompt to masks, masks to classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.engine.encoded_image import EncodedImage
from backend.engine.forced_clicks import clicks_of, hold_in_pixels, revise_by_clicks
from backend.engine.ports import Classifier, PendingTexts, Segmenter
from backend.engine.text_search import FoundMask, TextSearch
from backend.geometry import inner_point, mask_iou
from backend.images import SourceImage
from backend.runtime import NO_DEADLINE, Deadline, LeastRecentlyUsed, timed
from backend.values import (
    Candidate,
    ClassName,
    ClassScore,
    Mask,
    Prompt,
    ProposalOptions,
    ProposalParameters,
    ReviseLogits,
)

ANSWERS_MAX_BYTES = 16_000_000  # of logits of answered clicks; 256 kB each for SAM's published models
MAX_CLICKS_AT_ONCE = 32  # in one run of the decoder, whose time grows with their number
SAME_MASK_IOU = 0.95  # candidates above this look the same to a person


class ImageLabeler:
    """Masks and classes of encoded images.

    Args:
        segmenter: SAM.
        classifier: CLIP; with None masks have no classes.
        top_k: How many class scores are kept.
    """

    def __init__(self, segmenter: Segmenter, classifier: Classifier | None, *, top_k: int = 5) -> None:
        self._segmenter, self._classifier, self._top_k = segmenter, classifier, top_k
        self._answers = LeastRecentlyUsed[tuple[object, ...], NDArray[np.float32]](
            ANSWERS_MAX_BYTES, lambda logits: logits.nbytes
        )
        self._search = TextSearch(classifier, self.propose)

    @property
    def can_classify(self) -> bool:
        return self._classifier is not None

    def segment(
        self,
        encoded: EncodedImage,
        prompt: Prompt,
        *,
        max_masks: int | None = 1,
        deadline: Deadline = NO_DEADLINE,
    ) -> list[Candidate]:
        """Predict masks for one object, best first; `max_masks=None` returns all of SAM's (three for a single click).

        In a family that refines by logits each click corrects the answer to the clicks before it, as in SAM's training.
        A request has all clicks of an object in order, so nothing has to be kept between requests; cached logits of the
        earlier clicks only save decoding them again. A list that begins with a negative click does not correct an
        answer of SAM. Each answer is decoded from the first click and the last ones (`MAX_CLICKS_AT_ONCE`), so that a
        click costs no more after hundreds of others; SAM was trained on sequences of about ten.
        """
        coords, labels = prompt.point_coords, prompt.point_labels
        is_sequence = prompt.box_xyxy is None and prompt.mask_logits is None and labels[:1] == (1,)
        forced = clicks_of(prompt) if len(coords) + (prompt.box_xyxy is not None) > 1 else []
        if not (is_sequence and self._segmenter.refines_by_logits):
            candidates = self._segmenter.decode(encoded.embedding, prompt, max_masks=max_masks)
            return [hold_in_pixels(candidate, forced) for candidate in candidates]
        answered, logits = self._last_answer(encoded, prompt)
        for count in range(answered + 1, len(coords) + 1):
            deadline.raise_if_over()
            start = max(count - MAX_CLICKS_AT_ONCE + 1, 1)
            recent_coords, recent_labels = (*coords[:1], *coords[start:count]), (*labels[:1], *labels[start:count])
            clicks = replace(prompt, point_coords=recent_coords, point_labels=recent_labels, mask_logits=logits)
            revise = revise_by_clicks(clicks_of(clicks), logits)
            candidates = self._decode(encoded, clicks, max_masks if count == len(coords) else 1, revise)
            logits = candidates[0].low_res_logits
            if logits is not None:
                self._answers.put(
                    (encoded.image.digest, coords[:count], labels[:count]), logits.copy()
                )  # a view would keep all three alive
        return [hold_in_pixels(candidate, forced) for candidate in candidates]

    def segment_larger(self, encoded: EncodedImage, click: Prompt, times: int) -> Candidate:
        """The candidate that is `times` steps larger than the best one, cyclically: the smallest follows the largest.

        Candidates that look the same count once.
        """
        best, *others = self.segment(encoded, click, max_masks=None)
        distinct = [best]
        for other in others:
            if other.mask.any() and all(mask_iou(other.mask, known.mask) < SAME_MASK_IOU for known in distinct):
                distinct.append(other)
        by_size = sorted(distinct, key=lambda candidate: int(np.count_nonzero(candidate.mask)))
        start = next(place for place, candidate in enumerate(by_size) if candidate is best)
        return by_size[(start + times) % len(by_size)]

    def refine(
        self, encoded: EncodedImage, prompt: Prompt, mask: Mask, *, deadline: Deadline = NO_DEADLINE
    ) -> Candidate:
        """Correct a mask by points, keeping it elsewhere; it agrees with the points then.

        The answer depends on nothing but the arguments, so every replica gives the same one, after a restart too.

        Args:
            prompt: Only its points are used; a box would restore what a negative point removes.
            mask: bool (H, W) with at least one pixel.
        """
        asked = self.correction_prompt(prompt, mask)
        deadline.raise_if_over()
        clicks = clicks_of(prompt)
        revise = revise_by_clicks(clicks, asked.mask_logits, on_page=True)
        return hold_in_pixels(self._decode(encoded, asked, 1, revise)[0], clicks)

    def correction_prompt(self, prompt: Prompt, mask: Mask) -> Prompt:
        """Build what SAM gets to correct a mask: its logits and one extra positive point.

        The point lies deep inside the mask, away from the negative points: the mask prompt alone constrains SAM too
        little, above all with negative points only.
        """
        negative = [at for at, label in zip(prompt.point_coords, prompt.point_labels, strict=True) if label == 0]
        return Prompt(
            (inner_point(mask, negative), *prompt.point_coords),
            (1, *prompt.point_labels),
            mask_logits=self._segmenter.mask_to_logits(mask),
        )

    @timed("sam")
    def propose(self, encoded: EncodedImage, parameters: ProposalParameters) -> list[Candidate]:
        """Segment everything in the image, best first, without empty masks."""
        candidates = self._segmenter.propose(encoded.embedding, parameters)
        return [candidate for candidate in candidates if candidate.mask.any()]

    @timed("clip")
    def search(
        self,
        encoded: EncodedImage,
        text: str,
        options: ProposalOptions,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[FoundMask]:
        """Find the automatic masks that a text names, the most probable first; see `TextSearch.search`."""
        return self._search.search(encoded, text, options, vocabulary, templates)

    def pending_texts(self, vocabulary: Sequence[ClassName], templates: Sequence[str] = ()) -> PendingTexts | None:
        """Return the text features of a vocabulary if CLIP has not encoded all of them yet."""
        return self._classifier.pending_texts(vocabulary, templates) if self._classifier and vocabulary else None

    @timed("clip")
    def classify(
        self,
        image: SourceImage,
        masks: Sequence[Mask],
        vocabularies: Sequence[Sequence[ClassName]],
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Classify each mask in each vocabulary, best first; () for every mask without CLIP.

        Args:
            masks: None of them empty.
            templates: CLIP's prompt templates; () for the model's.
        """
        if self._classifier is None or not masks or not vocabularies:
            return [[() for _ in masks] for _ in vocabularies]
        return self._classifier.classify(image.pixels, masks, vocabularies, top_k=self._top_k, templates=templates)

    @timed("clip")
    def classify_image(
        self, image: SourceImage, vocabulary: Sequence[ClassName], templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        """Classify the whole image, best first; () without CLIP."""
        if self._classifier is None:
            return ()
        return self._classifier.classify_image(image.pixels, vocabulary, top_k=self._top_k, templates=templates)

    def _decode(
        self, encoded: EncodedImage, prompt: Prompt, max_masks: int | None, revise: ReviseLogits | None
    ) -> list[Candidate]:
        """Decode a prompt and let `revise` change the logits, in a family that has any."""
        if revise is None or not self._segmenter.refines_by_logits:
            return self._segmenter.decode(encoded.embedding, prompt, max_masks=max_masks)
        return self._segmenter.decode(encoded.embedding, prompt, max_masks=max_masks, revise=revise)

    def _last_answer(self, encoded: EncodedImage, prompt: Prompt) -> tuple[int, NDArray[np.float32] | None]:
        """Length and logits of the longest proper prefix of the clicks with cached logits; (0, None) without one."""
        coords, labels = prompt.point_coords, prompt.point_labels
        for count in range(len(coords) - 1, 0, -1):
            logits = self._answers.get((encoded.image.digest, coords[:count], labels[:count]))
            if logits is not None:
                return count, logits
        return 0, None
