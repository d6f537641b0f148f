"""Legacy tokens, personal access tokens and what is said of a wrong one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from backend.errors import LabelStudioError
from backend.fetching import TokenSource
from backend.fetching import api_token as tokens
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY, PAT, jwt


@pytest.fixture
def label_studio(start_server: Callable[[], LocalServer]) -> LocalServer:
    """Exchanges the PAT for access tokens that are numbered and live 300 s."""
    server = start_server()

    def respond(seen: Seen, handler: object) -> Answer:
        if seen.path != "/api/token/refresh/" or json.loads(seen.body) != {"refresh": PAT}:
            return 401, {}, b'{"detail": "Token is invalid"}'
        access = jwt(token_type="access", iat=1000, exp=1300, n=len(server.seen))
        return 200, {}, json.dumps({"access": access}).encode()

    server.respond = respond
    return server


def test_a_legacy_token_is_sent_as_it_is() -> None:
    source = TokenSource("http://127.0.0.1:9", f" {LEGACY}\n")
    assert source.headers() == {"Authorization": f"Token {LEGACY}"}
    assert not source.can_renew


def test_without_a_key_nothing_is_sent() -> None:
    assert TokenSource("http://127.0.0.1:9", "").headers() == {}


def test_a_personal_access_token_is_exchanged_once_and_never_sent_itself(label_studio: LocalServer) -> None:
    source = TokenSource(f"{label_studio.url}/", PAT)
    first = source.headers()
    assert source.headers() == first
    assert first["Authorization"].startswith("Bearer ") and PAT not in first["Authorization"]
    assert label_studio.paths() == ["/api/token/refresh/"]


def test_an_access_token_is_exchanged_anew_before_it_ends(
    label_studio: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives 300 s by its claims, whatever the clocks say; 30 s of them are spared."""
    now = [5e9]
    monkeypatch.setattr(tokens.time, "time", lambda: now[0])
    source = TokenSource(label_studio.url, PAT)
    first = source.headers()
    now[0] += 269
    assert source.headers() == first
    now[0] += 2
    assert source.headers() != first
    assert len(label_studio.seen) == 2


def test_a_refused_access_token_is_exchanged_once_for_all_who_were_refused(label_studio: LocalServer) -> None:
    source = TokenSource(label_studio.url, PAT)
    refused = source.headers()["Authorization"]
    second = source.headers(refused)
    assert second["Authorization"] != refused
    assert source.headers(refused) == second
    assert len(label_studio.seen) == 2


def test_many_threads_exchange_once(label_studio: LocalServer) -> None:
    source = TokenSource(label_studio.url, PAT)
    got: list[dict[str, str]] = []
    threads = [threading.Thread(target=lambda: got.append(source.headers())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(got) == 8 and len(label_studio.seen) == 1


def test_who_finds_the_exchange_just_done_exchanges_no_second_time(label_studio: LocalServer, monkeypatch) -> None:
    source = TokenSource(label_studio.url, PAT)
    join = source._exchanges.run

    def come_late(key, call):
        monkeypatch.undo()
        first.append(source.headers())  # as another thread does, between this one's look and its call
        return join(key, call)

    first: list[dict[str, str]] = []
    monkeypatch.setattr(source._exchanges, "run", come_late)
    assert [source.headers()] == first
    assert len(label_studio.seen) == 1


def test_an_access_token_without_claims_is_kept_four_minutes(start_server: Callable[[], LocalServer]) -> None:
    server = start_server()
    server.respond = lambda seen, handler: (200, {}, b'{"access": "opaque"}')
    source = TokenSource(server.url, PAT)
    before = time.time()
    assert source.headers() == {"Authorization": "Bearer opaque"}
    assert before + 205 < source._expires_at < time.time() + 215


def test_a_refused_personal_access_token_says_where_to_get_one(label_studio: LocalServer) -> None:
    with pytest.raises(LabelStudioError, match=r"refused the personal access token \(HTTP 401\).*Account & Settings"):
        TokenSource(label_studio.url, jwt(token_type="refresh", wrong=1)).headers()


def test_the_address_of_a_page_of_label_studio_is_not_taken_for_a_wrong_token(
    start_server: Callable[[], LocalServer],
) -> None:
    server = start_server()
    server.respond = lambda seen, handler: (404, {}, b"<h1>Not Found</h1>")
    with pytest.raises(LabelStudioError, match=r"no Label Studio at .*/projects/1/data \(HTTP 404\).*without the path"):
        TokenSource(f"{server.url}/projects/1/data", PAT).headers()


def test_an_access_token_in_the_settings_is_refused_without_asking(label_studio: LocalServer) -> None:
    with pytest.raises(LabelStudioError, match=r"is an access token, .* only five minutes.*LABEL_STUDIO_API_KEY"):
        TokenSource(label_studio.url, jwt(token_type="access", exp=1)).headers()
    assert label_studio.seen == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"', b"null"])
def test_an_answer_that_is_none_is_named(start_server: Callable[[], LocalServer], body: bytes) -> None:
    server = start_server()
    server.respond = lambda seen, handler: (200, {}, body)
    with pytest.raises(LabelStudioError, match=r"did not provide an access token: .*Check LABEL_STUDIO_URL"):
        TokenSource(server.url, PAT).headers()


def test_label_studio_that_is_away_is_named() -> None:
    with pytest.raises(LabelStudioError, match=r"127.0.0.1:9 did not provide an access token: Connection"):
        TokenSource("http://127.0.0.1:9", PAT).headers()


@pytest.mark.parametrize("status", [301, 307, 308])
def test_an_exchange_follows_no_redirect(start_server: Callable[[], LocalServer], status: int) -> None:
    server, elsewhere = start_server(), start_server()
    server.respond = lambda seen, handler: (status, {"Location": f"{elsewhere.url}{seen.path}"}, b"")
    with pytest.raises(LabelStudioError, match=rf"HTTP {status}.*set LABEL_STUDIO_URL to the URL that"):
        TokenSource(server.url, PAT).headers()
    assert elsewhere.seen == []
