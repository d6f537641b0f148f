"""What an answer says to the person on the page, in one line of plain words.

    red ring, 97 %. Candidate 2 of 3: the object.
    2 objects match "all rings". 1 more has a mask already.
    Nothing matches "the red car".

The class that CLIP chose comes first, because a person decides by it whether to accept the mask.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from backend.errors import shorten
from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion
from backend.predict.region_labels import scores_by_control, scores_of_labels
from backend.values import ClassScore, Region

NO_OBJECT = "No object here. Click on an object, or draw a box around it."
CORRECTED = "Corrected."
MAX_TEXT_CHARACTERS = 60  # of a typed text
_SIZES = {2: ("a part", "the whole"), 3: ("a part", "the object", "the whole")}


def describe_size(place: int, count: int) -> str:
    """Say which of the candidates for a repeated click is shown, by size; `place` 1 is the smallest."""
    if count == 1:
        return "There is only this one mask here."
    sizes = _SIZES.get(count)
    return f"Candidate {place} of {count}{f': {sizes[place - 1]}' if sizes else ''}."


def describe_matches(texts: Sequence[str], count: int, labeled: int = 0) -> str:
    """Say how many objects the typed texts name; "" without a text.

    Args:
        count: Those without a mask on the page.
        labeled: Those with one.
    """
    if not texts:
        return ""
    shown = " or ".join(f'"{shorten(text.strip(), MAX_TEXT_CHARACTERS)}"' for text in texts)
    if count:
        more = f" {labeled} more {'have' if labeled > 1 else 'has'} a mask already." if labeled else ""
        return f"{count} object{'s match' if count > 1 else ' matches'} {shown}.{more}"
    if labeled:
        objects = f"All {labeled} objects that match" if labeled > 1 else "The only object that matches"
        return f"{objects} {shown} {'have' if labeled > 1 else 'has'} a mask already."
    return f"Nothing matches {shown}."


def describe_classes(
    region: Region, labeled: LabeledRegion, config: ImageConfig, *, with_label: bool, kept: Container[str] = ()
) -> str:
    """Say the classes of a mask with their probabilities: "red, 99 %; red ring, 97 %"; "" without CLIP.

    Args:
        region: With the class scores of `labeled`, for `region_vocabularies`.
        with_label: Whether CLIP chose the label too.
        kept: Controls with a class that was chosen earlier; CLIP's probability of it says nothing then.
    """
    scores = scores_by_control(region, config)
    label_scores = scores_of_labels(region, config)
    parts = [_with_percent(label_scores[0])] if with_label and label_scores else []
    for control in config.region_choices:
        chosen, known = labeled.choices.get(control.name, ()), scores.get(control.name, ())
        if chosen and control.name in kept:
            parts.append(", ".join(chosen))
        elif chosen:
            parts.append(", ".join(_with_percent(score) for score in known if score.name in chosen))
        elif known and control.applies_to(labeled.label):
            parts.append(f"perhaps {_with_percent(known[0])}")
    return "; ".join(part for part in parts if part)


def describe_label(old: str, new: str | None, *, is_picked: bool) -> str:
    """Say the label of a corrected mask, unless the person picked it for the click and the mask had it already.

    Args:
        old: As Label Studio has saved it, some seconds ago; "" for none.
        new: None if CLIP picks it.
    """
    if not new or (is_picked and new == old):
        return ""
    return f'It {"keeps" if new == old else "gets"} the label "{shorten(new)}".'


def describe_click(described: Sequence[str], missed: int, remarks: Sequence[str]) -> str:
    """Say what a click or several boxes gave.

    Args:
        described: Of each mask, its classes.
        missed: Number of prompts without a mask.
        remarks: What else there is to say, one sentence each.
    """
    classes = [text for text in described if text]
    sentences = [f"{'; '.join(classes)}."] if classes else []
    if len(described) > 1:
        sentences = [f"{len(described)} masks{': ' if classes else ''}{'; '.join(classes)}."]
    if missed:
        sentences.append(NO_OBJECT if not described else f"No object in {missed} of {missed + len(described)} places.")
    return " ".join([*sentences, *dict.fromkeys(remark for remark in remarks if remark)])


def _with_percent(score: ClassScore) -> str:
    """Format a class and its probability; 100 % and 0 % would claim what no model knows."""
    return f"{score.name}, {min(max(round(score.score * 100), 1), 99)} %"
