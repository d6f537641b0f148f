"""Which listening addresses other machines can reach."""

from __future__ import annotations

import socket

import pytest
from gunicorn.util import parse_address

from backend.runtime import find_public_addresses


@pytest.mark.parametrize(
    "bind",
    ["127.0.0.1:9090", "127.8.8.8:1", "localhost:9090", "[::1]:9090", "[::ffff:127.0.0.1]:1", "unix:/tmp/a.sock"],
)
def test_loopback_addresses_and_unix_sockets_are_only_for_this_machine(bind: str) -> None:
    assert find_public_addresses([parse_address(bind)]) == []


@pytest.mark.parametrize(
    ("bind", "shown"),
    [
        ("0.0.0.0:9090", "0.0.0.0:9090"),
        (":9090", ":9090"),
        ("", "0.0.0.0:8000"),
        ("0:9090", "0:9090"),
        ("[::]:9090", "[::]:9090"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("[::ffff:0.0.0.0]:80", "[::ffff:0.0.0.0]:80"),
        ("no-such-host.invalid:80", "no-such-host.invalid:80"),
    ],
)
def test_every_other_address_is_public(bind: str, shown: str) -> None:
    assert find_public_addresses([("127.0.0.1", 1), parse_address(bind)]) == [shown]


def test_a_host_name_is_as_public_as_the_addresses_it_has(monkeypatch) -> None:
    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        found = {"mixed": ["127.0.0.1", "192.0.2.7"], "here": ["127.0.1.1", "::1"]}[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert find_public_addresses([("mixed", 1), ("here", 2)]) == ["mixed:1"]


def test_an_inherited_socket_is_looked_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as local, socket.create_server(("0.0.0.0", 0)) as public:
        assert find_public_addresses([local.fileno()]) == []
        assert find_public_addresses([public.fileno()]) == [f"the inherited socket {public.fileno()}"]
        assert local.getsockname()[0] == "127.0.0.1"  # it is still open
    assert find_public_addresses([99999]) == ["the inherited socket 99999"]
