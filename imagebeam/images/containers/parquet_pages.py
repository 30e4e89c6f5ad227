"""Sizes of the pages of a Parquet column, read before Arrow decompresses them.

Arrow allocates what a page header announces, whatever the footer says. The headers are Thrift's
compact protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from imagebeam.images.containers.parquet_footer import ColumnChunk
from imagebeam.images.containers.streams import ByteSource
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
)

_FIRST_READ = 1 << 13
_LONGEST_HEADER = 1 << 24
_BOMB_BYTES = 10_000_000
"""Pages that come to less than this are not taken for bombs."""

_DEEPEST = 16
_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_DICTIONARY_PAGE = 2


class _Type(IntEnum):
    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    STRUCT = 12


class PageSizes(NamedTuple):
    """The largest pages of a column in one row group, decompressed.

    Attributes:
        data: bytes of the largest page of values.
        dictionary: bytes of the dictionary. No value that it stands for is larger.
    """

    data: int = 0
    dictionary: int = 0


def page_sizes(
    file: ByteSource, group: Sequence[ColumnChunk], path: str, limits: ContainerLimits
) -> PageSizes:
    """Read the headers of a column's pages in one row group.

    Args:
        file: of the Parquet file.
        group: the columns of the row group.
        path: of the column, as `image.bytes`; the first leaf of a column that is a struct.
        limits: see `ContainerLimits`.

    Raises:
        ContainerLimitError: a page decompresses to too much.
        DamagedContainerError: a header is damaged.
    """
    sizes = PageSizes()
    for column in group:
        if column.path == path or column.path.startswith(f"{path}."):
            found = _column_sizes(file, column, limits)
            sizes = PageSizes(*map(max, sizes, found))
    return sizes


def _column_sizes(file: ByteSource, column: ColumnChunk, limits: ContainerLimits) -> PageSizes:
    at, end = column.start, column.start + column.size
    data = dictionary = 0
    while at < end:
        header, length = _header(file, at)
        packed, unpacked = header.get(_PACKED, -1), header.get(_UNPACKED, -1)
        if min(packed, unpacked) < 0:
            raise DamagedContainerError(f"a page at byte {at:,} has a size below 0")
        if unpacked > limits.ratio * max(packed, 1) and unpacked > _BOMB_BYTES:
            raise ContainerLimitError(
                f"{packed:,} bytes at byte {at:,} decompress to {unpacked:,}, over "
                f"{limits.ratio:,} times as many"
            )
        if header.get(_TYPE) == _DICTIONARY_PAGE:
            dictionary = max(dictionary, unpacked)
        else:
            data = max(data, unpacked)
        at += length + packed
    return PageSizes(data, dictionary)


def _header(file: ByteSource, at: int) -> tuple[dict[int, int], int]:
    """Return the integer fields of the page header at a position, and its length."""
    size = _FIRST_READ
    while True:
        file.seek(at)
        data = file.read(size)
        parser = _Struct(data)
        try:
            return parser.integers(0), parser.at
        except IndexError:
            if len(data) < size or size >= _LONGEST_HEADER:
                raise DamagedContainerError(f"no page header at byte {at:,}") from None
            size *= 8


class _Struct:
    """Parses a Thrift struct; an IndexError says that it needs more bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def integers(self, depth: int) -> dict[int, int]:
        """Return the integer fields of the struct here and skip everything else."""
        if depth > _DEEPEST:
            raise DamagedContainerError(f"a page header is nested over {_DEEPEST} deep")
        found: dict[int, int] = {}
        number = 0
        while byte := self._byte():
            kind, step = byte & 0x0F, byte >> 4
            number = number + step if step else self._zigzag()
            if _Type.I16 <= kind <= _Type.I64:
                found[number] = self._zigzag()
            else:
                self._skip(kind, depth)
        return found

    def _skip(self, kind: int, depth: int, in_list: bool = False) -> None:
        match kind:
            case _Type.TRUE | _Type.FALSE:
                # The type holds the value, except in a list.
                self._move(int(in_list))
            case _Type.BYTE:
                self._move(1)
            case _Type.I16 | _Type.I32 | _Type.I64:
                self._varint()
            case _Type.DOUBLE:
                self._move(8)
            case _Type.BINARY:
                self._move(self._varint())
            case _Type.LIST | _Type.SET:
                byte = self._byte()
                count = byte >> 4 if byte >> 4 != 15 else self._varint()
                for _ in range(count):
                    self._skip(byte & 0x0F, depth, in_list=True)
            case _Type.STRUCT:
                self.integers(depth + 1)
            case _:
                raise DamagedContainerError("a page header has a field of an unknown type")

    def _move(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            if (shift := shift + 7) > 63:
                raise DamagedContainerError("a page header has a number of over 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
