"""Labelled images counted by class, with some pictures of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imagebeam.report.category_codes import CategoryCodes
from imagebeam.report.smallest_per_group import Row, SmallestPerGroup

BINS = 20
"""Parts of equal width from score 0 to 1 in a histogram."""

_PICTURES = 12
"""Kept of a class, in each of the three ways."""


@dataclass(frozen=True)
class Pictures:
    """Rows of some pictures of one class, or of all.

    Attributes:
        sample: drawn by lot, always the same from the same output.
        least_sure: those with the lowest scores, the lowest first.
        most_sure: those with the highest scores, the highest first.
    """

    sample: Sequence[Row]
    least_sure: Sequence[Row]
    most_sure: Sequence[Row]


@dataclass(frozen=True)
class ClassCount:
    """The labelled images of one class, or of all.

    Attributes:
        name: of the class; empty for all.
        images: how many.
        mean_score: of them; None where nothing has a score.
        histogram: how many have a score in each of `BINS` parts; empty where nothing has one.
        pictures: some of them.
    """

    name: str
    images: int
    mean_score: float | None
    histogram: Sequence[int]
    pictures: Pictures


class ClassStats:
    """Counts batches of predictions, with columns `label` and `score` or without."""

    def __init__(self) -> None:
        self._classes = CategoryCodes()
        self._histograms = np.zeros((0, BINS), np.int64)
        self._score_sums = np.zeros(0)
        self._unlabelled = 0
        # Lots are drawn in the order of the rows: the same output gives the same page.
        self._lots = np.random.default_rng(0)
        self._sample = SmallestPerGroup(_PICTURES)
        self._least_sure = SmallestPerGroup(_PICTURES)
        self._most_sure = SmallestPerGroup(_PICTURES)

    def count(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows."""
        lots = self._lots.random(rows.num_rows)
        if "label" not in rows.schema.names:
            self._unlabelled += rows.num_rows
            self._sample.offer(rows, np.zeros(rows.num_rows, np.int64), lots)
            return
        groups = self._classes.of(rows["label"])
        # What no job writes must not stop the page: a score that is no number counts as none.
        scores = np.nan_to_num(rows["score"].to_numpy(zero_copy_only=False).astype(np.float64))
        self._add(groups, np.clip(scores, 0, 1))
        self._sample.offer(rows, groups, lots)
        self._least_sure.offer(rows, groups, scores)
        self._most_sure.offer(rows, groups, -scores)

    def classes(self) -> list[ClassCount]:
        """Every class that an image has, those with the most images first."""
        counted = [
            ClassCount(
                name,
                int(histogram.sum()),
                float(score_sum / histogram.sum()),
                histogram.tolist(),
                Pictures(
                    self._sample.of(number),
                    self._least_sure.of(number),
                    self._most_sure.of(number),
                ),
            )
            for number, (name, histogram, score_sum) in enumerate(
                zip(self._classes.names, self._histograms, self._score_sums, strict=True)
            )
        ]
        return sorted(counted, key=lambda each: (-each.images, each.name))

    def all_classes(self) -> ClassCount:
        """All labelled images together, also those of a job that wrote no labels."""
        with_score = int(self._histograms.sum())
        return ClassCount(
            "",
            with_score + self._unlabelled,
            float(self._score_sums.sum() / with_score) if with_score else None,
            self._histograms.sum(axis=0).tolist() if with_score else [],
            Pictures(self._sample.of_all(), self._least_sure.of_all(), self._most_sure.of_all()),
        )

    def _add(self, groups: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> None:
        count = len(self._classes.names)
        missing = count - len(self._histograms)
        self._histograms = np.pad(self._histograms, ((0, missing), (0, 0)))
        self._score_sums = np.pad(self._score_sums, (0, missing))
        bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        cells = np.bincount(groups * BINS + bins, minlength=count * BINS)
        self._histograms += cells.reshape(count, BINS)
        self._score_sums += np.bincount(groups, scores, count)
