"""TaskPredictor, the hall: a Label Studio task goes in, regions with their labels come out.

A person's click and the script that fills a project overnight go through the same `predict`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from backend.clicks import answer_prompt, check_drawn_size, keep_identity
from backend.errors import BadPrompt
from backend.executor import PriorityExecutor
from backend.image import DecodedImages, SourceImage
from backend.label_studio.config import LabelingConfig, label_for_click
from backend.label_studio.image_urls import show_url
from backend.label_studio.mask_boxes import MaskBoxes
from backend.label_studio.results import build_prediction, build_results, new_region_id
from backend.label_studio.tasks import Task
from backend.labeler import ImageLabeler, ProposalOptions
from backend.values import Candidate, ClassScore, Priority, Region

log = logging.getLogger(__name__)

ANSWER_SECONDS = 90.0  # Label Studio waits 100 s; an answer that comes later has nobody who waits for it


class Fetcher(Protocol):
    """What the hall needs of `label_studio.images.ImageFetcher`."""

    def fetch(self, image_uri: str, task_id: int | None, project_id: str) -> bytes: ...


@dataclass(frozen=True)
class Prediction:
    """What is to be said about one image: its objects and, best first, the class of the whole."""

    regions: tuple[Region, ...]
    image_choices: tuple[ClassScore, ...]


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

    def fetch_image(self, task: Task) -> SourceImage:
        """The task's image. Raises `ImageUnavailable`, `ImageForbidden` or `BadImage`."""
        data = self._fetcher.fetch(task.image_uri, task.task_id, task.project_id)
        return self._images.open(data, show_url(task.image_uri))

    def predict(
        self,
        task: Task,
        config: LabelingConfig,
        *,
        proposal: ProposalOptions | None = None,
        priority: Priority = Priority.CLICK,
    ) -> Prediction:
        """Answer the prompts of a task; without any, classify the image and find everything, if `proposal` says how.

        A task without a prompt never runs SAM unless `proposal` is given: Label Studio sends one, and waits, when a
        person opens a task.

        Raises:
            BackendError: The image cannot be had, a prompt does not fit it, or too much waits already.
        """
        if not task.prompts and proposal is None and config.image_choices is None:
            return Prediction((), ())
        image = self.fetch_image(task)
        for prompt in task.prompts:
            check_drawn_size(prompt, image)
        timeout = None if priority is Priority.BULK else ANSWER_SECONDS
        return self.executor.run(priority, lambda: self._answer(image, task, config, proposal), timeout)

    def predict_document(
        self,
        task: Task,
        config: LabelingConfig,
        *,
        proposal: ProposalOptions | None = None,
        priority: Priority = Priority.CLICK,
    ) -> dict[str, Any] | None:
        """The same as a Label Studio prediction, its score the mean of the regions; None if there is nothing to say."""
        prediction = self.predict(task, config, proposal=proposal, priority=priority)
        results = build_results(prediction.regions, config, prediction.image_choices)
        if not results:
            return None
        scores = [region.score for region in prediction.regions if region.score is not None]
        scores = scores or [choice.score for choice in prediction.image_choices[:1]]
        return build_prediction(results, self.model_version, sum(scores) / len(scores))

    def warm(self, image: SourceImage) -> None:
        """Compute the image's embedding behind the clicks, unless it is there already."""
        self.executor.run(Priority.WARM, lambda: self.labeler.embed(image))

    def _answer(
        self,
        image: SourceImage,
        task: Task,
        config: LabelingConfig,
        proposal: ProposalOptions | None,
    ) -> Prediction:
        if task.prompts:
            return Prediction(tuple(self._clicked(image, task, config)), ())
        choices = self.labeler.classify_image(image, config.image_choices.labels) if config.image_choices else ()
        return Prediction(tuple(self._proposed(image, config, proposal)) if proposal else (), choices)

    def _clicked(self, image: SourceImage, task: Task, config: LabelingConfig) -> list[Region]:
        labels, answers = [], []
        for prompt in task.prompts:
            answer = answer_prompt(self.labeler, image, prompt, task, config, self._mask_boxes)
            if answer.candidate.mask.any():
                picked = label_for_click(config, prompt.label, self._auto_label)
                labels.append(answer.corrected.label if answer.corrected else picked)
                answers.append(answer)
            else:
                log.info("SAM sees nothing at the prompt on %s.", image.name)
        regions = self._name(image, [answer.candidate for answer in answers], labels, config)
        return [keep_identity(region, answer, config) for region, answer in zip(regions, answers, strict=True)]

    def _proposed(self, image: SourceImage, config: LabelingConfig, options: ProposalOptions) -> list[Region]:
        candidates = self.labeler.propose(image, options)
        regions = self._name(image, candidates, [None] * len(candidates), config)
        if self.labeler.can_classify:
            regions = [region for region in regions if region.class_scores[0].score >= options.score_threshold]
        return regions[: options.max_masks]

    def _name(
        self,
        image: SourceImage,
        candidates: Sequence[Candidate],
        labels: Sequence[str | None],
        config: LabelingConfig,
    ) -> list[Region]:
        """Give each mask its brush label (None: CLIP picks) and its per-region choice, looking at it once."""
        vocabularies = []
        if config.region_choices:
            vocabularies.append(config.region_choices.labels)
        if None in labels:
            vocabularies.append(config.brush_classes)
        scored = self.labeler.classify(image, [candidate.mask for candidate in candidates], vocabularies)
        choice_scores = scored[0] if config.region_choices else [()] * len(candidates)
        brush_scores = scored[-1] if None in labels else [()] * len(candidates)
        return [
            _region(candidate, label or _best_brush(brush, config), choice, brush, config)
            for candidate, label, choice, brush in zip(candidates, labels, choice_scores, brush_scores, strict=True)
        ]


def _region(
    candidate: Candidate,
    label: str,
    choice_scores: tuple[ClassScore, ...],
    brush_scores: tuple[ClassScore, ...],
    config: LabelingConfig,
) -> Region:
    choices = {}
    if config.region_choices and choice_scores:
        choices[config.region_choices.name] = (choice_scores[0].name,)
    return Region(
        mask=candidate.mask,
        label=label,
        region_id=new_region_id(),
        score=candidate.score,
        choices=MappingProxyType(choices),
        class_scores=choice_scores or brush_scores,
    )


def _best_brush(scores: tuple[ClassScore, ...], config: LabelingConfig) -> str:
    """CLIP's brush label; without CLIP the only one there is, and never one that nobody chose."""
    if scores:
        return scores[0].name
    if len(config.brush_classes) == 1:
        return config.brush_classes[0].name
    raise BadPrompt(
        "CLIP is not loaded, so no brush label can be picked for this mask.",
        remedy="Pick a label yourself instead of AUTO; /health says what is wrong with CLIP.",
    )
