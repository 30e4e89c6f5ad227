"""Columns of Parquet and Arrow files, as messages of JSON.

Only a process that may end uses this module: `table_child`. What a file costs is bounded before
Arrow decompresses it: by the number of rows that it claims, by the sizes in the headers of pages,
and by reading few rows at once where each may be a copy of a large value in a dictionary.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imagebeam.images.containers.column_types import described, stored
from imagebeam.images.containers.kept_values import MOST_BYTES
from imagebeam.images.containers.parquet_footer import row_groups
from imagebeam.images.containers.parquet_pages import page_sizes
from imagebeam.images.containers.types import (
    ContainerLimitError,
    ContainerLimits,
    DamagedContainerError,
    UnsupportedContainerError,
)

_ROWS_AT_ONCE = 16_384
_BATCH_BYTES = 100_000_000
_MESSAGE_BYTES = 8_000_000
"""Size from which on rows go in several messages."""

_FREE_ROWS = 1_000_000
"""Rows that a file may have however small it is. More must take a byte each."""

_ARROW_MAGIC = b"ARROW1"
"""The beginning of a file; a stream, as the caches of Hugging Face hold it, has none."""


def columns(file: IO[bytes], is_parquet: bool) -> bytes:
    """Return names and types of the columns."""
    with _named_damage():
        schema = pq.read_schema(file) if is_parquet else _arrow(file).schema
        return json.dumps([(field.name, described(field.type)) for field in schema]).encode()


def rows(
    file: IO[bytes],
    is_parquet: bool,
    names: Sequence[str],
    exact: str | None,
    limits: ContainerLimits,
) -> Iterator[bytes]:
    """Yield the values of some columns in batches: their count, the columns, reasons by row.

    A column is a list of values after whether each is a text of JSON. A row with a value that is
    too long, or cannot be read, has a reason.

    Args:
        file: Parquet or Arrow.
        is_parquet: whether it is the former.
        names: of the columns.
        exact: the one of them in whose texts bytes that are not UTF-8 are kept as surrogates. In
            others, they are replaced.
        limits: see `ContainerLimits`.

    Raises:
        DamagedContainerError: it cannot be read, or not any further.
        ContainerLimitError: it claims, or decompresses to, far more than its size.
    """
    batches = _parquet_batches if is_parquet else _arrow_batches
    size, sent = file.seek(0, io.SEEK_END), 0
    with _named_damage():
        for batch in batches(file, size, names, limits):
            bad: dict[int, str] = {}
            found = []
            for name in names:
                column = batch.column(name)
                is_json = not _is_flat(column.type)
                errors = "surrogateescape" if name == exact else "replace"
                found.append((is_json, _values(column, name, errors, bad)))
            for message in _messages(found, bad, 0, batch.num_rows):
                sent += len(message)
                if sent > max(limits.ratio_from, limits.ratio * size):
                    raise ContainerLimitError(f"{size:,} bytes decompress to more than {sent:,}")
                yield message


def _messages(
    columns: Sequence[tuple[bool, list[Any]]], bad: dict[int, str], start: int, end: int
) -> Iterator[bytes]:
    parts = [(is_json, values[start:end]) for is_json, values in columns]
    size = sum(len(each) for _, part in parts for each in part if isinstance(each, str))
    if size > _MESSAGE_BYTES and end - start > 1:
        middle = (start + end) // 2
        yield from _messages(columns, bad, start, middle)
        yield from _messages(columns, bad, middle, end)
        return
    reasons = {row - start: bad[row] for row in bad if start <= row < end}
    yield json.dumps((end - start, parts, reasons)).encode()


def _is_flat(kind: pa.DataType) -> bool:
    """Return whether JSON can hold the values of a column as they are."""
    types, plain = pa.types, stored(kind)
    return bool(
        any(test(plain) for test in (types.is_integer, types.is_floating, types.is_boolean))
        or types.is_null(plain)
        or _is_text(plain)
    )


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _values(column: pa.Array, name: str, errors: str, bad: dict[int, str]) -> list[Any]:
    """Return the values of a column as JSON can hold them; None where one is bad.

    Args:
        column: of a batch.
        name: of the column.
        errors: what to do with bytes that are not UTF-8, see `bytes.decode`.
        bad: receives the reasons by row.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if _is_text(kind):
        return list(_checked(_texts(column, errors), name, bad))
    column = column.cast(stored(kind))
    if _is_flat(kind):
        return list(column.to_pylist())
    return list(_checked(_json_values(column, name, bad), name, bad))


