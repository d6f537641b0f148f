"""The work for the model queue that answers a request for masks."""

from __future__ import annotations

from collections.abc import Callable

from backend.engine import EncodedImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import Click, FindEverything, FindLike, FindText, ResizeLast, SegmentAll
from backend.predict.command_answers import CommandAnswers
from backend.predict.image_answers import ImageAnswers
from backend.predict.prediction import Prediction
from backend.predict.recent_masks import AnswerMemory
from backend.projects import ProjectSettings
from backend.runtime import Deadline


def choose_answer(
    answers: ImageAnswers,
    commands: CommandAnswers,
    encoded: EncodedImage,
    request: Click | FindText | FindEverything | FindLike | ResizeLast | SegmentAll,
    config: ImageConfig,
    settings: ProjectSettings,
    deadline: Deadline,
    memory: AnswerMemory,
) -> Callable[[], Prediction]:
    """Return the function that answers a request for masks of an image."""
    match request:
        case Click():
            return lambda: answers.click(encoded, request, config, settings, deadline)
        case FindText():
            return lambda: answers.find_text(encoded, request, config, settings)
        case FindEverything():
            return lambda: commands.everything(encoded, request, memory, config, settings, deadline)
        case FindLike():
            return lambda: commands.find_like(encoded, request, memory, config, settings, deadline)
        case ResizeLast():
            return lambda: commands.resize(encoded, request, memory, config, deadline)
        case SegmentAll():
            return lambda: answers.segment_all(encoded, request, config, settings)
