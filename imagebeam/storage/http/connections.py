"""One deadline for all that a thread waits for, down to its sockets.

Client libraries restart a timeout with every byte that arrives, so a server that trickles holds
them for hours. Here a thread's work has one deadline. The client libraries for buckets and the
web all stand on urllib3, whose connections are therefore the one place where the deadline holds,
for headers, bodies and uploads alike.

Private names of other libraries that this room relies on, each used in one place and each with a
test in `tests/storage/http/test_private_names.py` that says what a new release has changed:

* `http.client.HTTPResponse.fp`, a buffered reader whose raw part can be detached: it is wrapped, so
  that each read waits no longer than the deadline. The public timeout of a socket restarts.
* `http.client.HTTPResponse._close_conn`, called when a body is complete: the one moment at which
  bytes behind the announced end can be noticed before they are taken for the next response.
* `urllib3.connection.HTTPConnection._new_conn`, which makes the socket: it connects to the address
  that was checked, in `pools`. urllib3 has no other way to pass one.
* `botocore.client.BaseClient._endpoint.http_session._pool_classes_by_scheme`: the pools of
  boto3's connections, with its proxies and certificates. botocore takes no pool classes.
* `google.cloud.storage.Client(_http=…)`: the session that sends its requests, in `gcs`. It is how
  Google's own documentation sets proxies and retries, although the name is private.
"""

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from imagebeam.storage.errors import WrongLength

CONNECT_SECONDS = 10.0
"""Longest time for setting up a connection."""

CONNECTIONS = 64
"""Connections to one host that are kept open: as many as threads read at once."""

_BUFFER = 64 << 10
"""Bytes: most images arrive whole with their headers."""

_MOST_WITHOUT_LENGTH = 1 << 20
"""Bytes that are read at once from a server that does not state how many there are."""


@dataclass(frozen=True)
class _Limit:
    end: float
    idle_timeout: float


class _Limits(threading.local):
    current: _Limit | None = None


_limits = _Limits()


@contextmanager
def time_limit(seconds: float, idle_timeout: float) -> Iterator[None]:
    """Limit what this thread does in the block.

    Args:
        seconds: until the end of all of it.
        idle_timeout: seconds that may pass without a single byte.
    """
    before = _limits.current
    _limits.current = _Limit(time.monotonic() + seconds, idle_timeout)
    try:
        yield
    finally:
        _limits.current = before


def seconds_left() -> float | None:
    """Return the time until the deadline, None without one; raise TimeoutError if it is over."""
    if _limits.current is None:
        return None
    left = _limits.current.end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left


def longest_wait() -> float | None:
    """Return the seconds for the next byte, None without a limit; raise TimeoutError for none."""
    left = seconds_left()
    if left is None or _limits.current is None:
        return left
    return min(left, _limits.current.idle_timeout)


def timeouts() -> tuple[float | None, float | None]:
    """Return the seconds for connecting and for the next byte, as client libraries take them.

    Raises:
        TimeoutError: the time is over.
    """
    wait = longest_wait()
    return (CONNECT_SECONDS if wait is None else min(wait, CONNECT_SECONDS)), wait


def timed_pools(*pools: type[HTTPConnectionPool]) -> dict[str, type[HTTPConnectionPool]]:
    """Return classes like the given pools, by scheme, whose connections keep to the deadline."""
    return {str(pool.scheme): _timed(pool) for pool in pools}


def _timed(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(
        f"Timed{pool.ConnectionCls.__name__}", (TimedConnection, pool.ConnectionCls), {}
    )
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": connection})


def use_timed_pools(client: Any, pools: dict[str, type[HTTPConnectionPool]]) -> None:
    """Make a client of boto3 connect through `timed_pools`."""
    client._endpoint.http_session._pool_classes_by_scheme.update(pools)


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, received: io.RawIOBase) -> None:
        self._socket = sock
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        _limit(self._socket, longest_wait())
        return self._received.readinto(buffer)

    def readall(self) -> bytes:
        # Only bodies without a length are read to the end of the connection. A negative chunk size
        # asks for that too, from a server that could send for ever.
        parts = []
        left = _MOST_WITHOUT_LENGTH
        while part := self.read(min(_BUFFER, left + 1)):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise http.client.HTTPException("a body without a length is too long")
        return b"".join(parts)

    def close(self) -> None:
        self._received.close()
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """A response whose head and body are waited for as long as the deadline allows."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()), _BUFFER)


class ExactResponse(TimedResponse):
    """A response that notices bytes behind its announced end.

    Otherwise they would be taken for the next response.
    """

    _method: str

    def _close_conn(self) -> None:
        more = self.length == 0 and self._method != "HEAD" and self._has_more()
        super()._close_conn()  # type: ignore[misc]
        if more:
            raise WrongLength("more bytes arrive than were announced")

    def _has_more(self) -> bool:
        try:
            with time_limit(1, idle_timeout=0):
                return bool(self.fp.peek(1))
        except OSError:
            return False


class TimedConnection(http.client.HTTPConnection):
    """Makes a connection of urllib3 keep to the deadline; comes before it among the bases."""

    response_kind: type[http.client.HTTPResponse] = TimedResponse
    _last_response: http.client.HTTPResponse | None = None

    def response_class(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> http.client.HTTPResponse:
        """Make the object that reads a response."""
        self._last_response = self.response_kind(*args, **kwargs)
        return self._last_response

    def getresponse(self) -> Any:
        """Return the response; one that urllib3 refuses, for its headers, is closed.

        A response without a valid length owns the socket, which would stay open until the garbage
        is collected.
        """
        try:
            return super().getresponse()
        except BaseException:
            if self._last_response is not None:
                self._last_response.close()
            raise
        finally:
            self._last_response = None

    def send(self, data: Any, *args: Any) -> Any:
        """Send within the time that is left."""
        if self.sock is not None:
            _limit(self.sock, seconds_left())
        return super().send(data, *args)


def _limit(sock: socket.socket, seconds: float | None) -> None:
    """Set the socket's timeout; None leaves it as it is.

    It is not put back: urllib3 sets its own before each request and each response.
    """
    # Each change is a system call, at which other threads take the interpreter.
    if seconds is not None and seconds != sock.gettimeout():
        sock.settimeout(seconds)
