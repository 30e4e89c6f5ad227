"""A file over an object of a server without ranges, which always sends it from the start."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from imagebeam.storage.http.connections import time_limit
from imagebeam.storage.ranged import SeekableFile
from imagebeam.storage.types import Settings

_BLOCK = 1 << 20


class CheckedBody(Protocol):
    """The body of a response."""

    def read(self, amt: int, /) -> bytes:
        """Read `amt` bytes, or fewer at the end; a failure is a `StoreError`."""


class ForwardFile(SeekableFile):
    """A file over one long response, of which it keeps nothing.

    Seeking forward reads and discards what lies between. Seeking back, and every failure, requests
    the whole object again. So it suits readers that go straight on. Each MiB has a deadline of its
    own. An open file occupies one of the host's connections.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[CheckedBody]],
        retry: Callable[[Callable[[], bytes]], bytes],
        size: int | None,
        settings: Settings,
    ) -> None:
        """Open without reading.

        Args:
            begin: requests the object from its start.
            retry: repeats an action until it succeeds, as `imagebeam.storage.retry` does.
            size: in bytes, where it is known.
            settings: limits of each read.
        """
        self._begin = begin
        self._retry = retry
        self._size = size
        self._settings = settings
        self._response = ExitStack()
        self._body: CheckedBody | None = None
        self._arrived = 0

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer at the position; return the number of bytes."""
        if self._size is not None and self._position >= self._size:
            return 0
        data = self._retry(lambda: self._fetch(min(len(buffer), _BLOCK)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Give the connection back."""
        self._stop()
        super().close()

    def _length(self) -> int:
        position = self._position
        while self._size is None:
            self._position += _BLOCK
            self._retry(lambda: self._fetch(1))
        self._position = position
        return self._size

    def _fetch(self, length: int) -> bytes:
        try:
            if self._body is None or self._arrived > self._position:
                self._restart()
            while self._arrived < self._position:
                if not self._next(min(_BLOCK, self._position - self._arrived)):
                    return b""
            return self._next(length)
        except BaseException:
            self._stop()
            raise

    def _next(self, length: int) -> bytes:
        assert self._body
        # Discarding takes time too, and does not mean that the server stalls.
        with time_limit(self._settings.seconds, self._settings.seconds / self._settings.attempts):
            data = self._body.read(length)
        self._arrived += len(data)
        if not data:
            self._size = self._arrived
        return data

    def _restart(self) -> None:
        self._stop()
        self._body = self._response.enter_context(self._begin())

    def _stop(self) -> None:
        self._body = None
        self._arrived = 0
        self._response.close()
