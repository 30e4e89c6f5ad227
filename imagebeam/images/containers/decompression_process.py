"""Compressed streams, read by processes of their own.

The libraries that decompress are C code that reads untrusted bytes. A flaw of one of them ends such
a process, and costs the stream. A process serves one stream after the other.
"""

import io
import json

from imagebeam.images.containers.decompression_child import DATA, FAILED, HEAD, CompressedStream
from imagebeam.images.containers.errors import (
    ContainerError,
    ContainerLimitError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.file_process import FileProcess, ProcessEndedError, path_of
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.types import ByteSource, ContainerLimits
from imagebeam.service_process import ProcessPool

DECOMPRESSION_PROCESSES = ProcessPool(
    "decompresses", "imagebeam.images.containers.decompression_child:serve", idle=4
)

PIECE = 1 << 17
"""Bytes that are decompressed per request: as many as a socket takes at once."""

SECONDS = 60.0
"""Time for one piece, without that for reading the compressed bytes."""

_PART = 1 << 20
"""Compressed bytes that the process gets at once, at most."""

_MOST_MORE = 10_000
"""Bytes of an answer besides the data, at most."""


class DecompressionProcess:
    """One compressed stream from its start to its end.

    Attributes:
        taken: compressed bytes that were taken so far.
    """

    def __init__(
        self,
        source: ByteSource | bytes,
        compression: Compression,
        limits: ContainerLimits,
        seconds: float = SECONDS,
    ) -> None:
        """Keep the settings; nothing starts before it is needed.

        Args:
            source: the compressed bytes, or a file of them.
            limits: what it may cost.
            seconds: the time limit for one piece.
        """
        self.taken = 0
        self._is_begun = self._is_ended = False
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        # A small stream needs no requests for its parts.
        data = source if isinstance(source, bytes) and len(source) <= _PART else None
        opened = CompressedStream(compression, limits, path_of(file), data)
        self._process = FileProcess(DECOMPRESSION_PROCESSES, file, seconds, opened, _PART)

    def read(self, size: int = PIECE) -> bytes:
        """Return the next bytes, at most so many; none at the end.

        Raises:
            ProcessEndedError: the process ended.
            DamagedContainerError: the data ends early or is damaged.
            ContainerLimitError: it needs too much memory.
            UnsupportedContainerError: the library for it is not installed.
            OSError: the file cannot be read.
        """
        if self._is_ended:
            return b""
        if self._is_begun and not self._process.is_open:
            raise ProcessEndedError("the process that decompresses was stopped")
        self._is_begun = True
        message = self._process.request(size, size + _MOST_MORE)
        if message[:1] == FAILED:
            self.close()
            raise _failure(*json.loads(message[1:]))
        if message[:1] != DATA or len(message) < HEAD.size:
            self._process.lose()
            raise DamagedContainerError("the process that decompresses sent an unknown message")
        _, self.taken = HEAD.unpack_from(message)
        data = bytes(memoryview(message)[HEAD.size :])
        if not data:
            self._is_ended = True
            self.close()
        return data

    def close(self) -> None:
        """Let the process read another stream."""
        self._process.close()


def decompressed_head(source: ByteSource | bytes, compression: Compression, size: int) -> bytes:
    """Return the first bytes of what compressed data holds; none for damaged data.

    Args:
        source: a file, or the first bytes of one: few hold a whole block of bzip2 or zstd.
        size: bytes to return, at most.
    """
    stream = DecompressionProcess(source, compression, ContainerLimits())
    try:
        return stream.read(size)
    except ContainerError:
        return b""
    finally:
        stream.close()


def _failure(kind: str, text: str, number: int) -> Exception:
    match kind:
        case "damaged":
            return DamagedContainerError(text)
        case "memory":
            return ContainerLimitError(text)
        case "unsupported":
            return UnsupportedContainerError(text)
        case "disk":
            return OSError(number, text)
        case _:
            return RuntimeError(f"{kind}: {text}")
