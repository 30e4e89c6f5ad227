"""Parquet files with a column of encoded images, as Hugging Face writes them, or of plain bytes."""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.members import counted
from imagebeam.images.containers.types import (
    ContainerLimits,
    DamagedContainerError,
    Member,
    MemberProblem,
    MemberSelection,
    UnsupportedContainerError,
)
from imagebeam.images.errors import BadMember, FileTooLarge

_ROWS_AT_ONCE = 16
"""Rows decoded together: neighbours are read one after the other."""


def members(
    file: IO[bytes], selection: MemberSelection, caps: ContainerLimits
) -> Iterator[Member | MemberProblem]:
    """One image a row, in the file's order; nothing but names is read.

    Raises:
        DamagedContainerError: it is no Parquet, or cannot be read on.
        UnsupportedContainerError: it has no column of images, or several.
        ContainerLimitError: it goes over a cap.
    """
    try:
        with pq.ParquetFile(file) as table:
            image_column(table.schema_arrow, selection)
            names = _names(table, selection)
            places = _places(table)
            for number, place in enumerate(counted(places, caps), 1):
                name = next(names) if names is not None else f"row={number}"
                if name is None:
                    reason = f"column {selection.id_key!r} is null"
                    yield MemberProblem(f"row={number}", BadMember(reason))
                else:
                    yield Member(str(name), place)
    except pa.ArrowException as error:
        raise DamagedContainerError(f"no Parquet: {error}") from error


class Rows:
    """Reads images by row; neighbours of a row group share what is decoded of it."""

    def __init__(self, file: IO[bytes], selection: MemberSelection) -> None:
        self._table = pq.ParquetFile(file)
        self._column = image_column(self._table.schema_arrow, selection)
        self._group = -1
        self._first = 0
        self._values: Any = None
        self._batches: Iterator[Any] = iter(())

    def read(self, place: tuple[int, ...], max_bytes: int) -> bytes:
        """The encoded image of a row.

        Raises:
            ImageError: it is too large, null, or cannot be read.
        """
        group, row = place
        try:
            if group != self._group or row < self._first:
                self._group, self._first, self._values = group, 0, None
                self._batches = self._table.iter_batches(
                    _ROWS_AT_ONCE, row_groups=[group], columns=[self._column]
                )
            while self._values is None or row >= self._first + len(self._values):
                self._first += 0 if self._values is None else len(self._values)
                self._values = _leaf(next(self._batches))
        except (pa.ArrowException, OSError, StopIteration) as error:
            self._group = -1
            raise BadMember(f"row group {group} cannot be read: {error}") from error
        value = self._values[row - self._first]
        if not value.is_valid:
            raise BadMember("the row has no image: it is null")
        data = value.as_buffer()
        if data.size > max_bytes:
            raise FileTooLarge(f"{data.size:,} bytes, over the limit of {max_bytes:,}")
        return bytes(data)


def image_column(schema: pa.Schema, selection: MemberSelection) -> str:
    """The path of the leaf column that holds the images' bytes.

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
            else f"no column holds bytes; it has {', '.join(map(repr, schema.names))}"
        )
        raise UnsupportedContainerError(reason)
    return next(iter(found.values()))


def _bytes_leaf(field: pa.Field) -> str | None:
    """`image` for a column of bytes, `image.bytes` for a struct with such a field."""
    kind = field.type
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return f"{field.name}.bytes" if index >= 0 and _is_bytes(kind.field(index).type) else None
    return field.name if _is_bytes(kind) else None


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _leaf(batch: pa.RecordBatch) -> pa.Array:
    column = batch.column(0)
    # Through flatten and not field: a null struct has a null leaf.
    return column.flatten()[0] if pa.types.is_struct(column.type) else column


def _places(table: pq.ParquetFile) -> Iterator[tuple[int, ...]]:
    for group in range(table.num_row_groups):
        for row in range(table.metadata.row_group(group).num_rows):
            yield group, row


def _names(table: pq.ParquetFile, selection: MemberSelection) -> Iterator[Any] | None:
    key = selection.id_key
    if key is None:
        return None
    if key.partition(".")[0] not in table.schema_arrow.names:
        columns = ", ".join(map(repr, table.schema_arrow.names))
        raise UnsupportedContainerError(f"no column is called {key!r}. There are {columns}")
    batches = table.iter_batches(columns=[key])
    return (
        name
        for batch in batches
        for name in (
            batch.column(0).flatten()[0].to_pylist()
            if pa.types.is_struct(batch.column(0).type)
            else batch.column(0).to_pylist()
        )
    )
