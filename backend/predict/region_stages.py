"""The stages of segmenting everything in images: masks, what CLIP looks at, labels and classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from backend.engine import (
    EncodedImage,
    ImageLabeler,
    classify_crops,
    clean_candidate,
    is_probable,
    keep_probable,
    segment,
)
from backend.errors import BadPrompt
from backend.geometry import Point
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion
from backend.predict.region_labels import find_deciding, label_region, region_vocabularies
from backend.projects import ProjectSettings
from backend.values import Candidate, Pixels, ProposalOptions, Region, Size


class RegionStages:
    """The stages of segmenting everything in images, for images of any project.

    Args:
        labeler: The engine.
    """

    def __init__(self, labeler: ImageLabeler) -> None:
        self._labeler = labeler

    def segment_candidates(
        self, encoded: EncodedImage, options: ProposalOptions, settings: ProjectSettings
    ) -> list[Candidate]:
        """Segment everything in the image: the first stage of `segment_regions`, which needs no CLIP."""
        return segment(self._labeler, encoded, options, clean=settings.clean_masks)

    def crop_candidates(self, image: SourceImage, candidates: Sequence[Candidate], config: ImageConfig) -> Pixels:
        """Return what CLIP will look at for the labels and classes of masks, uint8 (N, S, S, 3)."""
        masks = [candidate.mask for candidate in candidates]
        return self._labeler.crop_masks(image, masks, region_vocabularies(config, with_labels=True))

    def label_many(
        self,
        images: Sequence[tuple[Sequence[Candidate], Pixels]],
        options: ProposalOptions,
        config: ImageConfig,
        settings: ProjectSettings,
    ) -> list[list[LabeledRegion]]:
        """Give the masks of several images the labels and classes that CLIP picks, in one batch.

        Args:
            images: What `segment_candidates` and `crop_candidates` returned for each.

        Raises:
            BadPrompt: As for `segment_regions`.
        """
        vocabularies = region_vocabularies(config, with_labels=True)
        thresholds = dict(options.class_thresholds)
        classified = classify_crops(self._labeler, images, vocabularies, templates=settings.templates, options=options)
        keeps = partial(_keeps, options=options, config=config)
        kept = [keep_probable(regions, options, keeps) for regions in classified]
        return [[label_region(region, None, config, settings, thresholds) for region in regions] for regions in kept]

    def check_can_pick(self, config: ImageConfig) -> None:
        """Raise BadPrompt if CLIP has to pick among labels that it does not know."""
        limits = self._labeler.limits_for([config.answer_classes])
        if limits and len(config.answer_classes) > 1:
            raise BadPrompt(f"{limits} They cannot choose a label.", remedy="Pick a label first, or use other models.")


def clean(candidate: Candidate, size: Size, settings: ProjectSettings, keep: Sequence[Point] = ()) -> Candidate:
    """Remove specks and pinholes from a mask unless the project wants them; see `clean_candidate`."""
    return clean_candidate(candidate, size, keep) if settings.clean_masks else candidate


def _keeps(region: Region, options: ProposalOptions, config: ImageConfig) -> bool:
    place, multiple = find_deciding(region, config)
    return is_probable(region, options, place, multiple=multiple)
