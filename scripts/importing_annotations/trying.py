"""`--dry-run`: everything is read and built, nothing is sent."""

from __future__ import annotations

import argparse

from backend.bulk import Failures
from backend.errors import BackendError
from backend.importing import Place, TaskImport, fail_image, has_same_regions, read_ready, with_existing
from backend.label_studio.api import PredictionClient
from backend.settings import Settings
from scripts.importing_annotations.sending import Import, build_existing
from scripts.importing_annotations.sources import picture_limits


def try_everything(work: Import, arguments: argparse.Namespace, settings: Settings) -> int:
    """Build everything without sending it; print what would be sent and what would fail. Return the exit status."""
    client = PredictionClient(settings.label_studio_url, settings.label_studio_api_key)
    ids = [task.task_id for task in work.plan]
    is_stored = arguments.kind == "predictions" and not arguments.replace and ids
    done = client.tasks_with_version(work.project_id, ids, work.version) if is_stored else set[int]()
    failures, created = Failures(), 0
    for task, present in with_existing(work.plan, build_existing(client, work.project_id)):
        try:
            results = work.builder.build(task, present)
        except BackendError as error:
            failures.fail(task.task_id, error)
            continue
        if arguments.kind == "annotations" and has_same_regions(results, present):
            done.add(task.task_id)
        created += task.task_id not in done
    tasks = 0
    for ready in read_ready(work.new, picture_limits(settings), failures):
        tasks += 1
        place = Place(0, work.config.images[0], ready.new.address, 0, "")
        try:
            if ready.found.size:
                work.builder.build(TaskImport(0, ((ready.found, place),)))
            created += 1
        except BackendError as error:
            fail_image(failures, str(error))
    version = f" of version {work.version}" if arguments.kind == "predictions" else ""
    new = f"{tasks} tasks and " if arguments.create_tasks else ""
    what = f"{new}{created} {arguments.kind}{version}"
    print(f"Dry run: would create {what}; {len(done)} are there, {failures.failed} failed")
    print("".join(f"{line}\n" for line in failures.reason_lines), end="")
    return 1 if failures.failed else 0
