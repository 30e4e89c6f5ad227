"""Count images by folder and by year."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_MOST_FOLDERS = 100_000
"""Folders that are counted apart, so that memory is bounded."""


@dataclass(frozen=True)
class GroupCount:
    """The images of one folder or one year."""

    name: str
    labelled: int
    failed: int = 0


class Breakdown:
    """Counts batches of rows.

    Attributes:
        others: images in further folders than those that are counted apart.
    """

    def __init__(self, most_folders: int = _MOST_FOLDERS) -> None:
        self.others = 0
        self._most_folders = most_folders
        self._labelled: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._years: Counter[int] = Counter()

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of labelled or failed rows, as a `Sink`."""
        is_failed = "code" in rows.schema.names
        counts = self._failed if is_failed else self._labelled
        for entry in folders_of(rows["uri"]).value_counts().to_pylist():
            name, images = entry["values"], entry["counts"]
            is_known = name in self._labelled or name in self._failed
            if is_known or len(self._labelled) + len(self._failed) < self._most_folders:
                counts[name] += images
            else:
                self.others += images
        if not is_failed:
            dates = rows["date"].to_numpy()
            self._years.update(years(dates[dates > 0]).tolist())

    def folders(self) -> Sequence[GroupCount]:
        """Return the folders, the one with most images first."""
        found = [
            GroupCount(name, self._labelled[name], self._failed[name])
            for name in {**self._labelled, **self._failed}
        ]
        return sorted(found, key=lambda each: (-each.labelled - each.failed, each.name))

    def years(self) -> Sequence[GroupCount]:
        """Return the years of the labelled images whose date is known, the latest first."""
        return [GroupCount(str(year), self._years[year]) for year in sorted(self._years)[::-1]]


def folders_of(names: pa.Array) -> pa.Array:
    """Return the folder of each URI, without the slash at its end; "" where it has none."""
    return pc.replace_substring_regex(names, r"(?s)/?[^/]*$", "")


def years(dates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the years (UTC) of int64 seconds since 1970."""
    found: npt.NDArray[np.int64] = (
        dates.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    )
    return found
