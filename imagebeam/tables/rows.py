"""The rows of an output as tables hold them: with types that every format has, and digests."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.digests import DIGEST, Digests
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.parts import opened, readable
from imagebeam.storage import AnyPath

_BATCH_ROWS = 4096


def table_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns of a table that can hold all values of a schema.

    Every column may be null, so that columns can be added to a table later.

    Raises:
        OutputError: table formats have no type for a column.
    """
    return pa.schema([(field.name, _table_type(field.name, field.type)) for field in schema])


def _table_type(name: str, kind: pa.DataType) -> pa.DataType:
    types = pa.types
    for is_kind, stored in _STORED:
        if is_kind(kind):
            return stored
    if types.is_dictionary(kind):
        return _table_type(name, kind.value_type)
    if types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if types.is_decimal(kind) and kind.precision <= _MOST_DIGITS and kind.scale >= 0:
        return pa.decimal128(kind.precision, kind.scale)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _table_type(name, kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([(each.name, _table_type(name, each.type)) for each in kind])
    if types.is_map(kind):
        keys, items = (_table_type(name, each) for each in (kind.key_type, kind.item_type))
        return pa.map_(keys, items)
    raise OutputError(
        f"column {name!r}: has type {kind}, for which tables have no type. Label again with --keep "
        "columns of another type."
    )


_MOST_DIGITS = 38
_STORED: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (pa.types.is_boolean, pa.bool_()),
    (lambda kind: kind in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()), pa.int32()),
    (lambda kind: kind in (pa.int64(), pa.uint32()), pa.int64()),
    (lambda kind: kind == pa.uint64(), pa.decimal128(20, 0)),
    (lambda kind: kind in (pa.float16(), pa.float32()), pa.float32()),
    (pa.types.is_float64, pa.float64()),
    (pa.types.is_null, pa.string()),
    (
        lambda kind: (
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_string_view(kind)
        ),
        pa.string(),
    ),
    (
        lambda kind: (
            pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind)
        ),
        pa.binary(),
    ),
    (pa.types.is_date, pa.date32()),
)


def stored_type(field: pa.Field) -> pa.DataType:
    """Return the type that `table_schema` has for a column of a table; its own if it has none."""
    with suppress(OutputError):
        return _table_type(field.name, field.type)
    return field.type


def fits(wanted: pa.DataType, there: pa.DataType) -> bool:
    """Return whether a column of a table holds all values of a type and gives back the same."""
    if pa.types.is_decimal(there) and pa.types.is_decimal(wanted):
        return bool(there.scale == wanted.scale and there.precision >= wanted.precision)
    return there in (wanted, _WIDER.get(wanted))


_WIDER = {pa.int32(): pa.int64(), pa.float32(): pa.float64()}
"""The types to which tables can widen a column; a value has the same digest in both."""


def batches(part: AnyPath, own_schema: pa.Schema, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part with the columns of a table.

    Args:
        part: a part of predictions or errors.
        own_schema: the schema of the part, as its job writes it.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    if part.suffix == ".tfrecord":
        found = _record_batches(part, own_schema)
    else:
        found = _parquet_batches(part, own_schema)
    return readable(part, (conform(batch, schema) for batch in found))


def _parquet_batches(part: AnyPath, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with opened(part) as file:
        for field in schema:
            if (found := file.schema_arrow.field(field.name).type) != field.type:
                raise ValueError(f"its column {field.name!r} is {found}, not {field.type}")
        yield from file.iter_batches(_BATCH_ROWS, use_threads=False)


def _record_batches(part: AnyPath, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = tfrecord_parts.rows(part)
    while some := list(islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(some, schema)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the same rows with the columns and types of a schema; missing columns are null.

    Raises:
        ValueError: a value cannot be held by its column.
    """
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def digests(batch: pa.RecordBatch) -> Digests:
    """Return a digest of all columns of each row: equal for equal rows, wherever they were stored.

    The order of columns does not matter, nor do columns without a value, so that a row remains the
    same row when its table gets a column.
    """
    starts = range(0, batch.num_rows, _BATCH_ROWS)
    # Readers of tables give batches of any size.
    some = [_digests(batch.slice(start, _BATCH_ROWS)) for start in starts]
    return np.concatenate([np.empty(0, DIGEST), *some])


def _digests(batch: pa.RecordBatch) -> Digests:
    names = sorted(batch.schema.names)
    columns = [_values(batch.column(name)) for name in names]
    header = repr(tuple(names))
    found = []
    for row in zip(*columns, strict=True):
        if None in row:
            there = [pair for pair in zip(names, row, strict=True) if pair[1] is not None]
            text = "".join(map(repr, zip(*there, strict=True)))
        else:
            text = header + repr(row)
        found.append(hashlib.blake2b(text.encode(), digest_size=16).digest())
    return np.array(found, DIGEST)


def _values(column: pa.Array) -> Sequence[Any]:
    """Return a value per row that `repr` tells apart, without an object per number of a vector."""
    if not pa.types.is_list(column.type):
        return list(column.to_pylist())
    kind = column.type.value_type
    ends = column.offsets.to_pylist() or [0]
    # A slice of an array shares the values of the whole.
    values = column.values.slice(ends[0], ends[-1] - ends[0])
    spans = list(pairwise(end - ends[0] for end in ends))
    if pa.types.is_struct(kind):
        fields = [_values(field) for field in values.flatten()]
        found: list[Any] = [tuple(field[start:end] for field in fields) for start, end in spans]
    elif pa.types.is_float32(kind) and not values.null_count:
        # Vectors have hundreds of numbers.
        data = values.to_numpy().tobytes()
        found = [data[4 * start : 4 * end] for start, end in spans]
    else:
        items = _values(values)
        found = [items[start:end] for start, end in spans]
    valid = column.is_valid().to_pylist()
    return [value if there else None for value, there in zip(found, valid, strict=True)]


def total(found: Digests) -> str:
    """Return a digest of a set of rows, in any order: the sums of both halves of their digests."""
    halves = np.ascontiguousarray(found, DIGEST).view(np.uint64).reshape(-1, 2)
    sums = halves.sum(axis=0, dtype=np.uint64) if len(halves) else np.zeros(2, np.uint64)
    return "".join(f"{int(half):016x}" for half in sums)


def joined(found: Sequence[Digests]) -> Digests:
    """Return the digests of several batches, sorted."""
    return np.sort(np.concatenate([np.empty(0, DIGEST), *found]))
