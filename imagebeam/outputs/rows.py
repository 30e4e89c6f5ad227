"""Predictions as Python values, a row at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa


class RankedClass(NamedTuple):
    """One class of a picture's `top_k`.

    Attributes:
        class_index: the column `class`, which no attribute in Python can be called.
        label: its name.
        score: 0 to 1.
    """

    class_index: int
    label: str
    score: float


def prediction_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table of predictions by column; `top_k` holds `RankedClass`es."""
    for row in table.to_pylist():
        if "top_k" in row:
            row["top_k"] = [
                RankedClass(entry["class"], entry["label"], entry["score"])
                for entry in row["top_k"]
            ]
        yield row
