"""Zip: the index is parsed here, and members are read by position.

`zipfile` gives up a whole archive for one bad entry and holds an object per member. The format:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import io
import stat
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from imagebeam.images.containers.streams import ByteSource
from imagebeam.images.containers.types import (
    CONTAINER_ERRORS,
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    MemberCounter,
    UnsupportedContainerError,
)
from imagebeam.images.containers.zip_methods import METHODS, unpack
from imagebeam.images.errors import BadMember, FileTooLarge

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LARGEST_HEADER = _LOCAL_HEADER.size + 2 * 65_535
_LOCAL_MARK = b"PK\3\4"

_ENTRY = struct.Struct("<4s4xHH4xIIIHHHHHII")
"""An entry of the index: mark, flags, method, checksum, sizes, lengths of name, extra field and
comment, disk, attributes, position. The system that wrote it is the sixth byte."""
_ENTRY_MARK = b"PK\1\2"

_END = struct.Struct("<4sHHHHIIH")
_END_MARK = b"PK\5\6"
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LONGEST_COMMENT = 65_535
_MOST_JOINED = 1_000

_IN_EXTRA_16, _IN_EXTRA_32 = 0xFFFF, 0xFFFFFFFF
"""A field of the index that has this value stands in the zip64 extra field."""
_EXTRA_ZIP64, _EXTRA_UNICODE_NAME = 0x0001, 0x7075

_ENCRYPTED, _IS_UTF8 = 0x1, 0x800
_UNIX = 3
_HEAD_BYTES = 4096
"""Packed bytes that are read to see what a member is."""

_BOMB_BYTES = 10_000_000
"""Members that come to less than this are not taken for bombs."""


class _Index(NamedTuple):
    """The index of a zip.

    Attributes:
        data: the entries.
        start: position of the index: members end before it.
        shift: added to the positions in it. Something may stand before the zip.
        total: entries that the end record announces.
    """

    data: bytes
    start: int
    shift: int
    total: int


class ZipEntry(NamedTuple):
    """One entry of the index.

    Attributes:
        name: with slashes; bytes in an unknown encoding are surrogates.
        is_folder: whether it is a folder.
        method: of compression.
        checksum: CRC-32 of the content.
        packed_size: bytes in the archive.
        size: bytes of the content.
        start: position of the local header.
        room: bytes from there to what comes next.
        problem: why it cannot be read.
    """

    name: str
    is_folder: bool
    method: int
    checksum: int
    packed_size: int
    size: int
    start: int
    room: int = 0
    problem: str | None = None

    @property
    def place(self) -> tuple[int, ...]:
        """Everything needed to read it."""
        sizes = (self.packed_size, self.size)
        return (self.start, *sizes, self.method, self.checksum, self.room)


def entries(
    file: ByteSource, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[ZipEntry]:
    """Yield the entries of a zip in the order of its index.

    Zips that were joined, as by `cat a.zip b.zip`, are all read.

    Raises:
        DamagedContainerError: it has no valid index, or none from here on.
        ContainerLimitError: it exceeds a limit.
        UnsupportedContainerError: it is one of several parts.
    """
    indexes: list[_Index] = []
    problem: Exception | None = None
    try:
        for index in _indexes(file, limits):
            indexes.append(index)
    except CONTAINER_ERRORS as error:
        if not indexes:
            raise
        problem = error
    for index in reversed(indexes):
        yield from _entries(index, limits, counter)
    if problem is not None:
        raise problem


def _entries(index: _Index, limits: ContainerLimits, counter: MemberCounter) -> Iterator[ZipEntry]:
    spans = _Spans(index)
    for entry in _parsed(index):
        counter.add()
        end = spans.end_of(entry.start)
        room = min(end - entry.start, entry.packed_size + _LARGEST_HEADER)
        entry = entry._replace(room=max(room, 0))
        yield entry._replace(problem=_problem(entry, index, limits, spans))
    if spans.count < index.total:
        raise DamagedContainerError(
            f"its index breaks off after {spans.count:,} of {index.total:,} entries"
        )


def span(place: tuple[int, ...]) -> tuple[int, int]:
    """Return start and size of what reading a member takes: up to the next member or the index."""
    return place[0], place[-1]


def data_start(file: ByteSource, place: tuple[int, ...]) -> int:
    """Return the position of a member's packed bytes.

    Raises:
        BadMember: no member starts at the place.
    """
    start = place[0]
    file.seek(start)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_MARK):
        raise BadMember("the archive has no header at the position that its index says")
    _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    return int(start + _LOCAL_HEADER.size + name_size + extra_size)


def head(file: ByteSource, place: tuple[int, ...], size: int, limits: ContainerLimits) -> bytes:
    """Return the first bytes of a member; none where they cannot be read."""
    _, packed_size, _, method, *_ = place
    try:
        file.seek(data_start(file, place))
        packed = file.read(min(packed_size, _HEAD_BYTES))
        return unpack(packed, method, size, limits)[:size]
    except BadMember:
        return b""


def read(
    file: ByteSource, place: tuple[int, ...], max_bytes: int, limits: ContainerLimits
) -> bytes:
    """Return the content of a member if its checksum is right.

    Raises:
        ImageError: it is too large or damaged.
    """
    _, packed_size, size, method, checksum, _ = place
    # Compression can add a little to what cannot be compressed.
    if (largest := max(size, packed_size - _LARGEST_HEADER)) > max_bytes:
        raise FileTooLarge(f"{largest:,} bytes, over the limit of {max_bytes:,}")
    file.seek(data_start(file, place))
    packed = file.read(packed_size)
    if len(packed) < packed_size:
        raise BadMember("the archive ends before the member does")
    data = unpack(packed, method, size, limits)
    if len(data) != size:
        raise BadMember(f"its size is not the {size:,} bytes that the index says")
    if zlib.crc32(data) != checksum:
        raise BadMember("its checksum is wrong")
    return data


def _indexes(file: ByteSource, limits: ContainerLimits) -> Iterator[_Index]:
    """Yield the index of a zip, and those of the zips before it, the last one first."""
    length = file.seek(0, io.SEEK_END)
    for _ in range(_MOST_JOINED):
        yield (index := _index(file, limits, length))
        length = index.shift
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


def _index(file: ByteSource, limits: ContainerLimits, length: int) -> _Index:
    tail_start, tail = _tail(file, length)
    # A comment may hold the mark, and something else may follow the zip.
    at = _exact_end(tail)
    at = _last_mark(tail, len(tail)) if at < 0 else at
    if at < 0:
        raise DamagedContainerError("no index of a zip: it ends without one")
    _, disk, index_disk, _, count, size, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if (found := _end64(file, end)) is not None:
        end, count, size, start = found
    elif 0 < min(disk, index_disk) < _IN_EXTRA_16:
        raise UnsupportedContainerError("one part of a split zip. Join the parts: `zip -s 0`")
    if size > end:
        raise DamagedContainerError(
            f"no index of a zip: it claims {size:,} bytes, and {end:,} precede its end"
        )
    if size > limits.index_bytes:
        raise ContainerLimitError(f"its index has {size:,} bytes, over {limits.index_bytes:,}")
    file.seek(end - size)
    data = file.read(size)
    return _Index(data, end - size, _shift(file, data, end - size - start), count)


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
    """Return what stands before the zip, if members are found there, and else 0."""
    if shift == 0 or len(data) < _ENTRY.size:
        return 0
    first = _ENTRY.unpack_from(data)[-1]
    if shift > 0:
        file.seek(first + shift)
        if file.read(len(_LOCAL_MARK)) == _LOCAL_MARK:
            return shift
    return 0


def _parsed(index: _Index) -> Iterator[ZipEntry]:
    """Yield the entries, as far as they are intact."""
    data, at = index.data, 0
    while at + _ENTRY.size <= len(data):
        mark, flags, method, checksum, packed_size, size, *rest = _ENTRY.unpack_from(data, at)
        name_size, extra_size, comment_size, _, _, attributes, start = rest
        end = at + _ENTRY.size + name_size + extra_size + comment_size
        if mark != _ENTRY_MARK or end > len(data):
            return
        name_end = at + _ENTRY.size + name_size
        raw = data[at + _ENTRY.size : name_end]
        extra = _extra_fields(data[name_end : name_end + extra_size])
        problem = "it is encrypted. Pack the archive without a password"
        if not flags & _ENCRYPTED:
            problem = ""
        values = [size, packed_size, start]
        if _IN_EXTRA_32 in values and not _fill(values, extra.get(_EXTRA_ZIP64, b"")):
            problem = problem or "its zip64 sizes are missing"
        is_link = data[at + 5] == _UNIX and stat.S_ISLNK(attributes >> 16)
        name = _name(raw, extra, flags)
        yield ZipEntry(
            name=name,
            is_folder=name.endswith("/"),
            method=method,
            checksum=checksum,
            packed_size=values[1],
            size=values[0],
            start=values[2] + index.shift,
            problem=problem or ("a link, not a regular file" if is_link else None),
        )
        at = end


def _extra_fields(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        found.setdefault(kind, data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _fill(values: list[int], extra: bytes) -> bool:
    """Put the zip64 values in the places that say so; return whether all are there."""
    at = 0
    for index, value in enumerate(values):
        if value == _IN_EXTRA_32:
            if at + 8 > len(extra):
                return False
            (values[index],) = struct.unpack_from("<Q", extra, at)
            at += 8
    return True


def _name(raw: bytes, extra: dict[int, bytes], flags: int) -> str:
    unicode_name = extra.get(_EXTRA_UNICODE_NAME, b"")
    # Version, checksum of the name that it stands for, and the name in UTF-8 (APPNOTE 4.6.9).
    if unicode_name[:1] == b"\1" and unicode_name[1:5] == struct.pack("<I", zlib.crc32(raw)):
        raw, flags = unicode_name[5:], flags | _IS_UTF8
    # Tools pad names with NUL bytes.
    raw = raw.partition(b"\0")[0]
    if flags & _IS_UTF8:
        name = raw.decode("utf-8", "surrogateescape")
    else:
        try:
            # Most tools on Unix write UTF-8 without the flag.
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("cp437")
    # Some tools on Windows write backslashes between folders, which the format forbids.
    return name if "/" in name else name.replace("\\", "/")


class _Spans:
    """The start and end of members, to find those that share bytes or lie outside.

    Attributes:
        count: entries of the index.
        shared: starts of members that share bytes with another one. Only bombs have these.
    """

    def __init__(self, index: _Index) -> None:
        self._limit = index.start
        self.count = 0
        spans = []
        for entry in _parsed(index):
            self.count += 1
            least = entry.start + _LOCAL_HEADER.size + entry.packed_size
            if entry.start >= 0 and least <= self._limit:
                spans.append((entry.start, least))
        spans.sort()
        self._starts = array("q", (start for start, _ in spans))
        self.shared: set[int] = set()
        furthest, owner = 0, -1
        for start, least in spans:
            if start < furthest:
                self.shared |= {owner, start}
            if least > furthest:
                furthest, owner = least, start

    def end_of(self, start: int) -> int:
        """Return where a member ends at the latest: at the next one, or at the index."""
        after = bisect_right(self._starts, start)
        return self._starts[after] if after < len(self._starts) else self._limit


def _problem(entry: ZipEntry, index: _Index, limits: ContainerLimits, spans: _Spans) -> str | None:
    if entry.problem:
        return entry.problem
    if entry.method not in METHODS:
        return f"compression method {entry.method} cannot be read. Pack it again with deflate"
    if entry.start + _LOCAL_HEADER.size + entry.packed_size > index.start:
        return f"the index says that it lies at byte {entry.start:,}, outside the archive"
    if entry.start in spans.shared:
        return "it shares bytes with another member, as only bombs do"
    if entry.size > limits.ratio * max(entry.packed_size, 1) and entry.size > _BOMB_BYTES:
        return f"it would decompress to over {limits.ratio:,} times its size"
    return None
