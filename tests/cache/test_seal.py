"""The checksum in front of an entry in Redis: over its name and its content, and a signature if there is a key."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cache import DamagedEntry, Seal

KEY = "a key of more than sixteen characters"
SEALS = [Seal(), Seal(KEY)]
EXAMPLE = bytes.fromhex("4c534331 2253f67c") + b"hello"  # the one in the module's docstring
TEXTS = st.text(max_size=20)


@pytest.mark.parametrize("seal", SEALS, ids=["crc", "hmac"])
@given(name=TEXTS, content=st.binary(max_size=100))
def test_what_was_sealed_is_verified_under_its_name(seal: Seal, name: str, content: bytes) -> None:
    sealed = seal.add(name, content)
    assert seal.verify(name, sealed) == content
    assert len(sealed) == seal.nbytes + len(content)


def test_the_documented_example_is_what_is_written() -> None:
    assert Seal().add("a", b"hello") == EXAMPLE
    assert zlib.crc32(b"LSC1" + struct.pack("<I", 1) + b"a" + b"hello") == 0x7CF65322


def test_the_signature_is_the_hmac_of_the_standard_library() -> None:
    signature = hmac.new(KEY.encode(), b"LSH1" + struct.pack("<I", 1) + b"a" + b"hello", hashlib.sha256).digest()
    assert Seal(KEY).add("a", b"hello") == b"LSH1" + signature + b"hello"


@pytest.mark.parametrize("seal", SEALS, ids=["crc", "hmac"])
def test_no_bit_of_an_entry_is_without_protection(seal: Seal) -> None:
    sealed = seal.add("a", b"hello")
    for position in range(8 * len(sealed)):
        raw = bytearray(sealed)
        raw[position // 8] ^= 1 << position % 8
        with pytest.raises(DamagedEntry):
            seal.verify("a", bytes(raw))
    for length in range(len(sealed)):
        with pytest.raises(DamagedEntry):
            seal.verify("a", sealed[:length])


@pytest.mark.parametrize("seal", SEALS, ids=["crc", "hmac"])
@given(one=TEXTS, other=TEXTS)
def test_an_entry_under_another_name_is_refused(seal: Seal, one: str, other: str) -> None:
    if one != other:
        with pytest.raises(DamagedEntry, match="wrong checksum"):
            seal.verify(other, seal.add(one, b"content"))


def test_the_end_of_a_name_cannot_be_moved_into_the_content() -> None:
    for seal in SEALS:
        with pytest.raises(DamagedEntry, match="wrong checksum"):
            seal.verify("ab", seal.add("a", b"bc")[:-2] + b"c")


def test_without_the_key_no_entry_can_be_forged() -> None:
    genuine = Seal(KEY).add("a", b"genuine")
    for forger in (Seal(), Seal(KEY + "?")):
        with pytest.raises(DamagedEntry):
            Seal(KEY).verify("a", forger.add("a", b"forged"))
    with pytest.raises(DamagedEntry, match="wrong checksum"):
        Seal(KEY).verify("a", genuine.replace(b"genuine", b"forged!"))


def test_names_differ_by_key_and_do_not_contain_it() -> None:
    suffixes = [Seal().suffix, Seal(KEY).suffix, Seal(KEY + "?").suffix]
    assert suffixes[0] == ""
    assert len(set(suffixes)) == 3
    assert all(len(suffix) == 9 for suffix in suffixes[1:])
    assert Seal(KEY).suffix == suffixes[1]


def test_each_kind_of_damage_is_named() -> None:
    with pytest.raises(DamagedEntry, match="7 bytes, shorter than the seal of 8"):
        Seal().verify("a", EXAMPLE[:7])
    with pytest.raises(DamagedEntry, match="magic b'LSE3' instead of b'LSC1'"):
        Seal().verify("a", b"LSE3" + EXAMPLE[4:])


def test_the_content_is_a_view_and_no_copy() -> None:
    sealed = Seal().add("a", bytes(100))
    assert Seal().verify("a", sealed).obj is sealed
