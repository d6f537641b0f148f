"""The real thing: gunicorn, the demo weights, images over HTTP, clicks from many threads at once."""

from __future__ import annotations

import http.client
import http.server
import io
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from PIL import Image

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll, parse_task
from backend.label_studio.results import decode_brush
from backend.settings import Settings
from backend.values import Priority, Size
from backend.wiring import build_predictor
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene
from tests.fakes import keypoint, png, predict_body
from tests.paths import ROOT
from tests.servers import RedisServer, free_port

SCENES = 5
START_SECONDS = 120  # a bound for a busy machine
LABEL_STUDIOS_PATIENCE = {"/health": 1.0, "/setup": 3.0}  # seconds that it waits for an answer
pytestmark = pytest.mark.slow


class Server:
    """gunicorn with `backend.wsgi` on a port of its own."""

    def __init__(self, log: Path, **environment: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.started = time.monotonic()
        self.log = log
        command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "backend.wsgi:app"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LABEL_STUDIO", "REDIS", "SAM_", "CLIP_"))}
        with log.open("w") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**clean, **environment}, stdout=file, stderr=file)

    def get(self, path: str, timeout: float = 60.0) -> requests.Response:
        return requests.get(self.url + path, timeout=timeout)

    def wait_for(self, path: str) -> None:
        """Wait until `path` answers 200."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                if self.get(path, timeout=1.0).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.02)
        raise AssertionError(f"{path} did not answer in {START_SECONDS} s: {self.log.read_text()[-2000:]}")

    def work_before(self, ask: Callable[[], object], *, since_start: bool = False) -> float:
        """The seconds that `ask` takes, or the CPU time that the server spends meanwhile if that is less.

        Other processes may keep the server from the CPU for any time; what it does itself before it answers is its own.
        """
        wall, cpu = (self.started, 0.0) if since_start else (time.monotonic(), self._cpu_seconds())
        ask()
        return min(time.monotonic() - wall, self._cpu_seconds() - cpu)

    def _cpu_seconds(self) -> float:
        """Of gunicorn and its worker so far."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        stats = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in (parent, *children)]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [make_scene(HELD_OUT_SEED + 500 + i, Size(320, 240)) for i in range(SCENES)]


@pytest.fixture(scope="module")
def images(scenes: list[Scene]) -> Iterator[str]:
    """Address of a server that has scene i at /i.png."""
    files = {}
    for i, scene in enumerate(scenes):
        file = io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG")
        files[f"/{i}.png"] = file.getvalue()

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(files[self.path])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_address[1]}"
        http_server.shutdown()


@pytest.fixture(scope="module")
def server(images: str, tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "log", IMAGE_ALLOWED_HOSTS=images.removeprefix("http://"))
    yield server
    server.stop()


CONFIG = """<View><Image name="img" value="$photo"/>
<BrushLabels name="b" toName="img"><Label value="thing"/></BrushLabels>
<KeyPointLabels name="k" toName="img" smart="true"><Label value="thing"/></KeyPointLabels></View>"""


