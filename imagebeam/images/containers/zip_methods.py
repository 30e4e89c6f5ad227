"""The compression methods of zip members."""

import io
from collections.abc import Callable

from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.errors import BadMember

STORED, DEFLATED, _BZIP2, _LZMA, _ZSTANDARD, _XZ = 0, 8, 12, 14, 93, 95

_COMPRESSIONS = {
    DEFLATED: Compression.DEFLATE,
    _BZIP2: Compression.BZIP2,
    _LZMA: Compression.LZMA,
    _ZSTANDARD: Compression.ZSTANDARD,
    _XZ: Compression.XZ,
}
METHODS = frozenset((STORED, *_COMPRESSIONS))
"""Numbers of the methods that `unpack` knows (APPNOTE 4.4.5)."""

COMPRESSIONS: dict[int, Compression | None] = {
    STORED: None,
    DEFLATED: Compression.DEFLATE,
    _BZIP2: Compression.BZIP2,
}
"""Methods of members that are archives: those that can be read as streams."""

Unpack = Callable[[bytes, int, int, ContainerLimits], bytes]
"""The type of `unpack` and `unpack_here`."""


def unpack(packed: bytes, method: int, size: int, limits: ContainerLimits) -> bytes:
    """Return what packed bytes decompress to, one byte more than announced at most.

    Args:
        packed: the bytes in the archive.
        method: the compression method.
        size: announced bytes of the content.

    Raises:
        BadMember: the data is damaged, or its method is not installed.
    """
    if method == STORED:
        return packed
    # A decoding process needs no other process.
    from imagebeam.images.containers.decompression_process import PIECE, DecompressionProcess

    stream = DecompressionProcess(packed, _COMPRESSIONS[method], limits)
    try:
        return _joined(lambda most: stream.read(min(most, PIECE)), size)
    except ContainerError as error:
        raise BadMember(f"its data is damaged: {error}") from error
    finally:
        stream.close()


def unpack_here(packed: bytes, method: int, size: int, limits: ContainerLimits) -> bytes:
    """Do what `unpack` does in this process, which must be one that the data may end."""
    if method == STORED:
        return packed
    from imagebeam.images.containers.decompressors import decompressor, is_damage

    try:
        return _joined(decompressor(io.BytesIO(packed), _COMPRESSIONS[method], limits), size)
    except Exception as error:
        if not is_damage(error) and not isinstance(error, ContainerError):
            raise
        raise BadMember(f"its data is damaged: {error}") from error


def _joined(read: Callable[[int], bytes], size: int) -> bytes:
    """Return the bytes up to the end, or more than `size`."""
    pieces = []
    left = size + 1
    while piece := read(left):
        pieces.append(piece)
        left -= len(piece)
        # An end mark that is missing after the last byte costs nothing: the checksum decides.
        if left <= 1:
            break
    return b"".join(pieces)
