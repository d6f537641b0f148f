"""TaskPredictor: a Label Studio task and a request to a prediction, for clicks and for bulk pre-annotation."""

from __future__ import annotations

from typing import Any

from backend.engine import EncodedImage, ImageEncoder, ImageLabeler
from backend.images import DecodedImages, SourceImage
from backend.label_studio.config import ImageConfig, LabelingConfig, prefer_shape
from backend.label_studio.requests import (
    ClassifyImage,
    FindText,
    PageState,
    Request,
    SegmentAll,
    ShowHelp,
    Task,
    TaskImage,
)
from backend.label_studio.results import build_prediction, build_results
from backend.predict.answer_memory import recall_answers
from backend.predict.bulk_version import BulkRequest, with_options
from backend.predict.command_answers import HELP, CommandAnswers
from backend.predict.image_answers import ImageAnswers
from backend.predict.image_opener import ImageOpener
from backend.predict.last_answers import LastAnswers, place_of
from backend.predict.ports import Fetcher
from backend.predict.prediction import Prediction, TaskAnswer, mean_score
from backend.predict.queued_answers import ModelRequest, QueuedAnswers
from backend.predict.refused_click import keeping_masks
from backend.predict.request_needs import check_drawn_size, has_answer
from backend.predict.review_scores import lowest_trust
from backend.predict.task_stages import Note, TaskStages, ignore
from backend.predict.waiting_masks import masks_to_repeat
from backend.predict.written_answers import write_answer
from backend.projects import DEFAULTS, ProjectSettings
from backend.runtime import NO_DEADLINE, Deadline, PriorityExecutor
from backend.values import Priority, ProposalOptions

ANSWER_SECONDS = 90.0  # Label Studio times out after 100 s


