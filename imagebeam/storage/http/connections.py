"""Connections of urllib3 that wait no longer than `imagebeam.storage.http.deadline` allows.

The client libraries for buckets all stand on urllib3, so that its connections are the one place
where a deadline holds for headers, bodies and uploads alike.
"""

import http.client
import io
import socket
import ssl
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool

from imagebeam.storage.errors import ConnectionFailed, StoreError, TimedOut, WrongLength
from imagebeam.storage.http.deadline import longest_wait, seconds_left

CONNECTIONS = 64
"""That are kept open to one host: as many as threads read at once."""

_BUFFER = 64 << 10
"""Bytes: most images arrive whole with their headers."""


def timed_pools(*pools: type[HTTPConnectionPool]) -> dict[str, type[HTTPConnectionPool]]:
    """Kinds of pools by scheme, like the given ones, whose connections keep to the deadline."""
    return {str(pool.scheme): _timed(pool) for pool in pools}


def meaning_of(error: BaseException) -> StoreError:
    """What an error of a connection stands for, which libraries wrap in one another."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    match error:
        case TimeoutError():
            return TimedOut("no answer in time")
        case http.client.IncompleteRead():
            return WrongLength("fewer bytes arrived than were announced")
        case socket.gaierror():
            return ConnectionFailed("the server's name cannot be resolved")
        case ssl.SSLCertVerificationError():
            return ConnectionFailed(f"the server cannot prove its name: {error.verify_message}")
        case _:
            return ConnectionFailed("the server cannot be reached, or hangs up")


def _timed(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(
        f"Timed{pool.ConnectionCls.__name__}", (TimedConnection, pool.ConnectionCls), {}
    )
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, received: io.RawIOBase) -> None:
        self._socket = sock
        self._received = received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        _limit(self._socket, longest_wait())
        return self._received.readinto(buffer)

    def close(self) -> None:
        self._received.close()
        super().close()


class TimedResponse(http.client.HTTPResponse):
    """An answer that is waited for as long as the deadline allows, head and body."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()), _BUFFER)


class TimedConnection(http.client.HTTPConnection):
    """Makes a connection of urllib3 keep to the deadline; comes before it among the bases."""

    response_class = TimedResponse

    def send(self, data: Any, *args: Any) -> Any:
        """Send in the time that is left."""
        if self.sock is not None:
            _limit(self.sock, seconds_left())
        return super().send(data, *args)


def _limit(sock: socket.socket, seconds: float | None) -> None:
    """Let the socket wait this long from now on; None leaves it as it is.

    It is not put back: urllib3 sets its own limit before each request and each answer.
    """
    # Each change is a system call, at which other threads take the interpreter.
    if seconds is not None and seconds != sock.gettimeout():
        sock.settimeout(seconds)
