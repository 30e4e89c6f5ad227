"""Compressed files that are read from their start, and go on where the last read ended."""

import bz2
import gzip
import io
import lzma
import zlib
from typing import IO, Protocol

from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    UnsupportedContainerError,
)

_PIECE = 1 << 20


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Decompressed(io.RawIOBase):
    """What a compressed file holds, as a file.

    A step forward decompresses what lies between; a step back starts again.
    """

    def __init__(self, file: IO[bytes], compression: Compression, caps: ContainerLimits) -> None:
        super().__init__()
        self._file = file
        self._compression = compression
        self._caps = caps
        self._restart()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, at a price."""
        return True

    def tell(self) -> int:
        """Bytes from the start, decompressed."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place; beyond the end is at the end."""
        target = offset + (self._position if whence == io.SEEK_CUR else 0)
        if target < self._position:
            self._restart()
        while self._position < target and self.read(min(_PIECE, target - self._position)):
            pass
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; fewer only at the end.

        Raises:
            DamagedContainerError: the data ends early or is damaged.
            ContainerLimitError: it comes to more than the caps allow.
            OSError: the file itself cannot be read.
        """
        pieces = []
        left = size if size >= 0 else self._caps.total_bytes
        while left:
            piece = self._next(min(left, _PIECE))
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
            self._position += len(piece)
            self._check()
        return b"".join(pieces)

    def _restart(self) -> None:
        self._file.seek(0)
        self._source = _decompressor(self._file, self._compression, self._caps)
        self._position = 0

    def _next(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise DamagedContainerError(self._where(error)) from error
        except OSError as error:
            # bz2 has no error of its own; one of the disk has a number.
            if error.errno is not None:
                raise
            raise DamagedContainerError(self._where(error)) from error
        except Exception as error:
            # zstandard is not imported unless it is used.
            if type(error).__name__ != "ZstdError":
                raise
            raise DamagedContainerError(self._where(error)) from error

    def _where(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return f"the {self._compression.value} data breaks after {self._position:,} bytes: {reason}"

    def _check(self) -> None:
        caps = self._caps
        if self._position > caps.total_bytes:
            raise ContainerLimitError(f"it decompresses to more than {caps.total_bytes:,} bytes")
        if self._position > caps.ratio_from:
            taken = max(self._file.tell(), 1)
            if self._position > caps.ratio * taken:
                raise ContainerLimitError(
                    f"{taken:,} bytes decompress to more than {self._position:,}, over "
                    f"{caps.ratio:,} times as many"
                )


def _decompressor(file: IO[bytes], compression: Compression, caps: ContainerLimits) -> _Source:
    match compression:
        case Compression.GZIP:
            return gzip.GzipFile(fileobj=file)
        case Compression.BZIP2:
            return bz2.BZ2File(file)
        case Compression.XZ:
            return _Xz(file, caps.decompressor_bytes)
        case Compression.ZSTANDARD:
            return _zstandard(file, caps.decompressor_bytes)


def _zstandard(file: IO[bytes], memory: int) -> _Source:
    try:
        import zstandard
    except ImportError:
        raise UnsupportedContainerError(
            "zstandard is not installed. Run `pip install zstandard`"
        ) from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << (memory.bit_length() - 1))
    source: _Source = decompressor.stream_reader(file, read_across_frames=True, closefd=False)
    return source


class _Xz:
    """As lzma.LZMAFile, but for a limit of memory: a header may ask for 4 GB."""

    def __init__(self, file: IO[bytes], memory: int) -> None:
        self._file = file
        self._memory = memory
        self._decompressor = self._new()

    def read(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                # Streams may follow one another, with padding of zeros between them.
                rest = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(_PIECE)
                if not rest.strip(b"\0"):
                    return b""
                self._decompressor = self._new()
            elif self._decompressor.needs_input:
                rest = self._file.read(_PIECE)
                if not rest:
                    raise EOFError("it ends before its end mark")
            else:
                rest = b""
            data = self._decompressor.decompress(rest, size)
            if data:
                return data

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._memory)
