"""Images over HTTP from a small local server: tokens, redirects, limits, the cache. Nothing leaves 127.0.0.1."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from backend.errors import ImageForbidden, ImageUnavailable
from backend.fetching import ImageFetcher, image_fetcher
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY, PAT, jwt

PNG = b"\x89PNG and so on"
UPLOAD = "/data/upload/2/bb7de776-a640.png"
LOCAL = "/data/local-files/?d=imgs/a.png"


@pytest.fixture
def label_studio(start_server: Callable[[], LocalServer]) -> LocalServer:
    """Gives PNG to whoever has the legacy token."""
    server = start_server()

    def respond(seen: Seen, handler: object) -> Answer:
        allowed = seen.headers.get("authorization") == f"Token {LEGACY}"
        return (200, {}, PNG) if allowed else (401, {}, b"")

    server.respond = respond
    return server


@pytest.fixture
def elsewhere(start_server: Callable[[], LocalServer]) -> LocalServer:
    """Another origin, which gives PNG to everybody."""
    server = start_server()
    server.respond = lambda seen, handler: (200, {}, PNG)
    return server


def fetcher(server: LocalServer, api_key: str = LEGACY, **more: Any) -> ImageFetcher:
    options: dict[str, Any] = {"allowed_hosts": frozenset(), "max_bytes": 1 << 20, "timeout_seconds": 5.0} | more
    return ImageFetcher(server.url, api_key, **options)


def host_of(server: LocalServer) -> str:
    return urlsplit(server.url).netloc


def redirect(to: str, status: int = 302) -> Answer:
    return status, {"Location": to}, b""


@pytest.fixture
def always_revalidated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that may change is asked for again at every fetch."""
    monkeypatch.setattr("backend.fetching.image_fetcher.REVALIDATE_SECONDS", 0)


@pytest.mark.usefixtures("always_revalidated")
def test_an_upload_is_fetched_with_the_token_and_kept_for_good(label_studio: LocalServer) -> None:
    images = fetcher(label_studio)
    assert [images.fetch(UPLOAD, 7, "2") for _ in range(3)] == [PNG] * 3
    assert label_studio.paths() == [UPLOAD]


def test_projects_do_not_share_images(label_studio: LocalServer) -> None:
    images = fetcher(label_studio)
    images.fetch(UPLOAD, 7, "2")
    images.fetch(UPLOAD, 8, "3")
    assert len(label_studio.seen) == 2


