"""Fixtures of all tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import LocalServer, RedisServer, free_port, start_local_server

# Wall-clock limits of hypothesis would fail tests on a busy machine.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running redis-server; without one the test is skipped, which tests.nothing_skipped forbids."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed; `make test` installs it where it may")
    server = RedisServer(tmp_path, free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_server() -> Iterator[Callable[[], LocalServer]]:
    """Starts servers on free ports of 127.0.0.1 and stops them after the test."""
    servers: list[ThreadingHTTPServer] = []
    yield lambda: start_local_server(servers)
    for server in servers:
        server.shutdown()
        server.server_close()
