import io
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebeam.images.containers.errors import ContainerLimitError, DamagedContainerError
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.parquet_footer import ColumnChunk, row_groups
from imagebeam.images.containers.parquet_pages import page_sizes
from imagebeam.images.containers.types import (
    ContainerLimits,
    Member,
    MemberProblem,
    MemberSelection,
)
from tests.images.containers.archives import content, opened, parquet
from tests.images.containers.processes import kill_readers

IMAGES = [b"first", b"second" * 99, None, b"fourth", b"fifth"]
BY_NUMBER = {
    "row=1": b"first",
    "row=2": b"second" * 99,
    "row=3": "bad_member",
    "row=4": b"fourth",
    "row=5": b"fifth",
}
HUGGING_FACE = pa.array(
    [
        None if data is None else {"bytes": data, "path": f"{n}.jpg"}
        for n, data in enumerate(IMAGES)
    ],
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
)


@pytest.mark.parametrize(
    "column", [pa.array(IMAGES, pa.binary()), pa.array(IMAGES, pa.large_binary()), HUGGING_FACE]
)
def test_every_row_is_an_image(column: pa.Array) -> None:
    data = parquet({"label": [1, 2, 3, 4, 5], "image": column})
    assert content(opened(data, ContainerKind.PARQUET)) == BY_NUMBER


def test_rows_are_read_in_any_order() -> None:
    column = pa.array([b"%d" % n for n in range(100)], pa.binary())
    container = opened(parquet({"image": column}, rows_per_group=40), ContainerKind.PARQUET)
    places = [entry.place for entry in container if isinstance(entry, Member)]
    assert len(places) == 100
    for index in (5, 99, 0, 1, 39, 40, 38, 41, 98):
        assert container.read(places[index], 99) == b"%d" % index
    container.close()


def test_names_are_read_from_a_column() -> None:
    images = pa.array([b"1", b"2", b"3", b"4"], pa.binary())
    data = parquet({"image": images, "id": ["x", None, "", ""]})
    container = opened(data, ContainerKind.PARQUET, MemberSelection(id_key="id"))
    assert content(container) == {
        "x": b"1",
        **dict.fromkeys(("row=2", "row=3", "row=4"), "bad_member"),
    }
    problems = [str(entry.error) for entry in container if isinstance(entry, MemberProblem)]
    assert problems == ["column 'id' is null", *["column 'id' is empty"] * 2]


def test_names_are_read_from_the_struct() -> None:
    data = parquet({"image": HUGGING_FACE.slice(0, 2)})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="image.path")))
    assert found == {"0.jpg": b"first", "1.jpg": b"second" * 99}


def _reason(data: bytes, **selection: Any) -> str:
    [problem] = opened(data, ContainerKind.PARQUET, MemberSelection(**selection))
    assert isinstance(problem, MemberProblem)
    assert problem.error.code == "archive_unsupported"
    return str(problem.error)


def test_unsuitable_columns_are_reported() -> None:
    two = parquet({"a": pa.array([b"1"]), "b": pa.array([b"2"]), "c": ["x"]})
    assert _reason(two) == "several columns hold bytes: 'a', 'b'. Choose one with --image-column"
    assert _reason(parquet({"c": ["x"]})) == "no column holds bytes; it has 'c'"
    assert _reason(two, image_column="c") == (
        "no column of bytes is called 'c'. There are 'a', 'b'"
    )
    assert _reason(two, image_column="a", id_key="d") == (
        "no column is called 'd'. There are 'a', 'b', 'c'"
    )
    assert content(opened(two, ContainerKind.PARQUET, MemberSelection(image_column="b"))) == {
        "row=1": b"2"
    }


def test_limits_are_enforced() -> None:
    data = parquet({"image": pa.array(IMAGES, pa.binary())})
    assert content(opened(data, ContainerKind.PARQUET), max_bytes=100)["row=2"] == "file_too_large"
    found = content(opened(data, ContainerKind.PARQUET, limits=ContainerLimits(members=1)))
    assert found == {"row=1": b"first", "": "archive_limit"}


def test_a_damaged_file_is_reported() -> None:
    data = parquet({"image": pa.array(IMAGES, pa.binary())})
    assert content(opened(data[:-1], ContainerKind.PARQUET)) == {"": "archive_damaged"}
    assert content(opened(b"", ContainerKind.PARQUET)) == {"": "archive_damaged"}
    broken = bytearray(data)
    broken[4:60] = b"\xff" * 56
    found = content(opened(bytes(broken), ContainerKind.PARQUET))
    assert list(found) == list(BY_NUMBER)
    assert found["row=1"] == "bad_member"
    assert found["row=4"] == b"fourth"


