"""Files that containers are read through: checked, cut out of another file, or decompressed."""

import errno
import gzip
import io
import lzma
import zlib
from typing import IO, Protocol

from imagebeam.images.containers.decompressors import decompressor
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
)

_PIECE = 1 << 20

_LARGEST_POSITION = 1 << 62


class ByteSource(Protocol):
    """The part of a binary file that the readers of containers use."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer only at the end."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class CheckedFile:
    """A file in which a position from a damaged header is damage, and not an error of the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position.

        Raises:
            DamagedContainerError: no file has such a position.
        """
        if not -_LARGEST_POSITION < offset < _LARGEST_POSITION:
            raise DamagedContainerError(f"it points to byte {offset:,}")
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.EINVAL, errno.EOVERFLOW):
                raise
            raise DamagedContainerError(f"it points to byte {offset:,}: {error}") from error


class FilePart:
    """A part of a file, as a file of its own."""

    def __init__(self, file: ByteSource, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer only at the end."""
        left = max(self._size - self._position, 0)
        self._file.seek(self._start + self._position)
        data = self._file.read(left if size < 0 else min(size, left))
        self._position += len(data)
        return data


class Decompressed:
    """The content of a compressed file, as a file.

    A step forward decompresses what lies between. A step back starts again, unless it stays within
    the last piece that was decompressed.
    """

    def __init__(self, file: ByteSource, compression: Compression, limits: ContainerLimits) -> None:
        self._file = file
        self._compression = compression
        self._limits = limits
        self._position = self._end = 0
        self._last = b""
        self._restart()

    def tell(self) -> int:
        """Return the number of decompressed bytes before the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position, at most to the end."""
        if whence == io.SEEK_END:
            while self.read(_PIECE):
                pass
            target = self._position + offset
        else:
            target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if target < self._end - len(self._last):
            self._restart()
        self._position = min(self._end, target)
        while self._position < target and self.read(min(_PIECE, target - self._position)):
            pass
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer only at the end.

        Raises:
            DamagedContainerError: the data ends early or is damaged.
            ContainerLimitError: it comes to more than the limits allow.
            OSError: the file itself cannot be read.
        """
        pieces = []
        left = size if size >= 0 else self._limits.total_bytes
        while left:
            if self._position < self._end:
                piece = self._last[self._position - self._end :][:left]
            elif piece := self._next(min(left, _PIECE)):
                self._last = piece
                self._end += len(piece)
                self._check()
            else:
                break
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def _restart(self) -> None:
        self._file.seek(0)
        self._source = decompressor(self._file, self._compression, self._limits)
        self._position = self._end = 0
        self._last = b""

    def _next(self, size: int) -> bytes:
        try:
            return self._source(size)
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise DamagedContainerError(self._where(error)) from error
        except OSError as error:
            # bz2 has no error class of its own; an error of the disk has a number.
            if error.errno is not None:
                raise
            raise DamagedContainerError(self._where(error)) from error
        except Exception as error:
            # zstandard is only imported where it is used.
            if type(error).__name__ != "ZstdError":
                raise
            raise DamagedContainerError(self._where(error)) from error

    def _where(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return f"the {self._compression.value} data breaks after {self._end:,} bytes: {reason}"

    def _check(self) -> None:
        limits = self._limits
        if self._end > limits.total_bytes:
            raise ContainerLimitError(f"it decompresses to more than {limits.total_bytes:,} bytes")
        if self._end > limits.ratio_from:
            taken = max(self._file.tell(), 1)
            if self._end > limits.ratio * taken:
                raise ContainerLimitError(
                    f"{taken:,} bytes decompress to more than {self._end:,}, over "
                    f"{limits.ratio:,} times as many"
                )
