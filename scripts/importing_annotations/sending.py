"""From the options to the work: the project's tasks, the plan, and predictions or annotations."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from backend.bulk import Failures, Stopped
from backend.errors import BadSettings
from backend.export import FoundDataSet
from backend.images import SourceImage
from backend.importing import (
    NewTask,
    Place,
    PlannedTasks,
    PredictionBuilder,
    SendCounts,
    TaskImport,
    TaskIndex,
    TaskResults,
    add_ordinary_rectangles,
    check_labels,
    check_shape,
    clear_stored,
    plan_import,
    plan_with_new,
    send_annotations,
    with_existing,
)
from backend.label_studio.api import AnnotatedTasks, AnnotationClient, AnswerOf, PredictionClient, TaskListing
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.settings import Settings
from backend.values import Size
from scripts.console import show_progress
from scripts.image_fetching import build_fetcher
from scripts.importing_annotations.options import READERS, describe_result_options, read_result_options
from scripts.importing_annotations.sources import build_source, check_task_options, compare_with_tasks
from scripts.importing_annotations.summary import ImportSummary
from scripts.preannotating.importing import Work, import_project
from scripts.preannotating.stopping import StopSignals
from scripts.waiting import build_outages, fetch_project

Json = dict[str, Any]
Annotated = Iterable[tuple[TaskImport, Sequence[Json]]]
UNMATCHED_REMEDY = "Add --create-tasks, or import the picture into the project first, under the same name."


@dataclass(frozen=True)
class Import:
    """An import whose files were read and whose images were matched; nothing is sent yet.

    Attributes:
        version: Of predictions.
        new: Tasks to create, with --create-tasks.
        last_task_id: The highest id of the project's tasks.
        creates_tasks: Whether --create-tasks was given.
        compared: Number of images that were matched by name, and whose picture is the task's.
    """

    project_id: str
    label_config: str
    config: LabelingConfig
    data_set: FoundDataSet
    plan: Sequence[TaskImport]
    failures: Failures
    builder: TaskResults
    version: str
    new: Sequence[NewTask] = ()
    last_task_id: int = 0
    creates_tasks: bool = False
    compared: int = 0

    def summary(self) -> ImportSummary:
        """Return what is known so far."""
        new, compared = len(self.new), self.compared
        return ImportSummary(
            self.data_set, self.plan, self.builder, self.failures, new, self.creates_tasks, compared=compared
        )


def prepare(arguments: argparse.Namespace, settings: Settings) -> Import:
    """Read the data set, check its labels, list the project's tasks and match them.

    Raises:
        BadDataSet: The files cannot be read, or use labels that the project does not have.
        BadSettings, BadConfig, LabelStudioError: The options, the labeling config or the project.
    """
    from backend.wiring import build_limits

    check_task_options(arguments)
    if arguments.kind == "annotations" and (arguments.replace or arguments.model_version):
        option = "--replace" if arguments.replace else "--model-version"
        raise BadSettings(f"{option} is of predictions.", remedy="Leave it out with --as annotations.")
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    outages = build_outages(client, arguments.project, arguments)
    project = fetch_project(client, arguments.project, outages)
    config = parse_labeling_config(project.label_config, build_limits(settings).config)
    options = read_result_options(arguments, config)
    if arguments.shape:
        check_shape(config, arguments.shape)
    data_set = READERS[arguments.format](arguments.path)
    check_labels(data_set, [add_ordinary_rectangles(image) for image in config.images], options)
    project_id, failures = str(arguments.project), Failures()
    tasks = TaskListing(client, outages.answer_of).iterate(project_id)
    source = build_source(arguments, data_set, config) if arguments.create_tasks else None
    if source:
        data_set = replace(data_set, images=[source.addressed(found) for found in data_set.images])
    index, new, compared = TaskIndex(show_progress(tasks, "listing"), config, project_id), list[NewTask](), 0
    if source:
        plan, new = plan_with_new(data_set, index, failures, source)
        compared = compare_with_tasks(plan, source, client, outages)
    else:
        plan = plan_import(data_set, index, failures, by_name=arguments.by_name, remedy=UNMATCHED_REMEDY)
    builder = TaskResults(options, build_fetch_size(settings, project_id), arguments.skip_bad_regions)
    version = arguments.model_version or build_version(arguments, data_set)
    return Import(
        project_id,
        project.label_config,
        config,
        data_set,
        plan,
        failures,
        builder,
        version,
        new,
        index.last_task_id,
        creates_tasks=arguments.create_tasks,
        compared=compared,
    )


def build_version(arguments: argparse.Namespace, data_set: FoundDataSet) -> str:
    """Build the default version of predictions: other files or options make another one."""
    options = describe_result_options(arguments)
    suffix = f"-{hashlib.sha256(options.encode()).hexdigest()[:4]}" if options else ""
    return f"{arguments.format}-{data_set.digest}{suffix}"


def send_as_predictions(work: Import, arguments: argparse.Namespace, settings: Settings) -> int:
    """Store the predictions, each exactly once; return the exit status."""
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    patient: AnswerOf = lambda ask: ask()  # noqa: E731 - until the run says how it waits out outages

    def select(answer_of: AnswerOf = patient, without: object = (), last: object = ()) -> PlannedTasks:
        nonlocal patient
        patient = answer_of

        def stored(ids: Sequence[int]) -> set[int]:
            if arguments.replace or not ids:
                return set()
            return answer_of(lambda: client.tasks_with_version(work.project_id, ids, work.version))

        fetch = build_existing(client, work.project_id, answer_of)
        return PlannedTasks(work.plan, lambda tasks: show_progress(with_existing(tasks, fetch), "importing"), stored)

    def check_project() -> None:
        client.project(work.project_id)

    def clear(task_id: int) -> None:
        if arguments.replace:
            clear_stored(client, work.project_id, work.version, task_id, patient)

    print(f"Model version {work.version}", flush=True)
    source = f"{arguments.format} {work.data_set.digest} {describe_result_options(arguments)}".strip()
    about = {"import": source, "label_config": work.label_config}
    run = Work(
        client,
        work.project_id,
        work.version,
        about,
        select,
        PredictionBuilder(work.builder, clear),
        check_project,
        lambda outcome: False,
        nullcontext,
    )
    return import_project(run, settings, arguments)


def send_as_annotations(work: Import, arguments: argparse.Namespace, settings: Settings) -> int:
    """Create the annotations that are missing; return the exit status."""
    client = AnnotationClient(settings.label_studio_url, settings.label_studio_api_key)
    with StopSignals("the annotation under way is sent") as signals:
        outages = build_outages(client, work.project_id, arguments, signals.flag, resumes=True)
        fetch = build_existing(client, work.project_id, outages.answer_of)
        failures = Failures()

        def until_stopped() -> Annotated:
            for one in show_progress(with_existing(work.plan, fetch), "importing"):
                if signals.flag.is_set():
                    return
                yield one

        counts = SendCounts()
        with suppress(Stopped):
            send_annotations(
                until_stopped(),
                work.builder,
                client,
                outages,
                failures,
                counts,
                existing=fetch,
                settle_seconds=arguments.settle_seconds,
            )
        print(f"created {counts.created}, skipped {counts.skipped} (they have these regions), failed {failures.failed}")
        print("".join(f"{line}\n" for line in failures.reason_lines), end="")
        if signals.flag.is_set():
            return signals.exit_status
    return 1 if failures.failed else 0


def build_existing(
    client: PredictionClient | AnnotationClient, project_id: str, answer_of: AnswerOf = lambda ask: ask()
) -> Callable[[Sequence[int]], Mapping[int, Sequence[Json]]]:
    """Build a function that fetches the annotations of tasks."""
    reader = AnnotatedTasks(client, answer_of)

    def fetch(ids: Sequence[int]) -> Mapping[int, Sequence[Json]]:
        return {task["id"]: task.get("annotations") or [] for task in reader.iterate(project_id, ids)}

    return fetch


def build_fetch_size(settings: Settings, project_id: str) -> Callable[[Place], Size]:
    """Build a function that fetches a task's image and returns its upright size, with the limits of the settings."""
    fetcher = build_fetcher(settings)

    def fetch_size(place: Place) -> Size:
        content = fetcher.fetch(place.uri, place.task_id, project_id)
        return SourceImage(content, place.uri, settings.image_max_pixels, settings.image_max_scans).size

    return fetch_size
