"""Which of a server's listening addresses can be reached from other machines."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

Address = tuple[str, int] | str | int  # host and port, path of a Unix socket, or descriptor of an inherited socket


def find_public_addresses(addresses: Iterable[Address]) -> list[str]:
    """Return those that are not only for this machine, for messages.

    A Unix socket is for this machine, and so is a host name whose every address is a loopback address. A host name that
    cannot be resolved counts as public.

    Args:
        addresses: As gunicorn's `cfg.address` has them.
    """
    return [_show(address) for address in addresses if not _is_local(address)]


def _is_local(address: Address) -> bool:
    if isinstance(address, str):
        return True
    if isinstance(address, int):
        return _is_local_socket(address)
    return _is_loopback_host(address[0])


def _is_local_socket(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=socket.dup(descriptor)) as inherited:
            is_unix = inherited.family == socket.AF_UNIX
            return is_unix or _is_loopback_host(str(inherited.getsockname()[0]))
    except OSError:
        return False


def _is_loopback_host(host: str) -> bool:
    """Return whether every address of the host is a loopback address."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_is_loopback(text) for text in found)


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)  # Python before 3.13 calls ::ffff:127.0.0.1 not loopback
    return bool((mapped or address).is_loopback)


def _show(address: Address) -> str:
    if isinstance(address, tuple):
        host, port = address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"the inherited socket {address}"
