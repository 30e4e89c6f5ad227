"""The features of a `tf.train.Example`, read in Python: no C++ code parses untrusted bytes.

A message is a row of fields. Each is a number and a wire type, then a varint, 4 or 8 bytes, or a
length and so many bytes: https://protobuf.dev/programming-guides/encoding/.
"""

import struct
from collections.abc import Iterator
from typing import Any

from imagebeam.images.errors import BadMember

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_FIRST, _SECOND = 1, 2
"""Numbers of fields: the features of an Example, their entries, key and value of these; values."""

_KINDS = {1: "bytes", 2: "float", 3: "int"}
_MOST_FIELDS = 100_000


class Features:
    """The features of one Example.

    Attributes:
        payloads: the encoded feature by its key.
    """

    def __init__(self, record: bytes) -> None:
        """Find the features; raise BadMember for no Example, or one with very many fields."""
        self._left = _MOST_FIELDS
        self.payloads: dict[str, memoryview] = {}
        for features in self._parts(memoryview(record), _FIRST):
            for entry in self._parts(features, _FIRST):
                key, value = b"", memoryview(b"")
                for number, kind, found in self._fields(entry):
                    if (number, kind) == (_FIRST, _BYTES):
                        key = bytes(found)
                    elif (number, kind) == (_SECOND, _BYTES):
                        # Parts of a message that is written twice belong together.
                        value = memoryview(bytes(value) + found) if value else found
                self.payloads[key.decode("utf-8", "surrogateescape")] = value

    def values(self, key: str) -> tuple[str, list[Any]]:
        """Return what a feature holds, `bytes`, `float`, `int` or "" for nothing, and its values.

        Raises:
            BadMember: it is damaged.
        """
        chosen, parts = 0, list[memoryview]()
        for number, kind, part in self._fields(self.payloads.get(key, memoryview(b""))):
            if number in _KINDS and kind == _BYTES:
                # The last kind is the valid one.
                parts = [*parts, part] if number == chosen else [part]
                chosen = number
        name = _KINDS.get(chosen, "")
        return name, [value for part in parts for value in self._list(name, part)]

    def _list(self, name: str, data: memoryview) -> Iterator[Any]:
        for number, kind, found in self._fields(data):
            if number != _FIRST:
                continue
            match name, kind:
                case "bytes", 2:
                    yield bytes(found)
                case "float", 2 | 5:
                    if len(found) % 4:
                        raise _no_example("a damaged list of numbers")
                    yield from struct.unpack(f"<{len(found) // 4}f", found)
                case "int", 0:
                    yield _signed(found)
                case "int", 2:
                    at = 0
                    while at < len(found):
                        value, at = _varint(found, at)
                        yield _signed(value)

    def _parts(self, data: memoryview, wanted: int) -> Iterator[memoryview]:
        for number, kind, found in self._fields(data):
            if (number, kind) == (wanted, _BYTES):
                yield found

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int, Any]]:
        """Yield number, wire type and value of each field."""
        at, end = 0, len(data)
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise _no_example(f"more than {_MOST_FIELDS:,} fields")
            tag, at = _varint(data, at)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, at = _varint(data, at)
                yield number, kind, value
                continue
            size = _FIXED.get(kind)
            if kind == _BYTES:
                size, at = _varint(data, at)
            if size is None or number == 0 or at + size > end:
                raise _no_example("a damaged field")
            yield number, kind, data[at : at + size]
            at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a position, and the position behind it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _no_example("a damaged number")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _no_example(found: str) -> BadMember:
    return BadMember(f"the record is not a tf.train.Example: it has {found}")
