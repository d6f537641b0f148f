"""Text from outside, made safe to show."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadImage, shorten
from backend.safe_text import register_secrets, secrets, show, show_url

SIGNATURE = "5ec7e75195"
PASSWORD = "pass5ec7e7"


@pytest.fixture
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the test's own, which is empty."""
    monkeypatch.setattr(secrets, "_values", set())
    monkeypatch.setattr(secrets, "_pattern", None)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (f"https://a.org/b.png?X-Amz-Signature={SIGNATURE}", "https://a.org/b.png"),
        (f"HTTPS://a.org/b.png?X-Amz-Signature={SIGNATURE}", "HTTPS://a.org/b.png"),
        (f"//a.org/b.png?X-Amz-Signature={SIGNATURE}", "//a.org/b.png"),
        (f"https:/a.org/b.png?X-Amz-Signature={SIGNATURE}", "https:/a.org/b.png"),
        (f"https:a.org/b.png?X-Amz-Signature={SIGNATURE}", "https:a.org/b.png"),
        (f"\\\\a.org\\b.png?X-Amz-Signature={SIGNATURE}", "\\\\a.org\\b.png"),
        (f"images/b.png?X-Amz-Signature={SIGNATURE}", "images/b.png"),
        (f"/images/b.png#access_token={SIGNATURE}", "/images/b.png"),
        (f"/data/local-files/?d=a/b.png&token={SIGNATURE}", "/data/local-files/?d=a/b.png"),
        (f"/data/local-files/?token={SIGNATURE}&d=a/b.png", "/data/local-files/"),
        (f"/data/local-files/?d=a?token={SIGNATURE}", "/data/local-files/?d=a"),
        (f"/data/local-files/?d=a%26token%3D{SIGNATURE}", "/data/local-files/"),
        (f"/proxy/?d={SIGNATURE}", "/proxy/"),
        (f"/proxy/https%3A%2F%2Fa.org%3FX-Amz-Signature%3D{SIGNATURE}", "/proxy/https%3A%2F%2Fa.org"),
        (f"data:image/png;base64,{SIGNATURE}", "data:image/png;base64,…"),
        (f"data:text/plain,https://a.org/?{SIGNATURE}", "data:text/plain,…"),
        (f"data:?X-Amz-Signature={SIGNATURE}", "data:"),
        (f"https://me:{SIGNATURE}@a.org/b.png", "https://***@a.org/b.png"),
        (f"https:/me:{SIGNATURE}@a.org/b.png", "https:/***@a.org/b.png"),
        (f"//me:{SIGNATURE}@a.org/b.png", "//***@a.org/b.png"),
        (f"https://me:{SIGNATURE}/x@a.org/b.png", "https://***"),
        (f"https://me:{SIGNATURE}#x@a.org/b.png", "https://***"),
        (f"https://{SIGNATURE}@a.org", "https://***@a.org"),
    ],
)
def test_no_spelling_of_a_url_shows_its_signature_or_password(uri: str, shown: str) -> None:
    assert show_url(uri) == shown
    assert SIGNATURE not in show(f'The image "{uri}" is none, ({uri}), says {uri}.')
    assert SIGNATURE not in str(BadImage(f"{uri} is no image.", remedy=f"Look at '{uri}'."))


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.org:8000/b@2x.png",
        "http://[::1]:80/a.png",
        "s3://bucket/a b.png",
        "/data/upload/2/a-b.png",
        "/data/local-files/?d=a.png",
    ],
)
def test_a_url_without_secrets_is_shown_as_it_is(uri: str) -> None:
    assert show_url(uri) == uri


