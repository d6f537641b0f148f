"""A backend on fakes with every kind of traffic, and a Prometheus that scrapes it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from flask import request
from werkzeug.serving import make_server

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.errors import ImageUnavailable
from tests.fakes import CONFIG, FakeClassifier, FakeDetector, FakeFetcher, Hall, keypoint, noise_png, predict_body
from tests.monitoring.prometheus import Prometheus, find_program
from tests.server.fakes import ServerOnFakes
from tests.servers import RedisServer

MAX_PREDICTIONS = 2  # as ServerOnFakes sets it
SETTINGS = '<!-- backend: {"text_prompt": "find"} -->'
WITH_TEXT = CONFIG.replace("<View>", f"<View>{SETTINGS}", 1).replace(
    "</View>", '<TextArea name="find" toName="img"/></View>'
)


@pytest.fixture
def prometheus_programs() -> None:
    """prometheus and promtool; without them the test is skipped, which tests.nothing_skipped forbids."""
    if not find_program("prometheus") or not find_program("promtool"):
        pytest.skip("prometheus is not installed; `make test` unpacks it where it may")


class BlockingFetcher(FakeFetcher):
    """Fetcher whose file `blocked.png` arrives when `release` is set."""

    def __init__(self) -> None:
        super().__init__({"gone.png": ImageUnavailable("The host does not answer.", remedy="Start it.")})
        self.started, self.release = threading.Semaphore(0), threading.Event()

    def fetch(self, image_uri: str, *arguments, **options) -> bytes:
        if image_uri == "blocked.png":
            self.started.release()
            assert self.release.wait(30)
        return super().fetch(image_uri, *arguments, **options)


class BusyBackend:
    """A backend behind a real socket, which shares a Redis with another replica.

    Its segmenter and classifier are fakes; the rooms around them, which measure and count, are the real ones.
    """

    def __init__(self, redis_url: str) -> None:
        self.fetcher = BlockingFetcher()
        replicas = [
            Hall(
                classifier=FakeClassifier(),
                detector=FakeDetector({"dog": [((2.0, 3.0, 12.0, 9.0), 0.6)]}),
                cache=EmbeddingCache(LocalStore(10**7), RedisStore(GuardedRedis(redis_url, 5.0), 60)),
                fetcher=self.fetcher,
            )
            for _ in range(2)
        ]
        self._backend, self._replica = ServerOnFakes(replicas[0]), ServerOnFakes(replicas[1])
        self._images = itertools.count()
        self.scraped_as: set[tuple[str, str]] = set()
        self._backend.app.before_request(self._note_credentials)
        self._server = make_server("127.0.0.1", 0, self._backend.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.target = f"127.0.0.1:{self._server.server_port}"

    def click(self, uri: str) -> int:
        return self._send("POST", "/predict", json=predict_body(uri, keypoint(50, 50))).status_code

    def search(self, uri: str) -> int:
        typed = {"id": "t", "type": "textarea", "from_name": "find", "to_name": "img", "value": {"text": ["dogs"]}}
        body = predict_body(uri, typed, config=WITH_TEXT)
        return self._send("POST", "/predict", json=body).status_code

    def send_every_kind(self) -> None:
        """Send clicks with an embedding from each source, a text, errors of each kind, and a refused prediction."""
        for _ in range(2):
            shared = self._new_image()
            assert self._replica.predict(predict_body(shared, keypoint(50, 50))).status_code == 200
            assert self.click(shared) == 200  # from Redis
            own = self._new_image()
            assert [self.click(own) for _ in range(3)] == [200] * 3  # computed, then from this process
            assert self.search(own) == 200
        assert self._send("GET", "/nothing").status_code == 404
        assert self.click("gone.png") == 502
        assert self._send("POST", "/predict", data=b"{").status_code == 400
        assert self._send("POST", "/setup", json={"project": "3.1", "schema": CONFIG}).status_code == 200
        self._fill()

    def metrics(self) -> str:
        return self._send("GET", "/metrics").text

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _note_credentials(self) -> None:
        """Note who asks for the metrics."""
        given = request.authorization
        if request.endpoint == "metrics" and given is not None:
            self.scraped_as.add((given.username or "", given.password or ""))

    def _new_image(self) -> str:
        number = next(self._images)
        self.fetcher.files[f"{number}.png"] = noise_png(40, 30, number)
        return f"{number}.png"

    def _fill(self) -> None:
        """Send one prediction more than are admitted."""
        self.fetcher.files["blocked.png"] = noise_png(40, 30, 10**6)
        self.fetcher.release.clear()
        with ThreadPoolExecutor(MAX_PREDICTIONS) as pool:
            admitted = [pool.submit(self.click, "blocked.png") for _ in range(MAX_PREDICTIONS)]
            assert all(self.fetcher.started.acquire(timeout=30) for _ in admitted)
            assert self.click("blocked.png") == 503
            self.fetcher.release.set()
            assert [click.result(30) for click in admitted] == [200] * MAX_PREDICTIONS

    def _send(self, method: str, path: str, **options) -> requests.Response:
        return requests.request(method, f"http://{self.target}{path}", timeout=30, **options)


@pytest.fixture
def busy_backend(redis_server: RedisServer) -> Iterator[BusyBackend]:
    backend = BusyBackend(redis_server.url)
    yield backend
    backend.close()


@pytest.fixture
def prometheus(prometheus_programs: None, busy_backend: BusyBackend, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `busy_backend`."""
    server = Prometheus(tmp_path / "prometheus", busy_backend.target)
    server.start()
    yield server
    server.stop()
