"""Fill a project with predictions: automatic masks by SAM, classes by CLIP.

    python -m scripts.preannotate --project 1 --url http://localhost:8080 --api-key TOKEN
    python -m scripts.preannotate --project 1 --text "the red car"      only what the text names; --text may be repeated
    python -m scripts.preannotate --project 1 --text-from-labels        what the classes of the labeling config name
    python -m scripts.preannotate --project 1 --from-boxes FILE         masks of boxes; `project`: of its rectangles
    python -m scripts.preannotate --project 1 --verify                  count what is stored and delete duplicates

It can be interrupted, killed and restarted: Label Studio and the ledger in RUNS_DIR know what is done, and each task
gets its prediction of this version exactly once. The version identifies the weights, the parameters and the vocabulary.
Annotations are not changed, and only their rectangles are read. Exit status: 0 if every task is done, 1 if some failed
(failures.csv lists them) or an image with boxes has no task, 130 or 143 if it was stopped by a signal.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Container, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from backend.bulk import Outcome
from backend.errors import BadConfig
from backend.label_studio.api import AnswerOf
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, FromBoxes, SegmentAll
from backend.predict import BulkRequest, TaskPredictor, build_version
from backend.projects import ProjectSettings
from scripts.console import add_connection_options, read_settings, run_and_leave, run_command
from scripts.live_display import show_progress_of
from scripts.preannotating.after_run import add_after_run_options, check_replaced, finish_project
from scripts.preannotating.boxes import BoxRunner, add_box_options, check_box_options, collect_boxes, describe_lost
from scripts.preannotating.checks import check_can_name, check_knows_labels, check_options, read_project_settings
from scripts.preannotating.class_options import add_class_options, check_classes_are_known, choose_options
from scripts.preannotating.dry_run import add_dry_run_options, check_dry_run, write_contact_sheet
from scripts.preannotating.importing import Work, add_import_options, import_project, verify
from scripts.preannotating.masks import add_mask_options, override
from scripts.preannotating.running import (
    add_runner_options,
    build_job,
    build_runner,
    check_runner_options,
    choose_models,
)
from scripts.preannotating.selection import Selection, add_selection_options, select_tasks
from scripts.preannotating.text_options import add_text_options, check_detector, check_request, read_request
from scripts.preannotating.time_estimate import (
    estimates_here,
    makes_automatic_masks,
    measure_task,
    print_time_estimate,
)
from scripts.waiting import build_outages, fetch_project


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preannotate",
        description="Fill a project with predictions: masks by SAM, classes by CLIP.",
    )
    add_connection_options(parser)
    add_selection_options(parser)
    add_dry_run_options(parser)
    add_after_run_options(parser)
    add_text_options(parser)
    parser.add_argument(
        "--review",
        action="store_true",
        help="score each mask by how far it can be trusted, so that the doubtful tasks are reviewed first",
    )
    add_box_options(parser)
    add_mask_options(parser)
    add_runner_options(parser)
    add_import_options(parser)
    add_class_options(parser)
    return parser


def hides_others(request: BulkRequest, outcome: Outcome) -> bool:
    """Whether a prediction without a mask would hide earlier ones: Label Studio shows the newest."""
    is_empty = outcome.prediction is not None and not outcome.prediction["result"]
    return isinstance(request, FindText | FromBoxes) and bool(outcome.task.get("has_others")) and is_empty


def describe_run(
    model_version: str, config: LabelingConfig, request: BulkRequest, settings: ProjectSettings
) -> dict[str, Any]:
    """Describe a run by values that can be compared with those of another run."""
    texts: dict[str, Any] = {"texts": list(request.texts)} if isinstance(request, FindText) else {}
    if isinstance(request, FindText) and request.from_labels:
        texts = {"text_from_labels": True}
    labels = [label.name for image in config.images for label in image.answer_classes]
    choices = [label.name for image in config.images for control in image.region_choices for label in control.labels]
    if isinstance(request, FromBoxes):
        options: dict[str, Any] = {"boxes": dict(request.source)}
    else:
        options = asdict(request.options) if request.options else {}
    review = {"review": True} if request.review else {}
    return {
        "models": model_version,
        "labels": labels,
        "choices": choices,
        **texts,
        **review,
        **options,
        **settings.changed(),
    }


def build_request(arguments: argparse.Namespace, predictor: TaskPredictor, config: LabelingConfig) -> BulkRequest:
    """Build what is asked of every task; raises BadSettings or BadPrompt if the models cannot answer it."""
    search = read_request(arguments)
    if search is None or not check_request(search, predictor.labeler, config):
        check_can_name(predictor.labeler.can_classify, config)
        check_knows_labels(predictor.labeler, config)
    proposal = choose_options(override(predictor.default_proposal(), arguments), arguments)
    check_classes_are_known(proposal, predictor.labeler)
    return replace(search or SegmentAll(), options=proposal, review=arguments.review)


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, predict, import, and print a summary."""
    from backend.label_studio.api import PredictionClient
    from backend.wiring import build_limits, build_predictor, build_redis

    check_dry_run(arguments)
    check_runner_options(arguments)
    check_box_options(arguments)
    settings = read_settings(arguments.url, arguments.api_key)
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    outages = build_outages(client, project_id, arguments)
    project = fetch_project(client, project_id, outages)  # report a wrong token before loading the models
    if arguments.verify is not None:
        return verify(client, project_id, settings, arguments)
    limits = build_limits(settings).config
    config = parse_labeling_config(project.label_config, limits)
    check_options(arguments, config, client, project_id)
    project_settings = read_project_settings(client, project_id, project.label_config, limits)
    boxes = collect_boxes(arguments, client, project_id, config) if arguments.from_boxes else None
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    redis = build_redis(settings)
    predictor = build_predictor(choose_models(settings, arguments), redis)
    if arguments.text or arguments.text_from_labels:
        check_detector(settings.detector, predictor.labeler)
    request = boxes.request if boxes else build_request(arguments, predictor, config)
    models = predictor.version_for(request)
    version = build_version(models, config, request, project_settings)
    print(f"Model version {version}", flush=True)
    check_replaced(arguments.replace, version)

    job = build_job(
        arguments,
        settings,
        project_id,
        project.label_config,
        request,
        project_settings,
        model_version=models,
    )
    runner, progress = build_runner(arguments, predictor, job)
    if boxes:
        runner = BoxRunner(runner, boxes.plan.tasks)

    says_missing = True

    def select(
        answer_of: AnswerOf = lambda ask: ask(), without: Container[int] = (), last: Collection[int] = ()
    ) -> Selection:
        nonlocal says_missing

        def keep(task: int) -> bool:
            return task not in without and (arguments.shard is None or arguments.shard.holds(task))

        among = boxes.plan.tasks if boxes else None
        selection = select_tasks(
            client,
            project_id,
            arguments,
            version,
            answer_of=answer_of,
            keep=keep,
            last=last,
            says_missing=says_missing,
            among=among,
        )
        says_missing = False
        left = selection.count() // (arguments.shard.count if arguments.shard else 1)
        progress.expect(progress.snapshot().finished + left)  # after an outage it is asked again
        return selection

    if makes_automatic_masks(request, predictor) and estimates_here(arguments, settings):
        print_time_estimate(
            select,
            lambda: progress.snapshot().total or 0,
            lambda task: measure_task(predictor, config, request, project_settings, task, project_id),
        )
    if arguments.dry_run:
        with closing(runner):
            return write_contact_sheet(
                select(), runner, config, predictor.fetch_image, arguments, project.title, version
            )

    def check_project() -> None:
        now = parse_labeling_config(client.project(project_id).label_config, limits)
        check_same_version(version, build_version(models, now, request, project_settings), project_id)

    work = Work(
        client,
        project_id,
        version,
        {
            "settings": describe_run(models, config, request, project_settings),
            "label_config": project.label_config,
        },
        select,
        runner,
        check_project,
        lambda outcome: hides_others(request, outcome),
        lambda: show_progress_of(progress, "pre-annotating"),
        lambda answer_of: finish_project(client, project_id, arguments, version, answer_of=answer_of),
        progress.retry,
    )
    with closing(runner):
        status = import_project(work, settings, arguments, redis)
    print(describe_lost(progress.snapshot().noted), end="", flush=True)
    return status or int(boxes is not None and boxes.plan.unmatched.failed > 0)


def check_same_version(version: str, now: str, project_id: str) -> None:
    """Raise BadConfig if the labeling config has changed so much that its predictions have another version."""
    if now != version:
        message = (
            f"The labeling config of project {project_id} changed during the run, for which the version is {now} now."
        )
        raise BadConfig(message, remedy="Run the same command again; it predicts with the labels that are there now.")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
