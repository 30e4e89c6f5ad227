"""A file over an object of a store, read by ranges and ahead of the reader."""

import io
from abc import abstractmethod

from imagebeam.storage.errors import Unsupported
from imagebeam.storage.types import ObjectInfo, Store

FIRST_BLOCK = 1 << 20
"""Bytes of one request after a jump; their transfer takes little beside the request itself."""

LARGEST_BLOCK = 8 << 20
"""Bytes of one request, at most, while the reader goes straight on."""

BUFFER = 64 << 10
"""Bytes that a buffered reader requests of these files at once."""


class SeekableFile(io.RawIOBase):
    """A read-only file whose position is a number: seeking reads nothing."""

    _position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position, which may lie behind the end."""
        bases = {io.SEEK_SET: lambda: 0, io.SEEK_CUR: self.tell, io.SEEK_END: self._length}
        position = bases[whence]() + offset
        if position < 0:
            raise ValueError(f"there is no position {position}")
        self._position = position
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    @abstractmethod
    def _length(self) -> int:
        """Return the number of bytes in the file."""


class RangedFile(SeekableFile):
    """A file over `Store.read`, which keeps one block in memory.

    Each block has the store's own deadline and attempts, and is pinned to the version in `info`.
    Blocks double while the reader goes straight on, or skips less than a block. A failure is a
    `StoreError` and leaves the position as it is. For a known range `Store.read` is cheaper,
    because it reads nothing ahead.
    """

    def __init__(self, store: Store, info: ObjectInfo) -> None:
        """Open without reading; raise Unsupported if the size is not known."""
        if info.size is None:
            raise Unsupported("its size is unknown, so it cannot be read by range")
        self._store = store
        self._info = info
        self._size = info.size
        self._block = memoryview(b"")
        self._start = 0
        self._ahead = FIRST_BLOCK

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer at the position; return the number of bytes."""
        if self._position >= self._size:
            return 0
        if not self._start <= self._position < self._end:
            self._load(len(buffer))
        at = self._position - self._start
        part = self._block[at : at + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        """Read the rest of the file."""
        parts = []
        while self._position < self._size:
            part = bytearray(min(LARGEST_BLOCK, self._size - self._position))
            parts.append(part[: self.readinto(part)])
        return b"".join(parts)

    def _length(self) -> int:
        return self._size

    @property
    def _end(self) -> int:
        return self._start + len(self._block)

    def _load(self, wanted: int) -> None:
        if 0 <= self._position - self._end < self._ahead and self._block:
            start = self._position
            ahead = min(2 * self._ahead, LARGEST_BLOCK)
        else:
            # The indexes of zip and Parquet files are at the end and are read backwards.
            start = max(0, min(self._position, self._size - FIRST_BLOCK))
            ahead = FIRST_BLOCK
        ahead = max(ahead, min(wanted, LARGEST_BLOCK))
        length = min(ahead, self._size - start)
        uri, version = self._info.uri, self._info.version
        self._block = memoryview(self._store.read(uri, length, start, length, version))
        self._start, self._ahead = start, ahead
