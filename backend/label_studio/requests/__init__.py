"""Parser of what Label Studio sends: /predict and webhook bodies to tasks with prompts in pixels.

Takes JSON, returns frozen values or raises `BadRequest` or `BadPrompt`.
"""

from backend.label_studio.requests.body_json import parse_body
from backend.label_studio.requests.correctable_regions import CorrectableRegion, find_recent
from backend.label_studio.requests.labeled_boxes import BOXES, FromBoxes, ImageBoxes, LabeledBox
from backend.label_studio.requests.limits import RequestLimits
from backend.label_studio.requests.mask_box_cache import MaskBoxCache
from backend.label_studio.requests.page_state import PageState
from backend.label_studio.requests.predict_body import (
    PredictBody,
    PredictRequest,
    parse_predict_body,
    parse_predict_request,
    parse_prompted_task,
)
from backend.label_studio.requests.prompts import LabeledPrompt
from backend.label_studio.requests.request import (
    ClassifyImage,
    Click,
    Command,
    FindEverything,
    FindLike,
    FindText,
    Request,
    ResizeLast,
    SegmentAll,
    ShowHelp,
)
from backend.label_studio.requests.tasks import Task, TaskImage, parse_task
from backend.label_studio.requests.webhooks import parse_finished_task

__all__ = [
    "BOXES",
    "ClassifyImage",
    "Click",
    "Command",
    "CorrectableRegion",
    "FindEverything",
    "FindLike",
    "FindText",
    "FromBoxes",
    "ImageBoxes",
    "LabeledBox",
    "LabeledPrompt",
    "MaskBoxCache",
    "PageState",
    "PredictBody",
    "PredictRequest",
    "Request",
    "RequestLimits",
    "ResizeLast",
    "SegmentAll",
    "ShowHelp",
    "Task",
    "TaskImage",
    "find_recent",
    "parse_body",
    "parse_finished_task",
    "parse_predict_body",
    "parse_predict_request",
    "parse_prompted_task",
    "parse_task",
]
