"""The run of `scripts.preannotate` from its ledger to its sweep, whatever predicts and whatever lists the tasks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from backend.bulk import (
    UNCHANGED,
    Ledger,
    Outages,
    Outcome,
    PredictionImporter,
    ProjectRun,
    RunFolder,
    Runner,
    StopFlag,
    Summary,
    Sweep,
    Target,
    describe_changes,
    describe_holder,
    hold_lock,
    identify_run,
    refuse,
)
from backend.cache import GuardedRedis, RunLease
from backend.errors import BadSettings, shorten
from backend.label_studio.api import AnswerOf, PredictionClient
from backend.settings import Settings
from scripts.console import duration
from scripts.preannotating.shards import parse_shard
from scripts.preannotating.stopping import StopSignals
from scripts.waiting import add_give_up_option

Json = dict[str, Any]
CONTINUE = "interrupted; completed work is kept, run the same command to continue"


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ledger, import and sweep."""
    options = parser.add_argument_group("import", "each task gets its prediction exactly once, see docs/bulk_runs.md")
    options.add_argument(
        "--shard",
        type=parse_shard,
        metavar="I/N",
        help="do only the I-th of N parts, to share a project among machines",
    )
    add_give_up_option(options)
    options.add_argument(
        "--settle-seconds",
        type=duration,
        default=150.0,
        metavar="S",
        help="how long after a lost answer Label Studio may still store its predictions; longer than all time-outs on "
        "the way (default: 150)",
    )
    options.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="VERSION",
        help="predict nothing; count the predictions of this version (default: of all runs known here) and delete "
        "duplicates",
    )


class Chosen(Protocol):
    """The part of `selection.Selection` that is needed here."""

    def __iter__(self) -> Iterator[Json]: ...

    def count_done(self) -> int: ...


@dataclass(frozen=True)
class Work:
    """What a run does.

    Attributes:
        about: What is written into the ledger; "settings" is compared with the project's last run.
        select: Chooses the tasks without a prediction of this version. What it is given waits out outages, the tasks to
            leave out, and those that come after all others.
        check_project: Raises if the project was deleted, or if its labeling config no longer gives this version.
        show: Context in which the progress is shown.
        finish: What follows a run that went through all tasks; what it is given waits out outages.
        on_retry: Called for each task that has failed and comes again.
    """

    client: PredictionClient
    project_id: str
    version: str
    about: Mapping[str, Any]
    select: Callable[[AnswerOf, Container[int], Collection[int]], Chosen]
    runner: Runner
    check_project: Callable[[], object]
    is_unchanged: Callable[[Outcome], bool]
    show: Callable[[], AbstractContextManager[object]]
    finish: Callable[[AnswerOf], object] = lambda answer_of: None
    on_retry: Callable[[], object] = lambda: None


def import_project(
    work: Work, settings: Settings, arguments: argparse.Namespace, redis: GuardedRedis | None = None
) -> int:
    """Do the work, print the summary, sweep; return the exit status.

    Raises:
        RunRefused: Another run does the same work.
        LedgerError: The ledger cannot be used.
        LabelStudioError: As `ProjectRun.run`.
    """
    identity = identify_run(work.client.url, work.project_id, work.version)
    folder = RunFolder(settings.runs_path, identity, str(arguments.shard or ""))
    summary = Summary()
    with StopSignals() as signals, hold_lock(folder), hold_lease(folder, redis, signals.flag):
        _show_changes(folder, work.about)
        with folder.open_ledger(work.about) as ledger:
            outages = _build_outages(work.client, work.project_id, arguments, signals.flag, resumes=True)
            try:
                without = {int(task) for task in ledger.done_because(UNCHANGED)}
                if without:
                    print(f"{len(without)} tasks are left out: nothing was found there before.", flush=True)
                failed = {int(one.task) for one in ledger.failures()}
                chosen = work.select(outages.answer_of, without, failed)
                summary.skipped = chosen.count_done()
                _run(work, chosen, ledger, outages, summary, arguments, signals.flag)
                if not summary.was_stopped:
                    sweep = Sweep(work.client, work.project_id, work.version, outages)
                    summary.surplus = sweep.run([int(task) for task in ledger.sent_repeatedly()]).deleted
                    work.finish(outages.answer_of)
            finally:
                failures = folder.write_failures(ledger)
                print(summary, flush=True)
                if failures is not None:
                    print(f"Each task that failed or is gone, with its reason: {failures}", flush=True)
    if summary.was_stopped:
        print(CONTINUE, file=sys.stderr)
        return signals.exit_status
    if not (summary.has_tasks or without):
        print("Nothing was done: the options choose no task.", flush=True)
    return 1 if summary.failed or summary.in_doubt else 0


