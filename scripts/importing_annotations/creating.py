"""The tasks of `--create-tasks`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from backend.bulk import Failures, Stopped
from backend.importing import TaskCreator, TaskImport, TaskIndex, choose_image, read_ready
from backend.label_studio.api import NewTaskClient, TaskFilter, TaskListing
from backend.settings import Settings
from scripts.console import show_progress
from scripts.importing_annotations.sending import Import
from scripts.importing_annotations.sources import picture_limits
from scripts.preannotating.stopping import StopSignals
from scripts.waiting import build_outages


def create_tasks(work: Import, arguments: argparse.Namespace, settings: Settings) -> tuple[Import, int]:
    """Create the tasks that are missing; return the import with them, and the exit status if a signal stopped it.

    Raises:
        LabelStudioError: As `TaskCreator.create`.
    """
    client = NewTaskClient(settings.label_studio_url, settings.label_studio_api_key)
    failures, created = Failures(), list[TaskImport]()
    with StopSignals("the tasks under way are created") as signals:
        outages = build_outages(client, work.project_id, arguments, signals.flag)

        def list_after(task_id: int) -> TaskIndex:
            tasks = TaskListing(client, outages.answer_of).iterate(work.project_id, TaskFilter(after=task_id))
            return TaskIndex(tasks, work.config, work.project_id)

        creator = TaskCreator(
            client,
            work.project_id,
            choose_image(work.config).data_key,
            list_after,
            outages,
            failures,
            arguments.settle_seconds,
            work.last_task_id,
        )
        try:
            ready = read_ready(work.new, picture_limits(settings), failures)
            created = creator.create(show_progress(ready, "creating"))
        except Stopped:
            pass
        finally:
            print(f"created {creator.created} tasks, failed {failures.failed}")
            print("".join(f"{line}\n" for line in failures.reason_lines), end="", flush=True)
    work.failures.failed += failures.failed
    plan: Sequence[TaskImport] = sorted([*work.plan, *created], key=lambda task: task.task_id)
    return replace(work, plan=plan, new=()), signals.exit_status if signals.flag.is_set() else 0
