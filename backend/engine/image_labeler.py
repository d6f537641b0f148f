"""ImageLabeler: encoded image and prompt to masks, masks to classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.engine.answer_cache import AnswerCache, first_clicks
from backend.engine.box_masks import segment_boxes
from backend.engine.box_search import BoxSearch
from backend.engine.encoded_image import EncodedImage
from backend.engine.forced_clicks import clicks_of, hold_in_pixels, keep_elsewhere, revise_answer, revise_by_clicks
from backend.engine.found_mask import FoundMask
from backend.engine.known_words import KnownWords
from backend.engine.mask_classes import MaskClasses
from backend.engine.ports import Classifier, Detector, PendingTexts, Segmenter
from backend.engine.proposal_cache import ProposalCache
from backend.engine.review import measure_agreement
from backend.engine.similar_search import SimilarMask, SimilarSearch
from backend.engine.sized_candidates import SizedCandidate, choose_larger
from backend.engine.text_search import TextSearch
from backend.geometry import inner_point
from backend.images import SourceImage
from backend.runtime import NO_DEADLINE, Deadline, timed
from backend.values import (
    Box,
    Candidate,
    ClassName,
    ClassScore,
    Mask,
    Pixels,
    Prompt,
    ProposalOptions,
    ProposalParameters,
    ReviseLogits,
)

MAX_CLICKS_AT_ONCE = 32  # in one run of the decoder, whose time grows with their number


class ImageLabeler:
    """Masks and classes of encoded images.

    Args:
        segmenter: SAM.
        classifier: CLIP; with None masks have no classes.
        detector: Searches by text in place of CLIP.
        top_k: How many class scores are kept.
    """

    def __init__(
        self, segmenter: Segmenter, classifier: Classifier | None, detector: Detector | None = None, *, top_k: int = 5
    ) -> None:
        self.top_k, self.can_classify = top_k, classifier is not None
        self.can_search = self.can_classify or detector is not None
        self.boxes = None if detector is None else BoxSearch(detector, segmenter)
        self._segmenter, self._classifier = segmenter, classifier
        self._answers = AnswerCache()
        proposals = ProposalCache(self.propose)
        self._known = KnownWords(classifier.lexicon if classifier else None)
        self._classes = MaskClasses(classifier, self._known)
        self._search = TextSearch(classifier, proposals, self._known, self.boxes)
        self._similar = SimilarSearch(classifier, proposals)

    def knows(self, vocabulary: Sequence[ClassName]) -> bool:
        """Whether CLIP can read every class; masks get no classes of a vocabulary that it cannot. True without CLIP."""
        return self._known.knows(vocabulary)

    def known_classes(self, vocabulary: Sequence[ClassName]) -> list[ClassName]:
        """Return the classes that CLIP can read; all of them without CLIP."""
        return self._known.known_classes(vocabulary)

    def limits_for(self, vocabularies: Sequence[Sequence[ClassName]]) -> str:
        """Return the sentence that says what CLIP knows if it does not know all of the vocabularies; else ""."""
        lexicon = self._known.lexicon
        return lexicon.limits if lexicon is not None and not all(map(self.knows, vocabularies)) else ""

    def segment(
        self, encoded: EncodedImage, prompt: Prompt, *, max_masks: int | None = 1, deadline: Deadline = NO_DEADLINE
    ) -> list[Candidate]:
        """Predict masks for one object, best first; `max_masks=None` returns all of SAM's (three for a single click).

        In a family that refines by logits each click corrects the answer to the box and the clicks before it, as in
        SAM's training (see `is_chain`); cached logits only save decoding them again. Each answer is decoded from the
        first click and the last ones, `MAX_CLICKS_AT_ONCE` in all: SAM was trained on sequences of about ten.
        """
        has_box, last = prompt.box_xyxy is not None, len(prompt.point_coords)
        forced = clicks_of(prompt) if last + has_box > 1 else []
        if not self.is_chain(prompt):
            candidates = self._segmenter.decode(encoded.embedding, prompt, max_masks=max_masks)
            return [hold_in_pixels(candidate, forced) for candidate in candidates]
        answered, logits = self._answers.find_last(encoded, prompt)
        for count in range(0 if has_box and logits is None else answered + 1, last + 1):
            deadline.raise_if_over()
            clicks = replace(first_clicks(prompt, count, MAX_CLICKS_AT_ONCE), mask_logits=logits)
            revise = revise_answer(clicks_of(clicks), logits, keep_object=count + has_box > 2)
            candidates = self._decode(encoded, clicks, max_masks if count == last else 1, revise)
            logits = candidates[0].low_res_logits
            if logits is not None:
                self._answers.put(encoded, first_clicks(prompt, count), logits)
        return [hold_in_pixels(candidate, forced) for candidate in candidates]

    def is_chain(self, prompt: Prompt) -> bool:
        """Whether `segment` lets each click correct its answer to what came before: a box or a positive click."""
        has_object = prompt.box_xyxy is not None or prompt.point_labels[:1] == (1,)
        return has_object and prompt.mask_logits is None and self._segmenter.refines_by_logits

    def segment_larger(self, encoded: EncodedImage, click: Prompt, times: int) -> SizedCandidate:
        """Return SAM's candidate that is `times` steps larger than the best one; see `choose_larger`."""
        return choose_larger(self.segment(encoded, click, max_masks=None), times)

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
        candidate = self._decode(encoded, asked, 1, revise_by_clicks(clicks, asked.mask_logits))[0]
        if self._segmenter.refines_by_logits:  # what it was measured with
            candidate = keep_elsewhere(candidate, mask, clicks)
        return hold_in_pixels(candidate, clicks)

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
        crops = {"pixels": encoded.image.pixels} if parameters.crop_n_layers else {}
        candidates = self._segmenter.propose(encoded.embedding, parameters, **crops)
        return [candidate for candidate in candidates if candidate.mask.any()]

    def segment_boxes(self, encoded: EncodedImage, boxes: Sequence[Box]) -> list[Candidate]:
        """Predict the mask of each box; see `box_masks.segment_boxes`."""
        return segment_boxes(self._segmenter, encoded, boxes)

    @timed("sam")
    def measure_agreement(self, encoded: EncodedImage, masks: Sequence[Mask]) -> list[float]:
        """Measure how well SAM's answers to prompts made from each mask agree with it; see `review`."""
        return measure_agreement(self._segmenter, encoded.embedding, masks)

    @timed("clip")
    def search_all(
        self,
        encoded: EncodedImage,
        texts: Sequence[str],
        options: ProposalOptions,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[FoundMask]:
        """Find the masks that texts name; see `TextSearch.search_all`."""
        return self._search.search_all(encoded, texts, options, vocabulary, templates)

    def check_text(self, text: str, vocabulary: Sequence[ClassName] = ()) -> None:
        """Raise BadPrompt for a text that names nothing, or that neither the detector nor CLIP can read."""
        self._search.check(text, vocabulary)

    @timed("clip")
    def find_similar(
        self,
        encoded: EncodedImage,
        exemplars: Sequence[Mask],
        labeled: Sequence[Mask],
        parameters: ProposalParameters,
        vocabulary: Sequence[ClassName] = (),
        templates: Sequence[str] = (),
    ) -> list[SimilarMask]:
        """Find the automatic masks that look like others, the most similar first; see `SimilarSearch.search`."""
        vocabulary = self._known.known_classes(vocabulary)
        return self._similar.search(encoded, exemplars, labeled, parameters, vocabulary, templates)

    def pending_texts(self, vocabulary: Sequence[ClassName], templates: Sequence[str] = ()) -> PendingTexts | None:
        """Return the text features of a vocabulary if CLIP has not encoded all of them yet."""
        return self._classifier.pending_texts(vocabulary, templates) if self._classifier and vocabulary else None

    def classify(
        self,
        image: SourceImage,
        masks: Sequence[Mask],
        vocabularies: Sequence[Sequence[ClassName]],
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Classify masks of one image: `crop_masks`, then `classify_crops`."""
        return self.classify_crops(self.crop_masks(image, masks, vocabularies), vocabularies, templates)

    @timed("clip")
    def crop_masks(
        self, image: SourceImage, masks: Sequence[Mask], vocabularies: Sequence[Sequence[ClassName]]
    ) -> Pixels:
        """Return what CLIP looks at for each mask, which is small enough to be sent to another process.

        Args:
            masks: None of them empty.
            vocabularies: Those that the masks will be classified in.

        Returns:
            uint8 RGB (N, S, S, 3); S is 0 without CLIP, or if it knows none of the vocabularies.
        """
        return self._classes.crop(image, masks, vocabularies)

    @timed("clip")
    def classify_crops(
        self,
        crops: Pixels,
        vocabularies: Sequence[Sequence[ClassName]],
        templates: Sequence[str] = (),
        *,
        top_k: int | None = None,
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Classify what `crop_masks` returned, of one image or of several: each crop in each vocabulary, best first.

        Without CLIP, and in a vocabulary that CLIP does not know, the classes of every mask are ().

        Args:
            templates: CLIP's prompt templates; () for the model's.
            top_k: How many class scores are returned; None for the labeler's own number.
        """
        return self._classes.classify(crops, vocabularies, templates, top_k or self.top_k)

    @timed("clip")
    def classify_image(
        self, image: SourceImage, vocabulary: Sequence[ClassName], templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        """Classify the whole image, best first; () without CLIP, and in a vocabulary that CLIP does not know."""
        return self._classes.classify_image(image, vocabulary, templates, self.top_k)

    def _decode(
        self, encoded: EncodedImage, prompt: Prompt, max_masks: int | None, revise: ReviseLogits | None
    ) -> list[Candidate]:
        """Decode a prompt and let `revise` change the logits, in a family that has any."""
        revised = {"revise": revise} if revise is not None and self._segmenter.refines_by_logits else {}
        return self._segmenter.decode(encoded.embedding, prompt, max_masks=max_masks, **revised)
