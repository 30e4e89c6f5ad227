"""The main function of a process that decompresses: a flaw of zlib, bzip2, liblzma or zstd ends it.

Messages to this process are pickled. Its own are a letter and plain bytes or JSON: a process that
a stream has taken over must not be able to run anything in another one.
"""

import io
import json
import pickle
import struct
from collections.abc import Callable
from typing import NamedTuple

from imagebeam.channel import ANY_SIZE, Channel
from imagebeam.child_process import limit_memory, serving
from imagebeam.images.containers.decompressors import decompressor, is_damage
from imagebeam.images.containers.errors import UnsupportedContainerError
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.lent_file import open_lent
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.service_process import READY

DATA, FAILED = b"D", b"F"
"""The kinds of messages of this process: the first byte of a message."""

HEAD = struct.Struct("<cQ")
"""The beginning of a message of data: its kind, and the compressed bytes that were taken so far."""

_BUFFER = 1 << 18
_STEP = 1 << 16
"""Bytes that are decompressed at once. As many before damage may be lost."""


class CompressedStream(NamedTuple):
    """The stream that the next requests are about. Such a request is a number of bytes to return.

    Attributes:
        limits: what it may cost.
        path: the path of the open file, below /proc; "" where its bytes must be requested.
        data: the whole stream; None where it is in a file.
    """

    compression: Compression
    limits: ContainerLimits
    path: str = ""
    data: bytes | None = None


def serve(descriptor: str) -> None:
    """Serve the process at the other end of a socket until it is gone."""
    with serving(descriptor) as channel:
        channel.send(READY)
        stream: _Stream | None = None
        while True:
            request = pickle.loads(channel.receive(most=ANY_SIZE))
            if isinstance(request, CompressedStream):
                stream = None
                limit_memory(request.limits.decompression_bytes)
                stream = _Stream(channel, request)
            elif stream is not None:
                channel.send(*stream.next(request))


class _Stream:
    def __init__(self, channel: Channel, opened: CompressedStream) -> None:
        self._opened = opened
        self._file: io.BytesIO | io.BufferedReader
        if opened.data is not None:
            self._file = io.BytesIO(opened.data)
        else:
            self._file = io.BufferedReader(open_lent(channel, opened.path), _BUFFER)
        self._read: Callable[[int], bytes] | None = None
        self._error: Exception | None = None

    def next(self, size: int) -> list[bytes]:
        """Return the parts of a message with up to so many bytes; fewer only before an error."""
        pieces: list[bytes] = []
        left = size
        try:
            if self._error is not None:
                raise self._error
            if self._read is None:
                self._read = decompressor(self._file, self._opened.compression, self._opened.limits)
            while left and (piece := self._read(min(left, _STEP))):
                pieces.append(piece)
                left -= len(piece)
        except ConnectionError:
            raise
        except Exception as error:
            self._error = error
            if not pieces:
                return [FAILED, json.dumps(_described(error)).encode()]
        return [HEAD.pack(DATA, self._file.tell()), *pieces]


def _described(error: Exception) -> tuple[str, str, int]:
    """Return why a stream cannot be read on, a text, and the number of an error of the disk."""
    if isinstance(error, UnsupportedContainerError):
        return "unsupported", str(error), 0
    if isinstance(error, MemoryError):
        return "memory", "it takes more memory than it may", 0
    if is_damage(error):
        return "damaged", str(error) or type(error).__name__, 0
    if isinstance(error, OSError) and error.errno is not None:
        return "disk", error.strerror or str(error), error.errno
    return type(error).__name__, str(error), 0
