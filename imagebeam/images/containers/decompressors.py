"""Decompressors of all kinds of streams, with limits for the memory that a header may ask for."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ContainerLimits, UnsupportedContainerError

_PIECE = 1 << 20


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def zstandard_module() -> Any:
    """Return the module that decompresses zstd.

    Raises:
        UnsupportedContainerError: it is not installed.
    """
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
        file: of the compressed bytes, at their start.
        compression: of them.
        limits: see `ContainerLimits`.

    Raises:
        UnsupportedContainerError: its library is not installed.
    """
    match compression:
        case Compression.GZIP:
            return gzip.GzipFile(fileobj=file).read
        case Compression.BZIP2:
            return bz2.BZ2File(file).read
        case Compression.XZ:
            return _Xz(file, limits.decompressor_bytes).read
        case Compression.DEFLATE:
            return _Deflate(file).read
        case Compression.ZSTANDARD:
            window = 1 << (limits.decompressor_bytes.bit_length() - 1)
            decompressor = zstandard_module().ZstdDecompressor(max_window_size=window)
            reader = decompressor.stream_reader(file, read_across_frames=True, closefd=False)
            read: Callable[[int], bytes] = reader.read
            return read


class _Deflate:
    """A deflate stream without a header, as zips hold them."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self._decompressor = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        while not self._decompressor.eof:
            packed = self._decompressor.unconsumed_tail or self._file.read(_PIECE)
            if not packed:
                raise EOFError("it ends before its end mark")
            if data := self._decompressor.decompress(packed, size):
                return data
        return b""


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
