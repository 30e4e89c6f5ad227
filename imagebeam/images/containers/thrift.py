"""Structs in the compact encoding of Thrift, which footer and pages of Parquet files have.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from enum import IntEnum
from typing import Any

_DEEPEST = 16


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


class ThriftReader:
    """Reads structs one after the other.

    Attributes:
        at: position behind the last one.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of the struct here, by number.

        Raises:
            IndexError: the data end early.
            ValueError: they are no struct.
        """
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
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise IndexError
        self.at += count
        return self._data[self.at - count : self.at]

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
