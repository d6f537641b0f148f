"""Redirects of Label Studio's storages, with a resolver of the test's own. Loopback addresses stand for all networks.

127.0.0.1 is the forbidden network, Label Studio's too, which the settings name; 127.0.0.2 is the allowed one.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from backend.errors import ImageForbidden, ImageUnavailable
from backend.fetching import ImageFetcher
from backend.fetching.address_guard import AddressForbidden, AddressGuard
from backend.fetching.deadline_session import open_session
from tests.servers import Answer, LocalServer, Seen, start_local_server
from tests.tokens import LEGACY

PNG = b"\x89PNG and so on"
UPLOAD = "/data/upload/2/bb7de776-a640.png"
ALLOWED = frozenset({ip_network("127.0.0.2/32")})
Start = Callable[..., LocalServer]


@dataclass
class Resolver:
    """Answers look-ups of the names that it knows, each time with the next of their answers; remembers them."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def knows(self, name: str, *answers: list[str]) -> None:
        self.answers[name] = list(answers)


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """In place of the system's resolver, which still reads numeric addresses and localhost."""
    names, system = Resolver(), socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: int, **options: int) -> list[Any]:
        if host not in names.answers:
            return system(host, port, *arguments, **options)
        names.asked.append(host)
        answers = names.answers[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [record for address in addresses for record in system(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers at an address and a port, which give PNG to everybody, and stops them after the test."""
    servers: list[ThreadingHTTPServer] = []

    def start_one(address: str = "127.0.0.1", port: int = 0) -> LocalServer:
        server = start_local_server(servers, address, port)
        server.respond = lambda seen, handler: (200, {}, PNG)
        return server

    yield start_one
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def label_studio(start: Start) -> LocalServer:
    return start()


def port_of(server: LocalServer) -> int:
    return urlsplit(server.url).port or 0


def redirect(server: LocalServer, to: str, status: int = 303) -> None:
    server.respond = lambda seen, handler: (status, {"Location": to}, b"")


def fetcher(server: LocalServer, **more: Any) -> ImageFetcher:
    options: dict[str, Any] = {"allowed_hosts": frozenset(), "max_bytes": 1 << 20, "timeout_seconds": 5.0} | more
    return ImageFetcher(server.url, LEGACY, **options)


def refusal(server: LocalServer, uri: str = "s3://bucket/key", **more: Any) -> str:
    with pytest.raises(ImageForbidden) as caught:
        fetcher(server, **more).fetch(uri, 7, "2")
    return str(caught.value)


# ---- what is refused


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "inside.example",
        "inside.example.",
    ],
)
@pytest.mark.parametrize("uri", ["s3://bucket/key", UPLOAD])
def test_a_storage_may_not_lead_into_the_backends_own_network(
    label_studio: LocalServer, start: Start, resolver: Resolver, host: str, uri: str
) -> None:
    inside = start()
    for name in ("inside.example", "inside.example."):
        resolver.knows(name, ["127.0.0.1"])
    redirect(label_studio, f"http://{host}:{port_of(inside)}/secret")
    message = refusal(label_studio, uri)
    assert f":{port_of(inside)}, which resolves to an address that is not allowed. " in message
    assert "IMAGE_ALLOWED_NETWORKS" in message
    assert inside.seen == []


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "metadata.example"],
)
def test_a_storage_may_not_lead_to_a_metadata_service(
    label_studio: LocalServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    resolver.knows("metadata.example", ["64:ff9b::a9fe:a9fe", "169.254.169.254"])
    redirect(label_studio, f"http://{host}/latest/meta-data/")
    targets: list[Any] = []
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: targets.append(to[0]) or connect(self, to))
    assert "resolves to an address that is not allowed" in refusal(label_studio)
    assert targets == ["127.0.0.1"]  # Label Studio's


def test_label_studios_host_is_named_only_on_its_own_port(label_studio: LocalServer, start: Start) -> None:
    neighbour = start()
    redirect(label_studio, f"{neighbour.url}/keys")
    refusal(label_studio)
    redirect(label_studio, f"//127.0.0.1:{port_of(neighbour)}/keys", 307)
    refusal(label_studio)
    assert neighbour.seen == []


def test_an_open_and_a_closed_port_of_a_forbidden_address_look_the_same(
    label_studio: LocalServer, resolver: Resolver
) -> None:
    resolver.knows("inside.example", ["127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        redirect(label_studio, f"http://inside.example:{port}/")
        of_open = refusal(label_studio)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # nothing has connected
            listener.accept()
    assert refusal(label_studio) == of_open
    assert "127.0.0.1" not in of_open


def test_a_name_that_changes_its_address_later_is_checked_again(
    label_studio: LocalServer, start: Start, resolver: Resolver
) -> None:
    storage = start("127.0.0.2")
    inside = start("127.0.0.1", port_of(storage))
    storage.respond = lambda seen, handler: (200, {"Connection": "close"}, PNG)
    resolver.knows("rebound.example", ["127.0.0.2"], ["127.0.0.1"])
    redirect(label_studio, f"http://rebound.example:{port_of(storage)}/a.png")
    images = fetcher(label_studio, allowed_networks=ALLOWED)
    assert images.fetch("s3://bucket/first", 7, "2") == PNG
    with pytest.raises(ImageForbidden, match=r"rebound\.example"):
        images.fetch("s3://bucket/second", 7, "2")
    assert (len(storage.seen), inside.seen) == (1, [])


def test_a_name_is_looked_up_once_for_a_connection(label_studio: LocalServer, start: Start, resolver: Resolver) -> None:
    """A second look-up could find another address than the one that was checked."""
    storage = start("127.0.0.2")
    inside = start("127.0.0.1", port_of(storage))
    resolver.knows("rebound.example", ["127.0.0.2"], ["127.0.0.1"])
    redirect(label_studio, f"http://rebound.example:{port_of(storage)}/a.png")
    assert fetcher(label_studio, allowed_networks=ALLOWED).fetch("s3://bucket/key", 7, "2") == PNG
    assert resolver.asked == ["rebound.example"]
    assert (storage.seen[0].headers["host"], inside.seen) == (f"rebound.example:{port_of(storage)}", [])


def test_of_a_names_addresses_only_the_allowed_ones_are_connected_to(
    label_studio: LocalServer, start: Start, resolver: Resolver
) -> None:
    storage = start("127.0.0.2")
    inside = start("127.0.0.1", port_of(storage))
    resolver.knows("both.example", ["127.0.0.1", "127.0.0.2"])
    redirect(label_studio, f"http://both.example:{port_of(storage)}/a.png")
    assert fetcher(label_studio, allowed_networks=ALLOWED).fetch("s3://bucket/key", 7, "2") == PNG
    assert inside.seen == []


def test_a_storage_that_is_left_by_a_redirect_may_lead_only_to_named_hosts(
    label_studio: LocalServer, start: Start, resolver: Resolver
) -> None:
    storage, inside = start("127.0.0.2"), start()
    redirect(label_studio, f"{storage.url}/a.png")
    for target in (f"{inside.url}/secret", f"//127.0.0.1:{port_of(inside)}/secret"):
        redirect(storage, target)
        assert "a host that is not allowed" in refusal(label_studio, allowed_networks=ALLOWED)
    assert inside.seen == []


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://label-studio\\@127.0.0.1/", "is not an unambiguous http(s) URL"),
        ("http://user@127.0.0.1/", "is not an unambiguous http(s) URL"),
        ("http://127.0.0.1:0/", "is not an unambiguous http(s) URL"),
        ("http://127.0.0.1:70000/", "is not an http(s) URL"),
        ("ftp://127.0.0.1/", "is not an http(s) URL"),
        ("http://[::1", "redirects to http://[::1, which is not a URL"),
    ],
)
def test_a_redirect_that_is_no_clear_url_is_refused_in_words(
    label_studio: LocalServer, location: str, reason: str
) -> None:
    redirect(label_studio, location)
    with pytest.raises(ImageUnavailable) as caught:
        fetcher(label_studio).fetch(UPLOAD, 7, "2")
    assert reason in str(caught.value)
    assert len(label_studio.seen) == 1


@pytest.mark.parametrize("host", ["１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "ⓛocalhost"])
def test_digits_and_letters_of_other_scripts_open_nothing(start: Start, host: str) -> None:
    """requests refuses such a host, or turns it into ASCII before the look-up."""
    inside = start()
    with pytest.raises((AddressForbidden, requests.exceptions.InvalidURL)):
        open_session(AddressGuard()).get(f"http://{host}:{port_of(inside)}/", timeout=2.0)
    assert inside.seen == []


def test_the_guard_does_not_depend_on_a_deadline(start: Start) -> None:
    inside = start()
    with pytest.raises(AddressForbidden):
        open_session(AddressGuard()).get(inside.url, timeout=2.0)
    assert inside.seen == []


# ---- what is allowed


@pytest.mark.parametrize(
    "options",
    [
        {"allowed_networks": frozenset({ip_network("127.0.0.0/8")})},
        {"allowed_hosts": frozenset({"minio.example"})},
    ],
)
def test_the_settings_may_name_a_storage_or_its_network(
    label_studio: LocalServer, start: Start, resolver: Resolver, options: dict[str, Any]
) -> None:
    storage = start()
    resolver.knows("minio.example", ["127.0.0.1"])
    redirect(label_studio, f"http://minio.example:{port_of(storage)}/bucket/key?X-Amz-Signature=abc")
    assert fetcher(label_studio, **options).fetch("s3://bucket/key", 7, "2") == PNG
    assert "authorization" not in storage.seen[0].headers


def test_a_network_does_not_open_hosts_that_a_task_names(label_studio: LocalServer, start: Start) -> None:
    inside = start()
    message = refusal(label_studio, f"{inside.url}/a.png", allowed_networks=frozenset({ip_network("127.0.0.0/8")}))
    assert "a host that is not allowed" in message and inside.seen == []


# ---- proxies of the environment


def test_a_host_that_no_setting_names_is_not_reached_through_a_proxy(
    label_studio: LocalServer, start: Start, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy would look up the name itself. Hosts that the settings name may be reached through it."""
    proxy, storage = start("127.0.0.3"), start("127.0.0.2")
    resolver.knows("storage.example", ["127.0.0.2"])
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    redirect(proxy, f"http://storage.example:{port_of(storage)}/a.png")  # as Label Studio's answer
    assert fetcher(label_studio, allowed_networks=ALLOWED).fetch(UPLOAD, 7, "2") == PNG
    assert proxy.paths() == [f"{label_studio.url}{UPLOAD}"]
    assert storage.paths() == ["/a.png"]


def test_a_proxy_does_not_open_forbidden_addresses(
    label_studio: LocalServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, inside = start("127.0.0.3"), start()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    redirect(proxy, f"{inside.url}/secret")
    refusal(label_studio)
    assert len(proxy.seen) == 1 and inside.seen == []


# ---- bodies of redirects


def test_the_body_of_a_redirect_is_not_read_to_its_end(label_studio: LocalServer, start: Start) -> None:
    storage, sent = start("127.0.0.2"), []

    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{storage.url}/a.png")
        handler.end_headers()
        try:
            for _ in range(2000):
                handler.wfile.write(bytes(1 << 16))
                sent.append(1)
        except OSError:
            pass  # hung up on, as it should be

    label_studio.respond = respond
    images = fetcher(label_studio, allowed_networks=ALLOWED, timeout_seconds=20.0)
    assert images.fetch(UPLOAD, 7, "2") == PNG
    assert len(sent) < 2000


def test_a_redirect_with_a_short_body_keeps_the_connection(label_studio: LocalServer, start: Start) -> None:
    storage, peers = start("127.0.0.2"), set()

    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer:
        peers.add(handler.client_address)
        return 303, {"Location": f"{storage.url}/a.png"}, b"<html>See there.</html>"

    label_studio.respond = respond
    images = fetcher(label_studio, allowed_networks=ALLOWED)
    for number in range(3):
        images.fetch(f"/data/upload/2/{number}.png", 7, "2")
    assert len(peers) == 1


# ---- TLS


@dataclass
class TlsServer:
    """Gives PNG over TLS with a certificate of its own; remembers the names that were asked for (SNI)."""

    port: int
    certificate: Path
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@pytest.fixture
def tls_storage(tmp_path: Path) -> Iterator[TlsServer]:
    """At 127.0.0.2, with a certificate for storage.example."""
    assert shutil.which("openssl"), "openssl makes the certificate of this test"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=storage.example", "-addext", "subjectAltName=DNS:storage.example"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", *kind, *subject, *files], check=True, capture_output=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.hosts.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()
            self.wfile.write(PNG)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.2", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *about: None  # type: ignore[method-assign]  # refused handshakes
    served = TlsServer(server.server_address[1], certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda connection, name, _: served.names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


def test_tls_and_the_host_header_use_the_name_while_the_connection_goes_to_the_checked_address(
    label_studio: LocalServer, resolver: Resolver, tls_storage: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_storage.certificate))
    resolver.knows("storage.example", ["127.0.0.1", "127.0.0.2"])
    redirect(label_studio, f"https://storage.example:{tls_storage.port}/a.png")
    assert fetcher(label_studio, allowed_networks=ALLOWED).fetch("s3://bucket/key", 7, "2") == PNG
    assert tls_storage.names == ["storage.example"]
    assert tls_storage.hosts == [f"storage.example:{tls_storage.port}"]


@pytest.mark.parametrize("host", ["other.example", "127.0.0.2"])
def test_a_certificate_for_another_name_is_refused(
    label_studio: LocalServer,
    resolver: Resolver,
    tls_storage: TlsServer,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_storage.certificate))
    resolver.knows("other.example", ["127.0.0.2"])
    redirect(label_studio, f"https://{host}:{tls_storage.port}/a.png")
    with pytest.raises(ImageUnavailable, match="SSLError"):
        fetcher(label_studio, allowed_networks=ALLOWED).fetch("s3://bucket/key", 7, "2")
    assert tls_storage.hosts == []
