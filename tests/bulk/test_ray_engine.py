"""What is refused before an actor works, and what an actor refuses; no Ray is started here."""

from __future__ import annotations

import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend.bulk import RayActors, RayUnavailable, WorkerRunner, WorkersUnusable
from backend.bulk.actor_main import PipelineActor
from backend.bulk.code_digest import digest_code
from backend.bulk.ray_engine import ActorLink, describe_end
from backend.bulk.worker_main import Done, Numbered, Started
from backend.errors import CheckpointError

TOYS = "tests.bulk.toy_workers"
BUILD = f"{TOYS}:build"


class FakeRay:
    """The part of `ray` that is used before there is an actor."""

    def __init__(self, resources: dict[str, float], init: Callable[[], object] = lambda: None) -> None:
        self.resources, self.starting = resources, init
        self.options: dict[str, Any] = {}
        self.shut_down = threading.Event()
        self.handlers: list[object] = []

    def init(self, **options: Any) -> None:
        self.options = options
        self.starting()

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    available_resources = cluster_resources

    def shutdown(self) -> None:
        self.shut_down.set()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeRay]:
    def put(resources: dict[str, float] | None = None, init: Callable[[], object] = lambda: None) -> FakeRay:
        fake = FakeRay({"CPU": 2.0} if resources is None else resources, init)
        monkeypatch.setitem(sys.modules, "ray", fake)
        return fake

    return put


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refusal(host: RayActors) -> RayUnavailable:
    with pytest.raises(RayUnavailable) as refused:
        WorkerRunner(host)([{"id": 1}])
    return refused.value


def test_without_ray_the_command_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = refusal(RayActors(BUILD, [1]))
    assert "Ray is not installed" in refused.message
    assert "pip install -r requirements-ray.txt -c constraints.txt" in refused.remedy


