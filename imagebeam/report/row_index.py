"""Find the rows of an output by class, folder, year and name, in any order.

The rows are in a file. In memory are a few numbers per row and all orders, which answer questions
within a tenth of a second.
"""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.report.breakdown import folders_of
from imagebeam.report.grouping import CategoryCodes, Row
from imagebeam.report.image_list import thousandths
from imagebeam.report.row_file import RowFile

_REMEMBERED = 6
"""Answers that are kept, of up to 4 bytes per row."""

_NAMED = pa.list_(pa.struct([("label", pa.int32()), ("score", pa.float32())]))

_TAIL = "tail"
"""The column with the part of each name from its last slash on, in lower case."""

SORTS = ("name", "high", "low", "large", "small", "new", "old")

Places = npt.NDArray[np.int32]
"""(N,) numbers of rows."""


@dataclass(frozen=True)
class Question:
    """Which rows are wanted, and in which order.

    Attributes:
        label: the label of the row, or its error code; "" stands for all, also below.
        year: the year of its date, in UTC.
        name: part of its name or its label, in any case.
        least: thousandths of the score.
        sort: one of `SORTS`; "" is the order of the output.
    """

    label: str = ""
    folder: str = ""
    year: str = ""
    name: str = ""
    least: int = 0
    sort: str = ""


