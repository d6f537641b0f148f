"""Requests of the fuzzer: a seeded stream of HTTP requests for every route, valid ones and damaged ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from tests.fuzzing.odd_json import JsonDamage, damage_text
from tests.fuzzing.odd_xml import damage_config, odd_settings, odd_settings_text
from tests.fuzzing.valid_requests import valid_predictions, valid_setups, valid_webhooks

BODY_ROUTES = ("/predict", "/setup", "/webhook")
STATE_ROUTES = ("/", "/health", "/metrics", "/ready", "/versions")
ROUTES = (*BODY_ROUTES, *STATE_ROUTES)
OTHER = "other"  # in reports: a path that is no route
_WEIGHTS = (42, 14, 9, 6.5, 6.5, 6.5, 6.5, 6.5)
_OTHER_SHARE = 0.03
_ODD_PATHS = (
    *("/nope", "/predict/", "//predict", "/setup/../predict", "/PREDICT", "/\xff\xfe", "/%00", "/static/x", "/train"),
    *("", "*", "/" * 3000),
)
_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "\xff", "X" * 100)
_QUERIES = ("", "a=1", "a=%ff&b=%00", "&&&=", "x" * 3000, "a[]=1&a[]=2", "\xff", "token=%0d%0aX: y")
_HEADERS = {
    "CONTENT_TYPE": (
        "", "text/plain", "application/json; charset=latin-1", "application/JSON", "application/json; charset=\xff",
        ";;", "multipart/form-data", "application/x-www-form-urlencoded", "application/json,text/html",
    ),
    "CONTENT_LENGTH": ("", "abc", "-1", "0", "1", "5", "99999999999999999999", "1e3", "٣", " 7", "0x10"),
    "HTTP_ACCEPT": (
        "", "text/html", "*/*", "text/html;q=abc", "text/html;q=nan,*/*;q=1e999", ",,;;q=", "a" * 3000,
        "text/html;level=1;q=-1",
    ),
    "HTTP_HOST": ("", "\xff", "a:99999999", "[::1", "a b", "x" * 3000),
    "HTTP_TRANSFER_ENCODING": ("chunked", "gzip, chunked", "\xff"),
    "HTTP_CONTENT_ENCODING": ("gzip", "br", "\xff"),
    "HTTP_COOKIE": ("a=b", "\xff=\xff;;", "session=x" * 300),
    "HTTP_AUTHORIZATION": ("Basic \xff", "Basic AAAA", "Bearer", "Basic", ""),
    "HTTP_X_REQUEST_ID": ("", "x" * 3000, "\xff", "a\tb"),
    "HTTP_X_FORWARDED_FOR": ("\xff", "1.2.3.4, ::1"),
    "HTTP_RANGE": ("bytes=0-0", "bytes=-", "x"),
    "HTTP_IF_MODIFIED_SINCE": ("x", "Thu, 99 Foo 9999"),
}  # fmt: skip


@dataclass(frozen=True)
class FuzzedRequest:
    """One HTTP request.

    Attributes:
        route: The route that it is for, or `OTHER`.
        headers: As WSGI names them, besides those of an ordinary request.
    """

    route: str
    path: str
    method: str
    body: bytes = b""
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def generate_requests(seed: int) -> Iterator[FuzzedRequest]:
    """Yield requests without end, the same for the same seed."""
    rng = random.Random(seed)
    valid = {"/predict": valid_predictions(), "/setup": valid_setups(), "/webhook": valid_webhooks()}
    texts = {route: [orjson.dumps(document) for document in documents] for route, documents in valid.items()}
    while True:
        if rng.random() < _OTHER_SHARE:
            yield FuzzedRequest(
                OTHER,
                rng.choice(_ODD_PATHS),
                rng.choice(_METHODS),
                rng.choice((b"", b"{}")),
                rng.choice(_QUERIES),
                _odd_headers(rng),
            )
            continue
        route = rng.choices(ROUTES, _WEIGHTS)[0]
        is_ordinary = rng.random() < 0.95
        headers = {} if is_ordinary else _odd_headers(rng)
        query = "" if is_ordinary else rng.choice(_QUERIES)
        if route in BODY_ROUTES:
            method = "POST" if rng.random() < 0.99 else rng.choice(_METHODS)
            yield FuzzedRequest(
                route, route, method, _damaged_body(route, rng.choice(texts[route]), rng), query, headers
            )
        else:
            method = "GET" if rng.random() < 0.9 else rng.choice(_METHODS)
            accept = {"HTTP_ACCEPT": "text/html"} if rng.random() < 0.3 else {}
            yield FuzzedRequest(route, route, method, b"" if is_ordinary else b"{}", query, accept | headers)


def _odd_headers(rng: random.Random) -> dict[str, str]:
    return {name: rng.choice(_HEADERS[name]) for name in rng.sample(list(_HEADERS), rng.choice((1, 1, 2, 4)))}


def _damaged_body(route: str, text: bytes, rng: random.Random) -> bytes:
    """Return a valid body with no, one or several kinds of damage."""
    document = orjson.loads(text)
    if rng.random() < 0.25:
        _damage_config(route, document, rng)
    if "project" in document and isinstance(document["project"], str):
        document["project"] = f"{rng.randrange(1, 60)}.1795206950"
    if route == "/setup" and rng.random() < 0.4:
        document["extra_params"] = odd_settings(rng) if rng.random() < 0.7 else odd_settings_text(rng)
    damage = JsonDamage(document, rng)
    damage.damage(rng.choice((0, 0, 0, 1, 1, 1, 1, 2, 2, 4)))
    body = damage.to_bytes()
    return damage_text(body, rng) if rng.random() < 0.03 else body


def _damage_config(route: str, document: dict, rng: random.Random) -> None:
    key = "schema" if route == "/setup" else "label_config"
    holder = document.get("project") if route == "/webhook" else document
    if isinstance(holder, dict) and key in holder:
        holder[key] = damage_config(holder[key], rng, rng.choice((1, 1, 1, 2, 4)))
