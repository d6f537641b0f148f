"""The hall: one Label Studio task comes in, its prediction goes out.

It fetches and opens the image, asks the engine and names the regions; the same for a click, an opened page and a
bulk run.
"""

from backend.predict.job import Job
from backend.predict.model_facts import ModelFacts
from backend.predict.task_predictor import ANSWER_SECONDS, TaskPredictor

__all__ = ["ANSWER_SECONDS", "Job", "ModelFacts", "TaskPredictor"]
