"""Which addresses are public, by IANA's registries, and which may be connected to. No name is looked up here."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.fetching.address_guard import AddressForbidden, AddressGuard, embedded_ipv4, is_global

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.255.255.255"],
    "loopback": ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1"],
    "unspecified": ["0.0.0.0", "::"],
    "private": ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"],
    "carrier-grade NAT": ["100.64.0.0", "100.127.255.255", "100.100.100.200"],
    "link-local": ["169.254.169.254", "169.254.0.0", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1"],
    "metadata at other addresses": ["168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"],
    "IETF protocol assignments": ["192.0.0.1", "192.0.0.170", "2001::1", "2001:1ff:ffff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff::1"],
    "benchmarking": ["198.18.0.0", "198.19.255.255", "2001:2::1"],
    "6to4 relays": ["192.88.99.1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.0", "254.255.255.255"],
    "broadcast": ["255.255.255.255"],
    "unique local": ["fc00::1", "fdff:ffff::1"],
    "site-local": ["fec0::1", "feff::1"],
    "discard": ["100::1"],
    "segment routing": ["5f00::1"],
    "unassigned": ["1000::1", "4000::1", "e000::1"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:0.0.0.0"],
    "NAT64": ["64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::100.64.0.1"],
    "NAT64 for local use": ["64:ff9b:1::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "64:ff9b:1:a9fe:a9:fe00::"],
    "6to4": ["2002:7f00:1::1", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:1::"],
    "Teredo": ["2001:0:808:808:0:0:5601:5601", "2001:0:808:808:0:0:f7f7:f7f7"],  # clients 169.254.169.254, 8.8.8.8
    "scoped": ["2606:4700:4700::1111%eth0"],
}


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_may_be_connected_to(text: str) -> None:
    assert AddressGuard().filter_addresses("a.org", 443, [text]) == [text]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in NOT_PUBLIC.items() for text in texts])
def test_no_other_address_may_be_connected_to(kind: str, text: str) -> None:
    with pytest.raises(AddressForbidden, match=r"a\.org:443 has no address"):
        AddressGuard().filter_addresses("a.org", 443, [text])


@pytest.mark.parametrize("text", ["", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "１.1.1.1", "a.org", "8.8.8.8 "])
def test_what_is_not_an_address_may_not_be_connected_to(text: str) -> None:
    """The resolver turns such spellings into addresses; one that is left is not understood."""
    with pytest.raises(AddressForbidden):
        AddressGuard().filter_addresses("a.org", 443, [text])


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_is_called_global_is_global_for_python_too(address: IPv4Address | IPv6Address) -> None:
    target = embedded_ipv4(address)
    if is_global(address):
        assert target.is_global and not target.is_multicast and not target.is_reserved and not target.is_link_local


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_has_one_verdict_in_every_spelling(address: IPv4Address) -> None:
    number = int(address)
    spellings = [
        address,
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(f"64:ff9b::{address}"),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ]
    assert {is_global(spelling) for spelling in spellings} == {is_global(address)}
    assert {embedded_ipv4(spelling) for spelling in spellings} == {address}


@given(st.ip_addresses(v=4))
def test_the_embedded_address_is_the_one_that_python_reads(address: IPv4Address) -> None:
    assert IPv6Address(f"::ffff:{address}").ipv4_mapped == embedded_ipv4(IPv6Address(f"::ffff:{address}"))
    sixtofour = IPv6Address((0x2002 << 112) | (int(address) << 80) | 7)
    assert sixtofour.sixtofour == embedded_ipv4(sixtofour)


@given(st.ip_addresses(network="64:ff9b:1::/48"))
def test_no_nat64_for_local_use_is_global(address: IPv6Address) -> None:
    assert not is_global(address)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"], ["127.0.0.1", "192.168.0.1"]),
        ("192.168.7.9/32", ["192.168.7.9"], ["192.168.7.8", "::ffff:192.168.7.8"]),
        ("fd00::/8", ["fd12::1"], ["fc00::1", "fe80::1"]),
        ("64:ff9b:1::/48", ["64:ff9b:1::a00:1"], ["64:ff9b:2::a00:1"]),
        ("fe80::/10", ["fe80::1%eth0"], ["fec0::1"]),
    ],
)
def test_an_allowed_network_opens_itself_and_nothing_else(network: str, inside: list[str], outside: list[str]) -> None:
    guard = AddressGuard(allowed_networks=frozenset({ip_network(network)}))
    assert guard.filter_addresses("minio", 9000, [*outside, *inside, "8.8.8.8"]) == [*inside, "8.8.8.8"]


def test_a_named_host_may_have_any_address_on_the_port_that_is_named() -> None:
    guard = AddressGuard(frozenset({"minio:9000", "a.org"}))
    for host, port in (("minio", 9000), ("MINIO.", 9000), ("a.org", 1), ("A.org", 443)):
        assert guard.filter_addresses(host, port, ["127.0.0.1", "10.0.0.1"]) == ["127.0.0.1", "10.0.0.1"]
    for host, port in (("minio", 9001), ("b.a.org", 443), ("a.org.evil.org", 443), ("xa.org", 443)):
        with pytest.raises(AddressForbidden):
            guard.filter_addresses(host, port, ["127.0.0.1", "10.0.0.1"])


def test_the_port_of_an_ipv6_host_is_not_taken_for_its_last_digits() -> None:
    """fd00::1:8080 is an address of its own, and not the host fd00::1 with the port 8080."""
    guard = AddressGuard(frozenset({"[fd00::1]:8080"}))
    assert guard.filter_addresses("fd00::1", 8080, ["fd00::1"]) == ["fd00::1"]
    for host, port in (("fd00::1", 22), ("fd00::1:8080", 8080), ("fd00::1:8080", 22)):
        with pytest.raises(AddressForbidden):
            guard.filter_addresses(host, port, [host])


def test_of_several_addresses_the_allowed_ones_are_left_in_their_order() -> None:
    addresses = ["10.0.0.1", "2606:4700::1", "::1", "8.8.8.8", "127.0.0.1"]
    assert AddressGuard().filter_addresses("a.org", 443, addresses) == ["2606:4700::1", "8.8.8.8"]


def test_a_host_without_addresses_may_not_be_connected_to() -> None:
    with pytest.raises(AddressForbidden):
        AddressGuard().filter_addresses("a.org", 443, [])
