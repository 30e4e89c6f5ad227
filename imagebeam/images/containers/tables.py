"""Columns of Parquet and Arrow files, as messages of JSON.

Only a process that may end uses this module: `table_child`.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.images.containers.column_types import described, is_text, stored
from imagebeam.images.containers.errors import ContainerLimitError
from imagebeam.images.containers.kept_values import MOST_BYTES
from imagebeam.images.containers.table_files import (
    arrow_batches,
    named_damage,
    open_arrow,
    parquet_batches,
)
from imagebeam.images.containers.types import ContainerLimits

_MESSAGE_BYTES = 8_000_000
"""Rows of more bytes than this go in several messages."""


def columns(file: IO[bytes], is_parquet: bool) -> bytes:
    """Return names and types of the columns."""
    with named_damage():
        schema = pq.read_schema(file) if is_parquet else open_arrow(file)[0]
        return json.dumps([(field.name, described(field.type)) for field in schema]).encode()


def rows(
    file: IO[bytes],
    is_parquet: bool,
    names: Sequence[str],
    exact: str | None,
    limits: ContainerLimits,
) -> Iterator[bytes]:
    """Yield the values of some columns in batches: their count, the columns, reasons by row.

    A column is a pair: whether its values are texts of JSON, and the values. A row with a value
    that is too long, or cannot be read, has a reason.

    Args:
        file: a Parquet or Arrow file.
        is_parquet: whether it is a Parquet file.
        exact: the one of them in whose texts bytes that are not UTF-8 are kept as surrogates. In
            others, they are replaced.

    Raises:
        DamagedContainerError: it cannot be read, or not any further.
        ContainerLimitError: it claims, or decompresses to, far more than its size.
    """
    size, sent = file.seek(0, io.SEEK_END), 0
    with named_damage():
        batches = parquet_batches(file, names, limits) if is_parquet else arrow_batches(file, names)
        for batch in batches:
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
        or is_text(plain)
    )


def _values(column: pa.Array, name: str, errors: str, bad: dict[int, str]) -> list[Any]:
    """Return the values of a column as JSON can hold them; None where one is bad.

    Args:
        column: a column of a batch.
        errors: what to do with bytes that are not UTF-8, see `bytes.decode`.
        bad: receives the reasons by row.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if is_text(kind):
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
