"""A whole run of the real server, searched for planted secrets and forged log lines.

gunicorn at LOG_LEVEL=DEBUG with an access log, a Redis with a password, and a Label Studio that redirects to presigned
URLs, sets cookies and fails in many ways. Afterwards no secret may be in any reply, page, metric, log line, or key or
value in Redis.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests.fakes import CONFIG, keypoint, png, predict_body
from tests.paths import ROOT
from tests.servers import LocalServer, RedisServer, Seen, free_port

pytestmark = pytest.mark.slow

START_SECONDS = 120
SECRETS = {
    "personal access token": "Pat5ec7e7",
    "access token": "Acc5ec7e7",
    "Redis password": "Red5ec7e7",
    "signature of a presigned URL": "Sig5ec7e7",
    "session cookie": "Ses5ec7e7",
    "password for this backend": "Bas5ec7e7",
    "token in /setup": "Set5ec7e7",
}
SIGNATURE = SECRETS["signature of a presigned URL"]
FORGED = "2026-11-25 21:50:05,123 CRITICAL forged: line"
FORGERIES = [f"a{break_}{FORGED}" for break_ in ("\n", "\r", "\r\n", "\x85", "\u2028", "\x0b")]
TERMINAL = "\x1b[2K\x1b[1A\x1b]0;title\x07\u202e"
LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
TEXT_LINE = re.compile(rf"    |\d{{4}}(-\d\d){{2}} \d\d(:\d\d){{2}},\d{{3}} ({LEVELS}) [\w.]+( \[[\w.-]{{1,64}}\])?: ")


def jwt(kind: str, secret: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"token_type": kind}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.{secret}"


PERSONAL_TOKEN, ACCESS_TOKEN = jwt("refresh", SECRETS["personal access token"]), jwt("access", SECRETS["access token"])
BASIC = ("annotator", SECRETS["password for this backend"])


def answer_as_label_studio(storage_url: str) -> Callable[[Seen, object], tuple[int, dict[str, str], bytes]]:
    """Redirects to presigned URLs of a storage, and fails, by the name of the file."""
    presigned = f"?X-Amz-Credential=a%2Fb&X-Amz-Signature={SIGNATURE}"
    redirects = {
        "ok": f"{storage_url}/ok.png{presigned}",
        "denied": f"{storage_url}/403.png{presigned}",
        "broken": f"{storage_url}/cut.png{presigned}",
        "page": f"{storage_url}/page.png{presigned}",
        "relative": f"//{storage_url.removeprefix('http://')}/403.png{presigned}",
        "loop": f"/data/upload/1/loop.png{presigned}",
        "login": f"/user/login/?next=/a.png&token={SIGNATURE}",
        "gone": f"http://127.0.0.1:9/a.png{presigned}",
        "unknown": f"http://nowhere.invalid/a.png{presigned}",
        "forbidden": f"ftp://me:{SIGNATURE}@127.0.0.1/a.png{presigned}",
        "slash": f"http:/127.0.0.1/a.png{presigned}",
        "user": f"http://me:{SIGNATURE}@127.0.0.1:9/a.png",
        "port": f"http://127.0.0.1:{SIGNATURE}/a.png",
    }

    def respond(seen: Seen, _: object) -> tuple[int, dict[str, str], bytes]:
        cookie = {"Set-Cookie": f"sessionid={SECRETS['session cookie']}; HttpOnly"}
        if seen.path.startswith("/api/token/refresh/"):
            return 200, {"Content-Type": "application/json", **cookie}, json.dumps({"access": ACCESS_TOKEN}).encode()
        if seen.path.startswith("/api/"):
            detail = f"refused {ACCESS_TOKEN} at /a?token={SIGNATURE}\n{FORGED}{TERMINAL}"
            return 500, {"Content-Type": "application/json", **cookie}, json.dumps({"detail": detail}).encode()
        if "/resolve/" in seen.path:
            return 302, {"Location": redirects["denied"], **cookie}, b""
        name = re.sub(r".*/|\.png.*", "", seen.path)
        if name in redirects:
            return 302, {"Location": redirects[name], **cookie}, b""
        return (int(name) if name.isdigit() else 404), cookie, f"<p>{SIGNATURE}</p>".encode()

    return respond


def answer_as_storage(seen: Seen, _: object) -> tuple[int, dict[str, str], bytes]:
    if "/ok.png" in seen.path:
        return 200, {}, png(40, 30)
    if "/cut.png" in seen.path:
        return 200, {}, png(40, 30)[:60]
    if "/page.png" in seen.path:
        return 200, {}, b"<html>AccessDenied</html>"
    return 403, {}, f"<Error>{SIGNATURE}</Error>".encode()


ANSWERED = CONFIG.replace("<View>", '<View><!-- backend: {"min_score": 0} -->')  # clicks on images without an object


@dataclass
class Conversation:
    """The server, and everything that it has replied."""

    url: str
    replies: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def send(self, method: str, path: str, auth: tuple[str, str] = BASIC, **options: Any) -> requests.Response:
        cookies = {"sessionid": SECRETS["session cookie"]}
        reply = requests.request(method, self.url + path, auth=auth, cookies=cookies, timeout=60, **options)
        self.replies.append(f"{reply.status_code} {reply.reason}\n{reply.headers}\n{reply.text}")
        self.statuses.append(reply.status_code)
        return reply

    def click(self, uri: object, **changes: Any) -> requests.Response:
        body = predict_body("", keypoint(50, 50, changes.pop("label", "cat")), config=ANSWERED)
        body["tasks"][0]["data"]["photo"] = uri
        body["tasks"][0].update(changes.pop("task", {}))
        return self.send("POST", "/predict", json={**body, **changes})

    def send_raw(self, head: str) -> None:
        """Send a request that no HTTP library would send; gunicorn's own refusal repeats it to its sender."""
        host, port = self.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(head.encode("latin-1"))
            assert client.recv(65536).startswith(b"HTTP/1.")


