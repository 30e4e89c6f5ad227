"""Collect the names of all images for the page: some in the page, the rest in files beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.report.grouping import CategoryCodes

_CHUNK_ROWS = 8192
PAGE_BYTES = 4_500_000
"""Limit for the JSON in the page: about 60,000 images. Pictures fill most of the 20 MB."""

_FILE_BYTES = 4_000_000
_MOST_BYTES = 48_000_000
"""Limit for the JSON in the page and in all files beside it, which a browser holds in memory."""


class ImageList:
    """Rows by column as JSON, in chunks.

    Attributes:
        total: number of all rows, also of those that did not fit.
        held: number of rows that did.
    """

    def __init__(self, page_bytes: int = PAGE_BYTES, most_bytes: int = _MOST_BYTES) -> None:
        self.total = 0
        self.held = 0
        self._chunks: list[str] = []
        self._page_chunks = 0
        self._page_left = page_bytes
        self._left = most_bytes
        self._labels = CategoryCodes()

    @property
    def labels(self) -> Sequence[str]:
        """Return class names, or codes, by number, without control characters."""
        return [escape_control_chars(name) for name in self._labels.names]

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of labelled rows, as a `Sink`."""
        self._add(rows, self._image_columns)

    def page_chunks(self) -> list[str]:
        """Return the JSON of the chunks that belong into the page."""
        return self._chunks[: self._page_chunks]

    def files(self) -> Iterator[str]:
        """Yield JSON lists of the other chunks, one for each file beside the page."""
        chunks: list[str] = []
        size = 0
        for chunk in self._chunks[self._page_chunks :]:
            chunks.append(chunk)
            size += len(chunk)
            if size >= _FILE_BYTES:
                yield f"[{','.join(chunks)}]"
                chunks, size = [], 0
        if chunks:
            yield f"[{','.join(chunks)}]"

    def _add(self, rows: pa.RecordBatch, columns: Any) -> None:
        self.total += rows.num_rows
        for first in range(0, rows.num_rows, _CHUNK_ROWS):
            if self._left <= 0:
                return
            some = rows.slice(first, _CHUNK_ROWS)
            text = json.dumps(
                _names(some["uri"].to_pylist()) | columns(some),
                ensure_ascii=False,
                separators=(",", ":"),
            )
            size = len(text.encode())
            self._left -= size
            self.held += some.num_rows
            self._chunks.append(text)
            # The page holds the first chunks; the others are in files.
            if self._page_chunks == len(self._chunks) - 1 and size <= self._page_left:
                self._page_chunks += 1
                self._page_left -= size

    def _image_columns(self, rows: pa.RecordBatch) -> Mapping[str, Any]:
        dates = rows["date"].to_numpy()
        columns: dict[str, Any] = {
            "width": rows["width"].to_pylist(),
            "height": rows["height"].to_pylist(),
            "date": dates.tolist(),
            "changed": np.flatnonzero(dates > rows["written"].to_numpy()).tolist(),
        }
        if "label" in rows.schema.names:
            columns["label"] = self._labels.of(rows["label"]).tolist()
            columns["score"] = thousandths(rows["score"])
            columns |= self._others(rows["top_k"])
        return columns

    def _others(self, top: pa.ListArray) -> dict[str, Any]:
        """Return `top`: label and score of the `others` classes after the best one, of all rows."""
        lengths = top.value_lengths().to_numpy()
        length = int(lengths[0])
        # All rows of a job have the same number of classes, but a damaged part may hold anything.
        if not length or (lengths != length).any():
            return {"top": [], "others": 0}
        entries = top.flatten()
        labels = self._labels.of(entries.field("label"))
        values = np.stack([labels, thousandths(entries.field("score"))], axis=1)
        others = values.reshape(len(top), length, 2)[:, 1:]
        return {"top": others.ravel().tolist(), "others": length - 1}


class FailureList(ImageList):
    """Failed rows, as an `ImageList`; the column `label` holds codes."""

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of failed rows, as a `Sink`."""
        self._add(rows, self._failure_columns)

    def _failure_columns(self, rows: pa.RecordBatch) -> Mapping[str, Any]:
        return {
            "label": self._labels.of(rows["code"]).tolist(),
            "message": [escape_control_chars(text) for text in rows["message"].to_pylist()],
        }


def thousandths(scores: pa.Array) -> list[int]:
    """Return scores as whole thousandths; one that is not a number counts as 0."""
    values = np.nan_to_num(scores.to_numpy(zero_copy_only=False).astype(np.float64))
    found: list[int] = np.rint(1000 * np.clip(values, 0, 1)).astype(int).tolist()
    return found


def _names(uris: Sequence[str]) -> dict[str, Any]:
    """Return the names without control characters; `raw` has those that were changed."""
    folders: dict[str, int] = {}
    files: list[str] = []
    numbers: list[int] = []
    raw: dict[int, str] = {}
    for place, uri in enumerate(uris):
        shown = escape_control_chars(uri)
        if shown != uri:
            raw[place] = uri
        folder, separator, file = shown.rpartition("/")
        files.append(file)
        numbers.append(folders.setdefault(folder + separator, len(folders)))
    return {"folders": list(folders), "file": files, "folder": numbers, "raw": raw}
