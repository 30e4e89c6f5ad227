"""Parquet files with a column of encoded images, as Hugging Face writes them, or of plain bytes.

What a file costs is bounded before Arrow decompresses it: by the number of rows that its footer
claims, by the sizes in the headers of its pages, and by reading few rows at once where each may
be a copy of a large value in a dictionary.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import IO, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.parquet_footer import ColumnChunk, row_groups
from imagebeam.images.containers.parquet_pages import PageSizes, page_sizes
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    Entry,
    Member,
    MemberCounter,
    MemberProblem,
    MemberSelection,
    UnsupportedContainerError,
)
from imagebeam.images.errors import BadMember, FileTooLarge

_ROWS_AT_ONCE = 16
"""Rows decoded together: neighbours are read one after the other."""

_NAMES_AT_ONCE = 1024

_BATCH_BYTES = 256_000_000
"""Limit for the bytes of rows that are decoded together; a single row may exceed it."""

_FREE_ROWS = 1_000_000
"""Rows that a file may have however small it is. Beyond it, each row needs a byte."""

ListedRow: TypeAlias = tuple[tuple[int, ...], str | None, str | None]
"""The place of an image, its name, and the path of the file that the row names instead."""


def members(
    file: IO[bytes],
    selection: MemberSelection,
    limits: ContainerLimits,
    counter: MemberCounter,
) -> Iterator[Entry]:
    """Yield one image per row in the file's order; only the names are read.

    Raises:
        DamagedContainerError: it is not a Parquet file, or cannot be read on.
        UnsupportedContainerError: it has no column of images, or several.
        ContainerLimitError: it exceeds a limit.
    """
    try:
        with pq.ParquetFile(file) as table:
            column = image_column(table.schema_arrow, selection)
            rows, size = table.metadata.num_rows, file.seek(0, io.SEEK_END)
            if rows > max(_FREE_ROWS, size):
                raise ContainerLimitError(f"it claims {rows:,} rows in {size:,} bytes")
            check_column(table.schema_arrow, selection.id_key)
            names = _names(file, table, selection.id_key, limits)
            found = zip(_places(table), names, _paths(file, table, column, limits), strict=True)
            yield from entries(found, selection, counter)
    except (pa.ArrowException, ValueError) as error:
        raise DamagedContainerError(f"not a readable Parquet file: {error}") from error
    except OSError as error:
        # A damaged page is an OSError without a number to Arrow; one of the disk has a number.
        if error.errno is not None:
            raise
        raise DamagedContainerError(f"not a readable Parquet file: {error}") from error


def entries(
    rows: Iterable[ListedRow], selection: MemberSelection, counter: MemberCounter
) -> Iterator[Entry]:
    """Yield one image per row of a table.

    Args:
        rows: in their order.
        selection: see `MemberSelection`; without a key, the number of a row is its name.
        counter: counts the rows.
    """
    for number, (place, name, path) in enumerate(rows, 1):
        counter.add()
        by_number = f"row={number}"
        if path is not None:
            error = BadMember("the row has no image: it names a file")
            yield MemberProblem(name or by_number, error, path=path)
        elif selection.id_key is not None and not name:
            reason = f"column {selection.id_key!r} is {'null' if name is None else 'empty'}"
            yield MemberProblem(by_number, BadMember(reason))
        else:
            yield Member(name or by_number, place, ContainerKind.PARQUET)


class Rows:
    """Reads images by row; neighbours of a row group share what is decoded of it."""

    def __init__(
        self, file: IO[bytes], selection: MemberSelection, limits: ContainerLimits
    ) -> None:
        self._file = file
        self._limits = limits
        self._table = pq.ParquetFile(file)
        self._column = image_column(self._table.schema_arrow, selection)
        self._groups: list[list[ColumnChunk]] | None = None
        self._group = -1
        self._first = 0
        self._values: Any = None
        self._batches: Iterator[Any] = iter(())

    def read(self, place: tuple[int, ...], max_bytes: int) -> bytes:
        """Return the encoded image of a row.

        Raises:
            ImageError: it is too large, null, or cannot be read.
            ContainerLimitError: its row group exceeds a limit.
        """
        group, row = place
        try:
            if group != self._group or row < self._first:
                self._group, self._first, self._values = -1, 0, None
                if self._groups is None:
                    self._groups = row_groups(self._file)
                columns = self._groups[group]
                sizes = page_sizes(self._file, columns, self._column, self._limits)
                self._batches = self._table.iter_batches(
                    _rows_at_once(sizes, _ROWS_AT_ONCE), row_groups=[group], columns=[self._column]
                )
                self._group = group
            while self._values is None or row >= self._first + len(self._values):
                self._first += 0 if self._values is None else len(self._values)
                self._values = _leaf(next(self._batches))
        except (pa.ArrowException, OSError, StopIteration, IndexError) as error:
            self._group = -1
            raise BadMember(f"row group {group} cannot be read: {error}") from error
        return image_bytes(self._values[row - self._first], max_bytes)


def image_bytes(value: Any, max_bytes: int) -> bytes:
    """Return the encoded image that a cell holds.

    Raises:
        ImageError: it is too large or null.
    """
    if not value.is_valid:
        raise BadMember("the row has no image: it is null")
    data = value.as_buffer()
    if data.size > max_bytes:
        raise FileTooLarge(f"{data.size:,} bytes, over the limit of {max_bytes:,}")
    return bytes(data)


def image_column(schema: pa.Schema, selection: MemberSelection) -> str:
    """Return the path of the leaf column that holds the images' bytes.

    Raises:
        UnsupportedContainerError: there is none, or there are several and none was chosen.
    """
    found = {field.name: leaf for field in schema if (leaf := _bytes_leaf(field)) is not None}
    if selection.image_column is not None:
        if selection.image_column not in found:
            raise UnsupportedContainerError(
                f"no column of bytes is called {selection.image_column!r}. "
                f"There are {', '.join(map(repr, found)) or 'none'}"
            )
        return found[selection.image_column]
    if len(found) != 1:
        columns = ", ".join(map(repr, found))
        reason = (
            f"several columns hold bytes: {columns}. Choose one with --image-column"
            if found
            else f"no column holds bytes; it has {', '.join(map(repr, schema.names)) or 'none'}"
        )
        raise UnsupportedContainerError(reason)
    return next(iter(found.values()))


def _bytes_leaf(field: pa.Field) -> str | None:
    """Return `image` for a column of bytes, `image.bytes` for a struct with such a field."""
    kind = field.type
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return f"{field.name}.bytes" if index >= 0 and _is_bytes(kind.field(index).type) else None
    return field.name if _is_bytes(kind) else None


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _leaf(batch: pa.RecordBatch) -> pa.Array:
    column = batch.column(0)
    # Through flatten and not field: a null struct has a null leaf.
    return column.flatten()[0] if pa.types.is_struct(column.type) else column


def _rows_at_once(sizes: PageSizes, most: int) -> int:
    return max(1, min(most, _BATCH_BYTES // max(sizes.dictionary, 1)))


def _places(table: pq.ParquetFile) -> Iterator[tuple[int, ...]]:
    for group in range(table.num_row_groups):
        for row in range(table.metadata.row_group(group).num_rows):
            yield group, row


def check_column(schema: pa.Schema, key: str | None) -> None:
    """Check that a table has the column that names its images, if one is chosen.

    Raises:
        UnsupportedContainerError: it is missing.
    """
    if key is not None and key.partition(".")[0] not in schema.names:
        columns = ", ".join(map(repr, schema.names))
        raise UnsupportedContainerError(f"no column is called {key!r}. There are {columns}")


def _names(
    file: IO[bytes], table: pq.ParquetFile, key: str | None, limits: ContainerLimits
) -> Iterator[str | None]:
    """Yield the names of all rows; None where they have only numbers."""
    if key is None:
        yield from repeat(None, table.metadata.num_rows)
        return
    for group, columns in enumerate(row_groups(file)):
        sizes = page_sizes(file, columns, key, limits)
        rows = _rows_at_once(sizes, _NAMES_AT_ONCE)
        for batch in table.iter_batches(rows, row_groups=[group], columns=[key]):
            for value in _leaf(batch):
                yield name_of(value, limits)


def _paths(
    file: IO[bytes], table: pq.ParquetFile, column: str, limits: ContainerLimits
) -> Iterator[str | None]:
    """Yield for each row the `path` in its struct if `bytes` is null, as Hugging Face allows."""
    name, _, field = column.partition(".")
    kind = table.schema_arrow.field(name).type
    has_path = bool(field) and kind.get_field_index("path") >= 0
    columns = [f"{name}.bytes", f"{name}.path"]
    chunks: list[list[ColumnChunk]] = []
    for number in range(table.num_row_groups):
        group = table.metadata.row_group(number)
        if not has_path or not _has_nulls(group, column):
            yield from repeat(None, group.num_rows)
            continue
        chunks = chunks or row_groups(file)
        sizes = page_sizes(file, chunks[number], column, limits)
        rows = _rows_at_once(sizes, _ROWS_AT_ONCE)
        for batch in table.iter_batches(rows, row_groups=[number], columns=columns):
            images = batch.column(0)
            data, paths = (
                images.flatten()[images.type.get_field_index(each)] for each in ("bytes", "path")
            )
            for is_null, path in zip(data.is_null().to_pylist(), paths, strict=True):
                yield name_of(path, limits) if is_null else None


def _has_nulls(group: Any, column: str) -> bool:
    """Return whether the file says that a column has nulls; what is not said, reading shows."""
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema == column and chunk.statistics is not None:
            return bool(chunk.statistics.null_count)
    return False


def name_of(value: Any, limits: ContainerLimits) -> str | None:
    """Return the text or number in a cell; None for null.

    Raises:
        DamagedContainerError: it is too long.
    """
    if not value.is_valid:
        return None
    if hasattr(value, "as_buffer"):
        data = value.as_buffer()
        if data.size > limits.name_bytes:
            raise DamagedContainerError(f"a name of {data.size:,} bytes")
        return bytes(data).decode("utf-8", "surrogateescape")
    return str(value.as_py())
