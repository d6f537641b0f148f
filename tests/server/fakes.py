"""The application on fake models, and what its tests share."""

from __future__ import annotations

import time
from typing import Any

from werkzeug.test import TestResponse

from backend.predict import ModelFacts
from backend.prefetch import Warmer
from backend.runtime import BackgroundLoader
from backend.server import Credentials, Metrics, create_app
from backend.wiring import LoadedServices
from tests.fakes import CONFIG, FakeClassifier, Hall, noise_png

FACTS = ModelFacts(
    sam_name="demo",
    sam_sha256="0123456789abcdef" * 4,
    clip_name="demo-clip",
    clip_sha256="fedcba9876543210" * 4,
    clip_problem="",
    device="cpu",
    encoder_dtype="float32",
    model_version="fake-1",
    is_demo=True,
)
WAIT_SECONDS = 60  # a bound for a busy machine


class ServerOnFakes:
    """The application on a predictor of fakes; `client` is Flask's.

    Args:
        build: What the loader runs instead; the models are then not waited for.
        options: Of `create_app`.
        following: Knows the next tasks, as `NextTasks` does.
        credentials: That callers need.
    """

    def __init__(
        self, hall: Hall | None = None, *, build=None, max_body: int = 10**6, following=None, **options
    ) -> None:
        self.hall = hall or Hall(classifier=FakeClassifier())
        self.metrics = Metrics()

        def build_services() -> LoadedServices:
            predictor, cache = self.hall.predictor, self.hall.cache
            services = LoadedServices(predictor, FACTS, cache, predictor.executor, Warmer(predictor, following, 1))
            self.metrics.attach(services)
            return services

        self.loader = BackgroundLoader(build or build_services).start()
        if build is None:
            self.loader.get(WAIT_SECONDS)
        self.app = create_app(self.loader, self.metrics, max_body_bytes=max_body, max_predictions=2, **options)
        self.client = self.app.test_client()

    def predict(self, body: dict[str, Any]) -> TestResponse:
        return self.client.post("/predict", json=body)

    def page(self) -> str:
        """The status page, as a browser asks for it."""
        return self.client.get("/", headers={"Accept": "text/html"}).text

    def wait_for_error(self) -> None:
        """Wait until `build` has failed."""
        end = time.monotonic() + WAIT_SECONDS
        while not self.loader.error:
            assert time.monotonic() < end
            time.sleep(0.01)

    def wait_for_encodings(self, count: int) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while len(self.hall.segmenter.encoded) < count:
            assert time.monotonic() < end
            time.sleep(0.02)


class Neighbours:
    """Task n of the tasks below 1000 is followed by n + 1, whose image is b.png; its data has another URL too."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.looked_up: list[tuple[str, int]] = []

    def has_task(self, project_id: str, task_id: int) -> bool:
        self.looked_up.append((project_id, task_id))
        return task_id < 1000

    def after(self, project_id: str, task_id: int, most: int) -> list[dict[str, Any]]:
        self.asked.append((project_id, task_id, most))
        return [{"id": task_id + 1, "data": {"photo": "b.png", "other": "http://attacker.example/"}}]


def server_with_neighbours(credentials: Credentials | None = None) -> tuple[ServerOnFakes, Neighbours]:
    hall = Hall(classifier=FakeClassifier(), files={"a.png": noise_png(40, 30, 1), "b.png": noise_png(40, 30, 2)})
    neighbours = Neighbours()
    return ServerOnFakes(hall, following=neighbours, credentials=credentials), neighbours


def setup_body(**extra_params: Any) -> dict[str, Any]:
    return {"project": "3.1", "schema": CONFIG, "hostname": "http://ls", "extra_params": extra_params}
