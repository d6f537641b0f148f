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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backend.engine.background import take_background, with_background
from backend.engine.clean_proposals import keep_clean
from backend.engine.encoded_image import EncodedImage
from backend.engine.image_labeler import ImageLabeler
from backend.geometry import Point, clean_mask, speck_area
from backend.images import SourceImage
from backend.values import Candidate, ClassName, ClassScore, Pixels, ProposalOptions, Region, Size

Vocabulary = Sequence[ClassName]
Scores = tuple[ClassScore, ...]
Keeps = Callable[[Region], bool]
MAX_LISTED = 1000  # classes of a mask


def segment_image(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    options: ProposalOptions,
    vocabularies: Sequence[Vocabulary] = (),
    *,
    templates: Sequence[str] = (),
    clean: bool = True,
    keeps: Keeps | None = None,
) -> list[Region]:
    """Segment everything in an image and classify each mask.

    Args:
        options: How automatic masks are made and which are kept.
        vocabularies: Each mask is classified once in each of them.
        templates: CLIP's prompt templates; () for the model's.
        clean: Whether specks and pinholes are removed.
        keeps: Which regions are kept for their class; by default what `is_probable` says of the first vocabulary.

    Returns:
        Best predicted IoU first, at most `options.max_masks`.
    """
    candidates = segment(labeler, encoded, options, clean=clean)
    images = [(encoded.image, candidates)]
    (regions,) = classify_many(labeler, images, vocabularies, templates=templates, options=options)
    return keep_probable(regions, options, keeps)


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
    candidates = keep_clean(candidates, options)
    return candidates if options.drops_by_class else candidates[: options.max_masks]


def classify_many(
    labeler: ImageLabeler,
    images: Sequence[tuple[SourceImage, Sequence[Candidate]]],
    vocabularies: Sequence[Vocabulary],
    *,
    templates: Sequence[str] = (),
    options: ProposalOptions | None = None,
) -> list[list[Region]]:
    """Classify the masks of several images in several vocabularies, looking at each mask once.

    Args:
        images: Each with its masks, none of them empty.
        vocabularies, templates: As for `segment_image`.
        options: With the words that compete with the classes; None for none.

    Returns:
        The regions of each image, in the order of its candidates.
    """
    cropped = [
        (candidates, labeler.crop_masks(image, [candidate.mask for candidate in candidates], vocabularies))
        for image, candidates in images
    ]
    return classify_crops(labeler, cropped, vocabularies, templates=templates, options=options)


def classify_crops(
    labeler: ImageLabeler,
    images: Sequence[tuple[Sequence[Candidate], Pixels]],
    vocabularies: Sequence[Vocabulary],
    *,
    templates: Sequence[str] = (),
    options: ProposalOptions | None = None,
) -> list[list[Region]]:
    """Classify the masks of several images by their crops, as `classify_many` does.

    Args:
        images: The masks of each, and what `ImageLabeler.crop_masks` returned for them.
        options: As for `classify_many`. Classes that reach a threshold of their own are listed beyond the `top_k`.
    """
    words, label = (options.background_words, options.background_label) if options else ((), "")
    thresholds = dict(options.class_thresholds) if options else {}
    asked = [with_background(vocabulary, words) for vocabulary in vocabularies]
    top_k = max(labeler.top_k, _max_count(min(thresholds.values(), default=1.0))) + len(words)
    crops = [of_image for candidates, of_image in images if candidates]
    scores = labeler.classify_crops(np.concatenate(crops), asked, templates, top_k=top_k) if crops else []
    answers = [
        [take_background(of_mask, vocabulary, label) for of_mask in of_vocabulary]
        for vocabulary, of_vocabulary in zip(vocabularies, scores, strict=False)
    ]
    regions, start = [], 0
    for candidates, _ in images:
        regions.append(
            [
                _build_region(candidate, [of_vocabulary[place] for of_vocabulary in answers], labeler.top_k, thresholds)
                for place, candidate in enumerate(candidates, start)
            ]
        )
        start += len(candidates)
    return regions


def _max_count(min_probability: float) -> int:
    """Return how many classes of a vocabulary can be that probable, as their probabilities sum to 1."""
    return int(1 / max(min_probability, 1 / MAX_LISTED))


def _build_region(
    candidate: Candidate, answers: Sequence[tuple[Scores, bool]], top_k: int, thresholds: Mapping[str, float]
) -> Region:
    """Build a region of a mask and its classes in each vocabulary."""
    listed = (
        tuple(one for place, one in enumerate(scores) if place < top_k or one.score >= thresholds.get(one.name, 2.0))
        for scores, _ in answers
    )
    return Region(candidate.mask, candidate.score, tuple(listed), tuple(is_background for _, is_background in answers))


def keep_probable(regions: Sequence[Region], options: ProposalOptions, keeps: Keeps | None = None) -> list[Region]:
    """Return the best regions whose class is probable enough.

    Args:
        regions: Best first.
        keeps: As for `segment_image`.

    Returns:
        At most `options.max_masks`.
    """
    kept = [region for region in regions if (keeps(region) if keeps else is_probable(region, options))]
    return kept[: options.max_masks]


def is_probable(region: Region, options: ProposalOptions, place: int = 0, *, multiple: bool = False) -> bool:
    """Whether a mask is kept for its class.

    Args:
        place: Of the vocabulary that decides. A region without classes in it is kept.
        multiple: Whether a mask may have several of its classes, so that any of them can keep it; else the best one.
    """
    scores = region.class_scores[place] if place < len(region.class_scores) else ()
    if place < len(region.is_background) and region.is_background[place]:
        return False
    looked_at = scores if multiple else scores[:1]
    return not scores or any(score.score >= options.min_probability(score.name) for score in looked_at)


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