def click(server: Server, uri: str, point: tuple[float, float]) -> list[int]:
    x, y = 100 * point[0] / 320, 100 * point[1] / 240
    body = predict_body(uri, keypoint(x, y, "thing", size=(320, 240)), config=CONFIG)
    reply = requests.post(f"{server.url}/predict", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.json()["results"][0]["result"][0]["value"]["rle"]


def test_the_socket_opens_at_once_and_state_answers_in_time_while_models_load(server: Server) -> None:
    took = {"the socket": server.work_before(lambda: server.wait_for("/health"), since_start=True)}
    took |= dict.fromkeys(LABEL_STUDIOS_PATIENCE, 0.0)
    body = {"project": "1.2", "schema": CONFIG}
    while not server.get("/health").json()["ready"]:
        assert time.monotonic() - server.started < START_SECONDS
        health = server.work_before(lambda: server.get("/health"))
        setup = server.work_before(lambda: requests.post(f"{server.url}/setup", json=body, timeout=60))
        took |= {"/health": max(took["/health"], health), "/setup": max(took["/setup"], setup)}
    limits = {"the socket": 2.0, **LABEL_STUDIOS_PATIENCE}
    assert {what: seconds for what, seconds in took.items() if seconds >= limits[what]} == {}


def test_gunicorn_sends_the_reason_of_a_refused_setup_as_label_studio_shows_it(server: Server) -> None:
    server.wait_for("/ready")
    said = {"project": "9.9", "schema": CONFIG.replace("BrushLabels", "Labels"), "extra_params": None}
    reply = requests.post(f"{server.url}/setup", json=said, timeout=60)
    with pytest.raises(
        requests.HTTPError, match=r"422 Client Error: The labeling config has .* Add &lt;\w+Labels name="
    ):
        reply.raise_for_status()


def test_demo_models_are_said_loudly(server: Server) -> None:
    server.wait_for("/ready")
    assert server.get("/health").json()["demo_models"] is True
    assert "DEMO MODELS" in server.log.read_text()


def test_many_clicks_at_once_on_many_images_each_get_the_serial_mask(server: Server, images: str, scenes) -> None:
    server.wait_for("/ready")
    jobs = [
        (f"{images}/{i}.png", click_point(thing.mask)) for i, scene in enumerate(scenes) for thing in scene.objects
    ] * 2
    serial = [click(server, *job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda job: click(server, *job), jobs)) == serial
    metrics = server.get("/metrics").text
    assert f'backend_embeddings_total{{source="computed"}} {SCENES}.0' in metrics


def test_masks_are_of_the_image_that_was_clicked(server: Server, images: str, scenes) -> None:
    server.wait_for("/ready")
    ious = []
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            mask = decode_brush(click(server, f"{images}/{i}.png", click_point(thing.mask)), Size(320, 240))
            ious.append((mask & thing.mask).sum() / (mask | thing.mask).sum())
    assert sum(ious) / len(ious) > 0.8


def test_as_many_clicks_wait_as_the_limit_says_and_the_others_are_told_when_to_try_again(tmp_path: Path) -> None:
    """The images come from a host that accepts connections and says nothing until it closes them."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        server = Server(tmp_path / "log", IMAGE_ALLOWED_HOSTS=host, IMAGE_TIMEOUT_SECONDS="150")
        try:
            server.wait_for("/ready")
            body = predict_body(f"http://{host}/a.png", keypoint(50, 50, "thing"), config=CONFIG)
            with ThreadPoolExecutor(70) as pool:
                clicks = [
                    pool.submit(lambda: requests.post(f"{server.url}/predict", json=body, timeout=150))
                    for _ in range(70)
                ]
                refused = [click.result() for click in itertools.islice(as_completed(clicks, timeout=START_SECONDS), 6)]
                for _ in range(20):
                    assert server.get("/health").status_code == 200
                assert "backend_predictions_in_progress 64.0" in server.get("/metrics").text
                waiting = [click for click in clicks if not click.done()]
                silent.close()
            assert [(answer.status_code, answer.headers["Retry-After"]) for answer in refused] == [(503, "1")] * 6
            assert [click.result().status_code for click in waiting] == [502] * 64
        finally:
            server.stop()


def wait_readable(clients: list[socket.socket], count: int) -> None:
    """Wait until so many of the clients have an answer."""
    end = time.monotonic() + 60
    while len(select.select(clients, [], [], 0.1)[0]) < count:
        assert time.monotonic() < end


def test_clients_that_stall_in_the_middle_of_a_body_leave_health_alone(tmp_path: Path) -> None:
    """More of them than there are threads; each is refused in time, and who comes after them is served."""
    server = Server(tmp_path / "log", MAX_CONCURRENT_PREDICTIONS="4", REQUEST_TIMEOUT_SECONDS="5")
    host, port = server.url.removeprefix("http://").split(":")
    try:
        server.wait_for("/ready")
        stalling = []
        for _ in range(30):
            client = socket.create_connection((host, int(port)), timeout=60)
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
            client.sendall(b'Content-Length: 1000\r\n\r\n{"ta')
            stalling.append(client)
        for _ in range(10):
            assert server.get("/health").status_code == 200
        assert requests.post(f"{server.url}/predict", json=predict_body("a.png"), timeout=60).status_code == 200
        wait_readable(stalling, 30)
        answers = [client.recv(4096).split(b"\r\n")[0] for client in stalling]
        assert set(answers) == {b"HTTP/1.1 408 Request Timeout"}
    finally:
        server.stop()


def test_a_client_that_goes_away_while_its_image_is_fetched_keeps_no_work_alive(tmp_path: Path) -> None:
    """The image comes after its client has hung up: it is not encoded for nobody."""
    image, asked, hung_up = png(40, 30), threading.Event(), threading.Event()

    def serve_late(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            asked.set()
            assert hung_up.wait(60)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image) + image)

    with socket.create_server(("127.0.0.1", 0)) as late:
        host = f"127.0.0.1:{late.getsockname()[1]}"
        server = Server(tmp_path / "log", IMAGE_ALLOWED_HOSTS=host)
        threading.Thread(target=serve_late, args=(late,), daemon=True).start()
        try:
            server.wait_for("/ready")
            body = predict_body(f"http://{host}/a.png", keypoint(50, 50, "thing"), config=CONFIG)
            client = http.client.HTTPConnection(server.url.removeprefix("http://"))
            client.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
            assert asked.wait(60)
            client.close()
            hung_up.set()
            end = time.monotonic() + 60
            while "The client disconnected" not in server.log.read_text():
                assert time.monotonic() < end, server.log.read_text()[-2000:]
                time.sleep(0.1)
            assert 'backend_embeddings_total{source="computed"} 0' in server.get("/metrics").text
        finally:
            server.stop()


def test_a_server_that_is_stopped_while_it_loads_ends_quietly(tmp_path: Path) -> None:
    server = Server(tmp_path / "log")
    server.wait_for("/health")
    time.sleep(1.0)
    server.stop()
    assert server.process.returncode == 0
    assert "SIGSEGV" not in server.log.read_text()


def test_a_bad_setting_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    server = Server(tmp_path / "log", TOP_K="many")
    server.process.wait(START_SECONDS)
    log = server.log.read_text()
    assert "TOP_K is 'many', which is not a whole number." in log
    assert "Traceback" not in log


def test_a_damaged_checkpoint_is_said_by_a_server_that_lives_on(tmp_path: Path) -> None:
    damaged = tmp_path / "sam.safetensors"
    damaged.write_bytes(b"no weights at all")
    server = Server(tmp_path / "log", SAM_CHECKPOINT=str(damaged))
    try:
        while (reply := _first_answer(server)).status_code == 200:
            assert time.monotonic() - server.started < START_SECONDS
            time.sleep(0.1)
        assert "is damaged" in reply.json()["error"]
        assert "download_models" in reply.json()["remedy"]
        assert server.process.poll() is None
    finally:
        server.stop()


def _first_answer(server: Server) -> requests.Response:
    server.wait_for("/metrics")
    return server.get("/health")


def test_the_first_click_on_a_preannotated_task_encodes_nothing(
    images: str, scenes, redis_server: RedisServer, tmp_path: Path
) -> None:
    """What `scripts.preannotate` runs, in a process of its own; then a backend that never saw the task."""
    host, config = images.removeprefix("http://"), parse_labeling_config(CONFIG)
    predictor = build_predictor(
        Settings(redis_url=redis_server.url, redis_timeout_seconds=10.0, image_allowed_hosts=frozenset({host}))
    )
    task = parse_task({"id": 7, "data": {"photo": f"{images}/0.png"}}, config, project_id="3")
    few = SegmentAll(replace(predictor.default_proposal(), points_per_side=4))
    assert predictor.predict(task, config, few, priority=Priority.BULK)
    there = {"REDIS_URL": redis_server.url, "REDIS_TIMEOUT_SECONDS": "10"}
    server = Server(tmp_path / "log", IMAGE_ALLOWED_HOSTS=host, **there)
    try:
        server.wait_for("/ready")
        assert click(server, f"{images}/0.png", click_point(scenes[0].objects[0].mask))
        metrics = server.get("/metrics").text
        assert 'backend_embeddings_total{source="computed"} 0.0' in metrics
        assert 'backend_embeddings_total{source="redis_hits"} 1.0' in metrics
        assert click(server, f"{images}/1.png", click_point(scenes[1].objects[0].mask))
        assert 'backend_embeddings_total{source="computed"} 1.0' in server.get("/metrics").text
    finally:
        server.stop()
