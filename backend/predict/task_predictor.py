"""TaskPredictor, the hall: a Label Studio task goes in, regions with their labels come out.

A person's click and the script that fills a project overnight go through the same `predict`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from backend.engine import ImageLabeler, embed_in_turn, named_class, parse_text
from backend.fetching import show_url
from backend.geometry import Point, clean_mask, mask_nms, speck_area
from backend.images import DecodedImages, SourceImage
from backend.label_studio.config import LabelingConfig, check_text_prompt, distinct, label_for_click, prefer_shape
from backend.label_studio.requests import MaskBoxes, Task
from backend.label_studio.results import build_prediction, build_results
from backend.predict.clicks import answer_prompt, check_drawn_size, keep_identity
from backend.predict.job import Job, Prediction, mean_score
from backend.predict.region_labels import choose, name_regions
from backend.projects import ProjectSettings
from backend.runtime import ENDLESS, Patience, PriorityExecutor
from backend.values import Candidate, Priority, Prompt, ProposalOptions, Region, Size

log = logging.getLogger(__name__)

ANSWER_SECONDS = 90.0  # Label Studio waits 100 s; an answer that comes later has nobody who waits for it


class Fetcher(Protocol):
    """What the hall needs of `label_studio.images.ImageFetcher`."""

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
    """Predicts tasks of any project; it keeps no state of any of them.

    Args:
        labeler: The heart.
        fetcher: Brings the bytes of an image URI.
        images: Keeps the last images decoded.
        executor: Where work waits for the models.
        model_version: Names the weights; written into every prediction.
        default_proposal: How automatic masks are made with this checkpoint, unless told otherwise.
        auto_label: Let CLIP pick the brush label for clicks too.
    """

    def __init__(
        self,
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
        self._fetcher, self._images = fetcher, images
        self._default_proposal, self._auto_label = default_proposal, auto_label
        self._mask_boxes = MaskBoxes()

    def default_proposal(self) -> ProposalOptions:
        return self._default_proposal

    def fetch_image(self, task: Task, *, ahead: bool = False, wait_seconds: float | None = None) -> SourceImage:
        """The task's image.

        Args:
            ahead: Nobody asked for it yet, so it must not drive out what is in use.
            wait_seconds: An image that takes longer raises `ImageUnavailable`, though its fetching goes on.

        Raises:
            ImageUnavailable, ImageForbidden, BadImage: It cannot be had, or it is none.
        """
        data = self._fetcher.fetch(
            task.image_uri, task.task_id, task.project_id, ahead=ahead, wait_seconds=wait_seconds
        )
        return self._images.open(data, show_url(task.image_uri), ahead=ahead)

    def predict(
        self,
        task: Task,
        config: LabelingConfig,
        job: Job = Job(),
        *,
        priority: Priority = Priority.CLICK,
        patience: Patience | None = None,
    ) -> Prediction:
        """Answer the prompts of a task; without any, classify the image and find everything, if the job says how.

        It is one image: of the task's `others` nothing is said. A task without a prompt never runs SAM unless the job
        has a proposal: Label Studio sends one, and waits, when a person opens a task.

        Args:
            patience: Of whoever asked; without it, as long as Label Studio waits for an answer.

        Raises:
            BackendError: The image cannot be had, a prompt does not fit it, too much waits already, the labeling config
                cannot carry what the settings ask for, or whoever asked went away.
        """
        job = _with_typed(task, config, job)
        own = prefer_shape(config, job.settings.answer).of_image(task.image_name)
        return self._predict_image(task, own, job, priority, patience or _patience_for(priority))

    def predict_document(
        self,
        task: Task,
        config: LabelingConfig,
        job: Job = Job(),
        *,
        priority: Priority = Priority.CLICK,
        patience: Patience | None = None,
    ) -> dict[str, Any] | None:
        """The same for all images of a task, as a Label Studio prediction; None if there is nothing to say.

        Its score is the mean of the regions' scores; of the image classes' best ones where there is no region.
        """
        preferred = prefer_shape(config, job.settings.answer)
        tolerance = job.settings.polygon_tolerance
        results, predictions = [], []
        patience = patience or _patience_for(priority)
        for each in task.images:
            own = preferred.of_image(each.image_name)
            found = self._predict_image(each, own, _with_typed(each, preferred, job), priority, patience)
            results += build_results(found.regions, own, found.image_choices, tolerance=tolerance)
            predictions.append(found)
        return build_prediction(results, self.model_version, mean_score(predictions)) if results else None

    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None:
        """Compute the image's embedding behind the clicks, unless it is there already."""
        embed_in_turn(self.labeler, self.executor, image, priority)

    def is_warm(self, image: SourceImage) -> bool:
        """Whether a click on this image would find its embedding."""
        return self.labeler.is_warm(image)

    def _predict_image(
        self, task: Task, config: LabelingConfig, job: Job, priority: Priority, patience: Patience
    ) -> Prediction:
        """As `predict`, with the image's own config, preferred shape first, and a job whose texts alone count."""
        if not config.answers:
            job = replace(job, proposal=None)
        if not (config.answers if job.texts else task.prompts or _may_say(task, config, job)):
            return Prediction()
        image = self.fetch_image(task, wait_seconds=patience.remaining)
        for prompt in task.prompts:
            check_drawn_size(prompt, image)
        work = partial(self._answer, image, task, config, job)
        needs_sam = bool(task.prompts) or bool(job.texts) or job.proposal is not None
        with self._embedded(image, priority, patience) if needs_sam else nullcontext():
            return self.executor.run(priority, work, patience)

    @contextmanager
    def _embedded(self, image: SourceImage, priority: Priority, patience: Patience) -> Iterator[None]:
        """Within, the image's embedding is there."""
        embedding = embed_in_turn(self.labeler, self.executor, image, priority, patience)
        with self.labeler.holding(image, embedding):
            yield

    def _answer(self, image: SourceImage, task: Task, config: LabelingConfig, job: Job) -> Prediction:
        if job.texts:
            return Prediction(tuple(self._found(image, config, job)))
        if task.prompts:
            return Prediction(tuple(self._clicked(image, task, config, job.settings)))
        regions = self._proposed(image, job.proposal, config, job.settings) if job.proposal else []
        scores = {
            control.name: self.labeler.classify_image(image, control.labels, job.settings.templates)
            for control in config.image_choices
        }
        whole = replace(job.settings, clip_threshold=0.0)  # it is for regions
        chosen = {control.name: choose(control, scores[control.name], whole) for control in config.image_choices}
        return Prediction(tuple(regions), chosen, scores)

    def _clicked(
        self, image: SourceImage, task: Task, config: LabelingConfig, settings: ProjectSettings
    ) -> list[Region]:
        auto_label = self._auto_label if settings.auto_label is None else settings.auto_label
        labels, answers, candidates = [], [], []
        for prompt in task.prompts:
            answer = answer_prompt(self.labeler, image, prompt, task, config, self._mask_boxes)
            if answer.candidate.mask.any():
                picked = label_for_click(config, prompt.label, auto_label)
                labels.append(answer.corrected.label if answer.corrected else picked)
                answers.append(answer)
                clicked_on = _positive_points(prompt.prompt)
                candidates.append(_clean(answer.candidate, image.size, settings, clicked_on))
                self.labeler.remember(image, candidates[-1])
            else:
                log.info("SAM sees nothing at the prompt on %s.", image.name)
        regions = name_regions(self.labeler, image, candidates, labels, config, settings)
        return [keep_identity(region, answer, config) for region, answer in zip(regions, answers, strict=True)]

    def _found(self, image: SourceImage, config: LabelingConfig, job: Job) -> list[Region]:
        """What the texts name, each thing once; what two of them name is the first one's."""
        options, settings = job.proposal or self._default_proposal, job.settings
        found = [one for text in job.texts for one in self._named(image, text, options, config, settings)]
        if len(job.texts) > 1:  # of one text each thing is there once anyway
            found = [found[i] for i in mask_nms([candidate.mask for candidate, _ in found], options.mask_nms_thresh)]
        candidates, labels = [candidate for candidate, _ in found], [label for _, label in found]
        return name_regions(self.labeler, image, candidates, labels, config, settings)

    def _named(
        self,
        image: SourceImage,
        text: str,
        options: ProposalOptions,
        config: LabelingConfig,
        settings: ProjectSettings,
    ) -> list[tuple[Candidate, str | None]]:
        """What one text names, with the label that it is the name of; None: CLIP picks."""
        vocabulary = (*(label for control in config.region_choices for label in control.labels), *config.answer_classes)
        found = self.labeler.find(image, text, options, distinct(vocabulary), settings.templates)[: options.max_masks]
        label = named_class(parse_text(text), config.answer_classes)
        return [(_clean(one.candidate, image.size, settings), label) for one in found]

    def _proposed(
        self, image: SourceImage, options: ProposalOptions, config: LabelingConfig, settings: ProjectSettings
    ) -> list[Region]:
        cleaned = [_clean(candidate, image.size, settings) for candidate in self.labeler.propose(image, options)]
        found = [cleaned[i] for i in mask_nms([candidate.mask for candidate in cleaned], options.mask_nms_thresh)]
        regions = name_regions(self.labeler, image, found, [None] * len(found), config, settings)
        least = options.score_threshold
        regions = [one for one in regions if not one.class_scores or one.class_scores[0].score >= least]
        return regions[: options.max_masks]


