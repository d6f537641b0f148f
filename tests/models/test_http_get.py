"""Redirects of downloads."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from email.message import Message

import pytest

from backend.models.http_get import _CarefulRedirects


def follow(source: str, target: str) -> urllib.request.Request | None:
    request = urllib.request.Request(source)
    request.add_unredirected_header("Authorization", "Bearer x")
    return _CarefulRedirects().redirect_request(request, io.BytesIO(), 302, "Found", Message(), target)


@pytest.mark.parametrize(
    ("target", "token"),
    [
        ("https://hub.example/api/cache/a", "Bearer x"),
        ("https://cdn.example/a", None),
        ("https://hub.example:8443/a", None),
        ("https://hub.example.evil.example/a", None),
        ("https://hub.example@evil.example/a", None),
    ],
)
def test_the_token_follows_within_one_host_and_port_only(target: str, token: str | None) -> None:
    following = follow("https://hub.example/a", target)
    assert following is not None
    assert dict(following.header_items()).get("Authorization") == token


def test_a_redirect_to_an_unencrypted_address_is_refused() -> None:
    with pytest.raises(urllib.error.URLError, match=r"redirects to http://hub.example/a, which is not encrypted"):
        follow("https://hub.example/a", "http://hub.example/a")
