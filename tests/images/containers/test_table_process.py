"""Test that a table ends only the process that reads it, and that its values arrive unchanged."""

import datetime
import decimal
import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from imagebeam.images.containers.errors import DamagedContainerError
from imagebeam.images.containers.table_process import TABLE_PROCESSES, TableProcess
from imagebeam.images.errors import ImageError, InputError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.columns import extra_columns
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.manifests import manifest_files
from tests.images.containers.processes import kill_readers, readers

_KIND = "table_child"
_NOT_UTF8 = pa.array([b"a.jpg", b"\xff.jpg", b"c.jpg"]).view(pa.string())


@pytest.fixture(autouse=True)
def no_process_remains() -> Any:
    TABLE_PROCESSES.end()
    yield
    TABLE_PROCESSES.end()
    assert readers(_KIND) == []


def _parquet(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def _arrow(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    feather.write_feather(pa.table(columns), buffer)
    return buffer.getvalue()


def _listed(path: Path, *keep: str) -> list[ListedImage]:
    return [image for source in sources([str(path)], keep=keep) for image in source]


def _told(image: ListedImage) -> str:
    return str(image.error) if image.error is not None else "listed"


_STRUCT = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.timestamp("us")))])
_DAY = datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999)
_COLUMNS = {
    "text": pa.array(["ü", None, ""]),
    "large text": pa.array(["a", None, "b"], pa.large_string()),
    "whole": pa.array([-(2**63), None, 2**63 - 1]),
    "small": pa.array([1, None, 255], pa.uint8()),
    "real": pa.array([0.1, None, float("inf")]),
    "single": pa.array([0.1, None, -0.0], pa.float32()),
    "half": pa.array([0.5, None, 2.0], pa.float32()).cast(pa.float16()),
    "truth": pa.array([True, None, False]),
    "nothing": pa.array([None, None, None], pa.null()),
    "bytes": pa.array([b"\xff\0", None, b""]),
    "fixed": pa.array([b"\xff\0", None, b"ab"], pa.binary(2)),
    "money": pa.array([decimal.Decimal("-1.20"), None, decimal.Decimal("99999999.99")]),
    "day": pa.array([_DAY.date(), None, datetime.date(9999, 12, 31)]),
    "clock": pa.array([_DAY.time(), None, datetime.time()]),
    "moment": pa.array([_DAY, None, datetime.datetime(1, 1, 1)]),
    "nanoseconds": pa.array([1, None, 2**62 + 1], pa.timestamp("ns")),
    "there": pa.array([_DAY, None, _DAY], pa.timestamp("ms", "Europe/Berlin"), safe=False),
    "while": pa.array([datetime.timedelta(1, 2, 3), None, datetime.timedelta()]),
    "list": pa.array([["a", None], None, []]),
    "lists": pa.array([[[1], []], None, [None]]),
    # Arrow cannot read such lists from Parquet where one is null.
    "three": pa.array([[1, 2, 3], [0, 0, 0], [4, 5, 6]], pa.list_(pa.int8(), 3)),
    "struct": pa.array([{"a": 1, "b": [_DAY]}, None, {"a": None, "b": None}], _STRUCT),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("write", [_parquet, _arrow])
def test_values_and_types_of_all_kinds_arrive_unchanged(
    write: Callable[[dict[str, Any]], bytes],
) -> None:
    data = write({"uri": ["a", "b", "c"], **_COLUMNS})
    name = "a.parquet" if write is _parquet else "a.feather"
    types = manifest_files.columns(io.BytesIO(data), name)
    keep = {column: types[column] for column in _COLUMNS}
    found = [entry.extra_columns for entry in manifest_files.read(io.BytesIO(data), name, keep)]
    for at, (column, values) in enumerate(_COLUMNS.items()):
        assert keep[column] == values.type, column
        kept = pa.array([row[at] for row in found], keep[column])
        assert kept.equals(values), column


def test_columns_that_say_how_values_are_stored_come_as_their_values() -> None:
    texts = pa.array(["x", "y", "x"])
    data = _arrow({"uri": texts, "d": texts.dictionary_encode(), "v": texts.cast(pa.string_view())})
    types = manifest_files.columns(io.BytesIO(data), "a.feather")
    assert types == dict.fromkeys(("uri", "d", "v"), pa.string())
    found = manifest_files.read(io.BytesIO(data), "a.feather", types)
    assert [entry.extra_columns for entry in found] == [("x",) * 3, ("y",) * 3, ("x",) * 3]


@pytest.mark.parametrize("column", ["u", "l"])
def test_a_column_of_a_type_that_no_output_can_hold_is_named(tmp_path: Path, column: str) -> None:
    union = pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    )
    table = pa.table(
        {"uri": ["a", "b"], "u": union, "l": pa.ListArray.from_arrays([0, 1, 2], union)}
    )
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as file:
        file.write_table(table)
    found = sources([str(tmp_path / "a.arrow")], keep=[column])
    with pytest.raises(InputError, match=rf"--keep {column}: an output cannot hold .*union<"):
        extra_columns(list(found))


