"""Files that containers are read through: checked, cut out of another file, or decompressed."""

import errno
import io
from collections import deque
from typing import IO

from imagebeam.images.containers.decompression_process import PIECE, SECONDS, DecompressionProcess
from imagebeam.images.containers.errors import (
    ContainerError,
    ContainerLimitError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.file_process import ProcessEndedError, ProcessTimeoutError
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ByteSource, ContainerLimits

_LARGEST_POSITION = 1 << 62

_KEPT_BYTES = 1 << 20
"""Decompressed bytes that a step back reaches. The beginning of an inner archive is read twice."""


class CheckedFile:
    """A file in which a position from a damaged header is damage, and not an error of the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def fileno(self) -> int:
        """Return the descriptor of the file; raise OSError or AttributeError if it has none."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; raise DamagedContainerError if no file has such a position."""
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
    """The content of a compressed file, as a file. Another process decompresses it.

    A step forward decompresses what lies between. A step back starts again, unless it stays within
    the last pieces that were decompressed.
    """

    _position: int
    _start: int
    _end: int

    def __init__(
        self,
        file: ByteSource,
        compression: Compression,
        limits: ContainerLimits,
        seconds: float = SECONDS,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            file: a file of the compressed bytes; the caller closes it.
            seconds: the time limit for one piece.
        """
        self._file = file
        self._compression = compression
        self._limits = limits
        self._seconds = seconds
        self._problem: Exception | None = None
        self._problem_at = 0
        self._is_suspect = False
        self._restart()

    def tell(self) -> int:
        """Return the number of decompressed bytes before the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position, at most to the end."""
        if whence == io.SEEK_END:
            while self.read(PIECE):
                pass
            target = self._position + offset
        else:
            target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if target < self._start:
            self.close()
        self._position = min(self._end, target)
        while self._position < target and self.read(min(PIECE, target - self._position)):
            pass
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; fewer only at the end.

        Raises:
            DamagedContainerError: the data ends early or is damaged, or ends what reads it.
            ContainerLimitError: it comes to more than the limits allow, or takes more memory.
            UnsupportedContainerError: the library for it is not installed.
            OSError: the file itself cannot be read.
        """
        pieces = []
        left = size if size >= 0 else self._limits.total_bytes
        while left and (self._position < self._end or self._extend()):
            piece = self._kept_at(self._position)[:left]
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let the other process read something else. This file starts again at its beginning."""
        self._stream.close()
        self._restart()

    def _restart(self) -> None:
        self._stream = DecompressionProcess(
            self._file, self._compression, self._limits, self._seconds
        )
        self._position = self._start = self._end = 0
        self._kept: deque[bytes] = deque()

    def _kept_at(self, position: int) -> bytes:
        """Return the rest of the kept piece that a position lies in."""
        end = self._end
        for piece in reversed(self._kept):
            start = end - len(piece)
            if start <= position:
                return piece[position - start :] if position > start else piece
            end = start
        raise AssertionError(position)

    def _keep(self, piece: bytes) -> None:
        self._kept.append(piece)
        self._end += len(piece)
        while self._end - self._start - len(self._kept[0]) >= _KEPT_BYTES:
            self._start += len(self._kept.popleft())

    def _extend(self) -> bool:
        """Decompress the next piece; return whether there is one."""
        if self._problem is not None and self._problem_at <= self._end:
            raise type(self._problem)(*self._problem.args)
        try:
            piece = self._next()
        except UnsupportedContainerError:
            raise
        except ContainerError as error:
            # Data that ended one process would end the next one too.
            self._problem, self._problem_at = type(error)(self._where(error)), self._end
            raise self._problem from error
        if piece:
            self._keep(piece)
            self._check()
        return bool(piece)

    def _next(self) -> bytes:
        try:
            return self._stream.read()
        except ProcessTimeoutError:
            raise
        except ProcessEndedError:
            if self._is_suspect:
                raise
            # Something else may have ended it: a new process shows whether the data is the reason.
            self._is_suspect = True
            position, end = self._position, self._end
            self._restart()
            while self._end < end and (piece := self._stream.read(min(PIECE, end - self._end))):
                self._keep(piece)
            self._position = position
            return self._stream.read()

    def _where(self, error: Exception) -> str:
        return f"the {self._compression.value} data breaks after {self._end:,} bytes: {error}"

    def _check(self) -> None:
        limits = self._limits
        if self._end > limits.total_bytes:
            raise ContainerLimitError(f"it decompresses to more than {limits.total_bytes:,} bytes")
        if self._end > limits.ratio_from:
            taken = max(self._stream.taken, 1)
            if self._end > limits.ratio * taken:
                raise ContainerLimitError(
                    f"{taken:,} bytes decompress to more than {self._end:,}, over "
                    f"{limits.ratio:,} times as many"
                )