class RowIndex:
    """All labelled or all failed rows of an output; a `Sink`."""

    def __init__(self) -> None:
        self._file = RowFile()
        self._labels = CategoryCodes()
        self._folders = CategoryCodes()
        self._column: dict[str, npt.NDArray[Any]] = {}
        self._orders: dict[str, Places] = {}
        self._lock = threading.Lock()
        self._find_once = lru_cache(_REMEMBERED)(self._find)
        self._named_once = lru_cache(_REMEMBERED)(self._named)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows, as a `Sink`."""
        is_failed = "code" in rows.schema.names
        has_labels = is_failed or "label" in rows.schema.names
        labels = rows["code" if is_failed else "label"] if has_labels else None
        none = np.zeros(rows.num_rows, np.int16)
        columns = {
            name: rows[name]
            for name in ("uri", "message", "width", "height", "written", "date")
            if name in rows.schema.names
        }
        columns["folder"] = self._folders.of(folders_of(rows["uri"])).astype(np.int32)
        columns["label"] = (none if labels is None else self._labels.of(labels)).astype(np.int32)
        columns[_TAIL] = pc.replace_substring_regex(pc.utf8_lower(rows["uri"]), "(?s)^.*/", "/")
        if not is_failed:
            scores = thousandths(rows["score"]) if has_labels else none
            columns["score"] = np.array(scores, np.int16)
            columns["top_k"] = self._best(rows)
        self._file.add(pa.RecordBatch.from_pydict(columns))

    @property
    def total(self) -> int:
        """Return the number of rows."""
        return self._file.total

    def finish(self) -> None:
        """Make the rows ready for questions. No more can be added."""
        self._file.finish()
        self._orders[""] = np.arange(self.total, dtype=np.int32)
        if not self.total:
            return
        names = self._file.batches[0].schema.names
        for name in {"folder", "label", "date", "score"} & {*names}:
            self._column[name] = self._file.column(name).to_numpy()
        if "score" in names:
            # Sorting takes a second for 10⁷ rows, so it is done before the first question.
            with ThreadPoolExecutor() as threads:
                self._orders |= zip(SORTS, threads.map(self._sorted, SORTS), strict=True)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def find(self, question: Question) -> Places:
        """Return the rows that answer a question."""
        with self._lock:
            return self._find_once(question)

    def rows(self, places: Sequence[int] | Places) -> list[Row]:
        """Return rows by column; `label` and those of `top_k` are names."""
        return [self._row(int(place)) for place in places]

    def uri(self, place: int) -> str:
        """Return the URI of a row; raise IndexError if there is no such row."""
        batch, row = self._file.place(place)
        return str(batch["uri"][row].as_py())

    def _row(self, place: int) -> Row:
        batch, at = self._file.place(place)
        row: Row = {name: batch[name][at].as_py() for name in batch.schema.names if name != _TAIL}
        names = self._labels.names
        row |= {"row": place, "label": names[row["label"]] if names else ""}
        if "score" in row:
            row["score"] = row["score"] / 1000 if names else None
            for entry in row["top_k"]:
                entry["label"] = names[entry["label"]]
        del row["folder"]
        return row

    def _best(self, rows: pa.RecordBatch) -> pa.Array:
        if "top_k" not in rows.schema.names:
            return pa.array([[]] * rows.num_rows, _NAMED)
        top = rows["top_k"]
        entries = top.flatten()
        labels = pa.array(self._labels.of(entries.field("label")), pa.int32())
        fields = list(_NAMED.value_type)
        values = pa.StructArray.from_arrays([labels, entries.field("score")], fields=fields)
        offsets = np.append(0, np.cumsum(top.value_lengths().to_numpy()))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=_NAMED)

    def _find(self, question: Question) -> Places:
        mask = np.ones(self.total, bool)
        if not self.total:
            return self._orders[""]
        for wanted, column, names in (
            (question.label, "label", self._labels.names),
            (question.folder, "folder", self._folders.names),
        ):
            if wanted:
                mask &= _are(self._column[column], (_shown(name) == wanted for name in names))
        if question.least:
            mask &= self._column["score"] >= question.least
        if question.year:
            date = self._column["date"]
            start, end = (_start(question.year, further) for further in (0, 1))
            mask &= (date > 0) & (date >= start) & (date < end)
        if question.name:
            mask &= self._named_once(question.name)
        if not question.sort and not mask.all():
            return np.flatnonzero(mask).astype(np.int32)
        order = self._orders[question.sort]
        return order if mask.all() else order[mask[order]]

    def _named(self, text: str) -> Any:
        """Return whether each row has a text in its name or its label.

        A folder is looked at once for all of its rows, and the rest of each name, which begins with
        the last slash, alone.
        """
        low = text.casefold()
        found = _are(self._column["label"], (low in each.casefold() for each in self._labels.names))
        low = pc.utf8_lower(pa.scalar(text)).as_py()
        folders = pc.utf8_lower(pa.array(self._folders.names, pa.string())).to_pylist()
        found |= _are(self._column["folder"], (low in folder for folder in folders))
        above, slash, below = low.rpartition("/")
        if above:
            # A text with a slash may begin in the folder and end in the rest.
            is_above = _are(self._column["folder"], (each.endswith(above) for each in folders))
            found |= is_above & self._tails(lambda tails: pc.starts_with(tails, slash + below))
            return found
        return found | self._tails(lambda tails: _with_text(tails, low))

    def _tails(self, test: Callable[[pa.Array], pa.Array]) -> npt.NDArray[np.bool_]:
        def tested(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
            result: npt.NDArray[np.bool_] = test(batch[_TAIL]).to_numpy(zero_copy_only=False)
            return result

        with ThreadPoolExecutor() as threads:
            return np.concatenate([*threads.map(tested, self._file.batches)])

    def _sorted(self, sort: str) -> Places:
        """Return the places of all rows in an order; equal ones as in the output."""
        if sort == "name":
            order: npt.NDArray[Any] = pc.sort_indices(self._file.column("uri")).to_numpy()
        else:
            order = np.argsort(self._keys(sort), kind="stable")
        return order.astype(np.int32)

    def _keys(self, sort: str) -> Any:
        """Return the numbers by which an order sorts all rows, the lowest first."""
        if sort in ("high", "low"):
            return self._column["score"] * (-1 if sort == "high" else 1)
        if sort in ("new", "old"):
            date = self._column["date"]
            # Rows whose date is not known come last in both orders.
            return -date if sort == "new" else np.where(date <= 0, np.iinfo(np.int64).max, date)
        pixels = self._file.column("width").to_numpy().astype(np.int64)
        pixels *= self._file.column("height").to_numpy()
        return -pixels if sort == "large" else pixels


def _with_text(tails: pa.Array, text: str) -> pa.Array:
    """Return whether each value has a text."""
    first, end = tails.offset, tails.offset + len(tails)
    starts = np.frombuffer(tails.buffers()[1], np.int32)
    data = memoryview(tails.buffers()[2] or b"")[starts[first] : starts[end]]
    # Most texts are rare: to see that no value has one is three times as fast.
    if re.search(re.escape(text.encode()), data) is None:
        return pa.repeat(False, len(tails))
    return pc.match_substring(tails, text)


def _are(codes: npt.NDArray[np.int32], chosen: Iterable[bool]) -> npt.NDArray[np.bool_]:
    """Return of which rows the code is chosen; without any codes, those of all rows are 0."""
    return np.array([*chosen, False])[codes]


def _shown(name: str) -> str:
    """Return a name as the page shows it; "/" for the folder without a name."""
    return escape_control_chars(name) or "/"


def _start(year: str, further: int) -> float:
    """Return the start of a year, in seconds since 1970."""
    number = min(max(int(year) + further, 1), 9999)
    return datetime(number, 1, 1, tzinfo=timezone.utc).timestamp()
