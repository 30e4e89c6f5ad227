"""Collects the names of all labelled images for the page, up to a size that it can hold."""

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from imagebeam.escape_control_chars import escape_control_chars

_MOST_BYTES = 5_000_000
"""Limit for the JSON: about 100,000 images with short names. Pictures fill most of the 20 MB."""

_BYTES_PER_IMAGE = 16
"""Bytes of JSON besides the name: folder, class, score and punctuation."""


class ImageList:
    """The labelled images of an output, in the order of its parts.

    Attributes:
        total: number of all images, also of those that did not fit.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.total = 0
        self._left = most_bytes
        self._folders: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._files: list[str] = []
        self._columns: list[tuple[int, int, int]] = []
        self._raw: dict[int, str] = {}

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows with the columns `uri` and, if there are any, `label` and `score`."""
        self.total += rows.num_rows
        if self._left <= 0:
            return
        uris = rows["uri"].to_pylist()
        has_labels = "label" in rows.schema.names
        labels = rows["label"].to_pylist() if has_labels else [""] * len(uris)
        scores = rows["score"].to_pylist() if has_labels else [0.0] * len(uris)
        for uri, label, score in zip(uris, labels, scores, strict=True):
            self._add(uri, label, score)
            if self._left <= 0:
                return

    def _add(self, uri: str, label: str, score: float) -> None:
        shown = escape_control_chars(uri)
        folder, separator, file = shown.rpartition("/")
        folder += separator
        if shown != uri:
            self._raw[len(self._files)] = uri
            self._left -= len(uri.encode())
        if folder not in self._folders:
            self._left -= len(folder.encode())
        self._files.append(file)
        thousandths = round(1000 * score) if math.isfinite(score) else 0
        self._columns.append(
            (
                self._folders.setdefault(folder, len(self._folders)),
                self._labels.setdefault(label, len(self._labels)),
                thousandths,
            )
        )
        self._left -= len(file.encode()) + _BYTES_PER_IMAGE

    def data(self, classes: Mapping[str, int]) -> dict[str, Any]:
        """Return the images by column, as the page's script reads them.

        Args:
            classes: positions of class names in the data of the page.
        """
        positions = [classes.get(label, -1) for label in self._labels]
        folders, labels, scores = zip(*self._columns, strict=True) if self._columns else ((),) * 3
        return {
            "total": self.total,
            "folders": list(self._folders),
            "files": self._files,
            "folder": folders,
            "class": [positions[label] for label in labels],
            "score": scores,
            "raw": self._raw,
        }
