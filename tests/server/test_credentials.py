"""Which Authorization headers are right."""

from __future__ import annotations

import base64
import hmac

import pytest
from requests.auth import _basic_auth_str

from backend.server import Credentials

USER, PASSWORD, TOKEN = "label-studio", "pa:ss word", "t0ken=="
BOTH = Credentials(USER, PASSWORD, TOKEN)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("header", [_basic_auth_str(USER, PASSWORD), f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_right_credentials_are_accepted_as_requests_sends_them(header: str) -> None:
    assert BOTH.accept(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic ###",
        "Basic é",
        basic(""),
        basic(":"),
        basic(USER),
        basic(f"{USER}:"),
        basic(f":{PASSWORD}"),
        basic(f"{USER}:{PASSWORD}x"),
        basic(f"{USER}x:{PASSWORD}"),
        basic(f"{USER.upper()}:{PASSWORD}"),
        basic(f"{PASSWORD}:{USER}"),
        basic(TOKEN),
        f"Basic {USER}:{PASSWORD}",
        f"{basic(f'{USER}:{PASSWORD}')}, Bearer x",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {PASSWORD}",
        f"Token {TOKEN}",
        TOKEN,
    ],
)
def test_any_other_header_is_refused(header: str) -> None:
    assert not BOTH.accept(header)


@pytest.mark.parametrize("header", [basic(":"), "Basic ", "Bearer ", "Bearer", ""])
def test_credentials_that_are_not_configured_are_never_right(header: str) -> None:
    assert not Credentials(token=TOKEN).accept(header)
    assert not Credentials(USER, PASSWORD).accept(header)
    assert not Credentials().accept(header)
    assert not Credentials().accept_webhook("")


def test_the_password_is_compared_where_the_user_is_wrong_already_and_in_constant_time(monkeypatch) -> None:
    compared = []
    compare_digest = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or compare_digest(*pair))
    for text in (f"{USER}:{PASSWORD}", "x:y", ""):
        compared.clear()
        BOTH.accept(basic(text))
        assert [(len(given), len(expected)) for given, expected in compared] == [(32, 32), (32, 32)]


def test_neither_the_password_nor_the_token_is_in_the_representation() -> None:
    shown = repr(Credentials(USER, PASSWORD, TOKEN, "secret"))
    assert not any(secret in shown for secret in (USER, PASSWORD, TOKEN, "secret"))
