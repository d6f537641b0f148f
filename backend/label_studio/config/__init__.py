"""Parser of labeling configs: the images of a page, and the controls that can hold masks, classes and scores.

Takes XML, returns a `LabelingConfig` or raises `BadConfig`.
"""

from backend.label_studio.config.bounded_json import JsonTooDeep, check_depth, parse_json
from backend.label_studio.config.comment_settings import read_config_settings
from backend.label_studio.config.controls import PATH_SEPARATOR, SHAPES, ClassControl, Control, ScoreControl, distinct
from backend.label_studio.config.data_keys import data_keys
from backend.label_studio.config.image_config import ImageConfig
from backend.label_studio.config.label_attributes import control_names, label_colours, pose_indexes
from backend.label_studio.config.labeling_config import LabelingConfig, label_for_click, parse_labeling_config
from backend.label_studio.config.limits import ConfigLimits
from backend.label_studio.config.preferred_shape import prefer_shape
from backend.label_studio.config.text_areas import MessageLine, check_messages, check_text_prompt, find_message_line

__all__ = [
    "PATH_SEPARATOR",
    "SHAPES",
    "ClassControl",
    "ConfigLimits",
    "Control",
    "ImageConfig",
    "JsonTooDeep",
    "LabelingConfig",
    "MessageLine",
    "ScoreControl",
    "check_depth",
    "check_messages",
    "check_text_prompt",
    "control_names",
    "data_keys",
    "distinct",
    "find_message_line",
    "label_colours",
    "label_for_click",
    "parse_json",
    "parse_labeling_config",
    "pose_indexes",
    "prefer_shape",
    "read_config_settings",
]
