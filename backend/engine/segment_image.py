"""Everything in an image: automatic masks, cleaned, each object once, with their classes.

An encoded image, vocabularies and options come in, regions go out; nothing here knows Label Studio or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from backend.engine.encoded_image import EncodedImage
from backend.engine.image_labeler import ImageLabeler
from backend.geometry import Point, clean_mask, mask_nms, speck_area
from backend.images import SourceImage
from backend.values import Candidate, ClassName, ClassScore, ProposalOptions, Region, Size

Vocabulary = Sequence[ClassName]
DecidingScores = Callable[[Region], Sequence[ClassScore]]


def first_scores(region: Region) -> Sequence[ClassScore]:
    """A region's classes of the first vocabulary."""
    return region.class_scores[0] if region.class_scores else ()


def segment_image(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    options: ProposalOptions,
    vocabularies: Sequence[Vocabulary] = (),
    *,
    templates: Sequence[str] = (),
    clean: bool = True,
    deciding_scores: DecidingScores = first_scores,
) -> list[Region]:
    """Segment everything in an image and classify each mask.

    Args:
        options: How automatic masks are made and which are kept.
        vocabularies: Each mask is classified once in each of them.
        templates: CLIP's prompt templates; () for the model's.
        clean: Whether specks and pinholes are removed.
        deciding_scores: The scores of a region that `options.score_threshold` is compared with. A region without any
            is kept.

    Returns:
        Best predicted IoU first, at most `options.max_masks`.
    """
    candidates = labeler.propose(encoded, options)
    if clean:
        candidates = [clean_candidate(candidate, encoded.image.size) for candidate in candidates]
    kept = mask_nms([candidate.mask for candidate in candidates], options.mask_nms_thresh)
    candidates = [candidates[place] for place in kept]
    regions = classify_candidates(labeler, encoded.image, candidates, vocabularies, templates)
    regions = [region for region in regions if _is_probable(deciding_scores(region), options.score_threshold)]
    return regions[: options.max_masks]


def classify_candidates(
    labeler: ImageLabeler,
    image: SourceImage,
    candidates: Sequence[Candidate],
    vocabularies: Sequence[Vocabulary],
    templates: Sequence[str] = (),
) -> list[Region]:
    """Classify masks in several vocabularies, looking at each mask once.

    Args:
        candidates: None of them empty.
    """
    scores = labeler.classify(image, [candidate.mask for candidate in candidates], vocabularies, templates)
    return [
        Region(candidate.mask, candidate.score, tuple(of_vocabulary[place] for of_vocabulary in scores))
        for place, candidate in enumerate(candidates)
    ]


def clean_candidate(candidate: Candidate, size: Size, keep: Sequence[Point] = ()) -> Candidate:
    """The candidate without specks and pinholes; a mask never loses its largest part, nor a part under `keep`."""
    return replace(candidate, mask=clean_mask(candidate.mask, speck_area(size), keep))


def _is_probable(scores: Sequence[ClassScore], threshold: float) -> bool:
    return not scores or scores[0].score >= threshold
