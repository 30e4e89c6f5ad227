"""A file of the parent process: opened by its name where it has one, or requested in parts."""

import io
import struct
from typing import Any

from imagebeam.channel import ANY_SIZE, Channel
from imagebeam.storage.ranged import SeekableFile

PART = b"P"
"""The first byte of a message that requests a part of the file."""

_RANGE = struct.Struct("<QQ")
_END = 1 << 62


def part_of(request: bytes | bytearray) -> tuple[int, int]:
    """Return start and size of the part that a message requests; raise ValueError for others."""
    try:
        start, size = _RANGE.unpack(request[len(PART) :])
    except struct.error as error:
        raise ValueError(str(error)) from error
    if start + size > _END:
        raise ValueError(f"a request for {size:,} bytes at {start:,}")
    return start, size


def open_lent(channel: Channel, path: str, size: int | None = None) -> io.RawIOBase:
    """Open the file that the parent lends.

    Args:
        path: the path of the open file, below /proc; "" where parts must be requested.
        size: the size of the file; None where it is unknown, so that it cannot be read from its
            end.
    """
    if path:
        try:
            return io.FileIO(path)
        except OSError:
            pass
    return _LentFile(channel, _END if size is None else size)


class _LentFile(SeekableFile):
    def __init__(self, channel: Channel, size: int) -> None:
        super().__init__()
        self._channel = channel
        self._size = size

    def readinto(self, buffer: Any, /) -> int:
        size = min(len(buffer), max(self._size - self._position, 0))
        if size == 0:
            return 0
        self._channel.send(PART, _RANGE.pack(self._position, size))
        try:
            data = self._channel.receive(most=ANY_SIZE)
        except EOFError:
            # Decompressors raise this error for a file that ends early.
            raise ConnectionResetError from None
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _length(self) -> int:
        return self._size
