"""The compression methods of zip members."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from imagebeam.images.containers.decompressors import zstandard_module
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ContainerLimits, UnsupportedContainerError
from imagebeam.images.errors import BadMember

STORED, DEFLATED, _BZIP2, _LZMA, _ZSTANDARD, _XZ = 0, 8, 12, 14, 93, 95
METHODS = frozenset((STORED, DEFLATED, _BZIP2, _LZMA, _ZSTANDARD, _XZ))
"""Numbers of the methods that `unpack` knows (APPNOTE 4.4.5)."""

COMPRESSIONS: dict[int, Compression | None] = {
    STORED: None,
    DEFLATED: Compression.DEFLATE,
    _BZIP2: Compression.BZIP2,
}
"""Methods of members that are archives: those that can be read as streams."""

_LZMA_HEAD = 4
_LZMA_PROPERTIES = 5


def unpack(packed: bytes, method: int, size: int, limits: ContainerLimits) -> bytes:
    """Return what packed bytes decompress to, one byte more than announced at most.

    Raises:
        BadMember: the data is damaged, or its method is not installed.
    """
    if method == STORED:
        return packed
    try:
        return _UNPACK[method](packed, size, limits.decompressor_bytes)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise BadMember(f"its data is damaged: {error}") from error
    except UnsupportedContainerError as error:
        raise BadMember(str(error)) from error
    except Exception as error:
        # zstandard is only imported where it is used.
        if type(error).__name__ != "ZstdError":
            raise
        raise BadMember(f"its data is damaged: {error}") from error


def _inflate(packed: bytes, size: int, _: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)


def _bunzip2(packed: bytes, size: int, _: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(packed, size + 1)


def _unxz(packed: bytes, size: int, memory: int) -> bytes:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memory).decompress(packed, size + 1)


def _unlzma(packed: bytes, size: int, memory: int) -> bytes:
    # A version and the size of the properties stand where an .lzma file has the content's size.
    properties, data = packed[_LZMA_HEAD:][:_LZMA_PROPERTIES], packed[_LZMA_HEAD:]
    unknown_size = b"\xff" * 8
    alone = properties + unknown_size + data[_LZMA_PROPERTIES:]
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memory).decompress(alone, size + 1)


def _unzstd(packed: bytes, size: int, memory: int) -> bytes:
    window = 1 << (memory.bit_length() - 1)
    decompressor: Any = zstandard_module().ZstdDecompressor(max_window_size=window)
    with decompressor.stream_reader(packed, read_across_frames=True) as reader:
        data: bytes = reader.read(size + 1)
    return data


_UNPACK: dict[int, Callable[[bytes, int, int], bytes]] = {
    DEFLATED: _inflate,
    _BZIP2: _bunzip2,
    _LZMA: _unlzma,
    _ZSTANDARD: _unzstd,
    _XZ: _unxz,
}
