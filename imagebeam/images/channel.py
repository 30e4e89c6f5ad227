"""Messages over a socket between two processes that need not trust each other."""

import math
import socket
import struct
import time

_LENGTH = struct.Struct("<I")
_MOST = 1 << 28
"""Largest message, in bytes, from a process that is not trusted."""

_PART = 1 << 18

ANY_SIZE = (1 << 32) - 1
"""Largest message, in bytes, from a process that is trusted."""


class Channel:
    """One end of a socket that carries messages of bytes.

    A time limit counts for the whole message, so a peer cannot extend it by sending slowly.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    def send(self, message: bytes, seconds: float | None = None) -> None:
        """Send one message.

        Raises:
            TimeoutError: the peer does not take it in time.
            OSError: the peer has ended.
        """
        self._end.settimeout(seconds)
        self._end.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self, seconds: float = math.inf, most: int = _MOST) -> bytearray:
        """Return the next message, of at most so many bytes.

        Raises:
            TimeoutError: it does not arrive in time.
            EOFError: the peer has ended.
            OSError: likewise.
            ValueError: the data are not a message.
        """
        deadline = time.monotonic() + seconds
        self._receive(_LENGTH.size, deadline)
        (length,) = _LENGTH.unpack_from(self._received)
        if length > most:
            raise ValueError(f"a message of {length:,} bytes")
        end = _LENGTH.size + length
        self._receive(end, deadline)
        message = self._received[_LENGTH.size : end]
        del self._received[:end]
        return message

    def close(self) -> None:
        """Close this end. The peer notices it."""
        self._end.close()

    def _receive(self, count: int, deadline: float) -> None:
        """Wait until so many bytes are in the buffer."""
        while len(self._received) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._end.settimeout(None if left == math.inf else left)
            part = self._end.recv(_PART)
            if not part:
                raise EOFError
            self._received += part
