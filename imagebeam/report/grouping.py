"""Group the rows of a column by their text, and keep some rows of each group."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Row = dict[str, Any]
"""A row by column."""

_Entry = tuple[float, Row]


class CategoryCodes:
    """Assigns numbers to texts in order of appearance, the same in every batch.

    Attributes:
        names: the texts by number.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def of(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """Return the number of each text as int64 (N,); the column may be a dictionary or not."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        numbers = np.array(
            [self._number(name) for name in encoded.dictionary.to_pylist()], np.int64
        )
        found: npt.NDArray[np.int64] = numbers[encoded.indices.to_numpy(zero_copy_only=False)]
        return found

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


class SmallestPerGroup:
    """Keeps the `count` rows with the smallest keys of each group, in bounded memory.

    Of rows with equal keys the first one stays.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: defaultdict[int, list[_Entry]] = defaultdict(list)
        self._limits = np.empty(0)
        """By group: a row is kept only if its key is below this."""

    def offer(
        self, rows: pa.RecordBatch, groups: npt.NDArray[np.int64], keys: npt.NDArray[np.float64]
    ) -> None:
        """Keep those of N rows that have the smallest keys.

        Args:
            groups: int64 (N,): their groups, from 0.
            keys: float64 (N,), without NaN.
        """
        missing = max(int(groups.max(initial=-1)) + 1 - len(self._limits), 0)
        self._limits = np.append(self._limits, np.full(missing, np.inf))
        chosen = self._chosen(groups, keys)
        for index, row in zip(chosen, rows.take(pa.array(chosen)).to_pylist(), strict=True):
            self._kept[int(groups[index])].append((float(keys[index]), row))
        for group in np.unique(groups[chosen]):
            kept = self._kept[int(group)] = _first(self._kept[int(group)], self._count)
            if len(kept) == self._count:
                self._limits[group] = kept[-1][0]

    def of(self, group: int) -> list[Row]:
        """Return the rows that are kept of a group, the smallest key first."""
        return [row for _, row in self._kept.get(group, [])]

    def of_all(self) -> list[Row]:
        """Return the `count` rows with the smallest keys of all groups together."""
        every = [entry for _, kept in sorted(self._kept.items()) for entry in kept]
        return [row for _, row in _first(every, self._count)]

    def _chosen(
        self, groups: npt.NDArray[np.int64], keys: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        """Return the indices of at most `count` rows per group that may have to be kept."""
        # After some batches few rows pass this test, which makes ten million rows cheap.
        able = np.flatnonzero(keys < self._limits[groups])
        order = able[np.lexsort((keys[able], groups[able]))]
        ordered = groups[order]
        places = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        chosen: npt.NDArray[np.int64] = order[places < self._count]
        return chosen


def _first(entries: list[_Entry], count: int) -> list[_Entry]:
    return sorted(entries, key=lambda entry: entry[0])[:count]
