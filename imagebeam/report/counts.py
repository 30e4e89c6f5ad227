"""Count labelled images by class and failed images by code, with some examples of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imagebeam.report.grouping import CategoryCodes, Row, SmallestPerGroup

BINS = 20
"""Number of bins of equal width from score 0 to 1 in a histogram."""

_PICTURES = 12
"""Kept per class, in each of the three ways."""

_EXAMPLES = 10
"""Kept per error code."""


@dataclass(frozen=True)
class ExampleRows:
    """Rows of some pictures of one class, or of all.

    Attributes:
        sample: a random sample, the same every time for the same output.
        least_sure: the rows with the lowest scores, the lowest first.
        most_sure: the rows with the highest scores, the highest first.
    """

    sample: Sequence[Row]
    least_sure: Sequence[Row]
    most_sure: Sequence[Row]


@dataclass(frozen=True)
class ClassCount:
    """The labelled images of one class, or of all.

    Attributes:
        name: the name of the class; empty for all.
        images: number of images.
        mean_score: the mean score of the images; None where there are no scores.
        histogram: number of images in each of `BINS` bins; empty where there are no scores.
        pictures: some of the images.
    """

    name: str
    images: int
    mean_score: float | None
    histogram: Sequence[int]
    pictures: ExampleRows


class ClassStats:
    """Counts batches of predictions, with columns `label` and `score` or without."""

    def __init__(self) -> None:
        self._classes = CategoryCodes()
        self._histograms = np.zeros((0, BINS), np.int64)
        self._score_sums = np.zeros(0)
        self._unlabelled = 0
        # A fixed seed and the order of the rows give the same page for the same output.
        self._random_keys = np.random.default_rng(0)
        self._sample = SmallestPerGroup(_PICTURES)
        self._least_sure = SmallestPerGroup(_PICTURES)
        self._most_sure = SmallestPerGroup(_PICTURES)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows, as a `Sink`."""
        random_keys = self._random_keys.random(rows.num_rows)
        if "label" not in rows.schema.names:
            self._unlabelled += rows.num_rows
            self._sample.offer(rows, np.zeros(rows.num_rows, np.int64), random_keys)
            return
        groups = self._classes.of(rows["label"])
        # A damaged part may hold a score that is not a number. It counts as 0.
        scores = np.nan_to_num(rows["score"].to_numpy(zero_copy_only=False).astype(np.float64))
        self._add_scores(groups, np.clip(scores, 0, 1))
        self._sample.offer(rows, groups, random_keys)
        self._least_sure.offer(rows, groups, scores)
        self._most_sure.offer(rows, groups, -scores)

    def classes(self) -> list[ClassCount]:
        """Return every class that an image has, the largest first."""
        counted = [
            ClassCount(
                name,
                int(histogram.sum()),
                float(score_sum / histogram.sum()),
                histogram.tolist(),
                ExampleRows(
                    self._sample.of(number), self._least_sure.of(number), self._most_sure.of(number)
                ),
            )
            for number, (name, histogram, score_sum) in enumerate(
                zip(self._classes.names, self._histograms, self._score_sums, strict=True)
            )
        ]
        return sorted(counted, key=lambda stats: (-stats.images, stats.name))

    def all_classes(self) -> ClassCount:
        """Return the counts of all labelled images, also of a job that wrote no labels."""
        with_score = int(self._histograms.sum())
        return ClassCount(
            "",
            with_score + self._unlabelled,
            float(self._score_sums.sum() / with_score) if with_score else None,
            self._histograms.sum(axis=0).tolist() if with_score else [],
            ExampleRows(self._sample.of_all(), self._least_sure.of_all(), self._most_sure.of_all()),
        )

    def _add_scores(self, groups: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> None:
        count = len(self._classes.names)
        missing = count - len(self._histograms)
        self._histograms = np.pad(self._histograms, ((0, missing), (0, 0)))
        self._score_sums = np.pad(self._score_sums, (0, missing))
        bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        cells = np.bincount(groups * BINS + bins, minlength=count * BINS)
        self._histograms += cells.reshape(count, BINS)
        self._score_sums += np.bincount(groups, scores, count)


@dataclass(frozen=True)
class ErrorGroup:
    """The failed images of one code.

    Attributes:
        stage: the stage in which the images failed.
        images: number of images.
        retryable: whether the images may succeed in another run.
        examples: a random sample of the rows.
    """

    code: str
    stage: str
    images: int
    retryable: bool
    examples: Sequence[Row]


class ErrorGroups:
    """Counts batches of errors."""

    def __init__(self) -> None:
        self._codes = CategoryCodes()
        self._counts: Counter[int] = Counter()
        self._random_keys = np.random.default_rng(0)
        self._examples = SmallestPerGroup(_EXAMPLES)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows, as a `Sink`."""
        groups = self._codes.of(rows["code"])
        self._counts.update(dict(enumerate(np.bincount(groups).tolist())))
        self._examples.offer(rows, groups, self._random_keys.random(rows.num_rows))

    def by_code(self) -> list[ErrorGroup]:
        """Return every error code that an image has, the most frequent first."""
        counted = [self._group(number) for number in range(len(self._codes.names))]
        return sorted(counted, key=lambda group: (-group.images, group.code))

    def _group(self, number: int) -> ErrorGroup:
        examples = self._examples.of(number)
        return ErrorGroup(
            self._codes.names[number],
            examples[0]["stage"],
            self._counts[number],
            examples[0]["retryable"],
            examples,
        )