def _checked(texts: Iterator[str | None], name: str, bad: dict[int, str]) -> Iterator[str | None]:
    for row, text in enumerate(texts):
        if text is not None and len(text) > MOST_BYTES:
            bad[row] = f"column {name!r} has {len(text):,} characters, more than {MOST_BYTES:,}"
            text = None
        yield text


def _texts(column: pa.Array, errors: str) -> Iterator[str | None]:
    try:
        yield from column.to_pylist()
    except UnicodeError:
        for value in column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist():
            yield None if value is None else value.decode("utf-8", errors)


def _json_values(column: pa.Array, name: str, bad: dict[int, str]) -> Iterator[str | None]:
    for row, value in enumerate(column):
        text = None
        try:
            if value.is_valid:
                text = json.dumps(_tagged(value.as_py()))
        except UnicodeError:
            bad[row] = f"column {name!r} holds text that is not UTF-8"
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            bad[row] = f"column {name!r} cannot be read: {error}"
        yield text


def _tagged(value: Any) -> Any:
    """Return a value in which JSON's objects hold what JSON has no type for."""
    match value:
        case dict():
            return {"struct": [(key, _tagged(each)) for key, each in value.items()]}
        case list():
            return [_tagged(each) for each in value]
        case tuple():
            # A pair of key and value.
            return {"tuple": [_tagged(each) for each in value]}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case Decimal():
            return {"decimal": str(value)}
        case _:
            return value


def _parquet_batches(
    file: IO[bytes], size: int, names: Sequence[str], limits: ContainerLimits
) -> Iterator[pa.RecordBatch]:
    table = pq.ParquetFile(file)
    _check_rows(table.metadata.num_rows, size)
    for group, chunks in enumerate(row_groups(file)):
        if not table.metadata.row_group(group).num_rows:
            continue
        # A row holds no more than the largest value of each dictionary.
        largest = sum(page_sizes(file, chunks, name, limits).dictionary for name in names)
        at_once = max(1, min(_ROWS_AT_ONCE, _BATCH_BYTES // max(1, largest)))
        yield from table.iter_batches(at_once, row_groups=[group], columns=list(names))


def _arrow_batches(
    file: IO[bytes], size: int, names: Sequence[str], limits: ContainerLimits
) -> Iterator[pa.RecordBatch]:
    schema = _arrow(file).schema
    places = [at for at, field in enumerate(schema) if field.name in names]
    found = _arrow(file, pa.ipc.IpcReadOptions(included_fields=places))
    is_file = isinstance(found, pa.RecordBatchFileReader)
    count = 0
    for batch in map(found.get_batch, range(found.num_record_batches)) if is_file else found:
        # Offsets in the file may point outside its buffers.
        batch.validate(full=True)
        count += batch.num_rows
        _check_rows(count, size)
        largest = sum(map(_largest, batch.columns))
        at_once = max(1, min(_ROWS_AT_ONCE, _BATCH_BYTES // max(1, largest)))
        for start in range(0, batch.num_rows, at_once):
            yield batch.slice(start, at_once)


def _largest(column: pa.Array) -> int:
    """Return the size of the largest value that a dictionary may repeat."""
    if not pa.types.is_dictionary(column.type):
        return 0
    values = column.dictionary
    return (
        (pc.max(pc.binary_length(values)).as_py() or 0) if _is_text(values.type) else values.nbytes
    )


def _arrow(file: IO[bytes], options: pa.ipc.IpcReadOptions | None = None) -> Any:
    file.seek(0)
    is_file = file.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
    file.seek(0)
    opened = pa.ipc.open_file if is_file else pa.ipc.open_stream
    return opened(file, options=options)


def _check_rows(rows: int, size: int) -> None:
    if rows > max(_FREE_ROWS, size):
        raise ContainerLimitError(f"it claims {rows:,} rows in {size:,} bytes")


@contextmanager
def _named_damage() -> Iterator[None]:
    """Raise what Arrow finds as an error of the container."""
    try:
        yield
    except UnicodeError as error:
        raise UnsupportedContainerError(
            "the name of a column is not UTF-8 text. Write the file again with other names"
        ) from error
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, KeyError) as error:
        raise DamagedContainerError(str(error)) from error
    except OSError as error:
        # A damaged page is an OSError without a number to Arrow; one of the disk has a number.
        if error.errno is not None:
            raise
        raise DamagedContainerError(str(error)) from error
