"""Workers as spawned processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from backend.bulk.worker_errors import describe_exit
from backend.bulk.worker_main import Numbered, serve


class WorkerProcesses:
    """A `WorkerHost` of spawned processes.

    Args:
        function: "package.module:name" of a function that a worker calls once; it returns the worker's `Pipeline`.
        arguments: What it is called with, one for each worker; they are pickled.
    """

    noun = "worker process"
    advice = "Look at the messages above, and at the memory of this machine."

    def __init__(self, function: str, arguments: Sequence[Any]) -> None:
        self._function, self._arguments = function, tuple(arguments)
        self._context = multiprocessing.get_context("spawn")

    @property
    def places(self) -> int:
        return len(self._arguments)

    def open(self) -> None:
        """Do nothing: a process needs nothing beside itself."""

    def start(self, place: int) -> ProcessLink:
        mine, theirs = self._context.Pipe()
        arguments = (theirs, self._function, self._arguments[place])
        process = self._context.Process(target=serve, args=arguments, daemon=True)
        try:
            process.start()
        finally:
            theirs.close()  # or its death would not be noticed here
        return ProcessLink(process, mine)

    def close(self) -> None:
        """Do nothing, see `open`."""


class ProcessLink:
    """A `WorkerLink` through a pipe."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self._process, self._connection = process, connection

    def send(self, numbered: Numbered) -> None:
        self._connection.send(numbered)

    def receive(self) -> Any:
        return self._connection.recv()

    def kill(self) -> None:
        self._process.kill()

    def bury(self) -> str:
        self._process.kill()
        self._process.join()
        self._connection.close()
        return describe_exit(self._process.exitcode)