def _bomb(rows: int, value: bytes, **options: Any) -> bytes:
    """Return a file whose rows all refer to the same value."""
    buffer = io.BytesIO()
    indices = pa.array(np.zeros(rows, np.int32))
    column = pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.binary()))
    # Statistics would copy the value several times.
    table = pa.table({"image": column})
    pq.write_table(table, buffer, store_schema=False, write_statistics=False, **options)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_repeated_value_is_not_copied_per_row() -> None:
    """Sixteen rows at once would take 4.8 GB, more than the other process may use."""
    value = np.random.default_rng(1).bytes(1000) * 300_000
    data = _bomb(20, value, compression="zstd")
    container = opened(data, ContainerKind.PARQUET, limits=ContainerLimits(ratio=1_000_000))
    members = [entry for entry in container if isinstance(entry, Member)]
    assert len(members) == 20
    assert container.read(members[18].place, 1 << 30) == value
    container.close()


@pytest.mark.slow
def test_memory_over_the_limit_is_an_error_row() -> None:
    data = _bomb(2, b"\0" * 1_500_000_000, compression="zstd")
    limits = ContainerLimits(ratio=10_000_000)
    found = content(opened(data, ContainerKind.PARQUET, limits=limits), 1 << 31)
    assert found == {"row=1": "bad_member", "row=2": "bad_member"}


def test_a_crash_while_listing_loses_only_the_rest() -> None:
    rows = 200_000
    listing = iter(opened(parquet({"image": [b"x"] * rows}, rows), ContainerKind.PARQUET))
    assert next(listing).name == "row=1"
    assert kill_readers("table_child") >= 1
    *_, last = listing
    assert isinstance(last, MemberProblem)
    assert last.error.code == "archive_damaged"
    assert "the process that reads Parquet and Arrow files ended with signal Killed" in str(
        last.error
    )


def test_a_crash_while_idle_loses_nothing() -> None:
    container = opened(parquet({"image": [b"1", b"22"]}), ContainerKind.PARQUET)
    assert len(list(container)) == 2
    assert container.read((0, 0), 99) == b"1"
    assert kill_readers("table_child") >= 1
    assert container.read((0, 1), 99) == b"22"
    container.close()


def test_a_page_that_decompresses_to_too_much_is_refused() -> None:
    data = _bomb(3, b"\0" * 50_000_000, compression="zstd")
    assert len(data) < 20_000
    container = opened(data, ContainerKind.PARQUET)
    found = content(container, 1 << 30)
    assert set(found.values()) == {"bad_member"}
    limits = ContainerLimits(ratio=1_000_000)
    found = content(opened(data, ContainerKind.PARQUET, limits=limits), 1 << 30)
    assert found["row=3"] == b"\0" * 50_000_000


def test_more_rows_than_bytes_are_refused() -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": pa.nulls(2_000_000, pa.binary())}), buffer)
    assert content(opened(buffer.getvalue(), ContainerKind.PARQUET)) == {"": "archive_limit"}


def test_names_that_are_too_long_or_not_utf8_are_error_rows() -> None:
    data = parquet({"image": [b"1", b"2"], "id": ["x", "n" * 70_000]})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="id")))
    assert found == {"x": b"1", "": "archive_damaged"}
    names = pa.array([b"caf\xe9", b"b"], pa.binary()).view(pa.string())
    data = parquet({"image": [b"1", b"2"], "id": names})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="id")))
    assert found == {"caf\udce9": b"1", "b": b"2"}


def test_repeated_names_are_numbered() -> None:
    data = parquet({"image": [b"1", b"2", b"3"], "id": ["x", "x", "x#2"]})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="id")))
    assert found == {"x": b"1", "x#2": b"2", "x#2#2": b"3"}


@given(data=st.binary(max_size=200))
def test_damaged_page_headers_are_reported(data: bytes) -> None:
    group = [ColumnChunk("image", 0, len(data))]
    try:
        sizes = page_sizes(io.BytesIO(data), group, "image", ContainerLimits())
    except (DamagedContainerError, ContainerLimitError):
        return
    assert min(sizes) >= 0


@pytest.mark.parametrize("dictionary", [True, False])
def test_the_footer_gives_the_column_positions_that_arrow_gives(dictionary: bool) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"1", "path": "a"}] * 10, kind)
    table = pa.table({"image": images, "id": list(range(10)), "truth": [True] * 10})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=4, use_dictionary=dictionary)
    metadata = pq.ParquetFile(buffer).metadata
    expected = []
    for group in range(metadata.num_row_groups):
        columns = [metadata.row_group(group).column(at) for at in range(metadata.num_columns)]
        expected.append(
            [
                ColumnChunk(
                    column.path_in_schema,
                    column.dictionary_page_offset or column.data_page_offset,
                    column.total_compressed_size,
                )
                for column in columns
            ]
        )
    assert row_groups(buffer) == expected


@given(data=st.binary(max_size=200))
def test_damaged_footers_are_reported(data: bytes) -> None:
    file = io.BytesIO(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")
    with suppress(DamagedContainerError):
        row_groups(file)
