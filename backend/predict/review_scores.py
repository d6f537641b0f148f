"""Scores for the order of review: of a mask the trust in it, of a prediction the lowest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.engine import EncodedImage, ImageLabeler, trust_in
from backend.label_studio.results import LabeledRegion
from backend.predict.prediction import Prediction


def score_by_trust(
    labeler: ImageLabeler, encoded: EncodedImage, regions: Sequence[LabeledRegion]
) -> list[LabeledRegion]:
    """Replace the score of each mask, SAM's predicted IoU, with the trust in the mask and its class."""
    agreement = labeler.measure_agreement(encoded, [region.mask for region in regions])
    return [
        replace(region, score=trust_in(share, region.class_scores))
        for region, share in zip(regions, agreement, strict=True)
    ]


def lowest_trust(predictions: Sequence[Prediction]) -> float:
    """The score of a document for review: the lowest of the regions' scores, 0 without a region.

    It is never None: Label Studio shows the lowest score first, and orders a missing one as the database does.
    """
    scores = [region.score for prediction in predictions for region in prediction.regions if region.score is not None]
    return min(scores, default=0.0)
