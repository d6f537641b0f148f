"""What Label Studio's page sends: bodies of /predict and of webhooks to tasks with prompts in pixels.

JSON comes in, frozen values go out, or `BadRequest` and `BadPrompt`.
"""

from backend.label_studio.requests.body_json import parse_body
from backend.label_studio.requests.correctable_regions import EarlierRegion
from backend.label_studio.requests.mask_box_cache import MaskBoxes
from backend.label_studio.requests.tasks import LabeledPrompt, PredictRequest, Task, parse_predict_request, parse_task
from backend.label_studio.requests.webhooks import parse_finished_task

__all__ = [
    "EarlierRegion",
    "LabeledPrompt",
    "MaskBoxes",
    "PredictRequest",
    "Task",
    "parse_body",
    "parse_finished_task",
    "parse_predict_request",
    "parse_task",
]
