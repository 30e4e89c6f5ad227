from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebeam.report.grouping import CategoryCodes, SmallestPerGroup

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)))


def offer(smallest: SmallestPerGroup, rows: Sequence[tuple[int, int]], first: int) -> None:
    batch = pa.RecordBatch.from_pydict({"place": pa.array(range(first, first + len(rows)))})
    groups = np.array([group for group, _ in rows], np.int64)
    keys = np.array([key for _, key in rows], np.float64)
    smallest.offer(batch, groups, keys)


@given(batches=st.lists(ROWS, max_size=5), count=st.integers(1, 4))
def test_it_keeps_the_first_of_a_full_sort(
    batches: list[list[tuple[int, int]]], count: int
) -> None:
    smallest = SmallestPerGroup(count)
    everything: list[tuple[int, int]] = []
    for batch in batches:
        offer(smallest, batch, len(everything))
        everything += batch
    for group in range(4):
        places = [place for place, row in enumerate(everything) if row[0] == group]
        places.sort(key=lambda place: everything[place][1])
        assert [row["place"] for row in smallest.of(group)] == places[:count]
    keys = sorted(key for _, key in everything)[:count]
    assert [everything[row["place"]][1] for row in smallest.of_all()] == keys


def test_a_group_without_rows_is_empty() -> None:
    assert SmallestPerGroup(3).of(7) == []
    assert SmallestPerGroup(3).of_all() == []


@pytest.mark.parametrize("encoded", [False, True])
def test_a_text_has_one_number_in_all_batches(encoded: bool) -> None:
    numbering = CategoryCodes()
    columns = [pa.array(["b", "a", "b"]), pa.array(["c", "a"]), pa.array([], pa.string())]
    if encoded:
        columns = [column.dictionary_encode() for column in columns]
    assert [numbering.of(column).tolist() for column in columns] == [[0, 1, 0], [2, 1], []]
    assert numbering.names == ["b", "a", "c"]
