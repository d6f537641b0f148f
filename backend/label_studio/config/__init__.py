"""Labeling config XML to values: which images a page shows and which controls can carry which answer.

XML comes in, `LabelingConfig` goes out, or `BadConfig`.
"""

from backend.label_studio.config.comment_settings import read_config_settings
from backend.label_studio.config.controls import PATH_SEPARATOR, SHAPES, ClassControl, Control, ScoreControl, distinct
from backend.label_studio.config.labeling_config import (
    ImageConfig,
    LabelingConfig,
    check_text_prompt,
    label_for_click,
    parse_labeling_config,
)
from backend.label_studio.config.preferred_shape import prefer_shape

__all__ = [
    "PATH_SEPARATOR",
    "SHAPES",
    "ClassControl",
    "Control",
    "ImageConfig",
    "LabelingConfig",
    "ScoreControl",
    "check_text_prompt",
    "distinct",
    "label_for_click",
    "parse_labeling_config",
    "prefer_shape",
    "read_config_settings",
]
