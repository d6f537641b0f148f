"""nginx.conf, run by a real nginx in front of a real gunicorn."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.settings import Settings
from tests.http_worker.light_app import LARGE_BYTES
from tests.http_worker.light_server import LightServer, ask
from tests.paths import ROOT
from tests.servers import free_port

pytestmark = pytest.mark.slow

CONFIGURATION = (ROOT / "nginx.conf").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Proxy:
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        with closing(self.connect()) as connection:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()


def placed(configuration: str, folder: Path, port: int, backend_port: int) -> str:
    """The configuration with this test's ports and folder; everything else as it stands."""
    replaced = configuration.replace("server backend:9090;", f"server 127.0.0.1:{backend_port};")
    replaced = replaced.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    replaced = replaced.replace("/tmp/nginx", str(folder / "nginx")).replace("/dev/stdout", str(folder / "access.log"))
    assert f":{backend_port};" in replaced
    assert f":{port};" in replaced
    if os.geteuid() == 0:  # nginx would write temporary files as another user, who may not enter the test's folder
        replaced = f"user root;\n{replaced}"
    return replaced


@pytest.fixture(scope="module")
def nginx() -> str:
    """The program; without one the test is skipped, which tests.nothing_skipped forbids."""
    program = shutil.which(
        "nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(ROOT / ".programs/usr/sbin")])
    )
    if program is None:
        pytest.skip("nginx is not installed; `make test` unpacks it where it may")
    return program


@pytest.fixture(scope="module")
def proxy(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    with LightServer(folder) as backend:
        file = folder / "nginx.conf"
        file.write_text(placed(CONFIGURATION, folder, port, backend.port), encoding="utf-8")
        checked = subprocess.run([nginx, "-t", "-c", str(file)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "[warn]" not in checked.stderr.replace('the "user" directive', "")
        with (folder / "error.log").open("w") as log:
            process = subprocess.Popen([nginx, "-c", str(file)], stderr=log)
        try:
            started = Proxy(port, folder / "access.log")
            end = time.monotonic() + 60
            while not _answers(started):
                assert time.monotonic() < end, (folder / "error.log").read_text()
                time.sleep(0.02)
            yield started
        finally:
            process.terminate()
            process.wait(60)


def _answers(proxy: Proxy) -> bool:
    try:
        return proxy.get("/health")[0] == 200
    except OSError:
        return False


def test_metrics_are_not_exposed_and_everything_else_is(proxy: Proxy) -> None:
    assert proxy.get("/metrics")[0] == 404
    assert [proxy.get(path)[0] for path in ("/health", "/ready", "/", "/versions")] == [200] * 4


def test_the_backend_sees_the_address_of_the_client_and_not_what_it_says_of_itself(proxy: Proxy) -> None:
    assert proxy.get("/address", {"X-Forwarded-For": "6.6.6.6"})[1] == b"127.0.0.1 127.0.0.1"


def test_a_body_over_the_limit_is_refused_in_the_words_of_the_backend(proxy: Proxy) -> None:
    with closing(proxy.connect()) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str((64 << 20) + 1))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"] == "The request body is larger than the proxy accepts."


def test_the_limit_of_a_body_is_the_backends(proxy: Proxy) -> None:
    (megabytes,) = re.findall(r"client_max_body_size\s+(\d+)m;", CONFIGURATION)
    assert int(megabytes) << 20 == Settings().max_body_bytes


def test_a_large_response_and_many_requests_on_one_connection_pass(proxy: Proxy) -> None:
    with closing(proxy.connect()) as connection:
        assert len(ask(connection, "/large")[1]) == LARGE_BYTES
        kept = connection.sock
        assert [ask(connection, "/health")[0] for _ in range(20)] == [200] * 20
        assert connection.sock is kept


def test_a_chunked_body_reaches_the_backend_whole(proxy: Proxy) -> None:
    with closing(proxy.connect()) as connection:
        parts = iter([b'{"action"', b': "PING"}'])
        connection.request("POST", "/webhook", parts, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().read() == b'{"status":"ok"}'


def test_connections_beyond_the_limit_of_an_address_are_refused_in_words(proxy: Proxy) -> None:
    """nginx counts a connection once its header has arrived."""
    header = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as opened:
        for _ in range(128):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=60))
            client.sendall(header)
        end = time.monotonic() + 60
        while (answer := proxy.get("/health"))[0] == 200:
            assert time.monotonic() < end
        assert answer[0] == 429
        assert json.loads(answer[1])["error"] == "Too many requests or connections from this address."


def test_the_access_log_has_no_query_string_and_the_request_id(proxy: Proxy) -> None:
    proxy.get("/health?token=secret", {"X-Request-ID": "id-of-this-test"})
    end = time.monotonic() + 60
    while "id-of-this-test" not in (log := proxy.log.read_text()):
        assert time.monotonic() < end, log
        time.sleep(0.02)
    assert "secret" not in log


def test_a_backend_that_is_away_is_said_in_words(nginx: str, tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "nginx.conf"
    file.write_text(placed(CONFIGURATION, tmp_path, port, free_port()), encoding="utf-8")
    process = subprocess.Popen([nginx, "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        proxy, end = Proxy(port, tmp_path / "access.log"), time.monotonic() + 60
        while True:
            try:
                status, body = proxy.get("/health")
                break
            except OSError:
                assert time.monotonic() < end
        assert (status, json.loads(body)["error"]) == (502, "The proxy does not reach the backend.")
    finally:
        process.terminate()
        process.wait(60)
