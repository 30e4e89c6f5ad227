"""Count the labels of an output."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

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
        most_parts: number of files that may be read.

    Returns:
        Nothing if the output has no labels; None if it has more files than `most_parts`, or is not
        in Parquet.
    """
    parts = list(islice(layout.prediction_parts(), most_parts + 1))
    if len(parts) > most_parts or layout.format != "parquet":
        return None
    images: dict[str, int] = {}
    scores: dict[str, float] = {}
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        for counted in pool.map(_counted, parts):
            for label, (count, score) in counted.items():
                images[label] = images.get(label, 0) + count
                scores[label] = scores.get(label, 0.0) + score
    counts = (LabelCount(label, count, scores[label] / count) for label, count in images.items())
    return sorted(counts, key=lambda count: (-count.images, count.label))


def _counted(part: AnyPath) -> Mapping[str, tuple[int, float]]:
    """Return the images and the sum of their scores by label.

    Arrow's own grouping would be imported at the end of every job, which takes longer than to
    count the labels of ten thousand images.
    """
    try:
        with opened(part, read_dictionary=["label"]) as file:
            batches = file.read(columns=_COLUMNS).to_batches()
    except KeyError:
        # Features or logits alone.
        return {}
    found: dict[str, tuple[int, float]] = {}
    for batch in batches:
        labels, scores = batch["label"], batch["score"].to_numpy()
        names, indices = labels.dictionary.to_pylist(), labels.indices.to_numpy()
        counts = np.bincount(indices, minlength=len(names)).tolist()
        sums = np.bincount(indices, scores, minlength=len(names)).tolist()
        for name, count, total in zip(names, counts, sums, strict=True):
            before = found.get(name, (0, 0.0))
            if count:
                found[name] = (before[0] + count, before[1] + total)
    return found
