"""Fill a project with predictions: automatic masks by SAM, classes by CLIP.

    python -m scripts.preannotate --project 1 --url http://localhost:8080 --api-key TOKEN
    python -m scripts.preannotate --project 1 --text "the red car"      only what the text names; --text may be repeated
    python -m scripts.preannotate --project 1 --text-from-labels        what the classes of the labeling config name
    python -m scripts.preannotate --project 1 --from-boxes FILE         masks of boxes; `project`: of its rectangles
    python -m scripts.preannotate --project 1 --verify                  count what is stored and delete duplicates

It can be interrupted, killed and restarted: Label Studio and the ledger in RUNS_DIR know what is done, and each task
gets its prediction of this version exactly once. The version identifies the weights, the parameters and the vocabulary.
Annotations are not changed, and only their rectangles are read. Exit status: 0 if every task is done, or if there is
none, 1 if some failed (failures.csv lists them) or an image with boxes has no task, 130 or 143 if it was stopped by a
signal.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from backend.bulk import ClosableRunner, Progress
from backend.label_studio.api import PredictionClient, TaskListing
from backend.predict import TaskPredictor
from backend.settings import Settings
from scripts.console import add_connection_options, read_settings, run_and_leave, run_command
from scripts.live_display import show_progress_of
from scripts.preannotating.after_run import add_after_run_options, check_replaced, finish_project
from scripts.preannotating.boxes import BoxRunner, add_box_options, describe_lost
from scripts.preannotating.class_options import add_class_options
from scripts.preannotating.dry_run import add_dry_run_options, write_contact_sheet
from scripts.preannotating.importing import Work, add_import_options, import_project, verify
from scripts.preannotating.masks import add_mask_options
from scripts.preannotating.run_plan import RunPlan, check_project, check_together, plan_run
from scripts.preannotating.running import add_runner_options, build_job, build_runner, choose_models
from scripts.preannotating.selection import TaskSelector, add_selection_options, has_no_tasks
from scripts.preannotating.text_options import add_text_options, check_detector
from scripts.preannotating.time_estimate import (
    choose_cpu_clock,
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


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, predict, import, and print a summary."""
    from backend.wiring import build_limits, build_predictor, build_redis

    check_together(arguments)
    settings = read_settings(arguments.url, arguments.api_key)
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    outages = build_outages(client, str(arguments.project), arguments)
    info = fetch_project(client, str(arguments.project), outages)  # report a wrong token before loading the models
    if arguments.verify is not None:
        return verify(client, str(arguments.project), settings, arguments)
    limits = build_limits(settings).config
    project = outages.answer_of(lambda: check_project(arguments, client, info, limits))
    has_lost_boxes = project.boxes is not None and project.boxes.plan.unmatched.failed > 0
    if has_no_tasks(TaskListing(client, outages.answer_of), project.id):
        return int(has_lost_boxes)

    print(f"Project {project.id}, {project.title!r}: loading the models …", flush=True)
    redis = build_redis(settings)
    predictor = build_predictor(choose_models(settings, arguments), redis)
    if arguments.text or arguments.text_from_labels:
        check_detector(settings.detector, predictor.labeler)
    plan = plan_run(arguments, project, predictor)
    print(f"Model version {plan.version}", flush=True)
    check_replaced(arguments.replace, plan.version)

    runner, progress = build_plan_runner(arguments, settings, plan, predictor)
    select = TaskSelector(client, project.id, arguments, plan.version, project.boxed_tasks, progress)
    with closing(runner):
        if makes_automatic_masks(plan.request, predictor) and estimates_here(arguments, settings):
            what = predictor, project.config, plan.request, project.settings, project.id
            measure = partial(measure_task, *what, choose_cpu_clock(settings))
            print_time_estimate(select, lambda: progress.snapshot().total or 0, measure)
        if arguments.dry_run:
            return write_contact_sheet(
                select(), runner, project.config, predictor.fetch_image, arguments, project.title, plan.version
            )
        work = build_work(arguments, client, plan, select, runner, progress)
        status = import_project(work, settings, arguments, redis)
    print(describe_lost(progress.snapshot().noted), end="", flush=True)
    return status or int(has_lost_boxes)


def build_plan_runner(
    arguments: argparse.Namespace, settings: Settings, plan: RunPlan, predictor: TaskPredictor
) -> tuple[ClosableRunner, Progress]:
    """Build what predicts the tasks of a plan, and the counters of its stages."""
    project = plan.project
    job = build_job(
        arguments,
        settings,
        project.id,
        project.label_config,
        plan.request,
        project.settings,
        model_version=plan.models,
    )
    runner, progress = build_runner(arguments, predictor, job)
    return BoxRunner(runner, project.boxes.plan.tasks) if project.boxes else runner, progress


def build_work(
    arguments: argparse.Namespace,
    client: PredictionClient,
    plan: RunPlan,
    select: TaskSelector,
    runner: ClosableRunner,
    progress: Progress,
) -> Work:
    """Build the work of a run from its plan."""
    project_id, version = plan.project.id, plan.version
    return Work(
        client,
        project_id,
        version,
        {"settings": plan.describe(), "label_config": plan.project.label_config},
        select,
        runner,
        lambda: plan.check_same_version(client.project(project_id).label_config),
        plan.hides_others,
        lambda: show_progress_of(progress, "pre-annotating"),
        lambda answer_of: finish_project(client, project_id, arguments, version, answer_of=answer_of),
        progress.retry,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