class TaskPredictor:
    """Predictions for tasks of any project; of a task it keeps nothing but its last answers.

    Args:
        encoder: Encodes images, through the cache.
        labeler: The engine.
        fetcher: Brings the bytes of an image URI.
        images: Keeps the last images decoded.
        executor: The queue in front of the models.
        model_version: Names the weights; written into every prediction.
        default_proposal: How automatic masks are made with this checkpoint, unless a request says otherwise.
        auto_label: Let CLIP pick the label for clicks too.
        min_score: Minimum predicted IoU of a single click with this checkpoint; see `click_on_nothing`.
        min_box_score: Minimum predicted IoU of a box with this checkpoint; see `box_on_nothing`.
        detector_version: Names the weights of the detector, in predictions of what texts name; "" without one.
        last_answers: Store of the last answers of each task; None for one in this process.
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
        min_score: float = 0.0,
        min_box_score: float = 0.0,
        detector_version: str = "",
        last_answers: LastAnswers | None = None,
    ) -> None:
        self.labeler, self.executor, self.model_version = labeler, executor, model_version
        self._detector_version = detector_version
        self._encoder, self._opener = encoder, ImageOpener(fetcher, images)
        self._default_proposal, self._last_answers = default_proposal, last_answers or LastAnswers()
        self._answers = ImageAnswers(
            labeler, default_proposal, auto_label=auto_label, min_score=min_score, min_box_score=min_box_score
        )
        commands = CommandAnswers(labeler, self._answers, default_proposal)
        self._models = QueuedAnswers(encoder, labeler, self._opener, executor, self._answers, commands)

    def default_proposal(self) -> ProposalOptions:
        return self._default_proposal

    def version_for(self, request: Request | BulkRequest) -> str:
        """Return the model version of the predictions that answer a request; it names the models that made them."""
        uses_detector = isinstance(request, FindText) and self._detector_version
        return f"{self.model_version}+{self._detector_version}" if uses_detector else self.model_version

    def fetch_image(
        self, image: TaskImage, *, prefetch: bool = False, wait_seconds: float | None = None
    ) -> SourceImage:
        """Fetch and open an image of a task; see `ImageOpener.fetch`."""
        return self._opener.fetch(image, prefetch=prefetch, wait_seconds=wait_seconds)

    def predict(
        self,
        task: Task,
        config: LabelingConfig,
        request: Request,
        settings: ProjectSettings = DEFAULTS,
        *,
        priority: Priority = Priority.CLICK,
        deadline: Deadline | None = None,
    ) -> dict[str, Any] | None:
        """Predict all images of a task, as `answer` does, without a message."""
        return self.answer(task, config, request, settings, priority=priority, deadline=deadline).document

    def answer(
        self,
        task: Task,
        config: LabelingConfig,
        request: Request,
        settings: ProjectSettings = DEFAULTS,
        *,
        priority: Priority = Priority.CLICK,
        deadline: Deadline | None = None,
    ) -> TaskAnswer:
        """Answer a request for all images of a task.

        Args:
            deadline: Deadline of the client; by default Label Studio's timeout, and none for bulk work.

        Returns:
            A Label Studio prediction, unless it would be empty, and a message. The prediction's score is the mean of
            the regions' scores or, without a region, of the best image classes; for review `lowest_trust`.

        Raises:
            BackendError: The image cannot be fetched, a prompt does not fit it, the queue is full, the labeling config
                lacks what the settings ask for, or the client disconnected.
        """
        preferred = prefer_shape(config, settings.answer)
        deadline = deadline or (NO_DEADLINE if priority is Priority.BULK else Deadline.after(ANSWER_SECONDS))
        results, predictions = [], []
        for image in task.images:
            own = preferred.image(image.name)
            prediction, built = self._answer_image(image, task.page, own, request, settings, priority, deadline)
            results += built
            predictions.append(prediction)
        is_reviewed = isinstance(request, FindText | SegmentAll) and request.review
        score = lowest_trust(predictions) if is_reviewed else mean_score(predictions)
        document = build_prediction(results, self.version_for(request), score) if results else None
        return TaskAnswer(document, " ".join(one.message for one in predictions if one.message))

    def stages(
        self,
        config: LabelingConfig,
        request: BulkRequest,
        settings: ProjectSettings = DEFAULTS,
        *,
        project_id: str = "",
        uses_cache: bool = True,
        note: Note = ignore,
    ) -> TaskStages:
        """Return the steps of `predict` for the tasks of a bulk run; the arguments are those of `TaskStages`."""
        return TaskStages(
            self._opener,
            self._encoder,
            self._answers,
            self.version_for(request),
            prefer_shape(config, settings.answer),
            with_options(request, self._default_proposal),
            settings,
            project_id=project_id,
            uses_cache=uses_cache,
            note=note,
        )

    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None:
        """Encode the image with a priority below clicks, unless its embedding is cached."""
        self._models.embed(image, priority, NO_DEADLINE)

    def encode(self, image: SourceImage, *, priority: Priority = Priority.BULK) -> EncodedImage:
        """Return an image with its embedding, of the cache or computed; for commands that ask the engine themselves."""
        return self._models.embed(image, priority, NO_DEADLINE)

    def is_warm(self, image: SourceImage) -> bool:
        """Whether the image's embedding is cached."""
        return self._encoder.has(image)

    def _answer_image(
        self,
        task_image: TaskImage,
        page: PageState | None,
        config: ImageConfig,
        request: Request,
        settings: ProjectSettings,
        priority: Priority,
        deadline: Deadline,
    ) -> tuple[Prediction, list[dict[str, Any]]]:
        """Answer a request for one image; return its prediction and the results, with the masks that are repeated.

        Args:
            config: The image's own part, preferred shape first.
        """
        if isinstance(request, SegmentAll) and not config.answers:
            request = ClassifyImage()  # no control can carry a mask
        if not has_answer(request, config):
            return Prediction(), []
        if isinstance(request, ShowHelp):
            return Prediction(message=HELP), []
        image = self.fetch_image(task_image, wait_seconds=deadline.remaining)
        check_drawn_size(request, image)
        place = place_of(task_image, page, image)
        memory = recall_answers(self._last_answers, request, place, page, config, corrects=settings.correct_last)

        def ask(asked: ModelRequest) -> tuple[Prediction, list[dict[str, Any]]]:
            prediction = self._models.answer(image, asked, memory, config, settings, priority, deadline)
            return write_answer(prediction, config, settings)

        with keeping_masks(request, memory, make_anew=lambda boxes: ask(boxes)[1]):
            prediction, results = ask(request)
        results += map(dict, masks_to_repeat(request, prediction.regions, results, memory, config))
        memory.remember(request, results, build_results(prediction.replaced, config), prediction.chains)
        return prediction, results
