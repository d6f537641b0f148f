"""Which tasks of a project are pre-annotated: the command's options, and the tasks that they choose."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from backend.bulk import Progress
from backend.errors import shorten
from backend.label_studio.api import AnswerOf, LabelStudioClient, TaskFilter, TaskListing
from scripts.console import positive_int

Json = dict[str, Any]
MAX_NAMED = 10  # missing ids in a message


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add --view, --task-ids, --only-unlabeled, --only-without-predictions and --limit."""
    group = parser.add_argument_group(
        "tasks", "by default all without a prediction of this model version; several options must all agree"
    )
    group.add_argument(
        "--view", type=positive_int, metavar="ID", help='only the tasks of a Data Manager tab, by its "tab=ID"'
    )
    group.add_argument(
        "--task-ids",
        type=parse_task_ids,
        metavar="IDS",
        help="only these tasks: 4,8,15 or the name of a file with ids",
    )
    group.add_argument("--only-unlabeled", action="store_true", help="only tasks without a submitted annotation")
    group.add_argument(
        "--only-without-predictions", action="store_true", help="only tasks without a prediction of any model"
    )
    group.add_argument("--limit", type=positive_int, metavar="N", help="at most N tasks")


def parse_task_ids(text: str) -> list[int]:
    """Parse task ids that are separated by commas or white space, or the name of a file that holds such ids.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read, holds something else, or holds nothing.
    """
    is_list = re.fullmatch(r"[\d,\s]+", text) is not None
    content, place = (text, "") if is_list else (_read(Path(text)), f" in {shorten(text)}")
    words = re.split(r"[,\s]+", content.strip().strip(","))
    if words == [""]:
        raise argparse.ArgumentTypeError(f"there is no task id{place}")
    for word in words:
        if not re.fullmatch(r"[0-9]{1,18}", word):
            raise argparse.ArgumentTypeError(f"{shorten(word)!r}{place} is not a task id, which is a number")
    return sorted({int(word) for word in words})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = f"{shorten(str(path))!r} is neither a list of task ids nor a file that can be read ({error.strerror})"
        raise argparse.ArgumentTypeError(reason) from error
    except UnicodeDecodeError as error:
        raise argparse.ArgumentTypeError(f"{shorten(str(path))!r} is not a text file with task ids") from error


@dataclass(frozen=True)
class Selection:
    """The chosen tasks that have no prediction of the model version yet; iterating asks Label Studio page by page.

    Attributes:
        tasks: What Label Studio filters by.
        keep: What this machine filters by, before `limit` is counted; None keeps all.
        last: Tasks that come after all others, so that those which failed before do not use up `limit` for ever.
    """

    listing: TaskListing
    project_id: str
    tasks: TaskFilter
    limit: int | None = None
    keep: Callable[[int], bool] | None = None
    last: Collection[int] = ()

    def __iter__(self) -> Iterator[Json]:
        """Yield task documents by ascending id: "id", "data", and "has_others", whether it has other predictions."""
        chosen = self.tasks.task_ids
        last = sorted(set(self.last) if chosen is None else set(self.last).intersection(chosen))
        first = self._documents(self.tasks, frozenset(last))
        return islice(chain(first, self._documents(replace(self.tasks, task_ids=last))), self.limit)

    def _documents(self, tasks: TaskFilter, without: Container[int] = ()) -> Iterator[Json]:
        for task in self.listing.iterate(self.project_id, tasks):
            if task["id"] not in without and (self.keep is None or self.keep(task["id"])):
                yield {"id": task["id"], "data": task["data"], "has_others": bool(task["total_predictions"])}

    def count(self) -> int:
        """Count the tasks, `keep` left aside."""
        total = self.listing.count(self.project_id, self.tasks)
        return total if self.limit is None else min(total, self.limit)

    def count_done(self) -> int:
        """Count the chosen tasks that have a prediction of the version already."""
        chosen = self.listing.count(self.project_id, replace(self.tasks, without_version=""))
        return chosen - self.listing.count(self.project_id, self.tasks)

    def sample(self, size: int) -> list[Json]:
        """Fetch tasks that are spread evenly over all, `keep` left aside."""
        limited = size if self.limit is None else min(size, self.limit)
        return self.listing.sample(self.project_id, self.tasks, limited)