def test_a_run_starts_a_small_ray_without_usage_reports(
    install: Callable[..., FakeRay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:1")  # which `ray.init` would prefer to no address
    fake, host = install(), RayActors(BUILD, [1])
    host.open()
    folder = fake.options.pop("_temp_dir")
    assert fake.options == {
        "address": "local",
        "include_dashboard": False,
        "object_store_memory": 100 * 1024 * 1024,
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    assert sys.modules["os"].environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert Path(folder).is_dir()
    host.close()
    assert fake.shut_down.is_set()
    assert not Path(folder).exists()


def test_ray_does_not_take_the_signals_of_the_run(install: Callable[..., FakeRay]) -> None:
    """`ray.init` sets a handler of SIGTERM where it is on the main thread."""
    threads: list[threading.Thread] = []
    install(init=lambda: threads.append(threading.current_thread()))
    before = signal.getsignal(signal.SIGTERM)
    host = RayActors(BUILD, [1])
    host.open()
    assert threads[0] is not threading.main_thread()
    assert threads[0].is_alive(), "Linux would kill Ray's processes with it"
    assert signal.getsignal(signal.SIGTERM) == before
    host.close()
    assert not threads[0].is_alive()


@pytest.mark.parametrize("address", ["banana", "127.0.0.1", "ray://127.0.0.1:10001", "host:port", "host:123456"])
def test_an_address_that_is_none_is_refused(address: str, install: Callable[..., FakeRay]) -> None:
    fake = install()
    refused = refusal(RayActors(BUILD, [1], address=address))
    assert f"The address of Ray must be HOST:PORT, auto or local, got '{address}'." in refused.message
    assert "ray start --address=HOST:PORT" in refused.remedy
    assert fake.options == {}


def test_an_address_where_nothing_listens_is_refused_at_once(
    install: Callable[..., FakeRay], listening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    fake = install()
    refused = refusal(RayActors(BUILD, [1], address=address))
    assert f"Nothing answers at the address of Ray, {address}" in refused.message
    assert fake.options == {}


def test_a_server_that_is_no_ray_is_waited_for_a_bounded_time(install: Callable[..., FakeRay], listening: str) -> None:
    """`ray.init` tries for two minutes, and ends the process then."""
    answered = threading.Event()
    fake = install(init=answered.wait)
    refused = refusal(RayActors(BUILD, [1], address=listening, connect_seconds=0.1))
    assert f"Ray at {listening} did not answer within 0.1 s." in refused.message
    answered.set()
    assert fake.shut_down.wait(60), "a late connection is given up"


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_another_version_of_ray_is_named_with_its_remedy(install: Callable[..., FakeRay], listening: str) -> None:
    said = "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.7\nThis process …"
    install(init=raising(RuntimeError(said)))
    refused = refusal(RayActors(BUILD, [1], address=listening))
    assert "is another version than here. Version mismatch: The cluster was started with: Ray: 2.9.0" in refused.message
    assert "requirements-ray.txt" in refused.remedy


def test_a_ray_that_cannot_be_used_says_why(install: Callable[..., FakeRay], listening: str) -> None:
    install(init=raising(SystemExit(15)))
    assert f"Ray at {listening} cannot be used: 15" in refusal(RayActors(BUILD, [1], address=listening)).message
    install(init=raising(OSError("AF_UNIX path length cannot exceed 107 bytes")))
    host = RayActors(BUILD, [1])
    refused = refusal(host)
    assert host.folder is not None
    assert not Path(host.folder).exists()
    assert "Ray could not be started here: AF_UNIX path" in refused.message
    assert "TMPDIR" in refused.remedy


@pytest.mark.parametrize(
    ("workers", "gpus", "resources", "message"),
    [
        (3, (), {"CPU": 2.0}, "3 Ray actors need 3 CPUs, and Ray has 2."),
        (1, (), {}, "1 Ray actors need 1 CPUs, and Ray has 0."),
        (2, (1.0, 1.0), {"CPU": 8.0, "GPU": 1.0}, "2 Ray actors need 2 GPUs, and Ray has 1."),
        (2, (0.5, 0.5), {"CPU": 8.0}, "2 Ray actors need 1 GPUs, and Ray has 0."),
    ],
)
def test_more_workers_than_cpus_or_gpus_are_refused(
    workers: int, gpus: tuple[float, ...], resources: dict[str, float], message: str, install: Callable[..., FakeRay]
) -> None:
    fake = install(resources)
    refused = refusal(RayActors(BUILD, [1] * workers, gpus=gpus))
    assert refused.message == message
    assert "--workers" in refused.remedy
    assert fake.shut_down.is_set()


def start(actor: PipelineActor, function: str, argument: object, digest: str = "") -> Started:
    return pickle.loads(actor.start(str(Path.cwd()), digest or digest_code(), pickle.dumps((function, argument))))


@pytest.fixture
def actor() -> Iterator[PipelineActor]:
    """It ignores signals, as in its own process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield PipelineActor()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_an_actor_answers_each_call_with_its_own_item(actor: PipelineActor) -> None:
    assert start(actor, BUILD, 4) == Started()
    answers: dict[int, Done] = {}

    def call(number: int) -> None:
        task = {"id": 10 * number, "do": "sleep", "seconds": 0.05 / number}
        answers[number] = pickle.loads(actor.work(pickle.dumps(Numbered(number, task))))

    threads = [threading.Thread(target=call, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: (done.number, done.value["result"]) for number, done in answers.items()} == {
        1: (1, [10]),
        2: (2, [20]),
        3: (3, [30]),
    }


def test_an_actor_says_why_it_cannot_build_its_pipeline(actor: PipelineActor) -> None:
    started = start(actor, f"{TOYS}:refuse", None)
    assert isinstance(started.error, CheckpointError)
    assert started.error.remedy == "Download them."


def test_an_actor_with_other_code_refuses_to_work(actor: PipelineActor) -> None:
    started = start(actor, BUILD, 4, digest="0123456789abcdef")
    assert isinstance(started.error, WorkersUnusable)
    assert f"({digest_code()}, not 0123456789abcdef)" in started.error.message
    assert "same version in the same folder" in started.error.remedy


def test_the_digest_names_the_content_and_the_place_of_the_code(tmp_path: Path) -> None:
    def digest(name: str, content: str) -> str:
        root = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        (root / "backend").mkdir(parents=True)
        (root / "backend" / name).write_text(content)
        (root / "README.md").write_text(str(root))
        return digest_code(root)

    assert digest("a.py", "x = 1") == digest("a.py", "x = 1")
    assert len({digest("a.py", "x = 1"), digest("a.py", "x = 2"), digest("b.py", "x = 1")}) == 3


class FakeCall:
    """An answer of an actor that comes when a test says so."""

    def __init__(self) -> None:
        self.answer: Future[Any] = Future()

    def future(self) -> Future[Any]:
        return self.answer

    def remote(self, *_: object) -> FakeCall:
        return self


def fake_actor() -> SimpleNamespace:
    return SimpleNamespace(**{name: FakeCall() for name in ("ready", "start", "stay", "work")})


def test_an_actor_that_finds_no_free_cpu_ends_the_run_after_a_bounded_time() -> None:
    link = ActorLink(FakeRay({"CPU": 0.0, "GPU": 1.0}), fake_actor(), b"", place_seconds=0.05)
    started = link.receive()
    assert isinstance(started.error, RayUnavailable)
    assert started.error.message == "Ray has started no actor within 0.05 s; free are 0 CPUs and 1 GPUs."


def test_an_actor_that_dies_without_an_item_is_noticed() -> None:
    actor = fake_actor()
    link = ActorLink(FakeRay({}), actor, b"", place_seconds=5)
    actor.ready.answer.set_result(None)
    actor.start.answer.set_result(pickle.dumps(Started()))
    assert link.receive() == Started()
    actor.stay.answer.set_exception(RuntimeError("The actor is dead because its worker process has died."))
    with pytest.raises(EOFError, match="The actor is dead"):
        link.receive()
    assert link.bury() == "The actor is dead because its worker process has died."


def test_the_end_of_an_actor_is_told_without_rays_advice() -> None:
    text = (
        "The actor died unexpectedly before finishing this task.\n\tpid: 5\nThe actor is dead because its worker "
        "process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a "
        "connection error code 2. End of file. Some common causes include: (1) the process was killed"
    )
    assert describe_end(RuntimeError(text)) == "Worker unexpectedly exits with a connection error code 2. End of file."
    assert len(describe_end(RuntimeError("x" * 5000))) <= 301
