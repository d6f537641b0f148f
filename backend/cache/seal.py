"""Seals of entries in Redis: a checksum in front of the content, over the entry's name and the content.

    offset  bytes    content
    0       4        magic: b"LSC1", or b"LSH1" if there is a key
    4       4 or 32  CRC-32, little-endian; with a key HMAC-SHA-256
    8 or 36          the content

The checksum is that of the magic, the length of the name (4 bytes, little-endian), the name in UTF-8, and the content.
The CRC protects against accidents: a flipped bit, or the entry of another name. The HMAC also protects against clients
that can write to Redis but do not know the key; without a key, they can forge an entry by computing its CRC.

Example without a key: the entry "a" with the content b"hello".

    00  4c 53 43 31    "LSC1"
    04  22 53 f6 7c    CRC-32 of 4c534331 01000000 61 68656c6c6f, 0x7cf65322
    08  68 65 6c 6c 6f "hello"

Source: https://www.rfc-editor.org/rfc/rfc2104 (HMAC).
"""

from __future__ import annotations

import hmac
import struct
import zlib

_LENGTH = struct.Struct("<I")
_MAGIC_BYTES = 4


class DamagedEntry(ValueError):
    """An entry in Redis that is not what this backend stored under its name; it is not used."""


class Seal:
    """Checksums of entries: HMAC-SHA-256 with a key, CRC-32 without.

    Args:
        key: Secret that all replicas share; "" for none.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()
        self._magic = b"LSH1" if key else b"LSC1"
        self.nbytes = _MAGIC_BYTES + (32 if key else 4)

    @property
    def suffix(self) -> str:
        """Part of names in Redis, so that replicas with different keys never read or delete each other's entries."""
        return f"-{hmac.digest(self._key, b'name of the key', 'sha256')[:4].hex()}" if self._key else ""

    def add(self, name: str, content: bytes) -> bytes:
        """Return `content` with its seal in front."""
        return b"".join((self._magic, self._checksum(name, content), content))

    def verify(self, name: str, data: bytes) -> memoryview:
        """Return the content of a sealed entry, a view of `data`.

        Raises:
            DamagedEntry: The entry has no seal of this kind, was changed, or was stored under another name.
        """
        if len(data) < self.nbytes:
            raise DamagedEntry(f"{len(data)} bytes, shorter than the seal of {self.nbytes}")
        if data[:_MAGIC_BYTES] != self._magic:
            raise DamagedEntry(f"magic {data[:_MAGIC_BYTES]!r} instead of {self._magic!r}")
        content = memoryview(data)[self.nbytes :]
        if not hmac.compare_digest(self._checksum(name, content), data[_MAGIC_BYTES : self.nbytes]):
            raise DamagedEntry("wrong checksum")
        return content

    def _checksum(self, name: str, content: bytes | memoryview) -> bytes:
        encoded = name.encode("utf-8", "surrogatepass")
        head = b"".join((self._magic, _LENGTH.pack(len(encoded)), encoded))
        if not self._key:
            return _LENGTH.pack(zlib.crc32(content, zlib.crc32(head)))
        signature = hmac.new(self._key, head, "sha256")
        signature.update(content)
        return signature.digest()
