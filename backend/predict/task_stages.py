"""The steps of a prediction for a bulk run, for threads that each run one of them.

    fetch(document) -> decode -> encode -> segment -> crop -> classify([…]) -> build -> prediction

One after the other they are `TaskPredictor.predict` of a `SegmentAll` or `FindText`; `FromBoxes` exists here only. What
is passed on is a `TaskWork`, which each step fills in; only one step has it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backend.engine import EncodedImage, ImageEncoder
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.label_studio.requests import (
    BOXES,
    ClassifyImage,
    FindText,
    FromBoxes,
    ImageBoxes,
    SegmentAll,
    TaskImage,
    parse_task,
)
from backend.label_studio.results import build_prediction
from backend.predict.box_masks import check_box_size
from backend.predict.bulk_version import BulkRequest
from backend.predict.image_answers import ImageAnswers
from backend.predict.image_opener import ImageOpener
from backend.predict.prediction import Prediction, mean_score
from backend.predict.request_needs import has_answer
from backend.predict.review_scores import lowest_trust
from backend.predict.written_answers import write_answer
from backend.projects import ProjectSettings
from backend.values import Candidate, Pixels

Json = dict[str, Any]
Note = Callable[[str], None]
CACHED, COMPUTED = "embeddings from the cache", "embeddings computed"


def ignore(_: str) -> None:
    """Note nothing."""


@dataclass
class ImageWork:
    """One image of a task, and what is known of it so far.

    Attributes:
        source: None if nothing is asked of it.
        boxes: Those to make masks of, if that is the request.
        is_cached: Whether the embedding came from the cache.
        candidates: The masks, if CLIP picks their labels.
        crops: What CLIP looks at for each of them.
    """

    task_image: TaskImage
    config: ImageConfig
    request: BulkRequest | ClassifyImage
    source: SourceImage | None = None
    boxes: ImageBoxes | None = None
    encoded: EncodedImage | None = None
    is_cached: bool = False
    candidates: list[Candidate] | None = None
    crops: Pixels | None = None
    prediction: Prediction = field(default_factory=Prediction)

    @property
    def needs_masks(self) -> bool:
        return not isinstance(self.request, ClassifyImage)


@dataclass
class TaskWork:
    """A task on its way through the steps."""

    images: list[ImageWork] = field(default_factory=list)


class TaskStages:
    """The steps of `TaskPredictor.predict` for one bulk request. Thread-safe.

    Args:
        opener: Fetches and decodes.
        encoder: Encodes images, through the cache.
        answers: The models.
        model_version: Written into every prediction.
        config: Of the project, preferred shape first.
        request: What is asked of every task, with its options.
        settings: Of the project.
        project_id: Of the tasks.
        uses_cache: Whether embeddings are taken from the cache and put into it.
        note: Called with `CACHED` or `COMPUTED` for each embedding, and as `masks_of_boxes` says.
    """

    def __init__(
        self,
        opener: ImageOpener,
        encoder: ImageEncoder,
        answers: ImageAnswers,
        model_version: str,
        config: LabelingConfig,
        request: BulkRequest,
        settings: ProjectSettings,
        *,
        project_id: str = "",
        uses_cache: bool = True,
        note: Note = ignore,
    ) -> None:
        self._opener, self._encoder, self._answers, self._model_version = opener, encoder, answers, model_version
        self._config, self._request, self._settings = config, request, settings
        self._project_id, self._uses_cache, self._note = project_id, uses_cache, note

    def fetch(self, document: Mapping[str, Any]) -> TaskWork:
        """Parse a task and fetch its images.

        Raises:
            BackendError: It is not a task, or an image cannot be fetched.
        """
        work = TaskWork()
        for image in parse_task(document, self._config, project_id=self._project_id).images:
            config = self._config.image(image.name)
            request: BulkRequest | ClassifyImage = self._request
            if isinstance(request, SegmentAll) and not config.answers:
                request = ClassifyImage()  # no control can carry a mask
            if isinstance(request, FromBoxes):
                work.images.append(self._fetch_boxed(document, image, config, request))
                continue
            source = self._opener.fetch(image) if has_answer(request, config) else None
            work.images.append(ImageWork(image, config, request, source))
        return work

    def _fetch_boxed(
        self, document: Mapping[str, Any], image: TaskImage, config: ImageConfig, request: FromBoxes
    ) -> ImageWork:
        """Fetch an image if the task's document has boxes for it; raises `BadDataSet` if it has another size."""
        drawn: ImageBoxes | None = document.get(BOXES, {}).get(image.name)
        if drawn is None:
            return ImageWork(image, config, request)
        source = self._opener.fetch(image)
        check_box_size(drawn, source)
        return ImageWork(image, config, request, source, drawn)

    def decode(self, work: TaskWork) -> TaskWork:
        """Decode the images, and look for their embeddings in the cache."""
        for image in work.images:
            if image.source is not None:
                self._opener.decode_here(image.source)
                if image.needs_masks and self._uses_cache:
                    image.encoded = self._encoder.find(image.source)
                    image.is_cached = image.encoded is not None
        return work

    def encode(self, work: TaskWork) -> TaskWork:
        """Encode the images that the cache does not have."""
        for image in work.images:
            if image.source is not None and image.needs_masks:
                image.encoded = image.encoded or self._encoder.encode(image.source)
                self._note(CACHED if image.is_cached else COMPUTED)
        return work

    def segment(self, work: TaskWork) -> TaskWork:
        """Make the masks; with a text or boxes also their labels and classes."""
        for image in work.images:
            if image.encoded is None:
                continue
            match image.request:
                case SegmentAll(options=options):
                    assert options is not None
                    self._answers.check_can_pick(image.config)
                    image.candidates = self._answers.segment_candidates(image.encoded, options, self._settings)
                case FindText():
                    image.prediction = self._answers.find_text(
                        image.encoded, image.request, image.config, self._settings
                    )
                case FromBoxes():
                    assert image.boxes is not None
                    image.prediction = self._answers.segment_boxes(
                        image.encoded, image.request, image.boxes, image.config, self._settings, self._note
                    )
        return work

    def crop(self, work: TaskWork) -> TaskWork:
        """Cut out what CLIP will look at."""
        for image in work.images:
            if image.source is not None and image.candidates is not None:
                image.crops = self._answers.crop_candidates(image.source, image.candidates, image.config)
        return work

    def classify(self, works: Sequence[TaskWork]) -> list[TaskWork]:
        """Classify the masks of several tasks in one batch for each image tag, then the whole images."""
        images = [image for work in works for image in work.images]
        for config in self._config.images:
            self._label([image for image in images if image.config is config and image.crops is not None], config)
        for image in images:
            if image.source is not None and not isinstance(image.request, FindText | FromBoxes):
                whole = self._answers.classify_image(image.source, image.config, self._settings)
                image.prediction = replace(whole, regions=image.prediction.regions)
        return list(works)

    def _label(self, images: Sequence[ImageWork], config: ImageConfig) -> None:
        masks = [(image.candidates or [], image.crops) for image in images if image.crops is not None]
        if isinstance(self._request, SegmentAll) and self._request.options is not None and masks:
            labeled = self._answers.label_many(masks, self._request.options, config, self._settings)
            for image, regions in zip(images, labeled, strict=True):
                if self._request.review and image.encoded is not None:
                    regions = self._answers.score_for_review(image.encoded, regions)
                image.prediction = Prediction(tuple(regions))

    def build(self, work: TaskWork) -> Json:
        """Put new embeddings into the cache, and build the prediction, empty if nothing was found."""
        results = []
        for image in work.images:
            if image.encoded is not None and self._uses_cache and not image.is_cached:
                self._encoder.store(image.encoded)
            results += write_answer(image.prediction, image.config, self._settings)[1]
        if not results:
            return {"result": [], "score": 0.0}  # without a score a task has no place in the order of review
        predictions = [image.prediction for image in work.images]
        score = lowest_trust(predictions) if self._request.review else mean_score(predictions)
        return build_prediction(results, self._model_version, score)
