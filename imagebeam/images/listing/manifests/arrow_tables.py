"""Read manifests that are Parquet or Arrow files."""

import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from imagebeam.images.containers.parquet_footer import row_groups
from imagebeam.images.containers.parquet_pages import page_sizes
from imagebeam.images.containers.types import CONTAINER_ERRORS, ContainerLimitError, ContainerLimits
from imagebeam.images.errors import BadManifestEntry, UnreadableListing
from imagebeam.images.listing.manifests.entries import (
    Columns,
    ManifestEntry,
    ManifestError,
    NoColumnError,
    check_kept,
    name_or_error,
    no_column,
)
from imagebeam.images.listing.manifests.formats import Format, form_of_table, read_head

_ROWS_AT_ONCE = 16_384
_BATCH_BYTES = 100_000_000
_FREE_ROWS = 1_000_000
"""Rows that a file may have however small it is. More must take a byte each."""

_LIMITS = ContainerLimits()


class _Table(NamedTuple):
    """An open table.

    Attributes:
        types: of the columns, by name.
        batches: of these columns.
    """

    types: dict[str, Any]
    batches: Any


def columns(file: IO[bytes], form: Format, column: str) -> dict[str, Any]:
    """Return the columns of a table with their Arrow types; dictionaries as what they hold."""
    return {name: _plain(kind) for name, kind in _with_names(file, form, column).types.items()}


def read(file: IO[bytes], form: Format, column: str, keep: Columns) -> Iterator[ManifestEntry]:
    """Yield the entries of a table."""
    import pyarrow as pa

    number = 0
    nothing = (None,) * len(keep)
    try:
        table = _with_names(file, form, column)
        check_kept(table.types, keep)
        for batch in table.batches(list({column: None, **keep})):
            names = texts(batch.column(column), "surrogateescape")
            kept = [_values(batch.column(name)) for name in keep]
            for row, name in enumerate(names):
                number += 1
                values = tuple(each[row] for each in kept)
                bad = next((each for each in values if isinstance(each, _BadText)), None)
                if bad is None:
                    entry = name_or_error(name, column)
                    yield ManifestEntry(f"row={number}", entry, values)
                else:
                    error = BadManifestEntry("a column to keep holds text that is not UTF-8")
                    yield ManifestEntry(f"row={number}", error, nothing)
    # pyarrow raises OSError for a damaged page.
    except (pa.ArrowException, OSError, *CONTAINER_ERRORS) as error:
        if number == 0:
            raise ManifestError(f"not valid {_named(form)}: {error}. Check the file.") from error
        reason = UnreadableListing(f"the rest cannot be read: {error}")
        yield ManifestEntry(f"row={number + 1}", reason, nothing)


def schema(file: IO[bytes]) -> dict[str, Any]:
    """Return the columns of a Parquet or Arrow file with their Arrow types; none of other files.

    Raises:
        ManifestError: it is damaged.
    """
    form = form_of_table(read_head(file))
    if form is None:
        return {}
    return {name: _plain(kind) for name, kind in _opened(file, form).types.items()}


def column_rows(file: IO[bytes], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns of a table with images, row by row; none of other files.

    Text that is not UTF-8 is replaced; other values that cannot be read are None.
    """
    form = form_of_table(read_head(file))
    if form is None:
        return
    for batch in _opened(file, form).batches(list(names)):
        columns = [_values(batch.column(name)) for name in names]
        for row in zip(*columns, strict=True):
            yield tuple(None if isinstance(value, _BadText) else value for value in row)


def texts(column: Any, errors: str) -> list[str | None]:
    """Return the values of a text column, whatever bytes they hold.

    Args:
        column: of a text type, or a dictionary of one.
        errors: what to do with bytes that are not UTF-8, see `bytes.decode`.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        # Looked up and not expanded: a small file may repeat a long text very often.
        values = texts(column.dictionary, errors)
        return [None if at is None else values[at] for at in column.indices.to_pylist()]
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    wide = pa.types.is_large_string(column.type)
    found = column.cast(pa.large_binary() if wide else pa.binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", errors) for value in found]


class _BadText:
    pass


def _values(column: Any) -> list[Any]:
    if is_text(column.type):
        return texts(column, "replace")
    try:
        return list(column.to_pylist())
    except UnicodeError:
        return [_BadText()] * len(column)


def _parquet_batches(file: IO[bytes], table: Any, names: list[str]) -> Iterator[Any]:
    """Yield batches of some columns in bounded memory.

    Raises:
        ContainerLimitError: a small file claims very much.
        DamagedContainerError: the header of a page is damaged.
    """
    rows, size = table.metadata.num_rows, file.seek(0, io.SEEK_END)
    if rows > max(_FREE_ROWS, size):
        raise ContainerLimitError(f"it claims {rows:,} rows in {size:,} bytes")
    for group, columns in enumerate(row_groups(file)):
        if not table.metadata.row_group(group).num_rows:
            continue
        sizes = [page_sizes(file, columns, name, _LIMITS) for name in names]
        # A row holds no more than the largest value of a dictionary.
        largest = max((each.dictionary for each in sizes), default=0)
        at_once = max(1, min(_ROWS_AT_ONCE, _BATCH_BYTES // max(1, largest)))
        yield from table.iter_batches(at_once, row_groups=[group], columns=names)


def _with_names(file: IO[bytes], form: Format, column: str) -> _Table:
    """Open a table whose column names images."""
    table = _opened(file, form, column)
    if column not in table.types:
        raise NoColumnError(no_column(list(table.types), column))
    if not is_text(table.types[column]):
        raise NoColumnError(
            f"column `{column}` holds {table.types[column]}, not text. Name the column that holds "
            f"the images' names with --uri-column; it has {', '.join(map(repr, table.types))}."
        )
    return table


def _opened(file: IO[bytes], form: Format, packed: str = "") -> _Table:
    """Open a table.

    Args:
        file: of the table.
        form: of the file.
        packed: column of names. A small file may repeat a long text very often: it stays packed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if form is Format.PARQUET:
            parquet = pq.ParquetFile(file)
            schema = parquet.schema_arrow
            if schema.names.count(packed) == 1 and is_text(schema.field(packed).type):
                parquet = pq.ParquetFile(file, read_dictionary=[packed])

            def batches(names: list[str]) -> Iterator[Any]:
                return _parquet_batches(file, parquet, names)
        else:
            # Imported where it is needed: it imports Arrow.
            from imagebeam.images.containers.arrow_images import open_arrow

            schema, found = open_arrow(file)

            def batches(names: list[str]) -> Iterator[Any]:
                return (batch.select(names) for batch in found)

        types = {field.name: field.type for field in schema}
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"not valid {_named(form)}: {error}. Check the file.") from error
    except UnicodeError as error:
        raise ManifestError(
            "the name of a column is not UTF-8 text. Write the file again with other names."
        ) from error
    if schema.names.count(packed) > 1:
        count = schema.names.count(packed)
        raise ManifestError(f"{count} columns are called `{packed}`. Rename one.")
    return _Table(types, batches)


def is_text(kind: Any) -> bool:
    """Return whether a column of this type holds text."""
    import pyarrow as pa

    plain = _plain(kind)
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _plain(kind: Any) -> Any:
    """Return the type of a column's values as rows hold them."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return pa.string() if pa.types.is_string_view(kind) else kind


def _named(form: Format) -> str:
    return "Parquet" if form is Format.PARQUET else "Arrow"
