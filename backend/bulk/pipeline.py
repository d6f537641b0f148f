"""Stages in threads: items flow through them a bounded number at a time, each to exactly one result or its error.

    pipeline = Pipeline([Stage("fetch", fetch, threads=4), Stage("encode", encode)], window=8)
    with pipeline.run(paths) as run:
        for finished in run:  # in the order in which they get ready
            ...

The input is pulled on the consumer's thread, when the consumer asks for the next result, so it may use what only that
thread may use, and nothing is pulled while the consumer waits for something else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from backend.bulk.progress import Progress
from backend.bulk.stage import Finished, Stage
from backend.bulk.stage_threads import StageThreads

Item = TypeVar("Item")
DEFAULT_WINDOW = 8
DEFAULT_LOOKAHEAD = 64


class Pipeline:
    """Stages that items flow through.

    Args:
        window: Maximum number of items in the stages, which bounds the memory for images.
        lookahead: Maximum number of items that were pulled and not handed to the consumer yet: waiting for the first
            stage, in the stages, and finished. So long the stages have work while the consumer is busy.
        progress: Counters; None for new ones.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        window: int = DEFAULT_WINDOW,
        lookahead: int = DEFAULT_LOOKAHEAD,
        progress: Progress | None = None,
    ) -> None:
        if not stages or min(window, lookahead, *(stage.threads for stage in stages)) < 1:
            raise ValueError("A pipeline needs a stage, and a window, a lookahead and threads of at least 1.")
        self.stages, self.window, self.lookahead = tuple(stages), window, max(lookahead, window)
        self.progress = progress or Progress([stage.name for stage in stages if stage.is_counted])

    def run(self, items: Iterable[Item]) -> Run[Item]:
        """Start the threads; the items are pulled when the results are."""
        return Run(self, items)


class Run(Iterator[Finished[Item]]):
    """The results of a pipeline, in the order in which they get ready.

    An exception of the input is raised after the results of what was pulled before it. After a KeyboardInterrupt the
    run is still usable: `stop` and go on with `next`, or `close`.
    """

    def __init__(self, pipeline: Pipeline, items: Iterable[Item]) -> None:
        self._lookahead, self._items = pipeline.lookahead, iter(items)
        self._changed = threading.Condition()
        self._results: deque[Finished[Item]] = deque()
        self._outstanding, self._pulls = 0, True
        self._input_error: Exception | None = None
        self._threads = StageThreads(pipeline.stages, pipeline.window, pipeline.progress, self._take, self._forget)

    def __next__(self) -> Finished[Item]:
        self._pull()  # with that of the loop two for each result, so that the lookahead fills up
        while self._pull() and not self._results:
            pass
        with self._changed:
            while not self._results and self._outstanding:
                self._changed.wait()
            if self._results:
                self._outstanding -= 1
                return self._results.popleft()
            error, self._input_error = self._input_error, None
        self.close()
        if error is not None:
            raise error
        raise StopIteration

    def stop(self) -> None:
        """Pull no more, drop what has not come to a model; `next` still returns the results of the others."""
        self._pulls = False
        self._threads.drop_waiting()

    def close(self) -> None:
        """Drop everything and wait for the threads, each of which finishes the call that it is in."""
        self._pulls = False
        with self._changed:
            self._results.clear()
            self._outstanding = 0
            self._changed.notify_all()
        self._threads.close()

    def __enter__(self) -> Run[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, finished: Finished[Item]) -> None:
        with self._changed:
            if self._outstanding:  # not closed meanwhile
                self._results.append(finished)
                self._changed.notify_all()

    def _forget(self, dropped: int) -> None:
        with self._changed:
            self._outstanding = max(self._outstanding - dropped, 0)  # 0 if it was closed meanwhile
            self._changed.notify_all()

    def _pull(self) -> bool:
        """Pull an item if there is room; return whether one was pulled."""
        if not self._pulls or self._outstanding >= self._lookahead:
            return False
        try:
            item = next(self._items)
        except StopIteration:
            self._pulls = False
            return False
        except Exception as error:
            self._pulls, self._input_error = False, error
            return False
        with self._changed:
            self._outstanding += 1
        self._threads.submit(item)
        return True
