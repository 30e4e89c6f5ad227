"""Sizes of the pages of a Parquet column, read before Arrow decompresses them.

Arrow allocates what a page header announces, whatever the footer says.
"""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.parquet_footer import ColumnChunk
from imagebeam.images.containers.thrift import ThriftReader
from imagebeam.images.containers.types import ByteSource, ContainerLimits

_FIRST_READ = 1 << 13
_LONGEST_HEADER = 1 << 24
_BOMB_BYTES = 10_000_000
"""Pages that come to less than this are not taken for bombs."""

_BOMB_VALUES = 10_000_000
"""Nulls and repeated values take no space. In a row group, a column may have so many, or one for
each byte of the file."""

_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_DATA_HEADERS = (5, 8)
"""Fields of a page header with another header, for the versions 1 and 2 of pages of values."""

_VALUES = 1
_DICTIONARY_PAGE = 2


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
        file: the Parquet file.
        group: the columns of the row group.
        path: the path of the column, as `image.bytes`; the first leaf of a column that is a struct.

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
    data = dictionary = values = 0
    most = max(_BOMB_VALUES, file.seek(0, io.SEEK_END))
    while at < end:
        header, length = _header(file, at)
        packed, unpacked = _number(header, _PACKED), _number(header, _UNPACKED)
        if min(packed, unpacked) < 0:
            raise DamagedContainerError(f"a page at byte {at:,} has a size below 0")
        if unpacked > limits.ratio * max(packed, 1) and unpacked > _BOMB_BYTES:
            raise ContainerLimitError(
                f"{packed:,} bytes at byte {at:,} decompress to {unpacked:,}, over "
                f"{limits.ratio:,} times as many"
            )
        values += _count(header)
        if values > most:
            raise ContainerLimitError(f"a column of {column.size:,} bytes has {values:,} values")
        if header.get(_TYPE) == _DICTIONARY_PAGE:
            dictionary = max(dictionary, unpacked)
        else:
            data = max(data, unpacked)
        at += length + packed
    return PageSizes(data, dictionary)


def _count(header: dict[int, Any]) -> int:
    """Return how many values a page holds, nulls included."""
    return max(0, *(_number(header.get(each), _VALUES) for each in _DATA_HEADERS))


def _number(fields: Any, key: int) -> int:
    found = fields.get(key) if isinstance(fields, dict) else None
    return found if isinstance(found, int) else -1


def _header(file: ByteSource, at: int) -> tuple[dict[int, Any], int]:
    """Return the fields of the page header at a position, and its length."""
    size = _FIRST_READ
    while True:
        file.seek(at)
        data = file.read(size)
        reader = ThriftReader(data)
        try:
            return reader.struct(), reader.at
        except ValueError as error:
            raise DamagedContainerError(f"a damaged page header at byte {at:,}: {error}") from error
        except IndexError:
            if len(data) < size or size >= _LONGEST_HEADER:
                raise DamagedContainerError(f"no page header at byte {at:,}") from None
            size *= 8
