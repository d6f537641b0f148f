"""The mask for one prompt of a click: cleaned, with its label, and what the person is told about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.engine import clicks_of, keep_painted
from backend.label_studio.config import ImageConfig, label_for_click
from backend.label_studio.requests import LabeledPrompt
from backend.label_studio.results import LabeledRegion
from backend.predict.clicks import ClickAnswer
from backend.predict.corrected_region import keep_identity
from backend.predict.messages import CORRECTED, describe_classes, describe_label
from backend.predict.region_labels import label_region
from backend.predict.region_stages import clean
from backend.projects import ProjectSettings
from backend.values import Candidate, Region, Size


@dataclass(frozen=True)
class ClickedMask:
    """The mask for one prompt, before CLIP has looked at it.

    Attributes:
        label: The one that was picked, or that the corrected region keeps; None lets CLIP pick.
        candidate: The answer's, cleaned; on a corrected region with what was painted on it.
    """

    prompt: LabeledPrompt
    answer: ClickAnswer
    label: str | None
    candidate: Candidate

    def name_region(self, region: Region, config: ImageConfig, settings: ProjectSettings) -> LabeledRegion:
        """Give the mask, classified, its label and classes, and what it keeps of the region that it corrects."""
        named = keep_identity(label_region(region, self.label, config, settings), self.answer.corrected, config)
        return replace(named, clicks=self.answer.held_points(self.prompt.prompt))

    def describe_classes(self, region: Region, named: LabeledRegion, config: ImageConfig) -> str:
        """Say its classes; see `messages.describe_classes`."""
        kept = self.answer.corrected.choices if self.answer.corrected else ()
        return describe_classes(region, named, config, with_label=self.label is None, kept=kept)

    def list_remarks(self, config: ImageConfig, *, with_label: bool) -> list[str]:
        """List what else there is to say about it.

        Args:
            with_label: Whether the label of a corrected mask is said, where the image has several.
        """
        remark = self.answer.message or (CORRECTED if self.answer.corrected else "")
        if not (with_label and self.answer.corrected and len(config.answer_classes) > 1):
            return [remark]
        return [remark, describe_label(self.answer.kept_label, self.label, is_picked=bool(self.prompt.label))]


def build_clicked_mask(
    prompt: LabeledPrompt,
    answer: ClickAnswer,
    size: Size,
    config: ImageConfig,
    settings: ProjectSettings,
    *,
    auto_label: bool,
) -> ClickedMask:
    """Clean the mask that answers a prompt and choose its label.

    Args:
        answer: With a mask that is not empty.
        size: Of the image.
        auto_label: Whether CLIP picks the label for clicks too.
    """
    picked, kept = label_for_click(config, prompt.label, auto_label), answer.kept_label
    label = picked or kept or None if answer.takes_label else kept or picked
    candidate = clean(answer.candidate, size, settings, answer.held_points(prompt.prompt))
    old = answer.corrected
    if old and old.painted is not None:  # specks and pinholes among it
        candidate = keep_painted(candidate, old.mask, old.painted, clicks_of(prompt.prompt))
    return ClickedMask(prompt, answer, label, candidate)
