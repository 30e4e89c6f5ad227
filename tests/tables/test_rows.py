"""Test the types of tables, and the digests that tell rows apart."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs.errors import OutputError
from imagebeam.tables import rows


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (pa.bool_(), pa.bool_()),
        (pa.int8(), pa.int32()),
        (pa.uint16(), pa.int32()),
        (pa.uint32(), pa.int64()),
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.float16(), pa.float32()),
        (pa.float64(), pa.float64()),
        (pa.null(), pa.string()),
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.dictionary(pa.int32(), pa.string()), pa.string()),
        (pa.large_binary(), pa.binary()),
        (pa.date64(), pa.date32()),
        (pa.timestamp("ns"), pa.timestamp("us")),
        (pa.timestamp("s", "Europe/Berlin"), pa.timestamp("us", "UTC")),
        (pa.decimal256(30, 4), pa.decimal128(30, 4)),
        (pa.large_list(pa.uint8()), pa.list_(pa.field("element", pa.int32()))),
        (pa.struct([("a", pa.int16())]), pa.struct([("a", pa.int32())])),
    ],
)
def test_a_column_gets_a_type_that_tables_have(kind: pa.DataType, stored: pa.DataType) -> None:
    assert rows.table_schema(pa.schema([("c", kind)])) == pa.schema([("c", stored)])


@pytest.mark.parametrize(
    "kind", [pa.duration("s"), pa.time64("us"), pa.decimal256(50, 2), pa.month_day_nano_interval()]
)
def test_a_type_that_tables_lack_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(
        OutputError, match=r"column 'c': has type .*, for which tables have no type"
    ):
        rows.table_schema(pa.schema([("c", kind)]))


def test_values_are_the_same_in_the_type_of_the_table() -> None:
    moment = datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([2**64 - 1], pa.uint64()),
            pa.array([moment], pa.timestamp("s", "Europe/Berlin")),
            pa.array(["x"]).dictionary_encode(),
        ],
        ["a", "b", "c"],
    )
    found = rows.conform(batch, rows.table_schema(batch.schema))
    assert found.to_pylist() == [{"a": decimal.Decimal(2**64 - 1), "b": moment, "c": "x"}]


def _batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


_TOP = pa.list_(pa.struct([("class", pa.int32()), ("label", pa.string())]))
_FLOATS = pa.list_(pa.float32())


def test_equal_rows_have_equal_digests_however_they_are_stored() -> None:
    top = [
        [{"class": 1, "label": "a"}, {"class": 2, "label": "b"}],
        [],
        [{"class": 3, "label": ""}],
    ]
    vectors = [[1.0, 2.0], [3.0], []]
    whole = _batch(
        uri=pa.array(["x", "y", "z"]),
        top=pa.array(top, _TOP),
        v=pa.array(vectors, _FLOATS),
    )
    together = rows.digests(whole)
    assert len(set(together)) == 3
    # A slice starts in the middle of the arrays that it shares.
    assert np.array_equal(rows.digests(whole.slice(1)), together[1:])
    reordered = _batch(
        v=pa.array(vectors, _FLOATS), uri=pa.array(["x", "y", "z"]), top=pa.array(top, _TOP)
    )
    assert np.array_equal(rows.digests(reordered), together)
    widened = whole.append_column("new", pa.nulls(3, pa.string()))
    assert np.array_equal(rows.digests(widened), together)


def test_lists_of_lists_may_be_empty() -> None:
    kind = pa.list_(pa.list_(pa.int32()))
    found = rows.digests(_batch(c=pa.array([[], [[]], [[1], []], None], kind)))
    assert len(set(found)) == 4
    assert len(rows.digests(_batch(c=pa.array([], kind)))) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array(["1"]), pa.array(["2"])),
        (pa.array([None], pa.string()), pa.array([""])),
        (pa.array([None], pa.string()), pa.array(["None"])),
        (pa.array([[1.0]], _FLOATS), pa.array([[1.0, 0.0]], _FLOATS)),
        (pa.array([None], _FLOATS), pa.array([[]], _FLOATS)),
        (
            pa.array([[{"class": 1, "label": "a"}]], _TOP),
            pa.array([[{"class": 1, "label": "b"}]], _TOP),
        ),
        (pa.array([["a,b"]]), pa.array([["a", "b"]])),
    ],
)
def test_different_values_have_different_digests(one: pa.Array, other: pa.Array) -> None:
    assert rows.digests(_batch(c=one)) != rows.digests(_batch(c=other))


def test_a_value_belongs_to_its_column() -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.string())])
    first, second = rows.digests(
        pa.RecordBatch.from_pylist([{"a": "x", "b": None}, {"a": None, "b": "x"}], schema)
    )
    assert first != second


def test_the_total_depends_on_the_rows_and_not_on_their_order() -> None:
    found = rows.digests(_batch(c=pa.array(["a", "b", "c"])))
    assert rows.total(found) == rows.total(found[::-1])
    assert rows.total(found) != rows.total(found[1:])
    assert rows.total(found[:0]) == "0" * 32
