"""Workers as actors of Ray, on a cluster or on a Ray that is started for the run. The only module that imports ray.

What is sent to an actor and back is pickled here, so that Ray carries bytes and both engines carry the same messages.
Ray restarts no actor and repeats no call: the pool does that, a finite number of times.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout  # another class before Python 3.11
from pathlib import Path
from typing import Any

from backend.bulk.actor_main import PipelineActor
from backend.bulk.code_digest import digest_code
from backend.bulk.pipeline import DEFAULT_WINDOW
from backend.bulk.worker_errors import RayUnavailable
from backend.bulk.worker_main import Numbered, Started
from backend.errors import shorten

log = logging.getLogger(__name__)
LOCAL = "local"
OBJECT_STORE_BYTES = 100 * 2**20
PROBE_SECONDS = 5.0
CONNECT_SECONDS = 20.0
LOCAL_START_SECONDS = 90.0
PLACE_SECONDS = 60.0
CLOSE_SECONDS = 30.0
MAX_ENDING_CHARACTERS = 300
OWN_CALLS = 3  # of an actor beside those for items: `ready`, `start`, `stay`
JOIN = (
    "Give --ray-address HOST:PORT of the cluster's head, and run `ray start --address=HOST:PORT` on this machine too."
)


class RayActors:
    """A `WorkerHost` of actors, each of which reserves one CPU and its part of a GPU.

    Args:
        function, arguments: As for `WorkerProcesses`.
        address: HOST:PORT of a cluster's head, "auto" for the cluster that this machine belongs to, "" or "local" to
            start a Ray for this run.
        gpus: Number of GPUs of each actor, or the part of one; () for none.
        calls_at_once: Maximum number of items that an actor has at once.

    Attributes:
        folder: Of the Ray that was started, with its logs; removed when that ends.
    """

    noun = "Ray actor"
    advice = "Every machine of the cluster needs this checkout in the same folder, see docs/bulk_runs.md."

    def __init__(
        self,
        function: str,
        arguments: Sequence[Any],
        *,
        address: str = "",
        gpus: Sequence[float] = (),
        calls_at_once: int = DEFAULT_WINDOW,
        connect_seconds: float = CONNECT_SECONDS,
        place_seconds: float = PLACE_SECONDS,
    ) -> None:
        self._function, self._arguments = function, tuple(arguments)
        self._address, self._gpus = address or LOCAL, tuple(gpus) or (0.0,) * len(self._arguments)
        self._calls_at_once, self._place_seconds = calls_at_once, place_seconds
        self._connect_seconds = LOCAL_START_SECONDS if self._address == LOCAL else connect_seconds
        self.folder: str | None = None
        self._ray: Any = None
        self._closing, self._thread = threading.Event(), threading.Thread()

    @property
    def places(self) -> int:
        return len(self._arguments)

    def open(self) -> None:
        """Connect to Ray, or start one.

        Raises:
            RayUnavailable: Ray is not installed, does not answer, has another version, or has too few CPUs or GPUs.
        """
        self._ray = load_ray(self._address)
        opened: Future[None] = Future()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(opened, self._closing), name="ray", daemon=True)
        self._thread.start()
        try:
            opened.result(self._connect_seconds)
            self._check_resources()
        except FutureTimeout as error:
            self._closing.set()
            message = f"Ray at {shorten(self._address)} did not answer within {self._connect_seconds:g} s."
            raise RayUnavailable(message, remedy=JOIN) from error
        except RayUnavailable:
            self.close()
            raise

    def start(self, place: int) -> ActorLink:
        job = pickle.dumps((self._function, self._arguments[place]))
        actor_class = self._ray.remote(PipelineActor).options(
            num_cpus=1,
            num_gpus=self._gpus[place],
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=self._calls_at_once + OWN_CALLS,
        )
        return ActorLink(self._ray, actor_class.remote(), job, self._place_seconds)

    def close(self) -> None:
        """Leave the cluster, or end the Ray that was started."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)  # it may still try to connect

    def _hold(self, opened: Future[None], closing: threading.Event) -> None:
        """Connect, wait until the run ends, disconnect; all on one thread.

        Linux kills Ray's processes with the thread that started them. Outside the main thread Ray leaves the handlers
        of signals alone, which belong to the run.
        """
        options: dict[str, Any] = {"address": self._address, "log_to_driver": False, "logging_level": "ERROR"}
        self.folder = folder = tempfile.mkdtemp(prefix="ray-") if self._address == LOCAL else None
        if folder is not None:
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": folder}
        try:
            self._ray.init(**options)
            opened.set_result(None)
            closing.wait()
        except BaseException as error:  # SystemExit too
            opened.set_exception(describe_failure(self._address, error))
        finally:
            self._ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _check_resources(self) -> None:
        resources = self._ray.cluster_resources()
        for kind, needed, fewer in (
            ("CPU", len(self._arguments), "--workers with a lower number"),
            ("GPU", sum(self._gpus), "--workers with fewer devices"),
        ):
            if needed > (present := resources.get(kind, 0)) + 1e-6:
                raise RayUnavailable(
                    f"{self.places} Ray actors need {needed:g} {kind}s, and Ray has {present:g}.",
                    remedy=f"Give {fewer}, or add machines to the cluster with `ray start`.",
                )


