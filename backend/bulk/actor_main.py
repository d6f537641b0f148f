"""What an actor of Ray runs: a pipeline that the parent calls for each item."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress

from backend.bulk.code_digest import digest_code
from backend.bulk.worker_errors import WorkersUnusable
from backend.bulk.worker_main import Numbered, ServedPipeline, Started, find_function, ignore_signals, picklable


class PipelineActor:
    """What runs in an actor."""

    def __init__(self) -> None:
        with suppress(ValueError):  # raised beside the main thread
            ignore_signals()
        self._served: ServedPipeline | None = None
        self._replies: dict[int, Future[bytes]] = {}

    def ready(self) -> None:
        """Return, which shows that Ray has placed the actor and that its code is there."""

    def stay(self) -> None:
        """Never return, so that the parent notices when the actor dies without an item."""
        threading.Event().wait()

    def start(self, folder: str, digest: str, job: bytes) -> bytes:
        """Build the pipeline and return a pickled `Started`.

        Args:
            folder: To work in, for relative paths in the settings.
            digest: Of the parent's code.
            job: Pickled name of the function and its argument.
        """
        try:
            if digest_code() != digest:
                raise WorkersUnusable(
                    f"{socket.gethostname()} has other code of this project than this machine "
                    f"({digest_code()}, not {digest}).",
                    remedy="Check out the same version in the same folder on every machine of the cluster.",
                )
            os.chdir(folder)
            function, argument = pickle.loads(job)
            self._served = ServedPipeline(find_function(function)(argument), self._reply)
        except Exception as error:
            return pickle.dumps(Started(picklable(error)))
        return pickle.dumps(Started())

    def work(self, message: bytes) -> bytes:
        """Run a pickled `Numbered` through the pipeline and return its pickled `Done`."""
        assert self._served is not None
        numbered: Numbered = pickle.loads(message)
        reply = self._replies[numbered.number] = Future()
        self._served.submit(numbered)
        return reply.result()

    def _reply(self, number: int, done: bytes) -> None:
        self._replies.pop(number).set_result(done)
