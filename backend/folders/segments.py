"""The labeled segments of one encoded image: of everything in it, or of what texts name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.engine import EncodedImage, ImageLabeler, clean_candidate, named_class, parse_text, segment_image
from backend.export import Segment
from backend.folders.vocabulary import Vocabulary
from backend.geometry import mask_nms
from backend.values import Mask, ProposalOptions, Region

Found = tuple[Mask, str, float]  # mask, label, confidence


def find_segments(
    labeler: ImageLabeler, encoded: EncodedImage, image_id: str, vocabulary: Vocabulary, options: ProposalOptions
) -> list[Segment]:
    """Segment an image and label the segments.

    The confidence of a segment is the probability of its label among all labels or, where a text is searched, that the
    text names it; where there is only one label, SAM's predicted IoU.

    Args:
        image_id: Beginning of the segments' ids.
        vocabulary: Not empty.

    Returns:
        The best first, numbered from 1 before those that are not to be kept are left out.
    """
    found = (
        _search(labeler, encoded, vocabulary, options)
        if vocabulary.texts
        else _everything(labeler, encoded, vocabulary, options)
    )
    segments = [
        Segment(mask, label, f"{image_id}-{number:02}", min(max(confidence, 0.0), 1.0))
        for number, (mask, label, confidence) in enumerate(found, start=1)
    ]
    return [segment for segment in segments if not vocabulary.keep or segment.label in vocabulary.keep]


def _everything(
    labeler: ImageLabeler, encoded: EncodedImage, vocabulary: Vocabulary, options: ProposalOptions
) -> Iterator[Found]:
    competes = len(vocabulary.labels) > 1 or options.background_words
    vocabularies = [vocabulary.labels] if competes else []
    for region in segment_image(labeler, encoded, options, vocabularies):
        yield (region.mask, *_label_of(region, vocabulary))


def _label_of(region: Region, vocabulary: Vocabulary) -> tuple[str, float]:
    if region.class_scores and region.class_scores[0]:
        best = region.class_scores[0][0]
        return best.name, best.score
    return vocabulary.labels[0].name, region.score


def _search(
    labeler: ImageLabeler, encoded: EncodedImage, vocabulary: Vocabulary, options: ProposalOptions
) -> Iterator[Found]:
    """Yield what the texts name, each object once.

    An object that several texts name belongs to the one with the best score of the detector; where CLIP searches, to
    the first.
    """
    labels = {text: named_class(parse_text(text), vocabulary.labels) or text for text in vocabulary.texts}
    counts, named = dict.fromkeys(vocabulary.texts, 0), []
    for one in labeler.search_all(encoded, vocabulary.texts, options, vocabulary.labels):
        counts[one.text] += 1
        if options.max_masks is None or counts[one.text] <= options.max_masks:
            mask = clean_candidate(one.candidate, encoded.image.size).mask
            named.append((mask, labels[one.text], one.probability))
    yield from (named[place] for place in mask_nms([mask for mask, _, _ in named], options.mask_nms_thresh))


def propose_masks(labeler: ImageLabeler, encoded: EncodedImage, options: ProposalOptions) -> Sequence[Mask]:
    """Return the masks of everything in an image, without classes."""
    return [region.mask for region in segment_image(labeler, encoded, options)]
