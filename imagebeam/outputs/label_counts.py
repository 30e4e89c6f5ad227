"""Count the labels of an output."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.storage import AnyPath

_COLUMNS = ["label", "score"]
_OPENED_AT_ONCE = 16


@dataclass(frozen=True)
class LabelCount:
    """The images with one label.

    Attributes:
        label: the name of the class.
        images: number of images.
        mean_score: mean of their scores, 0 to 1.
    """

    label: str
    images: int
    mean_score: float


def label_counts(layout: Layout, most_parts: int = 1000) -> Sequence[LabelCount] | None:
    """Count the images by label, the most frequent label first.

    Args:
        layout: the layout of the output.
        most_parts: number of files that may be read.

    Returns:
        Nothing if the output has no labels; None if it has more files than `most_parts`, or is not
        in Parquet.
    """
    parts = list(islice(layout.prediction_parts(), most_parts + 1))
    if len(parts) > most_parts or layout.format != "parquet":
        return None
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        grouped = [table for table in pool.map(_grouped, parts) if table is not None]
    if not grouped:
        return ()
    sums = pa.concat_tables(grouped).group_by("label")
    counted = sums.aggregate([("score_count", "sum"), ("score_sum", "sum")]).to_pylist()
    counts = (
        LabelCount(row["label"], images, row["score_sum_sum"] / images)
        for row in counted
        if row["label"] is not None and (images := row["score_count_sum"])
    )
    return sorted(counts, key=lambda count: (-count.images, count.label))


def _grouped(part: AnyPath) -> pa.Table | None:
    with opened(part) as file:
        if not {*_COLUMNS} <= {*file.schema_arrow.names}:
            return None
        rows = file.read(columns=_COLUMNS)
    labels = rows["label"].cast(pa.string())
    rows = pa.table({"label": labels, "score": rows["score"].cast(pa.float64())})
    return rows.group_by("label").aggregate([("score", "count"), ("score", "sum")])
