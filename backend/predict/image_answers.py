"""Answers to clicks, texts, bulk requests and opened pages, for one image that is fetched and encoded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from backend.engine import EncodedImage, ImageLabeler, classify_candidates
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import (
    Click,
    FindText,
    FromBoxes,
    ImageBoxes,
    LabeledPrompt,
    MaskBoxCache,
    SegmentAll,
)
from backend.label_studio.results import LabeledRegion
from backend.predict.box_masks import Note, masks_of_boxes
from backend.predict.box_on_nothing import BoxOnNothing
from backend.predict.click_on_nothing import ClicksOnNothing
from backend.predict.clicked_mask import ClickedMask, build_clicked_mask
from backend.predict.clicks import ClickRules
from backend.predict.correctable_masks import CorrectableMasks
from backend.predict.messages import describe_click, describe_matches
from backend.predict.named_masks import find_named
from backend.predict.prediction import Prediction
from backend.predict.region_labels import choose, label_region, region_vocabularies
from backend.predict.region_stages import RegionStages
from backend.predict.remembered_answer import RememberedAnswer
from backend.predict.review_scores import score_by_trust
from backend.projects import ProjectSettings
from backend.runtime import NO_DEADLINE, Deadline
from backend.values import Candidate, ProposalOptions, Region

log = logging.getLogger(__name__)


class ImageAnswers(RegionStages):
    """Labeled regions and classes for a request, on images of any project.

    Args:
        labeler: The engine.
        default_options: How automatic masks are made with this checkpoint, unless a request says otherwise.
        auto_label: Let CLIP pick the label for clicks too, unless the project says otherwise.
        min_score: Minimum predicted IoU of a single click, unless the project says otherwise; see `click_on_nothing`.
        min_box_score: Minimum predicted IoU of a box, unless the project refuses no click; see `box_on_nothing`.
    """

    def __init__(
        self,
        labeler: ImageLabeler,
        default_options: ProposalOptions,
        *,
        auto_label: bool = False,
        min_score: float = 0.0,
        min_box_score: float = 0.0,
    ) -> None:
        super().__init__(labeler)
        self._default_options = default_options
        self._auto_label, self._min_score, self._min_box_score = auto_label, min_score, min_box_score
        self._mask_boxes, self._nothing = MaskBoxCache(), ClicksOnNothing()

    def click(
        self,
        encoded: EncodedImage,
        click: Click,
        config: ImageConfig,
        settings: ProjectSettings,
        deadline: Deadline = NO_DEADLINE,
        recalled: Sequence[RememberedAnswer] = (),
    ) -> Prediction:
        """Make one mask for each prompt, with the picked label; of several, those on nothing give no mask.

        Args:
            recalled: The last answers on the image, newest first.

        Raises:
            BadPrompt: A prompt that cannot be answered.
            Overloaded, ClientDisconnected: The answer would come too late; checked between the prompts.
        """
        min_score = self._min_score if settings.min_score is None else settings.min_score
        correctable = CorrectableMasks(click.correctable, config, self._mask_boxes, deadline)
        min_box_score = 0.0 if settings.min_score == 0 else self._min_box_score
        rules = ClickRules(
            self._labeler, encoded, correctable, self._nothing, min_score, min_box_score, deadline, recalled
        )
        prompts = [part for prompt in click.prompts for part in rules.split(prompt)]
        masks = self._answer_prompts(prompts, rules, config, settings)
        labels = [mask.label for mask in masks]
        regions = self._classify(encoded.image, [mask.candidate for mask in masks], labels, config, settings)
        named, described, chains = [], [], {}
        for mask, region in zip(masks, regions, strict=True):
            named.append(mask.name_region(region, config, settings))
            if mask.answer.chain is not None:
                chains[named[-1].region_id] = mask.answer.chain
            described.append(mask.describe_classes(region, named[-1], config))
        remarks = [remark for mask in masks for remark in mask.list_remarks(config, with_label=len(prompts) == 1)]
        if masks:
            remarks.append(self._labeler.limits_for(region_vocabularies(config, with_labels=None in labels)))
        message = describe_click(described, len(prompts) - len(masks), remarks)
        return Prediction(tuple(named), message=message, chains=chains)

    def _answer_prompts(
        self, prompts: Sequence[LabeledPrompt], rules: ClickRules, config: ImageConfig, settings: ProjectSettings
    ) -> list[ClickedMask]:
        """Answer each prompt by the click rules, without those at which SAM finds nothing.

        Raises:
            BadPrompt: A prompt that cannot be answered, or there are boxes and all are on nothing.
        """
        image, auto_label, masks = rules.encoded.image, self.auto_labels(settings), []
        refused: BoxOnNothing | None = None
        for prompt in prompts:
            rules.deadline.raise_if_over()
            try:
                answer = rules.answer(prompt)
            except BoxOnNothing as error:
                refused = error
                continue
            if answer.candidate.mask.any():
                masks.append(build_clicked_mask(prompt, answer, image.size, config, settings, auto_label=auto_label))
            else:
                log.info("SAM found no object at the prompt on %s.", image.name)
        if refused is not None and not masks:
            raise refused
        return masks

    def find_text(
        self, encoded: EncodedImage, request: FindText, config: ImageConfig, settings: ProjectSettings
    ) -> Prediction:
        """Find what the texts name, each object once; see `named_masks`.

        Raises:
            BadPrompt: A text that names nothing, or neither a detector nor CLIP is loaded.
        """
        options = request.options or self._default_options
        named = find_named(self._labeler, encoded, request, options, config, settings)
        candidates, labels = [one.candidate for one in named], [one.phrase.label for one in named]
        classified = self._classify(encoded.image, candidates, labels, config, settings)
        regions = [
            one.name_region(label_region(region, one.phrase.label, config, settings), config)
            for one, region in zip(named, classified, strict=True)
        ]
        regions = self.score_for_review(encoded, regions) if request.review else regions
        return Prediction(tuple(regions), message=describe_matches(request.texts, len(regions)))

    def segment_boxes(
        self,
        encoded: EncodedImage,
        request: FromBoxes,
        drawn: ImageBoxes,
        config: ImageConfig,
        settings: ProjectSettings,
        note: Note,
    ) -> Prediction:
        """Make the masks of boxes that exist; see `masks_of_boxes`."""
        regions = masks_of_boxes(self._labeler, encoded, drawn, config, settings, note)
        return Prediction(tuple(self.score_for_review(encoded, regions) if request.review else regions))

    def segment_all(
        self, encoded: EncodedImage, request: SegmentAll, config: ImageConfig, settings: ProjectSettings
    ) -> Prediction:
        """Segment everything in the image, and classify the whole image.

        Raises:
            BadPrompt: CLIP has to pick among several labels and does not know them, or is not loaded.
        """
        options = request.options or self._default_options
        regions = self.segment_regions(encoded, options, config, settings)
        regions = self.score_for_review(encoded, regions) if request.review else regions
        return replace(self.classify_image(encoded.image, config, settings), regions=tuple(regions))

    def score_for_review(self, encoded: EncodedImage, regions: Sequence[LabeledRegion]) -> list[LabeledRegion]:
        """Replace the scores of regions by the trust in them."""
        return score_by_trust(self._labeler, encoded, regions)

    def segment_regions(
        self, encoded: EncodedImage, options: ProposalOptions, config: ImageConfig, settings: ProjectSettings
    ) -> list[LabeledRegion]:
        """Segment everything in the image, with the labels and classes that CLIP picks.

        Raises:
            BadPrompt: CLIP has to pick among several labels and does not know them, or is not loaded.
        """
        self.check_can_pick(config)
        candidates = self.segment_candidates(encoded, options, settings)
        crops = self.crop_candidates(encoded.image, candidates, config)
        return self.label_many([(candidates, crops)], options, config, settings)[0]

    def classify_image(self, image: SourceImage, config: ImageConfig, settings: ProjectSettings) -> Prediction:
        """Classify the whole image for each control that takes its class."""
        scores = {
            control.name: self._labeler.classify_image(image, control.labels, settings.templates)
            for control in config.image_choices
        }
        whole = replace(settings, clip_threshold=0.0)  # which is meant for regions
        chosen = {control.name: choose(control, scores[control.name], whole) for control in config.image_choices}
        return Prediction((), chosen, scores)

    def auto_labels(self, settings: ProjectSettings) -> bool:
        """Whether CLIP picks the label for clicks too."""
        return self._auto_label if settings.auto_label is None else settings.auto_label

    def _classify(
        self,
        image: SourceImage,
        candidates: Sequence[Candidate],
        labels: Sequence[str | None],
        config: ImageConfig,
        settings: ProjectSettings,
    ) -> list[Region]:
        """Classify masks for the per-region controls, and for the labels if one of `labels` is left to CLIP."""
        vocabularies = region_vocabularies(config, with_labels=None in labels)
        if None in labels:
            self.check_can_pick(config)
        return classify_candidates(self._labeler, image, candidates, vocabularies, settings.templates)
