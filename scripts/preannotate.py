"""Fill a project with predictions: automatic masks by SAM, classes by CLIP.

    python -m scripts.preannotate --project 1 --url http://localhost:8080 --api-key TOKEN
    python -m scripts.preannotate --project 1 --text "the red car"      only what the text names; --text may be repeated
    python -m scripts.preannotate --project 1 --verify                  count what is stored and delete duplicates

It can be interrupted, killed and restarted: Label Studio and the ledger in RUNS_DIR know what is done, and each task
gets its prediction of this version exactly once. The version identifies the weights, the parameters and the vocabulary.
Annotations are neither read nor changed. Exit status: 0 if every task is done, 1 if some failed (failures.csv lists
them), 130 or 143 if it was stopped by a signal.
"""

from __future__ import annotations

import argparse
from collections.abc import Container, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from backend.bulk import Outcome
from backend.errors import BadConfig
from backend.label_studio.api import AnswerOf
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll
from backend.predict import BulkRequest, TaskPredictor, build_version
from backend.projects import ProjectSettings
from scripts.console import add_connection_options, read_settings, run_and_leave, run_command
from scripts.live_display import show_progress_of
from scripts.preannotating.after_run import add_after_run_options, check_replaced, finish_project
from scripts.preannotating.checks import check_can_name, check_can_read, check_knows_labels, read_project_settings
from scripts.preannotating.class_options import add_class_options, check_class_options, choose_options
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
from scripts.preannotating.time_estimate import estimates_here, measure_task, print_time_estimate


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
    parser.add_argument(
        "--text",
        metavar="WORDS",
        action="append",
        default=[],
        help='predict only what the text names, e.g. "the red car"; may be repeated',
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="score each mask by how far it can be trusted, so that the doubtful tasks are reviewed first",
    )
    add_mask_options(parser)
    add_runner_options(parser)
    add_import_options(parser)
    add_class_options(parser)
    return parser


def hides_others(request: BulkRequest, outcome: Outcome) -> bool:
    """Whether a prediction without a mask would hide earlier ones: Label Studio shows the newest."""
    is_empty = outcome.prediction is not None and not outcome.prediction["result"]
    return isinstance(request, FindText) and bool(outcome.task.get("has_others")) and is_empty


def describe_run(
    model_version: str, config: LabelingConfig, request: BulkRequest, settings: ProjectSettings
) -> dict[str, Any]:
    """Describe a run by values that can be compared with those of another run."""
    texts = {"texts": list(request.texts)} if isinstance(request, FindText) else {}
    labels = [label.name for image in config.images for label in image.answer_classes]
    choices = [label.name for image in config.images for control in image.region_choices for label in control.labels]
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
    check_can_name(predictor.labeler.can_classify, config)
    check_knows_labels(predictor.labeler, config)
    texts = tuple(dict.fromkeys(arguments.text))
    check_can_read(predictor.labeler.can_classify, texts)
    proposal = choose_options(override(predictor.default_proposal(), arguments), arguments)
    check_class_options(proposal, config, predictor.labeler, texts)
    request: BulkRequest = FindText(texts, proposal) if texts else SegmentAll(proposal)
    return replace(request, review=arguments.review)


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, predict, import, and print a summary."""
    from backend.label_studio.api import PredictionClient
    from backend.wiring import build_limits, build_predictor, build_redis

    check_dry_run(arguments)
    check_runner_options(arguments)
    settings = read_settings(arguments.url, arguments.api_key)
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)  # report a wrong token before loading the models
    if arguments.verify is not None:
        return verify(client, project_id, settings, arguments)
    limits = build_limits(settings).config
    config = parse_labeling_config(project.label_config, limits)
    project_settings = read_project_settings(client, project_id, project.label_config, limits)
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    redis = build_redis(settings)
    predictor = build_predictor(choose_models(settings, arguments), redis)
    request = build_request(arguments, predictor, config)
    version = build_version(predictor.model_version, config, request, project_settings)
    print(f"Model version {version}", flush=True)
    check_replaced(arguments.replace, version)

    job = build_job(
        arguments,
        settings,
        project_id,
        project.label_config,
        request,
        project_settings,
        model_version=predictor.model_version,
    )
    runner, progress = build_runner(arguments, predictor, job)

    says_missing = True

    def select(answer_of: AnswerOf = lambda ask: ask(), without: Container[int] = ()) -> Selection:
        nonlocal says_missing

        def keep(task: int) -> bool:
            return task not in without and (arguments.shard is None or arguments.shard.holds(task))

        selection = select_tasks(
            client, project_id, arguments, version, answer_of=answer_of, keep=keep, says_missing=says_missing
        )
        says_missing = False
        left = selection.count() // (arguments.shard.count if arguments.shard else 1)
        progress.expect(progress.snapshot().finished + left)  # after an outage it is asked again
        return selection

    if estimates_here(arguments, settings):
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
        check_same_version(version, build_version(predictor.model_version, now, request, project_settings), project_id)

    work = Work(
        client,
        project_id,
        version,
        {
            "settings": describe_run(predictor.model_version, config, request, project_settings),
            "label_config": project.label_config,
        },
        select,
        runner,
        check_project,
        lambda outcome: hides_others(request, outcome),
        lambda: show_progress_of(progress, "pre-annotating"),
        lambda answer_of: finish_project(client, project_id, arguments, version, answer_of=answer_of),
    )
    with closing(runner):
        return import_project(work, settings, arguments, redis)


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
