"""Parse the index of a zip, and judge each entry: whether it can be read, and where it ends."""

import binascii
import stat
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.types import ContainerLimits, MemberCounter
from imagebeam.images.containers.zip_index import ENTRY, JOIN_PARTS, LOCAL_HEADER, Index
from imagebeam.images.containers.zip_methods import METHODS

LARGEST_HEADER = LOCAL_HEADER.size + 2 * 65_535

_ENTRY_MARK = b"PK\1\2"
_IN_EXTRA = 0xFFFFFFFF
"""A field of the index that has this value stands in the zip64 extra field."""
_EXTRA_ZIP64, _EXTRA_UNICODE_NAME = 0x0001, 0x7075

_ENCRYPTED, _IS_UTF8 = 0x1, 0x800
_UNIX = 3

_BOMB_BYTES = 10_000_000
"""Members that come to less than this are not taken for bombs."""


class ZipEntry(NamedTuple):
    """One entry of the index.

    Attributes:
        name: with slashes; bytes in an unknown encoding are surrogates.
        is_folder: whether it is a folder.
        method: the compression method.
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


def entries_of(index: Index, limits: ContainerLimits, counter: MemberCounter) -> Iterator[ZipEntry]:
    """Yield the entries of an index, in its order.

    Raises:
        DamagedContainerError: it breaks off.
        ContainerLimitError: it has too many.
    """
    spans = _Spans(index)
    for entry in _parsed(index):
        counter.add()
        end = spans.end_of(entry.start)
        room = min(end - entry.start, entry.packed_size + LARGEST_HEADER)
        entry = entry._replace(room=max(room, 0))
        yield entry._replace(problem=_problem(entry, index, limits, spans))
    if spans.count < index.total:
        raise DamagedContainerError(
            f"its index breaks off after {spans.count:,} of {index.total:,} entries"
        )


def _parsed(index: Index) -> Iterator[ZipEntry]:
    """Yield the entries, as far as they are intact."""
    data, at = index.data, 0
    while at + ENTRY.size <= len(data):
        mark, flags, method, checksum, packed_size, size, *rest = ENTRY.unpack_from(data, at)
        name_size, extra_size, comment_size, _, _, attributes, start = rest
        end = at + ENTRY.size + name_size + extra_size + comment_size
        if mark != _ENTRY_MARK or end > len(data):
            return
        name_end = at + ENTRY.size + name_size
        raw = data[at + ENTRY.size : name_end]
        extra = _extra_fields(data[name_end : name_end + extra_size])
        problem = "it is encrypted. Pack the archive without a password"
        if not flags & _ENCRYPTED:
            problem = ""
        values = [size, packed_size, start]
        if _IN_EXTRA in values and not _fill(values, extra.get(_EXTRA_ZIP64, b"")):
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
        if value == _IN_EXTRA:
            if at + 8 > len(extra):
                return False
            (values[index],) = struct.unpack_from("<Q", extra, at)
            at += 8
    return True


def _name(raw: bytes, extra: dict[int, bytes], flags: int) -> str:
    unicode_name = extra.get(_EXTRA_UNICODE_NAME, b"")
    # Version, checksum of the name that it stands for, and the name in UTF-8 (APPNOTE 4.6.9).
    if unicode_name[:1] == b"\1" and unicode_name[1:5] == struct.pack("<I", binascii.crc32(raw)):
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

    def __init__(self, index: Index) -> None:
        self._limit = index.start
        self.count = 0
        spans = []
        for entry in _parsed(index):
            self.count += 1
            least = entry.start + LOCAL_HEADER.size + entry.packed_size
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


def _problem(entry: ZipEntry, index: Index, limits: ContainerLimits, spans: _Spans) -> str | None:
    if entry.problem:
        return entry.problem
    if entry.method not in METHODS:
        return f"compression method {entry.method} cannot be read. Pack it again with deflate"
    if entry.start < 0:
        return f"the first {-index.shift:,} bytes of the archive are missing. {JOIN_PARTS}"
    if entry.start + LOCAL_HEADER.size + entry.packed_size > index.start:
        return f"the index says that it lies at byte {entry.start:,}, outside the archive"
    if entry.start in spans.shared:
        return "it shares bytes with another member, as only bombs do"
    if entry.size > limits.ratio * max(entry.packed_size, 1) and entry.size > _BOMB_BYTES:
        return f"it would decompress to over {limits.ratio:,} times its size"
    return None
