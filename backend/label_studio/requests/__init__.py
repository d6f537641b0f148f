"""Parser of what Label Studio sends: /predict and webhook bodies to tasks with prompts in pixels.

Takes JSON, returns frozen values or raises `BadRequest` or `BadPrompt`.
"""

from backend.label_studio.requests.body_json import parse_body
from backend.label_studio.requests.correctable_regions import CorrectableRegion
from backend.label_studio.requests.limits import RequestLimits
from backend.label_studio.requests.mask_box_cache import MaskBoxCache
from backend.label_studio.requests.predict_body import (
    PredictBody,
    PredictRequest,
    parse_predict_body,
    parse_predict_request,
    parse_prompted_task,
)
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.label_studio.requests.request import ClassifyImage, Click, FindText, Request, SegmentAll
from backend.label_studio.requests.tasks import Task, TaskImage, parse_task
from backend.label_studio.requests.webhooks import parse_finished_task

__all__ = [
    "ClassifyImage",
    "Click",
    "CorrectableRegion",
    "FindText",
    "LabeledPrompt",
    "MaskBoxCache",
    "PredictBody",
    "PredictRequest",
    "Request",
    "RequestLimits",
    "SegmentAll",
    "Task",
    "TaskImage",
    "parse_body",
    "parse_finished_task",
    "parse_predict_body",
    "parse_predict_request",
    "parse_prompted_task",
    "parse_task",
]
