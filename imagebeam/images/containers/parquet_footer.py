"""Positions of the columns of a Parquet file, from its footer.

Arrow gives them too, but some damaged footers end the process when it does: the exception of its
C++ code passes a function that must not raise. The footer is Thrift's compact protocol:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import io
from enum import IntEnum
from typing import Any, NamedTuple

from imagebeam.images.containers.streams import ByteSource
from imagebeam.images.containers.types import DamagedContainerError

_MAGIC = b"PAR1"
_TAIL = 8
_DEEPEST = 16
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
_PATH, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE = 3, 7, 9, 11


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


class ColumnChunk(NamedTuple):
    """The pages of one column in one row group.

    Attributes:
        path: of the column, as `image.bytes`.
        start: position of its first page.
        size: bytes of its pages.
    """

    path: str
    start: int
    size: int


def row_groups(file: ByteSource) -> list[list[ColumnChunk]]:
    """Return the columns of each row group.

    Raises:
        DamagedContainerError: the footer is damaged.
    """
    end = file.seek(0, io.SEEK_END)
    if end < _TAIL:
        raise DamagedContainerError("it is too short for a Parquet file")
    file.seek(end - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > end - _TAIL:
        raise DamagedContainerError("it has no footer of a Parquet file")
    file.seek(end - _TAIL - length)
    try:
        footer = _Parser(file.read(length)).struct(0)
        return [
            [_chunk(column[_METADATA]) for column in group[_COLUMNS]]
            for group in footer.get(_ROW_GROUPS, [])
        ]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedContainerError("its footer is damaged") from error


def _chunk(metadata: dict[int, Any]) -> ColumnChunk:
    start, first = metadata[_DATA_PAGE], metadata.get(_DICTIONARY_PAGE, 0)
    if 0 < first < start:
        start = first
    path = b".".join(metadata[_PATH]).decode("utf-8", "replace")
    size = metadata[_PACKED]
    if start < 0 or size < 0:
        raise ValueError("a position below 0")
    return ColumnChunk(path, start, size)


class _Parser:
    """Parses Thrift's compact protocol; an IndexError says that the data ends early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """Return the fields of the struct here, by number."""
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        found: dict[int, Any] = {}
        number = 0
        while byte := self._byte():
            kind, step = byte & 0x0F, byte >> 4
            number = number + step if step else self._zigzag()
            found[number] = self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int, in_list: bool = False) -> Any:
        match kind:
            case _Type.TRUE | _Type.FALSE:
                # The type holds the value, except in a list.
                return self._byte() if in_list else kind == _Type.TRUE
            case _Type.BYTE:
                return self._byte()
            case _Type.I16 | _Type.I32 | _Type.I64:
                return self._zigzag()
            case _Type.DOUBLE:
                return self._bytes(8)
            case _Type.BINARY:
                return self._bytes(self._varint())
            case _Type.LIST | _Type.SET:
                header = self._byte()
                count = header >> 4 if header >> 4 != 0x0F else self._varint()
                return [self._value(header & 0x0F, depth + 1, True) for _ in range(count)]
            case _Type.STRUCT:
                return self.struct(depth + 1)
            case _:
                raise ValueError(f"a field of the unknown type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise IndexError
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
