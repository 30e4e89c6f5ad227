"""Positions of the columns of a Parquet file, from its footer.

Arrow gives them too, but some damaged footers end the process when it does: the exception of its
C++ code passes a function that must not raise. The fields of the footer:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import io
from typing import Any, NamedTuple

from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.thrift import ThriftReader
from imagebeam.images.containers.types import ByteSource

_MAGIC = b"PAR1"
_TAIL = 8
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
_PATH, _PACKED, _DATA_PAGE, _DICTIONARY_PAGE = 3, 7, 9, 11


class ColumnChunk(NamedTuple):
    """The pages of one column in one row group.

    Attributes:
        path: the path of the column, as `image.bytes`.
        start: position of its first page.
        size: bytes of its pages.
    """

    path: str
    start: int
    size: int


def row_groups(file: ByteSource) -> list[list[ColumnChunk]]:
    """Return the columns of each row group; raise DamagedContainerError for a damaged footer."""
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
        footer = ThriftReader(file.read(length)).struct()
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
