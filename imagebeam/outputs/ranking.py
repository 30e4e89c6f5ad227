"""The best classes of an image, in the order of their scores."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class RankedClass(NamedTuple):
    """One class of an image's `top_k`.

    Attributes:
        class_index: the column `class`; an attribute cannot have that name in Python, and Beam
            makes attributes of the fields of rows. `row_as_dict` gives the names of the columns.
        label: its name.
        score: from 0 to 1.
    """

    class_index: int
    label: str
    score: float


def ranked_classes(
    scores: npt.NDArray[np.float32], class_names: Sequence[str] | None, top_k: int
) -> list[list[RankedClass]]:
    """Return the best classes of each row of `scores`, float32 (N, classes), best first.

    Without class names, the index is used as the name.
    """
    classes = best_classes(scores, min(top_k, scores.shape[1]))
    return [
        [
            RankedClass(index, str(index) if class_names is None else class_names[index], score)
            for index, score in zip(indices, values, strict=True)
        ]
        for indices, values in zip(
            classes.tolist(), np.take_along_axis(scores, classes, axis=1).tolist(), strict=True
        )
    ]


def prediction_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of predictions by column; `top_k` holds `RankedClass` values."""
    for row in table.to_pylist():
        if "top_k" in row:
            row["top_k"] = [
                RankedClass(entry["class"], entry["label"], entry["score"])
                for entry in row["top_k"]
            ]
        yield row


def row_as_dict(row: Any) -> dict[str, Any]:
    """Return a row of `LabelImages` as a dict with the names that the files of a job have.

    In `top_k`, `class_index` is `class`. WriteToParquet and WriteToBigQuery accept such dicts.
    """
    values = dict(row._asdict())
    if "top_k" in values:
        values["top_k"] = [
            {"class": index, "label": label, "score": score}
            for index, label, score in values["top_k"]
        ]
    return values


def best_classes(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int32]:
    """Return the highest classes of every row as int32 (N, count), ties by the lower class."""
    classes = np.empty((len(scores), count), np.int32)
    rows = np.arange(len(scores))
    left = scores.copy()
    # A few passes for the highest scores take a fraction of the time of sorting all.
    for place in range(count):
        classes[:, place] = left.argmax(axis=1)
        left[rows, classes[:, place]] = -np.inf
    return classes
