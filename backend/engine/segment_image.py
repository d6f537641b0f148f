"""Everything in an image: automatic masks, cleaned, each object once, with their classes.

An encoded image, vocabularies and options come in, regions go out; nothing here knows Label Studio or HTTP. The work
has two stages, so that a bulk run can batch each of them:

    candidates = segment(labeler, encoded, options)                        one image, on SAM
    regions = classify_many(labeler, [(image, candidates), …], …)          many images, on CLIP

What CLIP looks at is small, so another process may segment and crop, and hand over the crops:

    crops = labeler.crop_masks(image, [candidate.mask for …])              uint8 (N, S, S, 3)
    regions = classify_crops(labeler, [(candidates, crops), …], …)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from backend.engine.encoded_image import EncodedImage
from backend.engine.image_labeler import ImageLabeler
from backend.geometry import Point, clean_mask, mask_nms, speck_area
from backend.images import SourceImage
from backend.values import Candidate, ClassName, ClassScore, Pixels, ProposalOptions, Region, Size

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
    candidates = segment(labeler, encoded, options, clean=clean)
    (regions,) = classify_many(labeler, [(encoded.image, candidates)], vocabularies, templates=templates)
    return keep_probable(regions, options, deciding_scores)


def segment(
    labeler: ImageLabeler, encoded: EncodedImage, options: ProposalOptions, *, clean: bool = True
) -> list[Candidate]:
    """Segment everything in an image, each object once.

    Args:
        options, clean: As for `segment_image`.

    Returns:
        Best predicted IoU first; at most `options.max_masks` if none of them can be dropped for its class.
    """
    candidates = labeler.propose(encoded, options)
    if clean:
        candidates = [clean_candidate(candidate, encoded.image.size) for candidate in candidates]
    kept = mask_nms([candidate.mask for candidate in candidates], options.mask_nms_thresh)
    candidates = [candidates[place] for place in kept]
    return candidates if options.score_threshold > 0 else candidates[: options.max_masks]


def classify_many(
    labeler: ImageLabeler,
    images: Sequence[tuple[SourceImage, Sequence[Candidate]]],
    vocabularies: Sequence[Vocabulary],
    *,
    templates: Sequence[str] = (),
) -> list[list[Region]]:
    """Classify the masks of several images in several vocabularies, looking at each mask once.

    Args:
        images: Each with its masks, none of them empty.
        vocabularies, templates: As for `segment_image`.

    Returns:
        The regions of each image, in the order of its candidates.
    """
    cropped = [
        (candidates, labeler.crop_masks(image, [candidate.mask for candidate in candidates], vocabularies))
        for image, candidates in images
    ]
    return classify_crops(labeler, cropped, vocabularies, templates=templates)


def classify_crops(
    labeler: ImageLabeler,
    images: Sequence[tuple[Sequence[Candidate], Pixels]],
    vocabularies: Sequence[Vocabulary],
    *,
    templates: Sequence[str] = (),
) -> list[list[Region]]:
    """Classify the masks of several images by their crops, as `classify_many` does.

    Args:
        images: The masks of each, and what `ImageLabeler.crop_masks` returned for them.
    """
    crops = [of_image for candidates, of_image in images if candidates]
    scores = labeler.classify_crops(np.concatenate(crops), vocabularies, templates) if crops else []
    regions, start = [], 0
    for candidates, _ in images:
        regions.append(
            [
                Region(candidate.mask, candidate.score, tuple(of_vocabulary[place] for of_vocabulary in scores))
                for place, candidate in enumerate(candidates, start)
            ]
        )
        start += len(candidates)
    return regions


def keep_probable(
    regions: Sequence[Region], options: ProposalOptions, deciding_scores: DecidingScores = first_scores
) -> list[Region]:
    """Return the best regions whose class is probable enough.

    Args:
        regions: Best first.
        deciding_scores: As for `segment_image`.

    Returns:
        At most `options.max_masks`.
    """
    probable = (region for region in regions if _is_probable(deciding_scores(region), options.score_threshold))
    return list(probable)[: options.max_masks]


def classify_candidates(
    labeler: ImageLabeler,
    image: SourceImage,
    candidates: Sequence[Candidate],
    vocabularies: Sequence[Vocabulary],
    templates: Sequence[str] = (),
) -> list[Region]:
    """Classify masks of one image in several vocabularies, looking at each mask once.

    Args:
        candidates: None of them empty.
    """
    return classify_many(labeler, [(image, candidates)], vocabularies, templates=templates)[0]


def clean_candidate(candidate: Candidate, size: Size, keep: Sequence[Point] = ()) -> Candidate:
    """The candidate without specks and pinholes; a mask never loses its largest part, nor a part under `keep`."""
    return replace(candidate, mask=clean_mask(candidate.mask, speck_area(size), keep))


def _is_probable(scores: Sequence[ClassScore], threshold: float) -> bool:
    return not scores or scores[0].score >= threshold
