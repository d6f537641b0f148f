"""Answers to what a person types into the text prompt, for one image that is fetched and encoded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt, BadRegion, shorten
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import FindEverything, FindLike, FindText, ResizeLast
from backend.label_studio.results import LabeledRegion, SavedRegion, new_region_id
from backend.predict.answer_memory import AnswerMemory
from backend.predict.image_answers import ImageAnswers
from backend.predict.last_resized import describe_change, find_last, resize_last
from backend.predict.messages import describe_matches
from backend.predict.prediction import Prediction
from backend.predict.region_stages import clean
from backend.predict.request_needs import compared_classes
from backend.predict.unsaved_masks import has_repeated, leave_out_labeled, reuse_unsaved, unsaved_regions
from backend.projects import ProjectSettings
from backend.runtime import NO_DEADLINE, Deadline
from backend.values import Candidate, ProposalOptions, Size

log = logging.getLogger(__name__)

HELP = "Type what to find, or: everything, like this, tighter, looser."
REPEATED = "Masks shown again are not doubled."
MAX_EXEMPLARS = 32  # newest ones; CLIP looks at each, and more of them hardly add to the first ones


class CommandAnswers:
    """Masks for a typed text or a command, with a line for the person.

    Args:
        labeler: The engine.
        answers: Answers to requests of other kinds.
        default_options: How automatic masks are made with this checkpoint.
    """

    def __init__(self, labeler: ImageLabeler, answers: ImageAnswers, default_options: ProposalOptions) -> None:
        self._labeler, self._answers, self._default_options = labeler, answers, default_options

    def find_text(
        self,
        encoded: EncodedImage,
        request: FindText,
        memory: AnswerMemory,
        config: ImageConfig,
        settings: ProjectSettings,
        deadline: Deadline = NO_DEADLINE,
    ) -> Prediction:
        """Find what the texts name and is not labeled yet, as `ImageAnswers.find_text` does.

        Args:
            memory: Of the image.

        Raises:
            BadPrompt: A text that names nothing, or neither a detector nor CLIP is loaded.
        """
        accepted = decode_accepted(request.accepted, encoded.image.size, deadline)
        found = self._answers.find_text(encoded, request, config, settings)
        new = leave_out_labeled(found.regions, accepted, memory, encoded.image.size, config)
        message = describe_matches(request.texts, len(new.regions), new.labeled)
        return replace(found, regions=new.regions, message=_add_repeated(message, is_repeated=new.is_repeated))

    def everything(
        self,
        encoded: EncodedImage,
        request: FindEverything,
        memory: AnswerMemory,
        config: ImageConfig,
        settings: ProjectSettings,
        deadline: Deadline = NO_DEADLINE,
    ) -> Prediction:
        """Segment everything that is not labeled yet, as `ImageAnswers.segment_regions` does.

        Args:
            memory: Of the image.

        Raises:
            BadPrompt: CLIP has to pick among several labels and is not loaded.
        """
        accepted = decode_accepted(request.accepted, encoded.image.size, deadline)
        regions = self._answers.segment_regions(encoded, self._default_options, config, settings)
        new = leave_out_labeled(regions, accepted, memory, encoded.image.size, config)
        message = describe_objects(new.regions, is_all=not new.labeled)
        return Prediction(new.regions, message=_add_repeated(message, is_repeated=new.is_repeated))

    def find_like(
        self,
        encoded: EncodedImage,
        request: FindLike,
        memory: AnswerMemory,
        config: ImageConfig,
        settings: ProjectSettings,
        deadline: Deadline = NO_DEADLINE,
    ) -> Prediction:
        """Find what looks like the regions with the newest one's label, with their label and classes.

        A mask that was clicked in the last minute counts as the newest region, and is suggested again.

        Args:
            memory: Of the image.

        Raises:
            BadPrompt: There is no such region, it has no label of the project, or CLIP is not loaded.
        """
        accepted = decode_accepted(request.accepted, encoded.image.size, deadline)
        unsaved = unsaved_regions(memory.reusable, accepted, encoded.image.size, config)
        clicked = unsaved_regions(memory.clicked, accepted, encoded.image.size, config)
        regions = [*accepted, *reversed(clicked)]
        if not regions:
            remedy = 'Click an object, or wait some seconds after the tick, and type "like this" again.'
            raise BadPrompt("There is no mask to go by yet.", remedy=remedy)
        label = regions[-1].label
        if config.answer_classes and not config.has_label(label):
            named = f'the label "{shorten(label)}", which the project does not have' if label else "no label"
            raise BadPrompt(f"The newest mask has {named}.", remedy='Give it a label and type "like this" again.')
        exemplars = [region for region in regions if region.label == label][-MAX_EXEMPLARS:]
        found = self._labeler.find_similar(
            encoded,
            [region.mask for region in exemplars],
            [region.mask for region in regions],
            self._default_options,
            compared_classes(config),
            settings.templates,
        )
        similar = []
        for one in found[: self._default_options.max_masks]:
            candidate = clean(one.candidate, encoded.image.size, settings)
            similar.append(copy_label(candidate, exemplars[one.exemplar], config))
        answers = reuse_unsaved(similar, unsaved, same_label=True)
        message = _describe_similar(len(answers), len(exemplars), label)
        is_repeated = bool(clicked) or has_repeated(answers, unsaved)
        return Prediction((*reversed(clicked), *answers), message=_add_repeated(message, is_repeated=is_repeated))

    def resize(
        self,
        encoded: EncodedImage,
        request: ResizeLast,
        memory: AnswerMemory,
        config: ImageConfig,
        deadline: Deadline = NO_DEADLINE,
    ) -> Prediction:
        """Make the last answer a little larger or smaller; its clicks keep holding.

        Args:
            memory: Of the image.

        Raises:
            BadPrompt: There is no answer, or it cannot change any further.
        """
        accepted = decode_accepted(request.accepted, encoded.image.size, deadline)
        last = find_last(request, memory.recalled, accepted, memory.page, config)
        regions = resize_last(self._labeler, encoded, last, grows=request.grows, deadline=deadline)
        return Prediction(regions, message=describe_change(last.regions, regions), replaced=last.on_page)


def decode_accepted(regions: Sequence[SavedRegion], size: Size, deadline: Deadline) -> list[LabeledRegion]:
    """Decode the masks on the page; those that are damaged, empty or of another size are skipped."""
    decoded = []
    for saved in regions:
        deadline.raise_if_over()
        try:
            region = saved.decode()
        except BadRegion as error:
            log.warning("Skipped a damaged mask on the page: %s", error)
            continue
        if region.mask.shape == (size.height, size.width) and region.mask.any():
            decoded.append(region)
    return decoded


def copy_label(candidate: Candidate, exemplar: LabeledRegion, config: ImageConfig) -> LabeledRegion:
    """Give a mask the label and the per-region classes of a region that it looks like."""
    chosen = {
        control.name: names
        for control in config.region_choices
        if control.applies_to(exemplar.label)
        if (names := exemplar.choices.get(control.name, ())) and all(map(control.has_label, names))
    }
    return LabeledRegion(
        mask=candidate.mask,
        label=exemplar.label,
        region_id=new_region_id(),
        score=candidate.score,
        choices=MappingProxyType(chosen),
        control=exemplar.control,
    )


def describe_objects(regions: Sequence[LabeledRegion], *, is_all: bool) -> str:
    """Describe an answer: "12 objects.".

    Where they have several labels it warns of what Label Studio does: the label picked at the tick goes to all of them.
    """
    count, more = len(regions), "" if is_all else "more "
    if not count:
        return f"No {more}objects."
    warning = " If a label is picked above, the tick gives it to all of them."
    counted = f"{count} {more}{'object' if count == 1 else 'objects'}."
    return counted + (warning if len({region.label for region in regions}) > 1 else "")


def _add_repeated(message: str, *, is_repeated: bool) -> str:
    """Add, where it is so, that unsaved masks are suggested again; the tick then puts each in its own place."""
    return f"{message} {REPEATED}".strip() if is_repeated else message


def _describe_similar(count: int, exemplars: int, label: str) -> str:
    """Describe an answer: "3 more like the 2 'red' regions."."""
    named = f"'{shorten(label)}' " if label else ""
    these = f"the {named}region" if exemplars == 1 else f"the {exemplars} {named}regions"
    return f"{count} more like {these}." if count else f"Nothing else looks like {these}."