def verify(client: PredictionClient, project_id: str, settings: Settings, arguments: argparse.Namespace) -> int:
    """Count the predictions of a version, or of all runs that this machine knows, and delete duplicates."""
    folder = RunFolder(settings.runs_path, identify_run(client.url, project_id, arguments.verify))
    versions = [arguments.verify] if arguments.verify else folder.versions()
    if not versions:
        message = f"No run of project {project_id} is known in {settings.runs_path}."
        raise BadSettings(message, remedy="Give the version that a run has printed: --verify VERSION.")
    with StopSignals() as signals:
        outages = _build_outages(client, project_id, arguments, signals.flag)
        known = outages.answer_of(lambda: client.versions(project_id))
        if arguments.verify and arguments.verify not in known:
            message = f"No task of project {project_id} has a prediction of version {shorten(arguments.verify)}."
            raise BadSettings(message, remedy=f"It has: {shorten(', '.join(known)) or 'no predictions'}.")
        for version in versions:
            print(Sweep(client, project_id, version, outages).run(), flush=True)
    return 0


@contextmanager
def hold_lease(folder: RunFolder, redis: GuardedRedis | None, stop: StopFlag) -> Iterator[None]:
    """Hold the lease of a run on all machines that share a Redis; without one, do nothing.

    Raises:
        RunRefused: Another run holds it, or took it while Redis was away.
    """
    if redis is None:
        yield
        return
    lost: list[str] = []

    def stop_run(holder: str) -> None:
        lost.append(holder)
        stop.set()

    identity = folder.identity
    work = f"{identity.server}:{identity.project}:{identity.version}"
    lease = RunLease(redis, work, folder.shard, describe_holder(), stop_run)
    if (holder := lease.acquire()) is not None:
        raise refuse(folder, holder)
    try:
        yield
    finally:
        lease.release()
    if lost:
        raise refuse(folder, lost[0])


def _run(
    work: Work,
    chosen: Chosen,
    ledger: Ledger,
    outages: Outages,
    summary: Summary,
    arguments: argparse.Namespace,
    stop: StopFlag,
) -> None:
    target = Target(work.client, work.project_id, work.version, work.check_project)
    importer = PredictionImporter(target, ledger, outages, summary, settle_seconds=arguments.settle_seconds)
    ProjectRun(
        target,
        chosen,
        work.runner,
        importer,
        ledger,
        outages,
        summary,
        stop,
        settle_seconds=arguments.settle_seconds,
        is_unchanged=work.is_unchanged,
        show=work.show,
        on_retry=work.on_retry,
    ).run()


def _build_outages(
    client: PredictionClient,
    project_id: str,
    arguments: argparse.Namespace,
    stop: StopFlag,
    *,
    resumes: bool = False,
) -> Outages:
    return Outages(
        lambda: client.check(project_id),
        stop,
        give_up_after_seconds=60 * arguments.give_up_after,
        say=lambda sentence: print(sentence, flush=True),
        resumes=resumes,
    )


def _show_changes(folder: RunFolder, about: Mapping[str, Any]) -> None:
    """Print in what this run differs from the project's last one, if both say what they were made with."""
    previous = folder.previous_run()
    if previous is None or "settings" not in about or "settings" not in previous.about:
        return
    print(f"The last run of this project here had version {previous.version}; the difference:")
    now = json.loads(json.dumps(about["settings"]))  # as the ledger gives back what it keeps
    changes = describe_changes(previous.about["settings"], now)
    for line in changes or ["nothing that is written down"]:
        print(f"  {line}", flush=True)