class ActorLink:
    """A `WorkerLink` to an actor: each call's future is a message."""

    def __init__(self, ray: Any, actor: Any, job: bytes, place_seconds: float) -> None:
        self._ray, self._actor, self._place_seconds = ray, actor, place_seconds
        self._messages: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._ending, self._is_placed = "it was closed", False
        self._placed: Future[None] = actor.ready.remote().future()
        self._await(actor.start.remote(str(Path.cwd()), digest_code(), job))
        self._await(actor.stay.remote())

    def send(self, numbered: Numbered) -> None:
        self._await(self._actor.work.remote(pickle.dumps(numbered)))

    def receive(self) -> Any:
        try:
            if not self._is_placed:
                self._placed.result(self._place_seconds)
                self._is_placed = True
            message = self._messages.get().result()
        except FutureTimeout:
            return Started(self._describe_waiting())
        except Exception as error:
            self._ending = describe_end(error)
            raise EOFError(self._ending) from error
        return pickle.loads(message)

    def kill(self) -> None:
        try:
            self._ray.kill(self._actor)
        except Exception as error:  # it is dead already, or the cluster is
            log.debug("An actor could not be killed: %r", error)

    def bury(self) -> str:
        self.kill()
        return self._ending

    def _await(self, call: Any) -> None:
        call.future().add_done_callback(self._messages.put)

    def _describe_waiting(self) -> RayUnavailable:
        free = self._ray.available_resources()
        return RayUnavailable(
            f"Ray has started no actor within {self._place_seconds:g} s; free are {free.get('CPU', 0):g} CPUs and "
            f"{free.get('GPU', 0):g} GPUs.",
            remedy="Wait until other work of the cluster has ended, or give fewer --workers.",
        )


def load_ray(address: str) -> Any:
    """Import ray, which then sends no usage statistics; raises RayUnavailable if it or the cluster is not there."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        remedy = "Install it with `pip install -r requirements-ray.txt -c constraints.txt`, or leave out --engine ray."
        raise RayUnavailable(f"Ray is not installed ({error}).", remedy=remedy) from error
    if address not in ("", LOCAL, "auto"):
        probe_address(address)
    return ray


def probe_address(address: str) -> None:
    """Raise RayUnavailable unless something listens at HOST:PORT; Ray itself would try for two minutes."""
    match = re.fullmatch(r"([^:/\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", address)
    if match is None:
        message = f"The address of Ray must be HOST:PORT, auto or local, got {shorten(address)!r}."
        raise RayUnavailable(message, remedy=JOIN)
    try:
        socket.create_connection((match[1].strip("[]"), int(match[2])), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise RayUnavailable(f"Nothing answers at the address of Ray, {address} ({error}).", remedy=JOIN) from error


def describe_failure(address: str, error: BaseException) -> RayUnavailable:
    """Describe why Ray could not be used."""
    reason = " ".join(str(error).split())
    if "Version mismatch" in reason:
        remedy = "Install the Ray of requirements-ray.txt, and the same Python, on every machine of the cluster."
        return RayUnavailable(f"The Ray at {shorten(address)} is another version than here. {reason}", remedy=remedy)
    if address == LOCAL:
        remedy = "Look at the memory and the free space of this machine; TMPDIR must be a short path."
        return RayUnavailable(f"Ray could not be started here: {reason}", remedy=remedy)
    return RayUnavailable(f"Ray at {shorten(address)} cannot be used: {reason}", remedy=JOIN)


def describe_end(error: Exception) -> str:
    """Describe how an actor ended, out of Ray's long text."""
    text = " ".join(str(error).split())
    detail = re.search(r"Worker exit detail: (.+?)(?: Some common causes|$)", text)
    match = detail or re.search(r"(The actor is dead because .+)", text)
    return shorten(match[1] if match else text, MAX_ENDING_CHARACTERS)
