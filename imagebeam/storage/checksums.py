"""Checksums that come with an answer over HTTP."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping

import google_crc32c

from imagebeam.storage.errors import WrongChecksum


def _crc32c(data: bytes) -> bytes:
    return int(google_crc32c.value(data)).to_bytes(4, "big")


def _hash(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


_FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {
    "md5": _hash("md5"),
    "sha": _hash("sha1"),
    "sha-256": _hash("sha256"),
    "sha-512": _hash("sha512"),
    "crc32c": _crc32c,
}

# RFC 3230, RFC 9530 and what Google Cloud Storage sends.
_LISTS = ("Digest", "Repr-Digest", "Content-Digest", "x-goog-hash")


def verify(headers: Mapping[str, str], body: bytes) -> None:
    """Compare a whole body, as it was sent, with each checksum in its headers.

    Raises:
        WrongChecksum: one of them is another.
    """
    for name, digest in _announced(headers):
        if (function := _FUNCTIONS.get(name)) and function(body) != digest:
            raise WrongChecksum(f"its {name} is not the one that the server announced")


def _announced(headers: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    pairs = [("md5", headers.get("Content-MD5", ""))]
    for header in _LISTS:
        if header not in headers or (header == "x-goog-hash" and _is_unpacked(headers)):
            continue
        for part in headers[header].split(","):
            name, _, digest = part.strip().partition("=")
            pairs.append((name.lower(), digest.partition(";")[0].strip(":")))
    for name, digest in pairs:
        try:
            decoded = base64.b64decode(digest, validate=True)
        except ValueError:
            continue  # what is no checksum cannot be wrong
        if decoded:
            yield name, decoded


def _is_unpacked(headers: Mapping[str, str]) -> bool:
    """Whether the server unpacked what it stores, and speaks of that."""
    return headers.get("x-goog-stored-content-encoding", "identity") != "identity"