def select_tasks(
    client: LabelStudioClient,
    project_id: str,
    arguments: argparse.Namespace,
    version: str,
    *,
    answer_of: AnswerOf = lambda request: request(),
    keep: Callable[[int], bool] | None = None,
    says_missing: bool = True,
    among: Collection[int] | None = None,
    last: Collection[int] = (),
) -> Selection:
    """Select the tasks that the options of `add_selection_options` choose and that lack this model version.

    Ids that the project does not have are left out.

    Args:
        answer_of: See `TaskListing`; waits out outages.
        keep, last: See `Selection`.
        says_missing: Whether the ids that the project does not have are printed.
        among: Only these tasks; None for all.

    Raises:
        LabelStudioError: The project has no such tab, or Label Studio refused.
    """
    listing = TaskListing(client, answer_of)
    chosen: list[int] | None = arguments.task_ids
    if chosen is not None:
        existing = listing.existing(project_id, chosen)
        if says_missing:
            _print_missing(existing, chosen, project_id)
    if arguments.view is not None:
        in_tab = set(listing.tab_task_ids(project_id, arguments.view))
        chosen = sorted(in_tab if chosen is None else in_tab.intersection(chosen))
    if among is not None:
        chosen = sorted(set(among) if chosen is None else set(among).intersection(chosen))
    tasks = TaskFilter(
        without_version=version,
        unlabeled=arguments.only_unlabeled,
        without_predictions=arguments.only_without_predictions,
        task_ids=chosen,
    )
    return Selection(listing, project_id, tasks, arguments.limit, keep, last)


@dataclass
class TaskSelector:
    """Chooser of a run's tasks, called again after every outage.

    Args:
        arguments: Also with `shard`, the part of the project that is chosen from; None for all of it.
        among: Only these tasks; None for all.
        progress: Told how many tasks the run has.
    """

    client: LabelStudioClient
    project_id: str
    arguments: argparse.Namespace
    version: str
    among: Collection[int] | None
    progress: Progress
    _says_missing: bool = field(default=True, init=False)

    def __call__(
        self,
        answer_of: AnswerOf = lambda request: request(),
        without: Container[int] = (),
        last: Collection[int] = (),
    ) -> Selection:
        """Select the tasks that lack the version.

        Args:
            without: Tasks that are left out.
            answer_of, last: See `select_tasks`.

        Raises:
            LabelStudioError: As `select_tasks`.
        """
        shard = self.arguments.shard

        def keep(task: int) -> bool:
            return task not in without and (shard is None or shard.holds(task))

        selection = select_tasks(
            self.client,
            self.project_id,
            self.arguments,
            self.version,
            answer_of=answer_of,
            keep=keep,
            last=last,
            says_missing=self._says_missing,
            among=self.among,
        )
        self._says_missing = False
        left = selection.count() // (shard.count if shard else 1)
        self.progress.expect(self.progress.snapshot().finished + left)
        return selection


def has_no_tasks(listing: TaskListing, project_id: str) -> bool:
    """Return whether a project is empty, and say so."""
    is_empty = listing.count(project_id) == 0
    if is_empty:
        print(f"Nothing was done: project {project_id} has no tasks. Import pictures into it first.", flush=True)
    return is_empty


def _print_missing(existing: set[int], chosen: list[int], project_id: str) -> None:
    missing = [task_id for task_id in chosen if task_id not in existing]
    if missing:
        named = ", ".join(map(str, missing[:MAX_NAMED])) + (", …" if len(missing) > MAX_NAMED else "")
        print(f"{len(missing)} of {len(chosen)} task ids are not in project {project_id}: {named}", flush=True)