def test_a_sentence_around_a_url_stays_whole() -> None:
    text = (
        f'GET "https://a.org/b?c={SIGNATURE}" failed (see https://a.org/d?e=f). Why? See #3, or data:a/b,{SIGNATURE}.'
    )
    shown = 'GET "https://a.org/b" failed (see https://a.org/d). Why? See #3, or data:a/b,….'
    assert show(text) == show(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        f'http://h:80 "GET /bucket/a.png?X-Amz-Signature={SIGNATURE}&b=c HTTP/1.1" 200 0',
        f"Max retries exceeded with url: /a.png?sig={SIGNATURE} (Caused by X('http://u:{SIGNATURE}@h/'))",
        f"Authorization: Bearer {SIGNATURE}{SIGNATURE}",
        f"[(b'Set-Cookie', b'sessionid={SIGNATURE}; Path=/'), (b'Location', b'http://x/?a={SIGNATURE}')]",
        f"Cookie: sessionid={SIGNATURE}; csrftoken={SIGNATURE}",
        f"LABEL_STUDIO_API_KEY={SIGNATURE}",
        f'{{"a": "https://h/?x={SIGNATURE}", "b": 1}}',
        f"https://h/?a=1\n&b={SIGNATURE}",
        f"https://h/?a='1'&b={SIGNATURE}",
        f'{{"password": "{SIGNATURE}", "api_key":"{SIGNATURE}"',
        f"{{'access_token': '{SIGNATURE}'}}",
        f"eyJhbGciOiJIUzI1NiJ9.{SIGNATURE}.{SIGNATURE}",
    ],
)
def test_what_libraries_write_about_a_request_shows_no_secret(text: str) -> None:
    assert SIGNATURE not in show(text)


@pytest.mark.parametrize(
    "text",
    [
        'The label "token" is not in the control "k", which has: cookie, signature, dog.',
        "Found cookie: 0.97, plate: 0.02.",
        "Legacy token authentication has been disabled for this organization.",
        "Copy a personal access token from Label Studio (account menu → Account & Settings → Personal Access Token).",
    ],
)
def test_words_for_secrets_are_not_secrets(text: str) -> None:
    assert show(text) == text


def test_a_registered_secret_is_hidden_in_every_spelling(no_secrets: None) -> None:
    secret = 'p"ä/s\\s wörd'
    register_secrets([secret])
    for spelling in (secret, json.dumps(secret), repr(secret), "p%22%C3%A4%2Fs%5Cs%20w%C3%B6rd"):
        assert "***" in show(f"refused {spelling} here")
        assert "rd" not in show(f"refused {spelling} here")


def test_a_short_secret_does_not_cut_up_other_words(no_secrets: None) -> None:
    register_secrets(["a", "demo", ""])
    assert show("a demonstration") == "a demonstration"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x1b[31mred\x9b0m", r"\x1b[31mred\x9b0m"),
        ("right\u202eleft\u2066", r"right\u202eleft\u2066"),
        ("a\u2028b\x85c\x0bd", r"a\u2028b\x85c\x0bd"),
        ("\ud800 \U000e0001", r"\ud800 \U000e0001"),
        ("no\u00a0break", "no break"),
        ("می\u200cخواهم 赤い車 é", "می\u200cخواهم 赤い車 é"),
    ],
)
def test_what_moves_hides_or_reorders_text_is_escaped(text: str, shown: str) -> None:
    assert show(text) == shown


@given(st.text(max_size=300))
def test_whatever_is_shown_is_one_line_of_bounded_length(text: str) -> None:
    shown = show(text, 100)
    assert len(shown) <= 100
    assert all(character.isprintable() or character in "\u200c\u200d" for character in shown)
    assert show(shown, 200) == shown or "…" in shown


def test_a_path_with_a_control_character_is_shown_without_its_query() -> None:
    assert show("/\x1f?") == show(show("/\x1f?")) == "/\\x1f"


def test_any_value_can_be_shown() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert shorten(nested) == "an unprintable list (RecursionError)"
    assert shorten(10**5000) == "an unprintable int (ValueError)"
    assert shorten(None) == "None"


@pytest.mark.parametrize("unit", ["?", "/", "a", "x-amz-", "//a", "data:", "%3f", "_", "token", "?a'", "https:", "a."])
def test_no_text_takes_time_that_grows_faster_than_its_length(unit: str) -> None:
    """A quadratic search takes 100 times as long for ten times the text."""

    def seconds(length: int) -> float:
        text, best = (unit * length)[:length], 1e9
        for _ in range(3):
            started = time.process_time()
            show(text, 100_000)
            show_url(text, 100_000)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(20_000) < 30 * max(seconds(2000), 1e-4)
