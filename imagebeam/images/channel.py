"""Whole messages over a socket between two processes that need not trust each other."""

import math
import socket
import struct
import time

_LENGTH = struct.Struct("<I")
_MOST = 1 << 28
"""Bytes in a message from a process that cannot be trusted."""

_PART = 1 << 18

ANY_SIZE = (1 << 32) - 1
"""Bytes in a message from one that can."""


class Channel:
    """One end of a socket that carries messages of bytes.

    Where seconds are given they hold for the whole message: a peer that stops in the middle of
    one, or trickles it, is not waited for any longer.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    def send(self, message: bytes, seconds: float | None = None) -> None:
        """Send one message.

        Raises:
            TimeoutError: the peer does not take it in time.
            OSError: the peer is gone.
        """
        self._end.settimeout(seconds)
        self._end.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self, seconds: float = math.inf, most: int = _MOST) -> bytearray:
        """The next message, of so many bytes at most.

        Raises:
            TimeoutError: it is not there in time.
            EOFError: the peer is gone.
            OSError: likewise.
            ValueError: what arrives is no message.
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
        """Close this end, which the peer sees."""
        self._end.close()

    def _receive(self, count: int, deadline: float) -> None:
        """Wait for so many bytes; of what comes with them nothing is lost."""
        while len(self._received) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._end.settimeout(None if left == math.inf else left)
            part = self._end.recv(_PART)
            if not part:
                raise EOFError
            self._received += part
