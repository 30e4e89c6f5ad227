"""Decompressors of all kinds of streams, with limits for the memory that a header may ask for.

They are C code that reads untrusted data. Only processes that may end use them: those of
`decompression_process`, and decoding processes.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from imagebeam.images.containers.errors import UnsupportedContainerError
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ContainerLimits

_PIECE = 1 << 16

_GZIP = 16
"""Added to the size of zlib's window: the stream has the header and the checksum of gzip."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def zstandard_module() -> Any:
    """Return the module that decompresses zstd, or raise UnsupportedContainerError without it."""
    try:
        import zstandard
    except ImportError:
        raise UnsupportedContainerError(
            "zstandard is not installed. Run `pip install zstandard`"
        ) from None
    return zstandard


def decompressor(
    file: Any, compression: Compression, limits: ContainerLimits
) -> Callable[[int], bytes]:
    """Return a function that reads so many decompressed bytes, at most; none at the end.

    Args:
        file: a file of the compressed bytes, at their start.

    Raises:
        UnsupportedContainerError: its library is not installed.
    """
    match compression:
        case Compression.GZIP:
            # `gzip.GzipFile` reads little at once, which makes it slower.
            return _Zlib(file, zlib.MAX_WBITS | _GZIP).read
        case Compression.BZIP2:
            # Unlike `read`, it returns what lies before damage.
            return bz2.BZ2File(file).read1
        case Compression.XZ:
            return _Xz(file, limits.decompressor_bytes).read
        case Compression.DEFLATE:
            return _Zlib(file, -zlib.MAX_WBITS).read
        case Compression.LZMA:
            return _Lzma(file, limits.decompressor_bytes).read
        case Compression.ZSTANDARD:
            return _Zstandard(file, limits.decompressor_bytes).read


def is_damage(error: Exception) -> bool:
    """Return whether an error of a decompressor is about the data, and not about the disk."""
    if isinstance(error, OSError):
        # bz2 has no error class of its own; an error of the disk has a number.
        return error.errno is None
    # zstandard is only imported where it is used.
    is_zstandard = type(error).__name__ == "ZstdError"
    return is_zstandard or isinstance(error, EOFError | zlib.error | lzma.LZMAError)


class _Zlib:
    """A deflate stream without a header, as zips hold it, or gzip streams one after the other."""

    def __init__(self, file: _Readable, wbits: int) -> None:
        self._file = file
        self._wbits = wbits
        self._decompressor = zlib.decompressobj(wbits)
        self._is_empty = True

    def read(self, size: int) -> bytes:
        while True:
            packed = self._decompressor.unconsumed_tail
            if self._decompressor.eof:
                if self._wbits < 0:
                    return b""
                # Padding of zeros may lie between streams, and behind them.
                packed = self._decompressor.unused_data.lstrip(b"\0") or self._file.read(_PIECE)
                if not packed.strip(b"\0"):
                    return b""
                self._decompressor = zlib.decompressobj(self._wbits)
            elif not packed:
                packed = self._file.read(_PIECE)
                if not packed and self._is_empty:
                    return b""
                if not packed:
                    raise EOFError("it ends before its end mark")
            self._is_empty = False
            if data := self._decompressor.decompress(packed, size):
                return data


class _Xz:
    """Like lzma.LZMAFile, with a memory limit: a header may ask for 4 GB."""

    def __init__(self, file: _Readable, memory: int) -> None:
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


class _Lzma:
    """An LZMA stream as zips hold it: its header has a version instead of the size."""

    _VERSION, _PROPERTIES = 4, 5
    _UNKNOWN_SIZE = b"\xff" * 8

    def __init__(self, file: _Readable, memory: int) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memory)
        header = file.read(self._VERSION + self._PROPERTIES)[self._VERSION :]
        self._decompressor.decompress(header + self._UNKNOWN_SIZE)

    def read(self, size: int) -> bytes:
        while not self._decompressor.eof:
            packed = self._file.read(_PIECE) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not packed:
                raise EOFError("it ends before its end mark")
            if data := self._decompressor.decompress(packed, size):
                return data
        return b""


class _Zstandard:
    """Frames one after the other. The library's own reader does not report one that breaks off."""

    _STEP = 4096
    """Compressed bytes taken at once: each four of them may stand for 128 kB."""

    def __init__(self, file: _Readable, memory: int) -> None:
        self._file = file
        self._window = 1 << (memory.bit_length() - 1)
        self._decompressor: Any = None
        self._waiting = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._waiting:
            packed = b""
            if self._decompressor is None or self._decompressor.eof:
                packed = self._decompressor.unused_data if self._decompressor else b""
                packed = packed or self._file.read(self._STEP)
                if not packed:
                    return b""
                frames = zstandard_module().ZstdDecompressor(max_window_size=self._window)
                self._decompressor = frames.decompressobj()
            elif not (packed := self._file.read(self._STEP)):
                raise EOFError("it ends before its end mark")
            self._waiting = memoryview(self._decompressor.decompress(packed))
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        return bytes(piece)
