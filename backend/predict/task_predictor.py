"""TaskPredictor, the hall: a Label Studio task comes in, its prediction goes out.

A person's click and the command that fills a project overnight go through the same `predict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from backend.engine import EncodedImage, ImageEncoder, ImageLabeler, embed_queued
from backend.fetching import show_url
from backend.images import DecodedImages, SourceImage
from backend.label_studio.config import ImageConfig, LabelingConfig, prefer_shape
from backend.label_studio.requests import ClassifyImage, Click, FindText, Request, SegmentAll, Task, TaskImage
from backend.label_studio.results import build_prediction, build_results
from backend.predict.clicks import check_drawn_size
from backend.predict.image_answers import ImageAnswers
from backend.predict.prediction import Prediction, mean_score
from backend.projects import DEFAULTS, ProjectSettings
from backend.runtime import ENDLESS, Patience, PriorityExecutor
from backend.values import Priority, ProposalOptions

ANSWER_SECONDS = 90.0  # Label Studio waits 100 s; a later answer reaches no one


class Fetcher(Protocol):
    """What the hall needs of `fetching.ImageFetcher`."""

    def fetch(
        self,
        image_uri: str,
        task_id: int | None,
        project_id: str,
        *,
        ahead: bool = False,
        wait_seconds: float | None = None,
    ) -> bytes: ...


class TaskPredictor:
    """Predictions for tasks of any project; it keeps no state of any of them.

    Args:
        encoder: Encodes images, through the cache.
        labeler: The engine.
        fetcher: Brings the bytes of an image URI.
        images: Keeps the last images decoded.
        executor: The queue in front of the models.
        model_version: Names the weights; written into every prediction.
        default_proposal: How automatic masks are made with this checkpoint, unless a request says otherwise.
        auto_label: Let CLIP pick the label for clicks too.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        labeler: ImageLabeler,
        fetcher: Fetcher,
        images: DecodedImages,
        executor: PriorityExecutor,
        *,
        model_version: str,
        default_proposal: ProposalOptions,
        auto_label: bool = False,
    ) -> None:
        self.labeler, self.executor, self.model_version = labeler, executor, model_version
        self._encoder, self._fetcher, self._images = encoder, fetcher, images
        self._default_proposal = default_proposal
        self._answers = ImageAnswers(labeler, default_proposal, auto_label=auto_label)

    def default_proposal(self) -> ProposalOptions:
        return self._default_proposal

    def fetch_image(self, image: TaskImage, *, ahead: bool = False, wait_seconds: float | None = None) -> SourceImage:
        """An image of a task.

        Args:
            ahead: Nobody asked for it yet, so it must not drive out what is in use.
            wait_seconds: An image that takes longer raises `ImageUnavailable`, though its fetching goes on.

        Raises:
            ImageUnavailable, ImageForbidden, BadImage: It cannot be had, or it is none.
        """
        data = self._fetcher.fetch(image.uri, image.task_id, image.project_id, ahead=ahead, wait_seconds=wait_seconds)
        return self._images.open(data, show_url(image.uri), ahead=ahead)

    def predict(
        self,
        task: Task,
        config: LabelingConfig,
        request: Request,
        settings: ProjectSettings = DEFAULTS,
        *,
        priority: Priority = Priority.CLICK,
        patience: Patience | None = None,
    ) -> dict[str, Any] | None:
        """Answer a request for all images of a task, as a Label Studio prediction; None if there is nothing to say.

        Its score is the mean of the regions' scores; of the image classes' best ones where there is no region.

        Args:
            patience: Of the client; without it, as long as Label Studio waits for an answer.

        Raises:
            BackendError: The image cannot be had, a prompt does not fit it, too much waits already, the labeling config
                cannot carry what the settings ask for, or the client disconnected.
        """
        preferred = prefer_shape(config, settings.answer)
        patience = patience or (ENDLESS if priority is Priority.BULK else Patience.of(ANSWER_SECONDS))
        results, predictions = [], []
        for image in task.images:
            own = preferred.image(image.name)
            prediction = self._predict_image(image, own, request, settings, priority, patience)
            tolerance = settings.polygon_tolerance
            results += build_results(prediction.regions, own, prediction.image_choices, tolerance=tolerance)
            predictions.append(prediction)
        return build_prediction(results, self.model_version, mean_score(predictions)) if results else None

    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None:
        """Compute the image's embedding behind the clicks, unless it is there already."""
        embed_queued(self._encoder, self.executor, image, priority)

    def is_warm(self, image: SourceImage) -> bool:
        """Whether a click on this image would find its embedding."""
        return self._encoder.has(image)

    def _predict_image(
        self,
        task_image: TaskImage,
        config: ImageConfig,
        request: Request,
        settings: ProjectSettings,
        priority: Priority,
        patience: Patience,
    ) -> Prediction:
        """Answer a request for one image, of which `config` is the own part, preferred shape first."""
        if isinstance(request, SegmentAll) and not config.answers:
            request = ClassifyImage()  # its masks have nowhere to go
        if not _has_answer(request, config):
            return Prediction()
        image = self.fetch_image(task_image, wait_seconds=patience.remaining)
        if isinstance(request, ClassifyImage):
            return self.executor.run(priority, lambda: self._answers.classify_image(image, config, settings), patience)
        if isinstance(request, Click):
            for prompt in request.prompts:
                check_drawn_size(prompt, image)
        encoded = embed_queued(self._encoder, self.executor, image, priority, patience)
        return self.executor.run(priority, self._answer(encoded, request, config, settings), patience)

    def _answer(
        self,
        encoded: EncodedImage,
        request: Click | FindText | SegmentAll,
        config: ImageConfig,
        settings: ProjectSettings,
    ) -> Callable[[], Prediction]:
        """The work that answers a request for masks."""
        match request:
            case Click():
                return lambda: self._answers.click(encoded, request, config, settings)
            case FindText():
                return lambda: self._answers.find_text(encoded, request, config, settings)
            case SegmentAll():
                return lambda: self._answers.segment_all(encoded, request, config, settings)


def _has_answer(request: Request, config: ImageConfig) -> bool:
    """Whether the labeling config has a place for the answer."""
    match request:
        case Click() | SegmentAll():
            return True
        case FindText():
            return bool(config.answers)
        case ClassifyImage():
            return bool(config.image_choices)
