"""What answers over HTTP mean, and their bodies."""

import gzip
import io
import zlib
from typing import Protocol

from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    ServerFailed,
    StoreError,
    Throttled,
    TooLarge,
    WrongChecksum,
    WrongLength,
)

_PART = 1 << 20

# Timeout, conflict with another request, too early: the only ones of the client's faults that pass.
_PASSING = (408, 409, 425)


class Body(Protocol):
    """The body of a response, as urllib3 and botocore have it."""

    def read(self, amt: int | None = None, /) -> bytes:
        """Some bytes, or all that are left."""


def error_of(status: int) -> StoreError:
    """What a status from 300 on stands for."""
    match status:
        case 401 | 403:
            return Denied(f"access is denied (status {status})")
        case 404 | 410:
            return Missing("there is no such object or no such bucket")
        case 412:
            return Changed("it is not the version any more that was asked for")
        case 429 | 503:
            return Throttled(f"the server asks for fewer requests (status {status})")
        case _ if 400 <= status < 500 and status not in _PASSING:
            return Denied(f"the server refuses the request (status {status})")
        case _:
            return ServerFailed(f"the server answers with status {status}")


def check_version(there: str, wanted: str) -> None:
    """Compare versions, "" standing for any.

    Raises:
        Changed: it is not the one that is wanted.
    """
    if wanted and there != wanted:
        raise error_of(412)


def read_body(body: Body, announced: str | None, max_bytes: int) -> bytes:
    """A body, whole.

    Args:
        body: what is read.
        announced: its header Content-Length.
        max_bytes: more than this is too large.

    Raises:
        TooLarge: it is, which is found before reading where a length is announced.
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


def decoded(data: bytes, encoding: str | None, max_bytes: int) -> bytes:
    """A whole body as it was before the header Content-Encoding.

    Raises:
        TooLarge: it unpacks to more than `max_bytes`.
        WrongLength: it breaks off.
        WrongChecksum: it is not what its header says.
    """
    if encoding != "gzip":
        return data
    try:
        with gzip.open(io.BytesIO(data)) as file:
            unpacked = file.read(max_bytes + 1)
    except EOFError:
        raise WrongLength("breaks off, as gzip that its Content-Encoding says it is") from None
    except (OSError, zlib.error):
        raise WrongChecksum("is not the gzip that its Content-Encoding says it is") from None
    if len(unpacked) > max_bytes:
        raise TooLarge(f"unpacks to more than {max_bytes:,} bytes, the limit")
    return unpacked
