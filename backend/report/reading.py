"""Task documents with annotations and predictions → rows, one task in memory at a time.

What Label Studio 1.23 keeps of a prediction that a person submits: `parent_prediction` of the annotation, the ids of
the regions, their scores, and the bytes of a mask that nobody painted on. "Create Annotations From Predictions" sets
`parent_prediction`, too. A region's `origin` ("prediction", "prediction-changed", "manual") is not read: the page
changes it when a shape is edited, not when a label is, and a mask that this backend corrected at a click counts as new.
The masks, labels and choices themselves are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from backend.errors import BackendError, ExportError, shorten
from backend.export import EncodedRegion
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.report.documents import (
    have_results,
    list_documents,
    name_annotator,
    parse_number,
    parse_score,
    parse_seconds,
    pick_prediction,
)
from backend.report.matching import Match, judge, match_regions
from backend.report.outcomes import AgreementRow, AnnotationRow, Link, RegionRow
from backend.report.region_sets import RegionSet, read_regions
from backend.report.worst import WorstRegions

Json = Mapping[str, Any]
DAMAGED_REMEDY = "Open the task in Label Studio, delete the annotation and create it again."


@dataclass
class Reviews:
    """What was read of a project.

    Attributes:
        skipped: Number of annotations that were cancelled ("Skip").
        problems: Regions and tasks that could not be compared, each with its name and the reason.
        unknown_labels: Number of regions by label that the labeling config no longer has.
        undecided: Number of drawn boxes and points by control that may be prompts, and are left out.
        worst: Candidates for the pictures.
    """

    regions: list[RegionRow] = field(default_factory=list)
    annotations: list[AnnotationRow] = field(default_factory=list)
    agreements: list[AgreementRow] = field(default_factory=list)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    unknown_labels: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    worst: WorstRegions = field(default_factory=WorstRegions)

    @property
    def reviewed(self) -> list[AnnotationRow]:
        """Annotations that are compared with a prediction."""
        return [row for row in self.annotations if row.prediction is not None]

    @property
    def proposals(self) -> list[RegionRow]:
        return [row for row in self.regions if row.is_proposal]


class ReviewReader:
    """Reader of one project.

    Args:
        config: Its labeling config.
        class_from: Control of the per-region choices that hold the class; "" for the label.
        keep: Controls whose boxes are somebody's work; see `read_regions`.
    """

    def __init__(self, config: LabelingConfig, class_from: str = "", keep: Iterable[str] = ()) -> None:
        known = [control.name for image in config.images for control in image.region_choices]
        if class_from and class_from not in known:
            message = f"The labeling config has no per-region choices named {shorten(repr(class_from))}."
            names = shorten(", ".join(dict.fromkeys(known))) or "none"
            raise ExportError(message, remedy=f"--class-from takes one of these: {names}.")
        self._config, self._class_from, self._keep = config, class_from, frozenset(keep)
        self._known = {label.name for image in config.images for label in image.answer_classes}

    def read(self, tasks: Iterable[Json]) -> Reviews:
        """Read all tasks; one that cannot be read is listed and does not stop the others."""
        reviews = Reviews()
        for document in tasks:
            try:
                self._read_task(document, reviews)
            except BackendError as error:
                reviews.problems.append(f"task {shorten(_id_of(document))}: {error}")
            except Exception as error:  # a malformed task must not stop the report of the others
                reason = f"The task could not be read ({type(error).__name__}: {shorten(error)}). {DAMAGED_REMEDY}"
                reviews.problems.append(f"task {shorten(_id_of(document))}: {reason}")
        return reviews

    def _read_task(self, document: Json, reviews: Reviews) -> None:
        task = parse_number(document, "id")
        submitted = list_documents(document, "annotations")
        annotations = [one for one in submitted if not one.get("was_cancelled")]
        reviews.skipped += len(submitted) - len(annotations)
        predictions = list_documents(document, "predictions")
        if annotations and predictions and not have_results(predictions):
            message = '"predictions" of the task are numbers, not predictions.'
            raise ExportError(message, remedy="Read the project with --project instead of an export file.")
        read: list[tuple[str, list[RegionSet]]] = []
        for annotation in annotations:
            annotator = name_annotator(annotation)
            prediction, link = pick_prediction(annotation, predictions)
            name = f"task {task}, annotation {shorten(annotation.get('id'))}"
            final, proposed = self._read_sets(annotation, name), self._read_sets(prediction, f"task {task}, prediction")
            number, version = parse_number(annotation, "id"), str((prediction or {}).get("model_version") or "")
            for before, after in zip(proposed, final, strict=True):
                before.drop_partners(after)
                reviews.problems += [*before.problems, *after.problems]
                reviews.undecided += after.undecided
                reviews.unknown_labels += Counter(one.label for one in after.regions if self._is_unknown(one.label))
            reviews.annotations.append(
                AnnotationRow(
                    task,
                    number,
                    annotator,
                    parse_number(prediction, "id") if prediction else None,
                    version,
                    link,
                    parse_score(prediction),
                    parse_seconds(annotation.get("lead_time")),
                    sum(len(one.regions) for one in proposed),
                    sum(len(one.regions) for one in final),
                )
            )
            if link is not Link.NONE:
                for before, after in zip(proposed, final, strict=True):
                    for match in match_regions(before.regions, after.regions):
                        row = self._row(match, reviews.annotations[-1], before.image)
                        reviews.regions.append(row)
                        reviews.worst.add(row, match, document)
            read.append((annotator, final))
        reviews.agreements += self._compare_people(task, read)

    def _read_sets(self, document: Json | None, name: str) -> list[RegionSet]:
        return [read_regions(document, image, name, self._keep) for image in self._images()]

    def _images(self) -> Iterator[ImageConfig]:
        return (image for image in self._config.images if image.answers)

    def _is_unknown(self, label: str) -> bool:
        return bool(label) and label not in self._known

    def _row(self, match: Match, annotation: AnnotationRow, image: str) -> RegionRow:
        before, after = match.proposal, match.region
        proposed, final = self._class_of(before), self._class_of(after)
        changed = _changed_choices(before, after)
        return RegionRow(
            task=annotation.task,
            annotation=annotation.annotation,
            prediction=annotation.prediction or 0,
            model_version=annotation.model_version,
            annotator=annotation.annotator,
            image=image,
            proposal_id=before.region_id if before else "",
            region_id=after.region_id if after else "",
            matched_by=match.matched_by,
            outcome=judge(match, proposed, final, changed),
            proposed_class=proposed,
            final_class=final,
            changed_choices=changed,
            score=before.score if before else None,
            iou=match.iou,
            proposed_area=before.area if before else 0,
            final_area=after.area if after else 0,
        )

    def _class_of(self, region: EncodedRegion | None) -> str:
        if region is None:
            return ""
        if self._class_from:
            return ", ".join(region.choices.get(self._class_from, ()))
        chosen = ", ".join(value for values in region.choices.values() for value in values)
        return region.label or chosen

    def _compare_people(self, task: int, read: Sequence[tuple[str, list[RegionSet]]]) -> Iterator[AgreementRow]:
        for (one, regions), (other, others) in combinations(read, 2):
            if one == other:
                continue
            pairs = [(mine, theirs) for mine, theirs in zip(regions, others, strict=True) if mine.fits(theirs)]
            matches = [m for mine, theirs in pairs for m in match_regions(mine.regions, theirs.regions, by_id=False)]
            both = [match for match in matches if match.iou is not None]
            yield AgreementRow(
                task,
                (one, other) if one <= other else (other, one),
                (sum(len(mine.regions) for mine, _ in pairs), sum(len(theirs.regions) for _, theirs in pairs)),
                len(both),
                sum(self._class_of(match.proposal) == self._class_of(match.region) for match in both),
                sum(match.iou or 0.0 for match in both),
            )


def _changed_choices(before: EncodedRegion | None, after: EncodedRegion | None) -> tuple[str, ...]:
    """Return the controls whose choice the model made and the person changed; one that was only added is not."""
    if before is None or after is None:
        return ()
    return tuple(name for name, chosen in before.choices.items() if chosen and after.choices.get(name) != chosen)


def _id_of(document: object) -> object:
    return document.get("id") if isinstance(document, Mapping) else document
