"""The rows with the smallest keys of each group, of any number of rows, in bounded memory."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Row = dict[str, Any]
"""A row by column."""

_Entry = tuple[float, Row]


class SmallestPerGroup:
    """Keeps `count` rows a group. Of equal keys the one that came first stays."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: defaultdict[int, list[_Entry]] = defaultdict(list)
        self._limits = np.empty(0)
        """By group: what a key must undercut."""

    def offer(
        self, rows: pa.RecordBatch, groups: npt.NDArray[np.int64], keys: npt.NDArray[np.float64]
    ) -> None:
        """Look at N rows.

        Args:
            rows: the rows.
            groups: int64 (N,): their groups, from 0.
            keys: float64 (N,): anything but NaN.
        """
        self._make_room(int(groups.max(initial=-1)) + 1)
        chosen = self._chosen(groups, keys)
        for index, row in zip(chosen, rows.take(pa.array(chosen)).to_pylist(), strict=True):
            self._kept[int(groups[index])].append((float(keys[index]), row))
        for group in np.unique(groups[chosen]):
            kept = self._kept[int(group)] = _first(self._kept[int(group)], self._count)
            if len(kept) == self._count:
                self._limits[group] = kept[-1][0]

    def of(self, group: int) -> list[Row]:
        """What is kept of a group, the smallest key first."""
        return [row for _, row in self._kept.get(group, [])]

    def of_all(self) -> list[Row]:
        """The `count` rows with the smallest keys of all groups together."""
        every = [entry for _, kept in sorted(self._kept.items()) for entry in kept]
        return [row for _, row in _first(every, self._count)]

    def _make_room(self, groups: int) -> None:
        missing = max(groups - len(self._limits), 0)
        self._limits = np.append(self._limits, np.full(missing, np.inf))

    def _chosen(
        self, groups: npt.NDArray[np.int64], keys: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        """Indices of at most `count` rows a group, those that may have to be kept."""
        # Soon nearly nothing undercuts what is kept: that makes ten million rows cheap.
        able = np.flatnonzero(keys < self._limits[groups])
        order = able[np.lexsort((keys[able], groups[able]))]
        ordered = groups[order]
        places = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        chosen: npt.NDArray[np.int64] = order[places < self._count]
        return chosen


def _first(entries: list[_Entry], count: int) -> list[_Entry]:
    return sorted(entries, key=lambda entry: entry[0])[:count]
