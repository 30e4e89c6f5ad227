"""The meaning of responses over HTTP: status, body, checksums, and whether the owner opted out.

The header X-Robots-Tag is a list of directives, for all programs or, after `NAME:`, for one:
`noai, noimageai` or `otherbot: noindex, imagebeam: noai`.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import google_crc32c

from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    OptedOut,
    ServerFailed,
    StoreError,
    Throttled,
    TooLarge,
    WrongChecksum,
)

_PART = 1 << 20

# Timeout, conflict with another request, too early: with 429, the only transient ones below 500.
_TRANSIENT = (408, 409, 425)


class Body(Protocol):
    """The body of a response of urllib3 or botocore."""

    def read(self, amt: int | None = None, /) -> bytes:
        """Read some bytes, or all that are left."""


def error_of(status: int) -> StoreError:
    """Return the error for a status from 300 on."""
    match status:
        case 401 | 403 | 407:
            return Denied(f"access is denied (status {status})")
        case 404 | 410:
            return Missing("there is no such object or no such bucket")
        case 412:
            return Changed("it no longer has the requested version")
        case 429 | 503:
            return Throttled(f"the server asks for fewer requests (status {status})")
        case _ if 400 <= status < 500 and status not in _TRANSIENT:
            # Rights are not the reason, so another right would not help.
            return ServerFailed(f"the server refuses the request (status {status})").lasting()
        case _:
            return ServerFailed(f"the server answers with status {status}")


def check_version(there: str, wanted: str) -> None:
    """Raise Changed if two versions differ; "" stands for any."""
    if wanted and there != wanted:
        raise error_of(412)


def read_body(body: Body, announced: str | None, max_bytes: int) -> bytes:
    """Read a whole body.

    Args:
        announced: the response's Content-Length.
        max_bytes: limit.

    Raises:
        TooLarge: it is longer; found before reading where a length is announced.
    """
    if announced is not None and announced.isdecimal():
        if int(announced) > max_bytes:
            raise TooLarge(f"{int(announced):,} bytes, over the limit of {max_bytes:,}")
        return body.read()
    parts = []
    left = max_bytes
    while part := body.read(_PART):
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise TooLarge(f"more than {max_bytes:,} bytes, the limit")
    return b"".join(parts)


def _hash(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


_FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {
    "md5": _hash("md5"),
    "sha": _hash("sha1"),
    "sha-256": _hash("sha256"),
    "sha-512": _hash("sha512"),
    "crc32c": lambda data: int(google_crc32c.value(data)).to_bytes(4, "big"),
}

# RFC 3230, RFC 9530 and what Google Cloud Storage sends.
_LISTS = ("Digest", "Repr-Digest", "Content-Digest", "x-goog-hash")


def verify_checksums(headers: Mapping[str, str], body: bytes) -> None:
    """Raise WrongChecksum if a whole body, as it was sent, differs from one in its headers."""
    for name, digest in _announced_checksums(headers):
        if (function := _FUNCTIONS.get(name)) and function(body) != digest:
            raise WrongChecksum(f"its {name} is not the one that the server announced")


def _announced_checksums(headers: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
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
            continue  # malformed: there is nothing to compare with
        if decoded:
            yield name, decoded


def _is_unpacked(headers: Mapping[str, str]) -> bool:
    """Return whether the server decompressed what it stores; the checksum is of the latter."""
    return headers.get("x-goog-stored-content-encoding", "identity") != "identity"


PROGRAM = "imagebeam"
"""The name that addresses this program in headers."""

_FORBID = {"noai", "noimageai", "noindex", "noimageindex", "none"}

_NAMED = re.compile(r"\s*([\w*-]+)\s*:(.*)", re.DOTALL)

# Directives that have a colon of their own.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


def check_opt_out(headers: Iterable[str]) -> None:
    """Raise OptedOut if the X-Robots-Tag headers of a response forbid the use of the image."""
    for header in headers:
        program = "*"
        for part in header.lower().split(","):
            directive = part
            if (named := _NAMED.match(part)) and named[1] not in _VALUED:
                program, directive = named.groups()
            if program in ("*", PROGRAM) and directive.strip() in _FORBID:
                raise OptedOut(f"its header X-Robots-Tag says {directive.strip()}")
