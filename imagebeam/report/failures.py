"""Failed images counted by code, with some of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from imagebeam.report.category_codes import CategoryCodes
from imagebeam.report.smallest_per_group import Row, SmallestPerGroup

_EXAMPLES = 10
"""Kept of each code."""


@dataclass(frozen=True)
class ErrorGroup:
    """The failed images of one code.

    Attributes:
        code: what they ended in.
        stage: where they did.
        images: how many.
        retryable: whether they may succeed unchanged.
        examples: rows of some of them, drawn by lot.
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
        self._lots = np.random.default_rng(0)
        self._examples = SmallestPerGroup(_EXAMPLES)

    def count(self, rows: pa.RecordBatch) -> None:
        """Add a batch of rows."""
        groups = self._codes.of(rows["code"])
        self._counts.update(dict(enumerate(np.bincount(groups).tolist())))
        self._examples.offer(rows, groups, self._lots.random(rows.num_rows))

    def by_code(self) -> list[ErrorGroup]:
        """Every code that an image has, those with the most images first."""
        counted = [self._failure(number) for number in range(len(self._codes.names))]
        return sorted(counted, key=lambda each: (-each.images, each.code))

    def _failure(self, number: int) -> ErrorGroup:
        examples = self._examples.of(number)
        return ErrorGroup(
            self._codes.names[number],
            examples[0]["stage"],
            self._counts[number],
            examples[0]["retryable"],
            examples,
        )