def converse(talk: Conversation, label_studio: LocalServer, storage: LocalServer) -> None:
    """Provoke errors of each kind, with secrets and forged lines wherever a client can put them."""
    for path in ("/setup", "/predict", "/webhook"):
        talk.send("POST", path, data=f'{{"a": "{SIGNATURE}', headers={"Content-Type": "application/json"})
        talk.send("POST", path, data=SIGNATURE)
        talk.send("POST", path, json=[FORGERIES])
        talk.send("POST", path, auth=("annotator", f"wrong-{SECRETS['password for this backend']}"), json={})
    names = "ok denied broken page relative loop login gone unknown forbidden slash user port 401 403 404 500"
    for name in names.split():
        talk.click(f"/data/upload/1/{name}.png")
        talk.click(f"{label_studio.url}/data/upload/1/{name}.png?token={SIGNATURE}")
    query = f"?X-Amz-Signature={SIGNATURE}"
    host = storage.url.removeprefix("http://")
    for uri in (
        f"//{host}/403.png{query}",
        f"https:/{host}/a.png{query}",
        f"http:{host}/a.png{query}",
        f"http://nowhere.invalid/a.png{query}",
        f"http://me:{SIGNATURE}@{host}/a.png",
        f"http://me:{SIGNATURE}/x@{host}/a.png",
        f"http://[::1/{query}",
        f"images/a.png{query}",
        f"/images/a.png{query}",
        f"/data/local-files/?d=a.png&token={SIGNATURE}",
        f"data:text/plain,{SIGNATURE}",
        f"data:image/png;base64,{SIGNATURE}",
        f"file:///etc/{query}",
        f"s3://bucket/a.png{query}",
        f"\\\\{host}\\a.png{query}",
        f"http://{host}/a\n.png{query}",
        f"/a.png?a=1\n&sig={SIGNATURE}",
        *(f"/data/upload/1/{text}.png" for text in (*FORGERIES, TERMINAL)),
        *(f"http://{host}/{text}" for text in (*FORGERIES, TERMINAL)),
        {"a": query},
        TERMINAL * 1000,
    ):
        talk.click(uri)
        talk.send("POST", "/predict", json=predict_body("", task_id=8) | {"tasks": [{"id": 8, "data": {"photo": uri}}]})
    for text in (*FORGERIES, TERMINAL, f"https://a.org/{query}"):
        talk.click("a.png", task={"id": text})
        talk.click("a.png", project=text)
        talk.click("/data/upload/1/ok.png", project=f"3.{text}")
        talk.click("/data/upload/1/ok.png", label=text)
        talk.click("a.png", label_config=f"<View>{text}")
        talk.click("a.png", label_config=CONFIG.replace('"cat"', f'"{text}"').replace("\n", " "), label=text + "x")
        talk.send("POST", "/webhook", json={"action": text, "project": {"id": text}, "task": {"id": text}})
        setup = {"project": text, "schema": CONFIG, "hostname": text, "access_token": SECRETS["token in /setup"]}
        talk.send("POST", "/setup", json=setup)
        talk.send("POST", "/setup", json=setup | {"extra_params": {text: text}, "project": "3.1"})
        talk.send("POST", "/setup", json=setup | {"schema": f"<View>{text}", "project": "3.1"})
        talk.send("POST", "/fail", data=text.encode("utf-8"))
        talk.send("GET", "/" + requests.utils.quote(text, safe=""))
    talk.send("GET", f"/nothing{query}")
    talk.send("GET", f"/health{query}")
    strange = f"Host: a\r\nUser-Agent: {TERMINAL[:-1]}\r\nReferer: {query}"
    talk.send_raw(f"GET /nothing?sig={SIGNATURE} HTTP/1.1\r\n{strange}\r\n\r\n")
    talk.send_raw(f"GET /\x1b[2K{query} HTTP/1.1\r\nHost: a\r\nX-Request-ID: {TERMINAL[:-1]}\r\n\r\n")
    talk.send_raw(f"GARBAGE {query} {TERMINAL[:-1]}\r\n\r\n")


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment without settings of a backend."""
    ours = ("LABEL_STUDIO", "REDIS", "SAM_", "CLIP_", "BASIC_", "LOG_", "IMAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def content_of(client: redis.Redis, key: bytes) -> bytes:
    """What is stored under a key: the members of a sorted set, or a value."""
    if client.type(key) == b"zset":
        return b" ".join(client.zrange(key, 0, -1))
    return client.get(key) or b""


@pytest.fixture
def secured_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, free_port(), password=SECRETS["Redis password"])
    server.start()
    yield server
    server.stop()


def start_backend(log: Path, settings: dict[str, str]) -> tuple[subprocess.Popen[bytes], Conversation]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--access-logfile", "-"]
    command += ["--log-level", "debug", "--access-logformat", '%(h)s "%(r)s" %(s)s "%(f)s" "%(a)s"']
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "tests.server.failing_app:app"], cwd=ROOT, env=settings, stdout=file, stderr=file
        )
    return process, Conversation(f"http://127.0.0.1:{port}")


def wait_until_ready(talk: Conversation, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if requests.get(f"{talk.url}/ready", timeout=1).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def found_in(text: str) -> set[str]:
    return {name for name, secret in SECRETS.items() if secret in text}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_planted_secret_leaves_the_server_and_no_log_line_is_forged(
    log_format: str,
    start_server: Callable[[], LocalServer],
    secured_redis: RedisServer,
    tmp_path: Path,
    clean_environment: dict[str, str],
) -> None:
    storage, label_studio, log = start_server(), start_server(), tmp_path / "log"
    storage.respond, label_studio.respond = answer_as_storage, answer_as_label_studio(storage.url)
    settings = {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": PERSONAL_TOKEN,
        "REDIS_URL": secured_redis.url,
        "BASIC_AUTH_USER": BASIC[0],
        "BASIC_AUTH_PASS": BASIC[1],
        "IMAGE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": log_format,
    }
    process, talk = start_backend(log, {**clean_environment, **settings})
    try:
        wait_until_ready(talk, log)
        converse(talk, label_studio, storage)
        assert talk.click("/data/upload/1/ok.png", project="3.1").status_code == 200
        answered = talk.send("GET", "/nothing", headers={"X-Request-ID": "from-a-proxy.1"})
        client = redis.Redis.from_url(secured_redis.url)
        in_redis = [key + b" " + content_of(client, key) for key in client.scan_iter()]
        secured_redis.stop()
        talk.click("/data/upload/1/ok.png", project="4.1")
        secured_redis.password = "another"
        secured_redis.start()
        time.sleep(2.1)  # the pause after an outage
        talk.click("/data/upload/1/ok.png", project="5.1")
        page = talk.send("GET", "/", headers={"Accept": "text/html"})
        metrics = talk.send("GET", "/metrics")
    finally:
        process.terminate()
        process.wait(60)
    lines = log.read_text(encoding="utf-8").split("\n")[:-1]

    assert set(talk.statuses) >= {200, 400, 404, 422, 500, 502}
    assert "HTTP 403 for /data/upload/1/denied.png" in page.text or "Internal error" in page.text
    assert "backend_requests_total" in metrics.text
    assert any(b"embedding:" in entry for entry in in_redis) and any(b"project-setup:" in entry for entry in in_redis)
    assert any("Redis does not answer" in line for line in lines)
    assert any("Traceback (most recent call last)" in line for line in lines)

    assert [reply for reply in talk.replies if found_in(reply)] == []
    assert [line for line in lines if found_in(line)] == []
    assert [entry for entry in in_redis if found_in(entry.decode("latin-1"))] == []

    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.startswith(FORGED[:34])] == []
    assert (answered.headers["X-Request-ID"], answered.json()["request_id"]) == ("from-a-proxy.1",) * 2
    assert any("from-a-proxy.1" in line for line in lines)
    if log_format == "json":
        records = [json.loads(line) for line in lines]
        assert [record for record in records if not {"time", "level", "logger", "message"} <= record.keys()] == []
        clicks = [record for record in records if record.get("route") == "predict" and record["status"] == 200]
        assert clicks[-1]["request_id"] and clicks[-1]["milliseconds"] > 0 and clicks[-1]["prompt"] == "points"
        assert {"fetch", "sam", "write"} <= clicks[-1]["stages"].keys()
    else:
        assert [line for line in lines if not TEXT_LINE.match(line)] == []
