"""Answers as they are sent: the results of a prediction, in the shapes that the labeling config has."""

from __future__ import annotations

from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.results import build_results
from backend.predict.outlines import outline_regions
from backend.predict.prediction import Prediction
from backend.projects import ProjectSettings
from backend.runtime import stage


def write_answer(
    prediction: Prediction, config: ImageConfig, settings: ProjectSettings
) -> tuple[Prediction, list[dict[str, Any]]]:
    """Outline the regions of a prediction; return it and its results for Label Studio."""
    with stage("write"):
        outlined = outline_regions(prediction, config, settings)
        choices, tolerance = outlined.image_choices, settings.polygon_tolerance
        return outlined, build_results(outlined.regions, config, choices, tolerance=tolerance)
