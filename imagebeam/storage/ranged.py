"""A file over an object of a store, read by ranges and ahead of the reader."""

import io

from imagebeam.storage.errors import Unsupported
from imagebeam.storage.types import ObjectInfo, Store

FIRST_BLOCK = 1 << 20
"""Bytes of one request after a jump; their transfer takes little beside the request itself."""

LARGEST_BLOCK = 8 << 20
"""Bytes of one request, at most, while the reader goes straight on."""

_BUFFER = 64 << 10


class RangedFile(io.BufferedReader):
    """A seekable, read-only file over `Store.read`; it keeps one block in memory.

    Each block has the store's own deadline and attempts, and is pinned to the version in `info`.
    Blocks double while the reader goes straight on, or skips less than a block. A failure is a
    `StoreError` and leaves the position as it is. For a known range `Store.read` is cheaper,
    because it reads nothing ahead.
    """

    def __init__(self, store: Store, info: ObjectInfo) -> None:
        """Open without reading.

        Args:
            store: holds the object.
            info: what the store knows of it.

        Raises:
            Unsupported: its size is not known.
        """
        super().__init__(_Blocks(store, info), _BUFFER)


class _Blocks(io.RawIOBase):
    def __init__(self, store: Store, info: ObjectInfo) -> None:
        if info.size is None:
            raise Unsupported("its size is unknown, so it cannot be read by range")
        self._store = store
        self._info = info
        self._size = info.size
        self._position = 0
        self._block = memoryview(b"")
        self._start = 0
        self._ahead = FIRST_BLOCK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
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
        parts = []
        while self._position < self._size:
            part = bytearray(min(LARGEST_BLOCK, self._size - self._position))
            parts.append(part[: self.readinto(part)])
        return b"".join(parts)

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
