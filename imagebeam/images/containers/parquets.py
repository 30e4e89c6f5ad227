"""Parquet files with a column of encoded images, as Hugging Face writes them, or of plain bytes."""

import io
from collections.abc import Iterator
from itertools import repeat
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.image_tables import (
    check_column,
    entries,
    image_bytes,
    image_column,
    name_of,
    path_column,
    values_of,
)
from imagebeam.images.containers.parquet_footer import ColumnChunk, row_groups
from imagebeam.images.containers.parquet_pages import page_sizes
from imagebeam.images.containers.table_files import check_rows, named_damage, rows_at_once
from imagebeam.images.containers.types import ContainerLimits, Entry, MemberCounter, MemberSelection
from imagebeam.images.errors import BadMember

_ROWS_AT_ONCE = 16
"""Rows decoded together: neighbours are read one after the other."""

_NAMES_AT_ONCE = 1024

_BATCH_BYTES = 256_000_000
"""Limit for the bytes of rows that are decoded together; a single row may exceed it."""


def members(
    file: IO[bytes], selection: MemberSelection, limits: ContainerLimits, counter: MemberCounter
) -> Iterator[Entry]:
    """Yield one image per row in the file's order; only the names are read.

    Raises:
        DamagedContainerError: it is not a Parquet file, or cannot be read on.
        UnsupportedContainerError: it has no column of images, or several.
        ContainerLimitError: it exceeds a limit.
    """
    with named_damage("not a readable Parquet file: "), pq.ParquetFile(file) as table:
        column = image_column(table.schema_arrow, selection)
        check_rows(table.metadata.num_rows, file.seek(0, io.SEEK_END))
        check_column(table.schema_arrow, selection.id_key)
        names = _names(file, table, selection.id_key, limits)
        paths = _paths(file, table, column, limits)
        yield from entries(zip(_places(table), names, paths, strict=True), selection, counter)


class RowReader:
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
                    rows_at_once(sizes.dictionary, _ROWS_AT_ONCE, _BATCH_BYTES),
                    row_groups=[group],
                    columns=[self._column],
                )
                self._group = group
            while self._values is None or row >= self._first + len(self._values):
                self._first += 0 if self._values is None else len(self._values)
                self._values = values_of(next(self._batches), self._column)
        except (pa.ArrowException, OSError, StopIteration, IndexError) as error:
            self._group = -1
            raise BadMember(f"row group {group} cannot be read: {error}") from error
        return image_bytes(self._values[row - self._first], max_bytes)


def _places(table: pq.ParquetFile) -> Iterator[tuple[int, ...]]:
    for group in range(table.num_row_groups):
        for row in range(table.metadata.row_group(group).num_rows):
            yield group, row


def _names(
    file: IO[bytes], table: pq.ParquetFile, key: str | None, limits: ContainerLimits
) -> Iterator[str | None]:
    """Yield the names of all rows; None where they have only numbers."""
    if key is None:
        yield from repeat(None, table.metadata.num_rows)
        return
    for group, columns in enumerate(row_groups(file)):
        sizes = page_sizes(file, columns, key, limits)
        rows = rows_at_once(sizes.dictionary, _NAMES_AT_ONCE, _BATCH_BYTES)
        for batch in table.iter_batches(rows, row_groups=[group], columns=[key]):
            for value in values_of(batch, key):
                yield name_of(value, limits)


def _paths(
    file: IO[bytes], table: pq.ParquetFile, column: str, limits: ContainerLimits
) -> Iterator[str | None]:
    """Yield for each row the `path` in its struct if `bytes` is null, as Hugging Face allows."""
    path = path_column(table.schema_arrow, column)
    chunks: list[list[ColumnChunk]] = []
    for number in range(table.num_row_groups):
        group = table.metadata.row_group(number)
        if path is None or not _has_nulls(group, column):
            yield from repeat(None, group.num_rows)
            continue
        chunks = chunks or row_groups(file)
        sizes = page_sizes(file, chunks[number], column, limits)
        rows = rows_at_once(sizes.dictionary, _ROWS_AT_ONCE, _BATCH_BYTES)
        for batch in table.iter_batches(rows, row_groups=[number], columns=[column, path]):
            are_null, paths = values_of(batch, column).is_null(), values_of(batch, path)
            for is_null, name in zip(are_null.to_pylist(), paths, strict=True):
                yield name_of(name, limits) if is_null else None


def _has_nulls(group: Any, column: str) -> bool:
    """Return whether the file says that a column has nulls; what is not said, reading shows."""
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema == column and chunk.statistics is not None:
            return bool(chunk.statistics.null_count)
    return False
