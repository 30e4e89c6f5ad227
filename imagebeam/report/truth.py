"""Compare the labels of an output with the true ones: accuracy, confusion, reliability."""

import difflib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import pyarrow as pa

from imagebeam.evaluation.accuracy import TOP, CorrectCounts
from imagebeam.evaluation.labelled_images import LabelledImage, distinct
from imagebeam.images import uris
from imagebeam.images.errors import InputError
from imagebeam.report.accuracy import Accuracy, ConfusedPair, ScoreBin
from imagebeam.report.grouping import Row

BINS = 10
_MOST_CONFUSIONS = 30
_MOST_PICTURES = 6
_REMEMBERED = 1000
"""Names of the output that are remembered, to find similar ones if no name matches."""


@dataclass(frozen=True)
class _Judged:
    truth: str
    row: Row
    rank: int | None


class TruthRows:
    """Collects the rows whose true label is known; a `Sink` for labelled rows."""

    def __init__(self, name: str, images: Sequence[LabelledImage]) -> None:
        """Take true labels from the file or folder `name`; raise InputError if an image has two."""
        self._name = name
        known = distinct(images, name)
        self._images = len(known)
        self._truth = {uris.without_secrets(each.uri): each.label for each in known}
        # With --root, an output holds names as they were written.
        self._truth |= {each.written: each.label for each in known if each.written}
        self._files = {os.path.basename(uri) for uri in self._truth}
        self._rows: list[Row] = []
        self._failed = 0
        self._seen: list[str] = []
        self._similar = ""

    def add(self, rows: pa.RecordBatch) -> None:
        """Take a batch of rows, labelled or failed."""
        names = rows["uri"].to_pylist()
        known = [place for place, name in enumerate(names) if name in self._truth]
        if "code" in rows.schema.names:
            self._failed += len(known)
        elif "label" not in rows.schema.names:
            raise InputError(
                f"{self._name!r}: the output has no labels to compare. Label with --emit labels."
            )
        else:
            self._rows += rows.take(pa.array(known, pa.int64())).to_pylist()
        self._seen += names[: _REMEMBERED - len(self._seen)]
        if not self._rows and not self._similar:
            same = (name for name in names if os.path.basename(name) in self._files)
            self._similar = next(same, "")

    def accuracy(self) -> Accuracy:
        """Compare the labels.

        Raises:
            InputError: no image is in the output, or a true label matches several classes.
        """
        if not self._rows:
            raise InputError(self._nothing())
        classes = _Classes(self._rows)
        judged = [
            _Judged(truth, row, classes.rank(truth, row))
            for row in self._rows
            for truth in [self._truth[row["uri"]]]
        ]
        by_truth: defaultdict[str, list[_Judged]] = defaultdict(list)
        for each in judged:
            by_truth[each.truth].append(each)
        found = [(label, _counts(some)) for label, some in by_truth.items()]
        return Accuracy(
            self._name,
            _counts(judged),
            sorted(found, key=lambda each: (each[1].top_1 - each[1].images, each[0])),
            list(_confusions(judged)),
            _bins(judged),
            self._failed,
            self._images - len(judged) - self._failed,
            sorted(label for label in by_truth if not classes.of(label)),
        )

    def _nothing(self) -> str:
        if self._failed:
            return f"{self._name!r}: all {self._failed:,} of its images failed. See the errors."
        first = next(iter(self._truth))
        if not self._seen:
            return f"{self._name!r}: the output has no labelled image to compare."
        close = difflib.get_close_matches(first, self._seen, 1, 0)
        return (
            f"{self._name!r}: none of its {self._images:,} names is in the output, such as "
            f"{first!r}. The most similar name there is {self._similar or close[0]!r}. Name the "
            "images as the output does."
        )


class _Classes:
    """The classes of an output, by every name that a truth may use: name, synonym or number."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._names: dict[str, set[str]] = {}
        self._others: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            for entry in row["top_k"]:
                name = entry["label"]
                if name not in self._names:
                    self._names[name] = {name}
                    for synonym in (*name.split(", "), str(entry["class"])):
                        self._others[synonym].add(name)

    def of(self, truth: str) -> set[str]:
        """Return the class that a true label names; none where no image has it.

        Raises:
            InputError: it names several classes.
        """
        found = self._names.get(truth) or self._others.get(truth) or set()
        if len(found) > 1:
            raise InputError(
                f"{truth!r}: is a name of several classes: {'; '.join(sorted(found))}. Use the "
                "whole name of the class, or its number."
            )
        return found

    def rank(self, truth: str, row: Row) -> int | None:
        """Return the place of the true class among the best ones, from 0."""
        wanted = self.of(truth)
        labels = [row["label"], *(entry["label"] for entry in row["top_k"][1:])]
        return next((place for place, label in enumerate(labels) if label in wanted), None)


def _counts(judged: Sequence[_Judged]) -> CorrectCounts:
    return CorrectCounts.of([TOP if each.rank is None else each.rank for each in judged])


def _confusions(judged: Sequence[_Judged]) -> Iterator[ConfusedPair]:
    pairs: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for each in judged:
        if each.rank != 0:
            pairs[each.truth, each.row["label"]].append(each.row)
    order = sorted(pairs, key=lambda pair: (-len(pairs[pair]), pair))
    for truth, label in order[:_MOST_CONFUSIONS]:
        rows = sorted(pairs[truth, label], key=lambda row: (-row["score"], row["uri"]))
        yield ConfusedPair(truth, label, len(rows), rows[:_MOST_PICTURES])


def _bins(judged: Sequence[_Judged]) -> list[ScoreBin | None]:
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for each in judged:
        # A score that is not a number, in a damaged part, counts as 0.
        score = min(max(float(each.row["score"]), 0.0), 1.0) if each.row["score"] > 0 else 0.0
        bins[min(int(score * BINS), BINS - 1)].append((score, each.rank == 0))
    return [
        ScoreBin(len(some), fmean(score for score, _ in some), fmean(right for _, right in some))
        if some
        else None
        for some in bins
    ]
