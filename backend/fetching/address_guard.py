"""Which addresses a host may be reached at, so that a task cannot make the backend call into its own network.

A host that the settings name may have any address. Any other host is reached only at globally routable addresses and in
the networks that the settings allow. The rule is asked after the name look-up, and the connection goes to the address
that was checked (`deadline_session`). A pure module: it resolves no names and opens no connections.

`ipaddress.is_global` is not this rule: it is true for multicast, for 64:ff9b::a9fe:a9fe (which a NAT64 gateway delivers
to 169.254.169.254) and for 168.63.129.16, and it changes between Python versions. The tables below follow IANA's
IPv4 and IPv6 Special-Purpose Address Registries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_GLOBAL_IPV6 = IPv6Network("2000::/3")  # all that is assigned as global unicast
_NOT_GLOBAL = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to loopback
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent, which each virtual machine reaches at this public address
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
) + tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, with Teredo (2001::/32), benchmarking and ORCHID
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_TRANSLATED = (  # IPv6 network, and how many bits follow the IPv4 address that it embeds
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped: the kernel sends IPv4
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64. Where 64:ff9b:1::/48 embeds it is up to each site: never global
    (IPv6Network("2002::/16"), 80),  # 6to4
)


class AddressForbidden(Exception):
    """Host none of whose addresses may be connected to."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{show_host(host)}:{port} has no address that may be connected to")
        self.host = host
        self.port = port


@dataclass(frozen=True)
class AddressGuard:
    """Rule for the addresses of hosts. The verdict depends only on host, port and address.

    Attributes:
        named_hosts: Hosts that may have any address, in lower case: "a.org" on all ports, "a.org:8000" on one.
        allowed_networks: Networks that every host may be in.
    """

    named_hosts: Collection[str] = frozenset()
    allowed_networks: Collection[IpNetwork] = frozenset()

    def is_named(self, host: str, port: int) -> bool:
        """Whether the host may have any address on this port."""
        return is_listed(host.lower().rstrip("."), port, self.named_hosts)

    def filter_addresses(self, host: str, port: int, addresses: Iterable[str]) -> list[str]:
        """Return those of a host's addresses that may be connected to, in the same order.

        Raises:
            AddressForbidden: None of them.
        """
        if self.is_named(host, port):
            return list(addresses)
        allowed = [address for address in addresses if self._is_allowed(address)]
        if not allowed:
            raise AddressForbidden(host, port)
        return allowed

    def _is_allowed(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        candidates = {address, embedded_ipv4(address)}
        return is_global(address) or any(each in network for each in candidates for network in self.allowed_networks)


def is_listed(host: str, port: int, hosts: Collection[str]) -> bool:
    """Whether a list such as {"a.org", "b.org:8000", "[::1]:80"} holds the host, with this port or for all ports."""
    return host in hosts or show_host(host) in hosts or f"{show_host(host)}:{port}" in hosts


def show_host(host: str) -> str:
    """Return the host as in a URL: "::1:80" is an IPv6 address, "[::1]:80" is one with a port."""
    return f"[{host}]" if ":" in host else host


def is_global(address: IpAddress) -> bool:
    """Whether packets to the address, or to the IPv4 address that it embeds, leave for the public internet."""
    target = embedded_ipv4(address)
    if isinstance(target, IPv6Address) and (target.scope_id or target not in _GLOBAL_IPV6):
        return False
    return not any(target in network for network in _NOT_GLOBAL)


def embedded_ipv4(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address is translated to; the address itself if it is not translated."""
    for network, bits_after in _TRANSLATED:
        if address in network:
            return IPv4Address(int(address) >> bits_after & 0xFFFFFFFF)
    return address
