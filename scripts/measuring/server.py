"""Clicks through HTTP: gunicorn in a process of its own on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import orjson
import requests

from backend.errors import BackendError
from backend.settings import Settings
from scripts.demo_circle.places import free_ports
from scripts.measuring.place import MASKS_ONLY, ROOT, Picture, build_body
from scripts.measuring.timing import Row, build_row, time_ms

START_SECONDS = 180.0


def measure_http(
    settings: Settings, pictures: Sequence[Picture], folder: Path, *, repeats: int, in_server_ms: float
) -> list[Row]:
    """Measure the first click on each picture, then further clicks on the first picture.

    Args:
        in_server_ms: p50 of the same warm click without HTTP.
    """
    group = f"Through HTTP, SAM {settings.sam_model}"
    bodies = [orjson.dumps(build_body(picture, MASKS_ONLY)) for picture in pictures]
    half = 1 + len(pictures) // 2
    with run_server(settings, folder / "server.log") as url, requests.Session() as session:
        session.trust_env = False

        def post(body: bytes) -> object:
            headers = {"Content-Type": "application/json"}
            answer = session.post(f"{url}/predict", data=body, headers=headers, timeout=START_SECONDS)
            answer.raise_for_status()
            return answer.json()["results"][0]

        def click(body: bytes) -> None:
            if not post(body):
                raise BackendError("The server returned no mask.", remedy=f"Read {folder / 'server.log'}.")

        def click_after_opening(picture: Picture, body: bytes) -> float:
            post(orjson.dumps({**build_body(picture, MASKS_ONLY), "params": {}}))
            time.sleep(cold_ms / 1000)
            return time_ms(lambda: click(body), "wall")

        click(bodies[0])
        cold = [time_ms(partial(click, body), "wall") for body in bodies[1:half]]
        warm = [time_ms(lambda: click(bodies[0]), "wall") for _ in range(repeats)]
        cold_ms = max(cold)
        opened = [click_after_opening(*pair) for pair in zip(pictures[half:], bodies[half:], strict=True)]
        again = [time_ms(partial(click, body), "wall") for body in bodies[half:]]
    return [
        build_row(group, "cold click: fetch, decode, encode, mask", cold),
        build_row(group, "warm click", warm, peer="the same without HTTP", peer_ms=[in_server_ms], max_extra_ms=5),
        build_row(
            group,
            "first click after the page was open for as long as a cold click takes",
            opened,
            peer="a second click on the same images",
            peer_ms=again,
            aim=1 / 1.3,
            remark="in the background: fetch, decode, encode",
        ),
    ]


@contextmanager
def run_server(settings: Settings, log: Path) -> Iterator[str]:
    """Run gunicorn with these settings; yield its URL once it is ready."""
    port = free_ports().backend
    command = [sys.executable, "-m", "gunicorn", "-w", "1", "--threads", "8", "-b", f"127.0.0.1:{port}"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "backend.wsgi:app"],
            cwd=ROOT,
            env={**os.environ, **_to_environment(settings)},
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _to_environment(settings: Settings) -> dict[str, str]:
    """Build the environment of a server with these settings, but without authentication: it is on this machine only."""
    credentials = {"basic_auth_user", "basic_auth_pass", "api_token"}
    plain = {name.upper(): "" if name in credentials else value for name, value in settings.model_dump().items()}
    return {name: ",".join(value) if isinstance(value, frozenset) else str(value) for name, value in plain.items()}


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < end and process.poll() is None:
            with suppress(requests.RequestException):
                if session.get(f"{url}/ready", timeout=5).ok:
                    return
            time.sleep(0.2)
    raise BackendError(
        f"The server was not ready within {START_SECONDS:.0f} s, or it ended.",
        remedy=f"Its log ends with: {log.read_text(errors='replace')[-2000:]}",
    )
