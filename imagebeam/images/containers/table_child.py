"""The main function of a process that reads Parquet and Arrow files: Arrow's C++ code may end it.

Messages to this process are pickled. Its own are a letter and plain bytes or JSON: a process that
a file has taken over must not be able to run anything in another one.
"""

import io
import json
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import pyarrow as pa

from imagebeam.channel import ANY_SIZE, Channel
from imagebeam.child_process import limit_memory, serving
from imagebeam.images.containers import arrow_images, parquets, tables
from imagebeam.images.containers.content_kinds import is_arrow
from imagebeam.images.containers.errors import (
    ContainerLimitError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.lent_file import open_lent
from imagebeam.images.containers.types import (
    ContainerLimits,
    Member,
    MemberCounter,
    MemberSelection,
)
from imagebeam.images.errors import ImageError
from imagebeam.service_process import READY

ENTRIES, IMAGE, COLUMNS, ROWS, FAILED, CLOSED = b"E", b"I", b"T", b"R", b"F", b"C"
"""The kinds of messages of this process: the first byte of a message."""

MEMORY = "memory"
"""The kind of a failure after which the process should not read another file."""

KINDS = {
    kind.__name__: kind
    for kind in (DamagedContainerError, ContainerLimitError, UnsupportedContainerError)
}
_ENTRIES_AT_ONCE = 1000

_START_BYTES = 1_500_000_000
"""Address space for the smallest file: Python and Arrow take a fourth of it."""


class TableFile(NamedTuple):
    """The file that the next requests are about.

    Attributes:
        path: the path of the open file, below /proc; "" where its bytes must be requested.
        selection: which column holds the image.
        limits: what it may cost.
    """

    path: str
    size: int
    selection: MemberSelection
    limits: ContainerLimits


class EntriesRequest(NamedTuple):
    """Request for all entries of the file."""


class ImageRequest(NamedTuple):
    """Request for the image at a place."""

    place: tuple[int, ...]
    max_bytes: int


class ColumnsRequest(NamedTuple):
    """Request for the columns of a file.

    Attributes:
        is_parquet: whether the file is Parquet, and not Arrow.
    """

    is_parquet: bool


class RowsRequest(NamedTuple):
    """Request for the values of some columns.

    Attributes:
        is_parquet: whether the file is Parquet, and not Arrow.
        exact: the one of them in whose texts bytes that are not UTF-8 are kept as surrogates. In
            others, they are replaced.
    """

    is_parquet: bool
    names: Sequence[str]
    exact: str | None = None


class MoreRowsRequest(NamedTuple):
    """Request for the rows behind those that the last answer held."""


def serve(descriptor: str) -> None:
    """Serve the process at the other end of a socket until it is gone."""
    # Memory for threads would be taken from that for data.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with serving(descriptor) as channel:
        file: io.RawIOBase = io.FileIO(os.devnull)
        opened, images = None, None
        rows: Iterator[bytes] = iter(())
        channel.send(READY)
        while True:
            request = pickle.loads(channel.receive(most=ANY_SIZE))
            try:
                match request:
                    case TableFile(path, size):
                        file.close()
                        file, opened, images = open_lent(channel, path, size), request, None
                        limit_memory(_memory(request))
                    case EntriesRequest():
                        _list(channel, file, cast(TableFile, opened))
                        images = None
                    case ImageRequest():
                        if images is None:
                            selection, limits = cast(TableFile, opened)[2:]
                            images = _library(file).RowReader(cast(Any, file), selection, limits)
                        channel.send(IMAGE, images.read(*request))
                    case ColumnsRequest():
                        channel.send(COLUMNS, tables.columns(cast(Any, file), *request))
                    case RowsRequest():
                        limits = cast(TableFile, opened).limits
                        rows = tables.rows(cast(Any, file), *request, limits)
                        _send_next(channel, rows)
                    case MoreRowsRequest():
                        _send_next(channel, rows)
            except (EOFError, ConnectionError):
                raise
            except Exception as error:
                images = None
                channel.send(FAILED, json.dumps(_described(error)).encode())


def _memory(opened: TableFile) -> int:
    """Return the address space for a file: the larger the file, the more it may decompress to."""
    most = _START_BYTES + opened.limits.ratio * opened.size
    return min(most, opened.limits.process_bytes)


def _send_next(channel: Channel, rows: Iterator[bytes]) -> None:
    batch = next(rows, None)
    if batch is None:
        channel.send(CLOSED)
    else:
        channel.send(ROWS, batch)


def _list(channel: Channel, file: Any, opened: TableFile) -> None:
    counter = MemberCounter(opened.limits)
    batch: list[Any] = []
    try:
        for entry in _library(file).members(file, opened.selection, opened.limits, counter):
            is_member = isinstance(entry, Member)
            batch.append(
                (entry.name, entry.place, None)
                if isinstance(entry, Member)
                else (entry.name, None, (entry.error.code, str(entry.error), entry.path))
            )
            if len(batch) == _ENTRIES_AT_ONCE or (is_member and counter.seen == 1):
                channel.send(ENTRIES, json.dumps((counter.seen, batch)).encode())
                batch = []
    finally:
        channel.send(ENTRIES, json.dumps((counter.seen, batch)).encode())
    channel.send(CLOSED)


def _library(file: Any) -> Any:
    """Return the module that reads a file of this kind."""
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    return arrow_images if is_arrow(head) else parquets


def _described(error: Exception) -> tuple[str, str]:
    """Return the kind of an error, a code or the name of its class, and its text."""
    if isinstance(error, ImageError):
        return error.code, str(error)
    if isinstance(error, MemoryError | pa.ArrowMemoryError):
        return MEMORY, "it takes more memory than it may"
    if type(error).__name__ in KINDS:
        return type(error).__name__, str(error)
    if isinstance(error, pa.ArrowException | OSError | UnicodeError):
        return DamagedContainerError.__name__, f"not a readable table: {error}"
    return type(error).__name__, str(error)
