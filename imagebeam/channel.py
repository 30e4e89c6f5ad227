"""Messages over a socket between two processes that need not trust each other."""

import math
import socket
import struct
import time

_LENGTH = struct.Struct("<I")
_MOST = 1 << 28
"""Largest message, in bytes, from a process that is not trusted."""

ANY_SIZE = (1 << 32) - 1
"""Largest message, in bytes, from a process that is trusted."""


class Channel:
    """One end of a socket that carries messages of bytes.

    A time limit counts for the whole message, so a peer cannot extend it by sending slowly.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._length = bytearray(_LENGTH.size)
        self._message: bytearray | None = None
        self._filled = 0

    def send(self, *parts: bytes | bytearray | memoryview, seconds: float | None = None) -> None:
        """Send one message, which is these parts one after the other.

        Raises:
            TimeoutError: the peer does not take it in time.
            OSError: the peer has ended.
        """
        self._end.settimeout(seconds)
        pieces = [_LENGTH.pack(sum(map(len, parts))), *parts]
        sent = self._end.sendmsg(pieces)
        for piece in pieces:
            if sent < len(piece):
                self._end.sendall(memoryview(piece)[sent:])
            sent = max(sent - len(piece), 0)

    def receive(self, seconds: float = math.inf, most: int = _MOST) -> bytearray:
        """Return the next message, of at most so many bytes.

        What has arrived of a message before a time limit is kept for the next call.

        Raises:
            TimeoutError: it does not arrive in time.
            EOFError: the peer has ended.
            OSError: likewise.
            ValueError: the data are not a message.
        """
        deadline = time.monotonic() + seconds
        if self._message is None:
            self._fill(self._length, deadline)
            (length,) = _LENGTH.unpack(self._length)
            if length > most:
                raise ValueError(f"a message of {length:,} bytes")
            self._message, self._filled = bytearray(length), 0
        self._fill(self._message, deadline)
        message, self._message, self._filled = self._message, None, 0
        return message

    def close(self) -> None:
        """Close this end. The peer notices it."""
        self._end.close()

    def _fill(self, buffer: bytearray, deadline: float) -> None:
        """Wait until the buffer is full."""
        with memoryview(buffer) as view:
            while self._filled < len(buffer):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._end.settimeout(None if left == math.inf else left)
                count = self._end.recv_into(view[self._filled :])
                if not count:
                    raise EOFError
                self._filled += count
