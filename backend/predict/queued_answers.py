"""Answers of the models to a request for one image that is fetched; what they need is prepared before their turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backend.engine import EncodedImage, ImageEncoder, ImageLabeler, detect_queued, embed_queued, encode_texts_queued
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import (
    ClassifyImage,
    Click,
    FindEverything,
    FindLike,
    FindText,
    ResizeLast,
    SegmentAll,
)
from backend.predict.answer_memory import AnswerMemory
from backend.predict.command_answers import CommandAnswers
from backend.predict.image_answers import ImageAnswers
from backend.predict.image_opener import ImageOpener
from backend.predict.named_masks import texts_to_detect
from backend.predict.prediction import Prediction
from backend.predict.request_needs import texts_to_encode
from backend.projects import ProjectSettings
from backend.runtime import Deadline, PriorityExecutor
from backend.values import Priority

MaskRequest = Click | FindText | FindEverything | FindLike | ResizeLast | SegmentAll
ModelRequest = MaskRequest | ClassifyImage


class QueuedAnswers:
    """Answers of the models, through the queue in front of them.

    Args:
        encoder: Encodes images, through the cache.
        labeler: The engine.
        opener: Decodes images.
        executor: The queue.
        answers, commands: What the models are asked.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        labeler: ImageLabeler,
        opener: ImageOpener,
        executor: PriorityExecutor,
        answers: ImageAnswers,
        commands: CommandAnswers,
    ) -> None:
        self._encoder, self._labeler, self._opener, self._executor = encoder, labeler, opener, executor
        self._answers, self._commands = answers, commands

    def embed(self, image: SourceImage, priority: Priority, deadline: Deadline) -> EncodedImage:
        """Return an image with its embedding, of the cache or computed."""
        decode = partial(self._opener.decode, image, priority, deadline)
        return embed_queued(self._encoder, self._executor, image, priority, deadline, decode=decode)

    def answer(
        self,
        image: SourceImage,
        request: ModelRequest,
        memory: AnswerMemory,
        config: ImageConfig,
        settings: ProjectSettings,
        priority: Priority,
        deadline: Deadline,
    ) -> Prediction:
        """Answer a request.

        Args:
            memory: Of the image.
            config: Of the image, preferred shape first.
        """
        texts = texts_to_encode(self._labeler, request, config, auto_label=self._answers.auto_labels(settings))
        if isinstance(request, ClassifyImage):
            if self._labeler.can_classify:
                self._opener.decode(image, priority, deadline)
            encode_texts_queued(self._labeler, self._executor, texts, settings.templates, priority, deadline)
            return self._executor.run(priority, lambda: self._answers.classify_image(image, config, settings), deadline)
        encoded = self.embed(image, priority, deadline)
        if texts and self._labeler.can_classify:  # a click with a picked label and no per-region classes needs only SAM
            self._opener.decode(image, priority, deadline)
        encode_texts_queued(self._labeler, self._executor, texts, settings.templates, priority, deadline)
        texts_of_boxes = texts_to_detect(self._labeler, request, config)
        if texts_of_boxes:
            self._opener.decode(image, priority, deadline)
            detect_queued(self._labeler, self._executor, image, texts_of_boxes, priority, deadline)
        ask = self._choose(encoded, request, memory, config, settings, deadline)
        return self._executor.run(priority, ask, deadline)

    def _choose(
        self,
        encoded: EncodedImage,
        request: MaskRequest,
        memory: AnswerMemory,
        config: ImageConfig,
        settings: ProjectSettings,
        deadline: Deadline,
    ) -> Callable[[], Prediction]:
        """Return the work for the queue that answers a request for masks."""
        answers, commands = self._answers, self._commands
        match request:
            case Click():
                click = memory.complete(request)
                return lambda: answers.click(encoded, click, config, settings, deadline, memory.recalled)
            case FindText():
                return lambda: commands.find_text(encoded, request, memory, config, settings, deadline)
            case FindEverything():
                return lambda: commands.everything(encoded, request, memory, config, settings, deadline)
            case FindLike():
                return lambda: commands.find_like(encoded, request, memory, config, settings, deadline)
            case ResizeLast():
                return lambda: commands.resize(encoded, request, memory, config, deadline)
            case SegmentAll():
                return lambda: answers.segment_all(encoded, request, config, settings)
