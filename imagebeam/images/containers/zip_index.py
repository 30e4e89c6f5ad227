"""Find the index of a zip, or those of several zips that were joined to one file."""

import io
import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from imagebeam.images.containers.errors import (
    ContainerLimitError,
    DamagedContainerError,
    UnsupportedContainerError,
)
from imagebeam.images.containers.types import ByteSource, ContainerLimits

LOCAL_HEADER = struct.Struct("<4s22xHH")
LOCAL_MARK = b"PK\3\4"

ENTRY = struct.Struct("<4s4xHH4xIIIHHHHHII")
"""An entry of the index: mark, flags, method, checksum, sizes, lengths of name, extra field and
comment, disk, attributes, position. The system that wrote it is the sixth byte."""

_END = struct.Struct("<4sHHHHIIH")
_END_MARK = b"PK\5\6"
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
JOIN_PARTS = "If it is one part of several, join them: `cat PART1 PART2 > whole.zip`"
_LONGEST_COMMENT = 65_535
_MOST_JOINED = 1_000
_NOT_HERE = 0xFFFF
"""A number of a disk that has this value stands in the zip64 record."""


class Index(NamedTuple):
    """The index of a zip.

    Attributes:
        data: the entries.
        start: position of the index: members end before it.
        shift: added to the positions in it. Something may stand before the zip; below 0, its
            beginning is missing.
        total: entries that the end record announces.
    """

    data: bytes
    start: int
    shift: int
    total: int


def is_at_end(file: ByteSource) -> bool:
    """Return whether a zip ends the file, whatever stands before it."""
    _, tail = _tail(file, file.seek(0, io.SEEK_END))
    return _exact_end(tail) >= 0


def indexes(file: ByteSource, limits: ContainerLimits) -> Iterator[Index]:
    """Yield the index of a zip, and those of the zips before it, the last one first."""
    length = file.seek(0, io.SEEK_END)
    for _ in range(_MOST_JOINED):
        yield (index := _index(file, limits, length))
        length = max(index.shift, 0)
        _, tail = _tail(file, length)
        if _exact_end(tail) < 0:
            return
    raise ContainerLimitError(f"more than {_MOST_JOINED:,} zips were joined to one")


def _tail(file: ByteSource, length: int) -> tuple[int, bytes]:
    """Return position and content of what can hold the end record."""
    start = max(length - _END.size - _LONGEST_COMMENT, 0)
    file.seek(start)
    return start, file.read(length - start)


def _exact_end(tail: bytes) -> int:
    """Return the position of an end record whose comment ends where the file does; else -1."""
    at = _last_mark(tail, len(tail))
    while at >= 0 and at + _END.size + _END.unpack_from(tail, at)[-1] != len(tail):
        at = _last_mark(tail, at + _END.size - 1)
    return at


def _last_mark(tail: bytes, end: int) -> int:
    """Return the position of the last end record that ends before a position; else -1."""
    return tail.rfind(_END_MARK, 0, max(end - _END.size + len(_END_MARK), 0))


def _index(file: ByteSource, limits: ContainerLimits, length: int) -> Index:
    tail_start, tail = _tail(file, length)
    # A comment may hold the mark, and something else may follow the zip.
    at = _exact_end(tail)
    at = _last_mark(tail, len(tail)) if at < 0 else at
    if at < 0:
        raise DamagedContainerError(f"no index of a zip: it ends without one. {JOIN_PARTS}")
    _, disk, index_disk, _, count, size, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if (found := _end64(file, end)) is not None:
        end, count, size, start = found
    elif 0 < min(disk, index_disk) < _NOT_HERE:
        raise UnsupportedContainerError(
            "one part of a split zip. Join the parts: `zip -s 0 split.zip --out whole.zip`"
        )
    if size > end:
        raise DamagedContainerError(
            f"no index of a zip: it claims {size:,} bytes, and {end:,} precede its end"
        )
    if size > limits.index_bytes:
        raise ContainerLimitError(f"its index has {size:,} bytes, over {limits.index_bytes:,}")
    file.seek(end - size)
    data = file.read(size)
    return Index(data, end - size, _shift(file, data, end - size - start), count)


def _end64(file: ByteSource, end: int) -> tuple[int, int, int, int] | None:
    """Return position, count, size and start as the zip64 end record has them, if there is one."""
    if end < _END64_LOCATOR.size + _END64.size:
        return None
    locator_at = end - _END64_LOCATOR.size
    file.seek(locator_at)
    mark, _, claimed, _ = _END64_LOCATOR.unpack(file.read(_END64_LOCATOR.size))
    if mark != b"PK\6\7":
        return None
    # Behind something else the claimed position is too small; the record then ends here.
    for at in (claimed, locator_at - _END64.size):
        if at + _END64.size <= locator_at:
            file.seek(at)
            mark, *_, count, size, start = _END64.unpack(file.read(_END64.size))
            if mark == b"PK\6\6":
                return at, count, size, start
    raise DamagedContainerError("no index of a zip: its zip64 end record is not where it says")


def _shift(file: ByteSource, data: bytes, shift: int) -> int:
    """Return how far the members lie from where the index says, if some are found there; else 0.

    Something may stand before the zip, or its beginning may be missing.
    """
    starts = list(islice(_starts(data), 1))
    if shift == 0 or not starts or (shift < 0 and _is_member(file, starts[0])):
        return 0
    first = next((start for start in _starts(data) if start + shift >= 0), None)
    # Where the beginning is missing, no member at all may be left.
    return shift if first is None or _is_member(file, first + shift) else 0


def _starts(data: bytes) -> Iterator[int]:
    """Yield the positions that the entries of an index state."""
    at = 0
    while at + ENTRY.size <= len(data):
        *_, name_size, extra_size, comment_size, _, _, _, start = ENTRY.unpack_from(data, at)
        yield start
        at += ENTRY.size + name_size + extra_size + comment_size


def _is_member(file: ByteSource, start: int) -> bool:
    file.seek(start)
    return file.read(len(LOCAL_MARK)) == LOCAL_MARK
