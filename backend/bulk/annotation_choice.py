"""Which of a task's annotations count, which of them are exported, and whose they are.

Cancelled ("skipped") annotations and drafts never count. An annotation is *reviewed* unless it is an untouched copy of
a prediction: one that was made from a prediction (`parent_prediction`) without anybody opening it. The Data Manager's
"Create Annotations From Predictions" makes such copies; they have no `lead_time`, which the page always sends, and none
of their regions has an `origin` of a person ("manual", "prediction-changed"). Who submits a prediction as it is has
reviewed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from backend.errors import BadSettings, ExportError, shorten
from backend.label_studio.results import results_of

Json = Mapping[str, Any]
DAMAGED_REMEDY = "Open the task in Label Studio, delete the annotation and create it again."


def list_annotations(task: Json) -> list[Json]:
    """Return the annotations of a task that were not skipped ("cancelled").

    Raises:
        ExportError: The task's annotations are not a list of objects.
    """
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list) or not all(isinstance(annotation, Mapping) for annotation in annotations):
        message = f'"annotations" of a task must be a list of objects, but is {shorten(annotations)}.'
        raise ExportError(message, remedy=DAMAGED_REMEDY)
    return [annotation for annotation in annotations if not annotation.get("was_cancelled")]


@dataclass(frozen=True)
class AnnotationChoice:
    """Which annotations of a task are exported.

    Attributes:
        rule: One of `RULES`.
        user: Id or e-mail address, for the rule "user".
    """

    rule: str = "best"
    user: str = ""

    def pick(self, annotations: Sequence[Json]) -> list[Json]:
        """Return the annotations to export: at most one, but one of each annotator for "all" and "consensus"."""
        return _PICK[self.rule](annotations, self.user)


def parse_choice(text: str) -> AnnotationChoice:
    """Parse "latest", "user:anna@example.com", ….

    Raises:
        BadSettings: Anything else.
    """
    rule, _, user = text.partition(":")
    if rule not in _PICK or (rule == "user") != bool(user.strip()):
        known = ", ".join("user:ID_OR_EMAIL" if name == "user" else name for name in _PICK)
        raise BadSettings(
            f"There is no choice of annotations {shorten(repr(text))}.", remedy=f"Choose one of: {known}."
        )
    return AnnotationChoice(rule, user.strip())


def pick_annotation(annotations: Iterable[Json]) -> Json | None:
    """Return the ground truth, else the annotation that was changed last; None if there is no annotation."""
    return max(annotations, key=lambda one: (bool(one.get("ground_truth")), *_changed(one)), default=None)


def read_annotator(annotation: Json) -> str:
    """Return the e-mail address of the person whose annotation it is, the id if it is unknown, or "".

    `completed_by` is an id, or in some export files an object; the API adds `created_username`, "First Last
    person@example.com, 7".
    """
    return next(iter(_names_of(annotation)), "")


def is_reviewed(annotation: Json) -> bool:
    """Whether a person made or saw it; see the module's docstring."""
    if annotation.get("parent_prediction") is None or annotation.get("lead_time"):
        return True
    return any(result.get("origin") in ("manual", "prediction-changed") for result in results_of(annotation))


def changed_since(annotation: Json, since: datetime) -> bool:
    """Whether it was changed at that time or later.

    Raises:
        ExportError: It has no valid `updated_at`.
    """
    text = annotation.get("updated_at")
    try:
        return parse_time(str(text)) >= since
    except ValueError as error:
        message = f'An annotation has "updated_at": {shorten(text)}, which is not a time.'
        raise ExportError(message, remedy="Leave out --updated-since to export it.") from error


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time or date; without a time zone it is UTC. Raises `ValueError`."""
    time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _names_of(annotation: Json) -> list[str]:
    """Return by what the person is known: e-mail address, then id."""
    person = annotation.get("completed_by")
    if isinstance(person, Mapping):
        names = [person.get("email"), person.get("id")]
    else:
        address = str(annotation.get("created_username") or "").rpartition(", ")[0].rpartition(" ")[2]
        names = [address if "@" in address else None, person]
    return [str(name) for name in names if name]


def _changed(annotation: Json) -> tuple[str, int]:
    return str(annotation.get("updated_at") or ""), annotation.get("id") or 0


def _created(annotation: Json) -> tuple[str, int]:
    return str(annotation.get("created_at") or annotation.get("updated_at") or ""), annotation.get("id") or 0


def _latest(annotations: Iterable[Json]) -> list[Json]:
    newest = max(annotations, key=_changed, default=None)
    return [] if newest is None else [newest]


def _is_by(annotation: Json, user: str) -> bool:
    return user.casefold() in (name.casefold() for name in _names_of(annotation))


def _one_each(annotations: Sequence[Json]) -> list[Json]:
    """Return the latest annotation of each annotator, in the order of their names."""
    people = sorted({read_annotator(annotation) for annotation in annotations})
    return [
        annotation
        for person in people
        for annotation in _latest(one for one in annotations if read_annotator(one) == person)
    ]


_PICK: Mapping[str, Callable[[Sequence[Json], str], list[Json]]] = {
    "best": lambda annotations, _: [one for one in [pick_annotation(annotations)] if one is not None],
    "latest": lambda annotations, _: _latest(annotations),
    "first": lambda annotations, _: sorted(annotations, key=_created)[:1],
    "user": lambda annotations, user: _latest(one for one in annotations if _is_by(one, user)),
    "ground-truth": lambda annotations, _: _latest(one for one in annotations if one.get("ground_truth")),
    "all": lambda annotations, _: _one_each(annotations),
    "consensus": lambda annotations, _: _one_each(annotations),
}
RULES = tuple(_PICK)
