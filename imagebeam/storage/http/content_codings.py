"""Bodies that a server compressed (Content-Encoding), decompressed by processes that may end.

Such a process gets a whole body and returns what it holds. A flaw of a decompressor costs the body.
"""

import pickle

from imagebeam.child_process import ARROW_IN_LITTLE_MEMORY
from imagebeam.service_process import ProcessPool, ServiceProcess
from imagebeam.storage.errors import (
    ServerFailed,
    TimedOut,
    TooLarge,
    Unsupported,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.http.connections import seconds_left
from imagebeam.storage.http.content_codings_child import DATA, ENDS_EARLY, FAILED, TOO_MUCH_MEMORY

_SECONDS = 60.0
_MOST_CODINGS = 3
_MOST_MORE = 1_000

# Other values, such as `utf-8`, are mistakes of the server and do not affect the bytes.
_CODINGS = {"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"}
_READ = ("gzip", "deflate", "br", "zstd")

BODY_PROCESSES = ProcessPool(
    "decompresses bodies",
    "imagebeam.storage.http.content_codings_child:serve",
    idle=4,
    variables=ARROW_IN_LITTLE_MEMORY,
    # Each may hold a body, and what becomes of it.
    lent=4,
)


def content_codings(encoding: str | None) -> list[str]:
    """Return the compressions that a Content-Encoding lists, in the order they were applied."""
    codings = [part.strip().lower() for part in (encoding or "").split(",")]
    return [coding.removeprefix("x-") for coding in codings if coding in _CODINGS]


def decoded(data: bytes, encoding: str | None, max_bytes: int, seconds: float = _SECONDS) -> bytes:
    """Undo the Content-Encoding of a whole body.

    Args:
        data: the body.
        encoding: the header.
        max_bytes: limit for what it holds.
        seconds: the time limit for one compression.

    Raises:
        TooLarge: it decompresses to more than `max_bytes`, or needs too much memory.
        WrongLength: it breaks off.
        WrongChecksum: it is not in that encoding, or ends the process that decompresses it.
        Unsupported: it is compressed too often, or in a way that is not read.
    """
    codings = content_codings(encoding)
    if len(codings) > _MOST_CODINGS:
        raise Unsupported(f"the server compresses it {len(codings)} times")
    for coding in reversed(codings):
        if coding not in _READ:
            raise Unsupported(f"the server compresses it as {coding}, which was not requested")
        data = _decompressed(data, coding, max_bytes, seconds)
        if len(data) > max_bytes:
            raise TooLarge(f"unpacks to more than {max_bytes:,} bytes, the limit")
    return data


def _decompressed(data: bytes, coding: str, max_bytes: int, seconds: float) -> bytes:
    try:
        with BODY_PROCESSES.lend(_limited(seconds)) as process:
            answer = _answer(process, data, coding, max_bytes, _limited(seconds))
    except TimeoutError as error:
        raise TimedOut(str(error)) from error
    except OSError as error:
        raise ServerFailed(str(error)) from error
    if answer[:1] == DATA:
        return bytes(memoryview(answer)[1:])
    if answer[:1] == ENDS_EARLY:
        raise WrongLength(f"breaks off, as {coding} that its Content-Encoding says it is")
    if answer[:1] == TOO_MUCH_MEMORY:
        raise TooLarge("unpacks to more than fits in memory")
    if answer[:1] == FAILED:
        raise RuntimeError(answer[1:].decode(errors="replace"))
    raise WrongChecksum(f"is not the {coding} that its Content-Encoding says it is")


def _limited(seconds: float) -> float:
    return min(seconds, seconds_left() or seconds)


def _answer(
    process: ServiceProcess, data: bytes, coding: str, max_bytes: int, seconds: float
) -> bytearray:
    try:
        request = pickle.dumps((coding, max_bytes + 1, data))
        process.channel.send(request, seconds=seconds)
        return process.channel.receive(seconds, max_bytes + _MOST_MORE)
    except TimeoutError as error:
        reason = f"takes more than {seconds:g} s to unpack as {coding}"
        raise WrongChecksum(reason) from error
    except (OSError, EOFError, ValueError) as error:
        how = process.ending()
        reason = f"the process that unpacks it as {coding} ended with {how}"
        raise WrongChecksum(reason) from error