def _clean(candidate: Candidate, size: Size, settings: ProjectSettings, keep: Sequence[Point] = ()) -> Candidate:
    """The candidate without specks and pinholes, unless the project wants them; a mask never loses its largest part."""
    if not settings.clean_masks:
        return candidate
    return replace(candidate, mask=clean_mask(candidate.mask, speck_area(size), keep))


def _patience_for(priority: Priority) -> Patience:
    """Nobody waits for what is done in bulk."""
    return ENDLESS if priority is Priority.BULK else Patience.of(ANSWER_SECONDS)


def _may_say(task: Task, config: LabelingConfig, job: Job) -> bool:
    """Whether there is anything to say of an image where nobody clicked or typed."""
    return not task.texts and (job.proposal is not None or bool(config.image_choices))


def _with_typed(task: Task, config: LabelingConfig, job: Job) -> Job:
    """The job with what was typed into the project's text prompt, unless it has texts of its own.

    There stay none where nothing was typed, or into another text area only.
    """
    area = job.settings.text_prompt
    if job.texts or area is None or not task.texts:
        return job
    check_text_prompt(config, area)
    typed = task.text_in(area)
    return job if typed is None else replace(job, texts=(typed,))


def _positive_points(prompt: Prompt) -> list[Point]:
    return [at for at, label in zip(prompt.point_coords, prompt.point_labels, strict=True) if label == 1]