class TestText:
    """Test text that is not UTF-8: it costs nothing, or its own row."""

    @pytest.mark.parametrize("dictionary", [True, False])
    def test_of_names_and_kept_columns(self, tmp_path: Path, dictionary: bool) -> None:
        data = _parquet({"uri": _NOT_UTF8, "word": _NOT_UTF8}, use_dictionary=dictionary)
        (tmp_path / "a.parquet").write_bytes(data)
        found = _listed(tmp_path / "a.parquet", "word")
        assert [image.extra_columns for image in found] == [
            ("a.jpg",),
            ("\ufffd.jpg",),
            ("c.jpg",),
        ]
        assert [image.uri for image in found] == [
            f"{tmp_path}/a.jpg",
            f"file://{tmp_path}/%FF.jpg",
            f"{tmp_path}/c.jpg",
        ]

    def test_in_a_list_costs_its_own_row(self, tmp_path: Path) -> None:
        lists = pa.ListArray.from_arrays([0, 1, 2, 3], _NOT_UTF8)
        (tmp_path / "a.parquet").write_bytes(_parquet({"uri": ["a", "b", "c"], "l": lists}))
        found = _listed(tmp_path / "a.parquet", "l")
        assert [_told(image) for image in found] == [
            "listed",
            "column 'l' holds text that is not UTF-8",
            "listed",
        ]
        assert [image.extra_columns for image in found] == [(["a.jpg"],), (None,), (["c.jpg"],)]

    def test_in_a_list_of_a_container_costs_its_own_row(self, tmp_path: Path) -> None:
        lists = pa.ListArray.from_arrays([0, 1, 2, 3], _NOT_UTF8)
        data = _parquet({"image": [b"\x89PNG", b"\x89PNG", b"\x89PNG"], "l": lists})
        (tmp_path / "a.parquet").write_bytes(data)
        found = _listed(tmp_path / "a.parquet", "l")
        assert [_told(image) for image in found] == [
            "listed",
            "column 'l' holds text that is not UTF-8",
            "listed",
        ]
        assert isinstance(found[1].location, ImageError)
        assert found[1].location.code == "bad_member"

    @pytest.mark.parametrize("other", [{"uri": ["a"]}, {"image": [b"\x89PNG"]}])
    def test_in_the_name_of_a_column(self, tmp_path: Path, other: dict[str, Any]) -> None:
        data = _parquet({**other, "name_x": [1]}, store_schema=False)
        (tmp_path / "a.parquet").write_bytes(data.replace(b"name_x", b"name_\xff"))
        command = [sys.executable, "-m", "imagebeam", "label", str(tmp_path / "a.parquet")]
        done = subprocess.run(
            [*command, "--output", str(tmp_path / "out"), "--module", "demo"],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "the name of a column is not UTF-8 text" in done.stderr
        assert "Traceback" not in done.stderr

    def test_in_metadata_is_passed_over(self, tmp_path: Path) -> None:
        schema = pa.schema([("uri", pa.string())], {b"k\xff": b"\xff\xfe"})
        buffer = io.BytesIO()
        pq.write_table(pa.table({"uri": ["a"]}, schema), buffer)
        (tmp_path / "a.parquet").write_bytes(buffer.getvalue())
        assert [_told(image) for image in _listed(tmp_path / "a.parquet")] == ["listed"]


def _long_table(rows: int = 100_000) -> io.BytesIO:
    return io.BytesIO(_parquet({"uri": [f"{n}.jpg" for n in range(rows)]}))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_ends_costs_the_rest_of_its_manifest_only(number: signal.Signals) -> None:
    listing = manifest_files.read(_long_table(), "a.parquet")
    other = manifest_files.read(_long_table(), "b.parquet")
    first, beginning = next(listing), next(other)
    [process, _] = sorted(readers(_KIND), key=lambda each: each.create_time())
    process.send_signal(number)
    *found, last = listing
    assert [entry.value for entry in (first, *found)] == [
        f"{row}.jpg" for row in range(len(found) + 1)
    ]
    assert isinstance(last.value, ImageError)
    assert last.value.code == "listing_failed"
    how = signal.strsignal(number)
    assert str(last.value) == (
        "the rest cannot be read: the process that reads Parquet and Arrow files ended with "
        f"signal {how}"
    )
    assert sum(1 for _ in other) == 99_999
    assert beginning.value == "0.jpg"


def test_a_process_that_ends_while_it_waits_costs_nothing() -> None:
    assert sum(1 for _ in manifest_files.read(_long_table(10), "a.parquet")) == 10
    assert kill_readers(_KIND) == 1
    assert sum(1 for _ in manifest_files.read(_long_table(10), "a.parquet")) == 10


def test_a_process_that_hangs_is_replaced() -> None:
    assert sum(1 for _ in manifest_files.read(_long_table(10), "a.parquet")) == 10
    [process] = readers(_KIND)
    process.send_signal(signal.SIGSTOP)
    table = TableProcess(_long_table(), seconds=2)
    assert table.columns() == [("uri", pa.string())]
    [other] = readers(_KIND)
    assert other.pid != process.pid
    other.send_signal(signal.SIGSTOP)
    rows = table.rows(["uri"])
    assert next(rows).columns[0][0] == "0.jpg"
    table.close()


def test_columns_to_keep_that_end_their_process_cost_the_rest_of_the_container(
    tmp_path: Path,
) -> None:
    rows = 50_000
    data = _parquet({"image": [b"\x89PNG"] * rows, "id": list(range(rows))})
    (tmp_path / "a.parquet").write_bytes(data)
    [source] = sources([str(tmp_path / "a.parquet")], keep=["id"])
    listing = iter(source)
    assert next(listing).extra_columns == (0,)
    for process in readers(_KIND):
        process.send_signal(signal.SIGSEGV)
    *_, last = listing
    assert last.uri == str(tmp_path / "a.parquet")
    assert last.error is not None
    assert last.error.code == "archive_damaged"


def test_a_value_that_is_too_long_costs_its_own_row(tmp_path: Path) -> None:
    texts = ["x" * 1_000_000, "x" * 1_000_001, "y"]
    data = _parquet({"uri": ["a", "b", "c"], "t": texts, "b": [t.encode() for t in texts]})
    (tmp_path / "a.parquet").write_bytes(data)
    assert [_told(image) for image in _listed(tmp_path / "a.parquet", "t")] == [
        "listed",
        "column 't' has 1,000,001 characters, more than 1,000,000",
        "listed",
    ]


@pytest.mark.parametrize(
    "answer", [b"R[]", b"R[1,[[false,[1,2]]],{}]", b"R{", b"X", b"", b"R" + b"[" * 100_000]
)
def test_an_answer_without_a_meaning_is_damage(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    table = TableProcess(_long_table())
    monkeypatch.setattr(table._process, "request", lambda *_: bytearray(answer))
    with pytest.raises(DamagedContainerError, match="sent an unknown message"):
        list(table.rows(["uri"]))
