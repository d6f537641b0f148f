"""Creation of tasks, some at a time, each once.

After a lost answer Label Studio may have created them, or may still do so: it is asked for tasks with a higher id than
all known ones until a settle time is over, and only those that are still missing are sent again. A refused request is
sent again in halves, so that one bad picture costs only itself; so is one that Label Studio itself answers with status
500, as it does (1.23.2) when pictures have more bytes than its DATA_UPLOAD_MAX_MEMORY_SIZE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from backend.bulk import Failures, Outages
from backend.errors import BackendError, LabelStudioError, LabelStudioUnavailable, NoAnswer
from backend.export import FoundImage
from backend.importing.find_pictures import PictureLimits, read_picture
from backend.importing.match_images import Place, TaskIndex
from backend.importing.new_tasks import NewTask
from backend.importing.plan import TaskImport, fail_image, group_by_task
from backend.importing.send_annotations import FIRST_PAUSE_SECONDS, MAX_LOST_ANSWERS, MAX_PAUSE_SECONDS, MAX_REFUSALS

MAX_BYTES = 16 << 20  # of the pictures in one request, unless one has more
MAX_PICTURES = 50  # Django takes at most 100 files
MAX_TASKS = 500


class TaskStore(Protocol):
    """The part of `label_studio.api.NewTaskClient` that is needed here."""

    def create(self, project_id: str, data: Sequence[Mapping[str, str]]) -> list[int]: ...

    def upload(self, project_id: str, pictures: Sequence[tuple[str, bytes]]) -> list[int]: ...


@dataclass(frozen=True, eq=False)
class ReadyTask:
    """A new task whose picture was read and checked, if it is to be uploaded."""

    new: NewTask
    found: FoundImage
    content: bytes = b""


def read_ready(tasks: Iterable[NewTask], limits: PictureLimits, failures: Failures) -> Iterator[ReadyTask]:
    """Read the pictures one after the other; those that cannot be uploaded are failures."""
    for new in tasks:
        if new.picture is None:
            yield ReadyTask(new, new.found)
            continue
        try:
            content, found = read_picture(new.picture, new.found, limits)
        except BackendError as error:
            fail_image(failures, str(error))
        else:
            yield ReadyTask(new, found, content)


@dataclass
class TaskCreator:
    """Creator of a project's tasks.

    Attributes:
        list_after: Lists the tasks with a higher id, as an index.
        settle_seconds: How long after a lost answer Label Studio may still create tasks.
        last_task_id: The highest id of the project before.
        created: Number of tasks.
    """

    store: TaskStore
    project_id: str
    data_key: str
    list_after: Callable[[int], TaskIndex]
    outages: Outages
    failures: Failures
    settle_seconds: float
    last_task_id: int
    created: int = 0
    _refused: int = field(default=0, init=False)

    def create(self, tasks: Iterable[ReadyTask]) -> list[TaskImport]:
        """Create the tasks; what Label Studio refuses is a failure. Return what they get, by ascending id.

        Raises:
            NoAnswer: Several answers to one request were lost.
            LabelStudioError: Label Studio refuses one task after the other.
            LabelStudioUnavailable: Label Studio was away for longer than the run waits.
            Stopped: The run was asked to stop.
        """
        before, sent = self.last_task_id, list[tuple[FoundImage, str]]()
        for chunk in _in_chunks(tasks):
            sent += [(one.found, one.new.name) for one in self._send(chunk)]
        index, pairs = self.list_after(before), list[tuple[FoundImage, Place]]()
        for found, name in sent:
            place = index.find_exactly(found, name)
            if place is None:
                reason = f"{found.name}: its task was created, but cannot be found."
                fail_image(self.failures, f"{reason} Run the same command again.")
            else:
                pairs.append((found, place))
        return group_by_task(pairs, self.failures)

    def _send(self, chunk: list[ReadyTask]) -> list[ReadyTask]:
        """Return those of which there is a task now."""
        left, lost = chunk, 0
        while left:
            self.outages.rest(0)  # raises if the run was asked to stop
            cause: NoAnswer | None = None
            try:
                ids = self._post(left)
            except NoAnswer as error:
                ids, lost, cause = [], lost + 1, error
                self.outages.note()
            except LabelStudioUnavailable:
                self.outages.rest(FIRST_PAUSE_SECONDS)
                self.outages.wait_until_over()
                continue
            except LabelStudioError as error:
                return self._refuse(chunk, left, error)
            if len(ids) == len(left):
                self.last_task_id = max(ids)
                break
            left = self._list_missing(left, 0.0 if cause and cause.has_ended else self.settle_seconds)
            if left and cause and cause.has_ended:
                return self._refuse(chunk, left, cause)
            if left and (cause is None or lost >= MAX_LOST_ANSWERS):
                raise _in_doubt(left, cause) from cause
        self.created, self._refused = self.created + len(chunk), 0
        return chunk

    def _post(self, chunk: list[ReadyTask]) -> list[int]:
        if chunk[0].new.picture is None:
            return self.store.create(self.project_id, [{self.data_key: one.new.address} for one in chunk])
        return self.store.upload(self.project_id, [(one.new.file_name, one.content) for one in chunk])

    def _list_missing(self, chunk: list[ReadyTask], settle_seconds: float) -> list[ReadyTask]:
        """Return those that have no task when the settle time is over."""
        end, pause = monotonic() + settle_seconds, FIRST_PAUSE_SECONDS
        while True:
            is_over = monotonic() >= end  # before the question, so that the last one comes after the end
            index = self.list_after(self.last_task_id)
            missing = [one for one in chunk if index.find_exactly(one.found, one.new.name) is None]
            if not missing or is_over:
                return missing
            self.outages.rest(max(min(pause, end - monotonic()), 0.0))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    def _refuse(self, chunk: list[ReadyTask], left: list[ReadyTask], error: LabelStudioError) -> list[ReadyTask]:
        """Send the refused ones of a chunk again, in halves; a single one is a failure. Return as `_send`."""
        done = [one for one in chunk if one not in left]
        self.created += len(done)
        if len(left) > 1:
            half = len(left) // 2
            return [*done, *self._send(left[:half]), *self._send(left[half:])]
        size = f" ({len(left[0].content) / 1e6:.1f} MB)" if left[0].content else ""
        fail_image(self.failures, f"{left[0].found.name}{size}: {error}")
        self._refused += 1
        if self._refused >= MAX_REFUSALS:
            message = f"Label Studio refused {self._refused} new tasks in a row. {error.message}"
            raise LabelStudioError(message, remedy=error.remedy) from error
        return done


def _in_chunks(tasks: Iterable[ReadyTask]) -> Iterator[list[ReadyTask]]:
    """Yield pictures to upload and addresses in separate lists, as large as one request may be."""
    chunk, size = list[ReadyTask](), 0
    for one in tasks:
        is_upload = one.new.picture is not None
        is_full = len(chunk) >= (MAX_PICTURES if is_upload else MAX_TASKS) or size + len(one.content) > MAX_BYTES
        if chunk and (is_full or is_upload != (chunk[0].new.picture is not None)):
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += len(one.content)
    if chunk:
        yield chunk


def _in_doubt(chunk: Sequence[ReadyTask], error: NoAnswer | None) -> NoAnswer:
    names = ", ".join(one.found.name for one in chunk[:3])
    message = f"It is not known whether there are tasks for {len(chunk)} images, such as {names}."
    reason = f" {error.message}" if error else ""
    return NoAnswer(message + reason, remedy="Wait a few minutes and run the same command again; no task comes twice.")