def test_what_may_change_is_asked_for_again_after_a_while(
    label_studio: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(image_fetcher, "time", SimpleNamespace(monotonic=lambda: now[0]))
    images = fetcher(label_studio)
    for later, requests_so_far in ((0.0, 1), (59.0, 1), (2.0, 2), (59.0, 2)):
        now[0] += later
        images.fetch(LOCAL, 7, "2")
        assert len(label_studio.seen) == requests_so_far


@pytest.mark.usefixtures("always_revalidated")
@pytest.mark.parametrize(("tells", "asks"), [("ETag", "if-none-match"), ("Last-Modified", "if-modified-since")])
def test_an_image_that_was_replaced_is_noticed_and_one_that_was_not_is_not_sent_again(
    label_studio: LocalServer, tells: str, asks: str
) -> None:
    content = {"version": '"1"', "bytes": PNG}

    def respond(seen: Seen, handler: object) -> Answer:
        if seen.headers.get(asks) == content["version"]:
            return 304, {}, b""
        return 200, {tells: str(content["version"])}, bytes(content["bytes"])  # type: ignore[arg-type]

    label_studio.respond = respond
    images = fetcher(label_studio)
    assert images.fetch(LOCAL, 7, "2") == PNG
    assert images.fetch(LOCAL, 7, "2") == PNG
    content.update(version='"2"', bytes=b"another picture")
    assert images.fetch(LOCAL, 7, "2") == b"another picture"
    assert [seen.headers.get(asks) for seen in label_studio.seen] == [None, '"1"', '"1"']


def test_unchanged_is_no_answer_to_who_did_not_ask(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: (304, {}, b"")
    with pytest.raises(ImageUnavailable, match="returned HTTP 304"):
        fetcher(label_studio).fetch(LOCAL, 7, "2")


def test_a_personal_access_token_is_exchanged_and_renewed_once_when_it_is_refused(
    start_server: Callable[[], LocalServer],
) -> None:
    server, valid = start_server(), [jwt(token_type="access", n=2)]

    def respond(seen: Seen, handler: object) -> Answer:
        if seen.path == "/api/token/refresh/":
            refreshes = server.paths().count(seen.path)
            return 200, {}, json.dumps({"access": jwt(token_type="access", n=refreshes)}).encode()
        return (200, {}, PNG) if seen.headers.get("authorization") == f"Bearer {valid[0]}" else (401, {}, b"")

    server.respond = respond
    images = fetcher(server, PAT)
    assert images.fetch(UPLOAD, 7, "2") == PNG
    assert server.paths() == ["/api/token/refresh/", UPLOAD, "/api/token/refresh/", UPLOAD]
    valid[0] = "none any more"
    with pytest.raises(ImageUnavailable, match=r"returned HTTP 401.*The token is missing or invalid.*Account"):
        images.fetch("/data/upload/2/other.png", 7, "2")
    assert server.paths().count("/api/token/refresh/") == 3


def test_cloud_storage_is_resolved_by_the_task_and_its_host_gets_no_token(
    label_studio: LocalServer, elsewhere: LocalServer
) -> None:
    label_studio.respond = lambda seen, handler: redirect(f"{elsewhere.url}/bucket/key?X-Amz-Signature=abc", 303)
    images = fetcher(label_studio, allowed_networks=frozenset({ip_network("127.0.0.1")}))
    assert images.fetch("s3://bucket/key", 7, "2") == PNG
    assert label_studio.paths() == ["/tasks/7/resolve/?fileuri=czM6Ly9idWNrZXQva2V5"]
    assert label_studio.seen[0].headers["authorization"] == f"Token {LEGACY}"
    assert elsewhere.paths() == ["/bucket/key?X-Amz-Signature=abc"]
    assert "authorization" not in elsewhere.seen[0].headers


def test_an_allowed_host_gets_no_token_and_no_cookie(label_studio: LocalServer, elsewhere: LocalServer) -> None:
    elsewhere.respond = lambda seen, handler: (200, {"Set-Cookie": "a=b; Path=/"}, PNG)
    images = fetcher(label_studio, allowed_hosts=frozenset({host_of(elsewhere)}))
    for name in ("a", "b"):
        assert images.fetch(f"{elsewhere.url}/{name}.png", None, "2") == PNG
    assert all("authorization" not in seen.headers and "cookie" not in seen.headers for seen in elsewhere.seen)


def test_the_token_is_not_sent_once_a_redirect_has_left_label_studio(
    label_studio: LocalServer, elsewhere: LocalServer
) -> None:
    elsewhere.respond = lambda seen, handler: redirect(f"{label_studio.url}{UPLOAD}")
    images = fetcher(label_studio, allowed_hosts=frozenset({host_of(elsewhere)}))
    with pytest.raises(ImageUnavailable, match=r"returned HTTP 401 .* The token was not sent: .* own URI"):
        images.fetch(f"{elsewhere.url}/a.png", None, "2")
    assert "authorization" not in label_studio.seen[0].headers


@pytest.mark.parametrize("uri", ["/api/users", "/data/../api/users"])
def test_a_task_cannot_make_the_backend_read_label_studio_for_it(label_studio: LocalServer, uri: str) -> None:
    """Whoever may import tasks names any address in them."""
    for address in (uri, f"{label_studio.url}{uri}"):
        with pytest.raises(ImageUnavailable, match="The token was not sent"):
            fetcher(label_studio).fetch(address, 7, "2")
    assert all("authorization" not in seen.headers for seen in label_studio.seen)


def test_a_password_file_does_not_replace_the_token(
    label_studio: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert fetcher(label_studio).fetch(UPLOAD, 7, "2") == PNG


def test_redirects_within_label_studio_keep_the_token(label_studio: LocalServer) -> None:
    give = label_studio.respond
    label_studio.respond = lambda seen, handler: redirect("/data/new") if seen.path == LOCAL else give(seen, handler)
    assert fetcher(label_studio).fetch(LOCAL, 7, "2") == PNG


def test_hosts_that_are_not_allowed_are_not_asked(label_studio: LocalServer, elsewhere: LocalServer) -> None:
    with pytest.raises(ImageForbidden, match=f"is on {host_of(elsewhere)}.*IMAGE_ALLOWED_HOSTS"):
        fetcher(label_studio).fetch(f"{elsewhere.url}/a.png", 7, "2")
    assert elsewhere.seen == []


def test_label_studio_may_not_send_us_elsewhere_from_other_addresses(
    label_studio: LocalServer, elsewhere: LocalServer
) -> None:
    label_studio.respond = lambda seen, handler: redirect(f"{elsewhere.url}/internal")
    with pytest.raises(ImageForbidden, match="/internal is on"):
        fetcher(label_studio).fetch("/go?next=elsewhere", 7, "2")
    assert elsewhere.seen == []


def test_an_allowed_host_may_not_send_us_elsewhere(
    label_studio: LocalServer, elsewhere: LocalServer, start_server: Callable[[], LocalServer]
) -> None:
    inside = start_server()
    elsewhere.respond = lambda seen, handler: redirect(f"{inside.url}/secret")
    images = fetcher(label_studio, allowed_hosts=frozenset({host_of(elsewhere)}))
    with pytest.raises(ImageForbidden, match="/secret is on"):
        images.fetch(f"{elsewhere.url}/a.png", 7, "2")
    assert inside.seen == []


def test_a_redirect_to_a_file_is_refused(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: redirect("file:///etc/passwd")
    with pytest.raises(ImageUnavailable, match=r"file:///etc/passwd is not an http\(s\) URL"):
        fetcher(label_studio).fetch(UPLOAD, 7, "2")


def test_a_redirect_to_the_login_is_a_wrong_token(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: redirect("/user/login/?next=/data")
    with pytest.raises(ImageUnavailable, match=r"redirected /data/upload.* to its login page.*LABEL_STUDIO_API_KEY"):
        fetcher(label_studio).fetch(UPLOAD, 7, "2")


def test_redirects_without_end_end(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: redirect(UPLOAD)
    with pytest.raises(ImageUnavailable, match="redirects too many times; the limit is 5"):
        fetcher(label_studio).fetch(UPLOAD, 7, "2")
    assert len(label_studio.seen) < 10


@pytest.mark.parametrize(
    ("status", "uri", "remedy"),
    [
        (401, UPLOAD, "token is missing or invalid.*Personal Access Token"),
        (403, UPLOAD, "has no access to this project"),
        (404, UPLOAD, "Check that the image still exists"),
        (404, "s3://bucket/key", "Connect this cloud storage"),
        (500, UPLOAD, "Check that the image still exists"),
    ],
)
def test_a_refusal_has_its_status_and_a_remedy(label_studio: LocalServer, status: int, uri: str, remedy: str) -> None:
    label_studio.respond = lambda seen, handler: (status, {}, b"secret page")
    with pytest.raises(ImageUnavailable, match=f"returned HTTP {status} for {uri}.*{remedy}") as refusal:
        fetcher(label_studio).fetch(uri, 7, "2")
    assert "secret" not in str(refusal.value)


def test_a_wrong_personal_access_token_is_said_with_the_image(label_studio: LocalServer) -> None:
    with pytest.raises(ImageUnavailable, match=f"{UPLOAD} could not be fetched: .*refused the personal access token"):
        fetcher(label_studio, PAT).fetch(UPLOAD, 7, "2")


def test_label_studio_that_is_away_is_named() -> None:
    images = ImageFetcher("http://127.0.0.1:9", LEGACY, frozenset(), 1 << 20, 2.0)
    with pytest.raises(
        ImageUnavailable, match=r"could not be fetched from 127.0.0.1:9: ConnectionError.*LABEL_STUDIO_URL"
    ):
        images.fetch(UPLOAD, 7, "2")


def test_an_image_that_says_it_is_too_large_is_not_read(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: (200, {}, bytes(1001))
    with pytest.raises(ImageUnavailable, match=r"larger than the limit of 1000 bytes \(IMAGE_MAX_BYTES\)"):
        fetcher(label_studio, max_bytes=1000).fetch(UPLOAD, 7, "2")


def stream(handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
    handler.send_response(200)
    for name, value in {"Connection": "close", **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()


def test_an_image_that_does_not_say_it_is_too_large_is_read_no_further(label_studio: LocalServer) -> None:
    sent = []

    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        stream(handler, {})
        try:
            for _ in range(2000):
                handler.wfile.write(bytes(1 << 16))
                sent.append(1)
        except OSError:
            pass  # hung up on, as it should be

    label_studio.respond = respond
    with pytest.raises(ImageUnavailable, match="larger than the limit of 1000000 bytes"):
        fetcher(label_studio, max_bytes=1_000_000).fetch(UPLOAD, 7, "2")
    assert len(sent) < 2000


def test_what_is_packed_is_measured_unpacked(label_studio: LocalServer) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    label_studio.respond = lambda seen, handler: (200, {"Content-Encoding": "gzip"}, bomb)
    with pytest.raises(ImageUnavailable, match="larger than the limit of 1000000 bytes"):
        fetcher(label_studio, max_bytes=1_000_000).fetch(UPLOAD, 7, "2")
    assert len(bomb) < 10_000
    assert fetcher(label_studio, max_bytes=5_000_000).fetch(UPLOAD, 7, "2") == bytes(5_000_000)


def test_chunks_are_put_together(label_studio: LocalServer) -> None:
    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        stream(handler, {"Transfer-Encoding": "chunked"})
        handler.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    label_studio.respond = respond
    assert fetcher(label_studio).fetch(UPLOAD, 7, "2") == b"abcde"


IN_TIME_SECONDS = 4.0  # a bound for deadlines of 0.3 s on a busy machine; the servers below go on for longer


def drip(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    """A piece every 50 ms until the client hangs up, for at most 30 s."""
    try:
        for _ in range(600):
            handler.wfile.write(piece)
            time.sleep(0.05)
    except OSError:
        pass  # hung up on, as it should be


def drip_body(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    stream(handler, {"Content-Length": "1000000"})
    drip(handler, b"x")


def say_nothing(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # returns when the client hangs up; the handler's own timeout is 30 s


@pytest.mark.parametrize("respond", [drip_body, say_nothing])
def test_an_image_that_drips_is_given_up_in_time(
    label_studio: LocalServer, respond: Callable[[Seen, BaseHTTPRequestHandler], None]
) -> None:
    label_studio.respond = respond
    started = time.monotonic()
    with pytest.raises(ImageUnavailable, match=r"timed out after 0.3 s.*IMAGE_TIMEOUT_SECONDS"):
        fetcher(label_studio, timeout_seconds=0.3).fetch(UPLOAD, 7, "2")
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_an_image_that_breaks_off_is_not_taken_for_whole(label_studio: LocalServer) -> None:
    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        stream(handler, {"Content-Length": "1000"})
        handler.wfile.write(PNG)

    label_studio.respond = respond
    with pytest.raises(ImageUnavailable, match=f"{UPLOAD} could not be fetched from"):
        fetcher(label_studio).fetch(UPLOAD, 7, "2")


def test_many_who_miss_at_once_fetch_once(label_studio: LocalServer) -> None:
    def respond(seen: Seen, handler: object) -> Answer:
        time.sleep(0.2)
        return 200, {}, PNG

    label_studio.respond = respond
    images, got = fetcher(label_studio), []
    threads = [threading.Thread(target=lambda: got.append(images.fetch(LOCAL, 7, "2"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == [PNG] * 8 and len(label_studio.seen) == 1


def test_a_failure_is_not_kept(label_studio: LocalServer) -> None:
    give = label_studio.respond
    label_studio.respond = lambda seen, handler: (503, {}, b"")
    images = fetcher(label_studio)
    with pytest.raises(ImageUnavailable, match="HTTP 503"):
        images.fetch(UPLOAD, 7, "2")
    label_studio.respond = give
    assert images.fetch(UPLOAD, 7, "2") == PNG


def test_images_over_the_budget_are_fetched_again(label_studio: LocalServer) -> None:
    images = fetcher(label_studio, cache_bytes=len(PNG))
    for uri in (UPLOAD, "/data/upload/2/other.png", UPLOAD):
        images.fetch(uri, 7, "2")
    assert len(label_studio.seen) == 3


@pytest.mark.parametrize("uri", ["http://[::1/a.png", "http://[::1/data/local-files/?d=a.png"])
def test_an_address_that_is_none_is_named_with_a_remedy(label_studio: LocalServer, uri: str) -> None:
    with pytest.raises(ImageUnavailable, match=r"^http://\[::1/.* is not an http\(s\) URL\. Upload the image"):
        fetcher(label_studio).fetch(uri, 7, "2")
    assert label_studio.seen == []


def test_a_redirect_to_an_address_that_is_none_is_named(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: redirect("http://[::1/a.png")
    with pytest.raises(
        ImageUnavailable, match=r"redirects to http://\[::1/a.png, which is not a URL. Check the storage"
    ):
        fetcher(label_studio).fetch(UPLOAD, 7, "2")


def drip_headers(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(handler, b"x")


def drip_without_a_length(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    """Its end is the connection's: broken off at the deadline it would look whole."""
    stream(handler, {})
    drip(handler, b"x")


@pytest.mark.parametrize("respond", [drip_headers, drip_without_a_length])
@pytest.mark.parametrize("connection_is_kept", [False, True])
def test_an_answer_that_drips_from_its_first_byte_is_given_up_in_time(
    label_studio: LocalServer,
    respond: Callable[[Seen, BaseHTTPRequestHandler], None],
    connection_is_kept: bool,
) -> None:
    images = fetcher(label_studio, timeout_seconds=0.3)
    if connection_is_kept:
        images.fetch("/data/upload/2/first.png", 7, "2")
    label_studio.respond = respond
    started = time.monotonic()
    with pytest.raises(ImageUnavailable, match=r"timed out after 0.3 s.*IMAGE_TIMEOUT_SECONDS"):
        images.fetch(UPLOAD, 7, "2")
    assert time.monotonic() - started < IN_TIME_SECONDS


@pytest.mark.usefixtures("always_revalidated")
def test_what_comes_in_time_is_not_broken_off_by_an_earlier_deadline(label_studio: LocalServer) -> None:
    images = fetcher(label_studio, timeout_seconds=2.0)
    for pause in (0.0, 0.8, 0.8, 0.8):
        time.sleep(pause)
        assert images.fetch(LOCAL, 7, "2") == PNG


@pytest.mark.parametrize("respond", [say_nothing, drip_headers])
def test_a_token_exchange_that_hangs_costs_all_who_wait_no_more_than_one_timeout(
    start_server: Callable[[], LocalServer], respond: Callable[[Seen, BaseHTTPRequestHandler], None]
) -> None:
    server = start_server()
    server.respond = respond
    images, said, all_there = fetcher(server, PAT, timeout_seconds=0.5), [], threading.Barrier(8)

    def fetch(number: int) -> None:
        all_there.wait(10)
        with pytest.raises(ImageUnavailable) as refusal:
            images.fetch(f"/data/upload/2/{number}.png", 7, "2")
        said.append(str(refusal.value))

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - started < IN_TIME_SECONDS  # what eight timeouts one after the other take
    assert len(said) == 8 and all("access token: timed out. Check LABEL_STUDIO_URL" in text for text in said)
    assert len(server.seen) <= 2


def test_who_opens_a_page_does_not_wait_for_a_slow_image_and_the_next_one_finds_it(label_studio: LocalServer) -> None:
    go, respond = threading.Event(), label_studio.respond

    def slowly(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        assert go.wait(10)
        return respond(seen, handler)

    label_studio.respond = slowly
    images = fetcher(label_studio)
    with pytest.raises(ImageUnavailable, match=r"was not fetched within 0\.1 s; the download continues"):
        images.fetch(UPLOAD, 7, "2", wait_seconds=0.1)
    go.set()
    assert images.fetch(UPLOAD, 7, "2") == PNG
    assert label_studio.paths() == [UPLOAD]


def test_images_fetched_ahead_do_not_drive_out_those_in_use(elsewhere: LocalServer) -> None:
    options = {
        "allowed_hosts": frozenset({host_of(elsewhere)}),
        "cache_bytes": 3 * len(PNG),
        "prefetch_bytes": len(PNG),
    }
    images = fetcher(elsewhere, **options)
    for name in ("used", "also"):
        images.fetch(f"{elsewhere.url}/{name}.png", None, "2")
    for name in "abc":
        images.fetch(f"{elsewhere.url}/{name}.png", None, "2", prefetch=True)
    elsewhere.seen.clear()
    for name in ("used", "also", "c"):
        images.fetch(f"{elsewhere.url}/{name}.png", None, "2")
    assert elsewhere.seen == []


class NotAnImage(Exception):
    """What the caller's check raises."""


def check_png(content: bytes) -> None:
    if not content.startswith(b"\x89PNG"):
        raise NotAnImage


@pytest.mark.parametrize("uri", [UPLOAD, LOCAL])
def test_bytes_that_fail_the_check_are_not_cached(label_studio: LocalServer, uri: str) -> None:
    bodies = [b"<html>log in</html>", PNG]
    label_studio.respond = lambda seen, handler: (200, {"ETag": '"1"'}, bodies[len(label_studio.seen) > 1])
    images = fetcher(label_studio)
    with pytest.raises(NotAnImage):
        images.fetch(uri, 7, "2", check=check_png)
    assert [images.fetch(uri, 7, "2", check=check_png) for _ in range(2)] == [PNG, PNG]
    assert [seen.headers.get("if-none-match") for seen in label_studio.seen] == [None, None]


def test_all_callers_of_one_bad_download_get_the_error_and_the_next_one_fetches_again(
    label_studio: LocalServer,
) -> None:
    go, bodies, refused = threading.Event(), [b"<html>", PNG], []

    def respond(seen: Seen, handler: object) -> Answer:
        assert go.wait(60)
        return 200, {}, bodies.pop(0)

    label_studio.respond = respond
    images, joined = fetcher(label_studio), threading.Semaphore(0)
    run = images._flights.run

    def run_and_tell(*arguments: Any) -> Any:
        flight = run(*arguments)  # at once for all but the one that downloads
        joined.release()
        return flight

    images._flights.run = run_and_tell  # type: ignore[method-assign]

    def fetch() -> None:
        with pytest.raises(NotAnImage):
            images.fetch(UPLOAD, 7, "2", check=check_png)
        refused.append(True)

    flight = threading.Thread(target=fetch)
    flight.start()
    while not label_studio.seen:
        time.sleep(0.01)
    others = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in others:
        thread.start()
    assert all(joined.acquire(timeout=30) for _ in others)
    go.set()
    for thread in (flight, *others):
        thread.join(60)
    assert len(refused) == 5 and len(label_studio.seen) == 1
    assert images.fetch(UPLOAD, 7, "2", check=check_png) == PNG


def test_a_bad_download_that_ends_after_its_caller_gave_up_is_not_cached_either(label_studio: LocalServer) -> None:
    go, checked, bodies = threading.Event(), threading.Event(), [b"<html>", PNG]

    def respond(seen: Seen, handler: object) -> Answer:
        assert go.wait(10)
        return 200, {}, bodies.pop(0)

    def check(content: bytes) -> None:
        checked.set()
        check_png(content)

    label_studio.respond = respond
    images = fetcher(label_studio)
    with pytest.raises(ImageUnavailable, match="the download continues"):
        images.fetch(UPLOAD, 7, "2", wait_seconds=0.05, check=check)
    go.set()
    assert checked.wait(10)
    with suppress(NotAnImage):  # of the same download, if it has not quite ended
        assert images.fetch(UPLOAD, 7, "2", check=check_png) == PNG
    assert images.fetch(UPLOAD, 7, "2", check=check_png) == PNG


def test_bytes_that_turned_out_to_be_damaged_are_forgotten_in_every_project(label_studio: LocalServer) -> None:
    images = fetcher(label_studio)
    for project in ("2", "3"):
        images.fetch(UPLOAD, 7, project)
    images.forget(PNG)
    for project in ("2", "3"):
        images.fetch(UPLOAD, 7, project)
    assert len(label_studio.seen) == 4


@pytest.mark.usefixtures("always_revalidated")
def test_unchanged_does_not_bring_back_bytes_that_were_forgotten_meanwhile(label_studio: LocalServer) -> None:
    images = fetcher(label_studio)
    label_studio.respond = lambda seen, handler: (200, {"ETag": '"1"'}, b"damaged")
    assert images.fetch(LOCAL, 7, "2") == b"damaged"

    def respond(seen: Seen, handler: object) -> Answer:
        if "if-none-match" in seen.headers:
            images.forget(b"damaged")  # by another request, while this one is on its way
            return 304, {}, b""
        return 200, {"ETag": '"1"'}, PNG

    label_studio.respond = respond
    assert images.fetch(LOCAL, 7, "2") == PNG
    assert [seen.headers.get("if-none-match") for seen in label_studio.seen] == [None, '"1"', None]
