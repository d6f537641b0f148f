"""Import of predictions in chunks, each stored exactly once whatever happens to the requests and their answers.

Label Studio has no idempotency key, and it may store the predictions of a request whose answer never came, even after
the client gave up. So a chunk without an answer is in doubt: it is left alone until nothing can be under way any more,
then Label Studio is asked what it has, and only the rest is sent again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from backend.bulk.chunks import Chunk, ChunkBuilder, ChunkLimits, EncodedPrediction, halve
from backend.bulk.delivery import Delivery, Target, deliver
from backend.bulk.ledger import Ledger, TaskState
from backend.bulk.outages import Outages, Stopped
from backend.bulk.summary import Summary
from backend.errors import LabelStudioError, LabelStudioUnavailable, NoAnswer

MAX_SENDS = 3  # of a single prediction whose answers are lost
MAX_DOUBTS = 4  # chunks in doubt that are kept in memory
MAX_REFUSALS = 20  # single predictions in a row
CHECK_SECONDS = 60.0


@dataclass(frozen=True)
class _Doubt:
    """A chunk without an answer, and when Label Studio may be asked about it, in monotonic seconds."""

    chunk: Chunk
    settles_at: float
    error: LabelStudioError


class PredictionImporter:
    """Importer of one run's predictions; one request at a time, in a thread of its own, beside the models.

    Args:
        settle_seconds: How long after a lost answer Label Studio may still store its predictions; longer than the
            time-outs of this client, of proxies and of Label Studio's workers.
    """

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        outages: Outages,
        summary: Summary,
        *,
        limits: ChunkLimits = ChunkLimits(),
        settle_seconds: float = 150.0,
    ) -> None:
        self._target, self._ledger, self._outages, self._summary = target, ledger, outages, summary
        self._settle_seconds = settle_seconds
        self._filling = ChunkBuilder(limits)
        self._queue: deque[Chunk] = deque()
        self._flight: tuple[Chunk, Future[Delivery]] | None = None
        self._doubts: deque[_Doubt] = deque()
        self._refused_in_a_row = 0
        self._checked_at = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "import")

    def add(self, prediction: EncodedPrediction) -> None:
        """Take a prediction; waits while a chunk is under way and another is full.

        Raises:
            LabelStudioUnavailable: Label Studio was away for longer than the run waits.
            LabelStudioError: It takes no prediction of this run.
            Stopped: The run was asked to stop while this waited.
        """
        self._enqueue(self._filling.add(prediction))
        self.poll()

    def poll(self) -> None:
        """Do what can be done now: take an answer, ask about doubts, send the next chunk. Raises as `add`."""
        if self._filling.is_due:
            self._enqueue(self._filling.take())
        self._work(wait=False)
        while len(self._queue) > 1:
            self._work(wait=True)

    def finish(self) -> None:
        """Import everything that was added, and clear up all doubts; raises as `add`.

        A run that was asked to stop sends what it has, but waits for nothing else: the ledger keeps the doubts.
        """
        self._enqueue(self._filling.take())
        try:
            while self._flight or self._queue or self._doubts:
                self._work(wait=True)
        except Stopped:
            pass
        finally:
            self._summary.in_doubt = sum(len(doubt.chunk) for doubt in self._doubts)
            self._thread.shutdown(wait=False)

    def _enqueue(self, chunk: Chunk) -> None:
        if chunk:
            self._queue.append(chunk)

    def _work(self, *, wait: bool) -> None:
        """Take one step; with `wait`, one that has to be waited for."""
        if self._flight is not None:
            if wait or self._flight[1].done():
                self._take_answer(*self._flight)
        elif self._doubts and self._doubts[0].settles_at <= time.monotonic():
            self._clear_up(self._doubts.popleft())
        elif self._queue and len(self._doubts) < MAX_DOUBTS:
            self._send(self._queue.popleft())
        elif self._doubts and wait:
            self._outages.rest(max(self._doubts[0].settles_at - time.monotonic(), 0.0))

    def _send(self, chunk: Chunk) -> None:
        self._ledger.mark(_tasks(chunk), TaskState.SENT, sends=1)
        for prediction in chunk:
            prediction.sends += 1
        self._flight = chunk, self._thread.submit(self._deliver, chunk)

    def _deliver(self, chunk: Chunk) -> Delivery:
        """Send what Label Studio does not have yet; runs in the importer's thread."""
        is_due = time.monotonic() - self._checked_at > CHECK_SECONDS
        delivery = deliver(chunk, self._target, check=is_due)
        if is_due:
            self._checked_at = time.monotonic()
        return delivery

    def _take_answer(self, chunk: Chunk, future: Future[Delivery]) -> None:
        delivery = future.result()
        self._flight = None
        known = [prediction for prediction in chunk if prediction.task in delivery.known and prediction.sends == 1]
        self._note_created([one for one in chunk if one.task in delivery.known and one.sends > 1])  # of a late request
        rest = [prediction for prediction in chunk if prediction.task not in delivery.known]
        if known:
            self._summary.skipped += len(known)
            self._ledger.mark(_tasks(known), TaskState.DONE)
        error = delivery.error
        if isinstance(error, NoAnswer):
            self._doubt(rest, error)
        elif isinstance(error, LabelStudioUnavailable):
            self._take_back(rest)
        elif error is not None or delivery.created != len(rest):
            self._after_refusal(rest, error or self._shortfall(delivery.created, len(rest)))
        else:
            self._note_created(rest)

    def _doubt(self, chunk: Chunk, error: NoAnswer) -> None:
        self._outages.note()
        self._ledger.mark(_tasks(chunk), TaskState.IN_DOUBT, error.message)
        self._doubts.append(_Doubt(chunk, time.monotonic() + self._settle_seconds, error))

    def _take_back(self, chunk: Chunk) -> None:
        """Put back a chunk that was not sent, and wait until it can be."""
        self._ledger.mark(_tasks(chunk), TaskState.PENDING, sends=-1)
        for prediction in chunk:
            prediction.sends -= 1
        self._queue.appendleft(chunk)
        self._outages.note()
        self._outages.rest(0.1)  # the probe may succeed where the request does not
        self._outages.wait_until_over()

    def _clear_up(self, doubt: _Doubt) -> None:
        """Ask what became of a chunk in doubt, and send the rest again in halves, in case its size was the reason."""
        missing, _ = self._find_missing(doubt.chunk)
        for prediction in [one for one in missing if one.sends >= MAX_SENDS and len(doubt.chunk) == 1]:
            missing.remove(prediction)
            self._fail(prediction, doubt.error)
        self._queue.extendleft(reversed(halve(missing)))

    def _after_refusal(self, chunk: Chunk, error: LabelStudioError) -> None:
        """Find out what is missing and send it again: without the tasks that are gone, or else in halves."""
        missing, gone = self._find_missing(chunk)
        if len(missing) == len(chunk):
            self._outages.answer_of(self._target.check)
        if gone:
            self._queue.appendleft(missing) if missing else None
        elif len(missing) == 1 and len(chunk) == 1:
            self._fail(missing[0], error)
            self._refused_in_a_row += 1
            if self._refused_in_a_row >= MAX_REFUSALS:
                message = f"Label Studio refused {MAX_REFUSALS} predictions in a row. {error.message}"
                raise LabelStudioError(message, remedy=error.remedy)
        else:
            self._queue.extendleft(reversed(halve(missing)))

    def _find_missing(self, chunk: Chunk) -> tuple[Chunk, Chunk]:
        """Note which predictions are stored and which tasks are gone; return those still to send, and the gone."""
        target = self._target
        stored = self._outages.answer_of(
            lambda: target.store.tasks_with_version(target.project_id, _tasks(chunk), target.version)
        )
        self._note_created([prediction for prediction in chunk if prediction.task in stored])
        missing = [prediction for prediction in chunk if prediction.task not in stored]
        if not missing:
            return [], []
        existing = self._outages.answer_of(lambda: target.store.existing_tasks(target.project_id, _tasks(missing)))
        gone = [prediction for prediction in missing if prediction.task not in existing]
        self._ledger.mark(_tasks(gone), TaskState.GONE, "The task was deleted from the project meanwhile.")
        self._summary.gone += len(gone)
        return [prediction for prediction in missing if prediction.task in existing], gone

    def _note_created(self, chunk: Chunk) -> None:
        if chunk:
            self._ledger.mark(_tasks(chunk), TaskState.DONE)
            self._summary.created += len(chunk)
            self._summary.empty += sum(not prediction.has_mask for prediction in chunk)
            self._refused_in_a_row = 0

    def _fail(self, prediction: EncodedPrediction, error: LabelStudioError) -> None:
        self._ledger.mark([prediction.task], TaskState.FAILED, str(error), attempts=1)
        self._summary.fail(prediction.task, error)

    def _shortfall(self, created: int, sent: int) -> LabelStudioError:
        message = f"Label Studio created {created} of {sent} predictions for project {self._target.project_id}."
        remedy = "Check that the labeling config still has the controls and labels that the predictions use."
        return LabelStudioError(message, remedy=remedy)


def _tasks(chunk: Sequence[EncodedPrediction]) -> list[int]:
    return [prediction.task for prediction in chunk]
