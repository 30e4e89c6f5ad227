"""The mistakes of a classifier on labelled images."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Mistake:
    """An image with another class than the classifier gives it.

    Attributes:
        image: its name.
        label: its class.
        predicted: the class with the highest score.
        score: the score of that class.
    """

    image: str
    label: str
    predicted: str
    score: float


@dataclass(frozen=True, eq=False)
class Confusion:
    """The results of a classifier on labelled images.

    Attributes:
        classes: their names.
        counts: int (classes, classes); row: the class of the image, column: the predicted one.
        mistakes: the images that are classified wrongly, those with the highest scores first.
    """

    classes: tuple[str, ...]
    counts: npt.NDArray[Any]
    mistakes: tuple[Mistake, ...]

    @classmethod
    def of(
        cls,
        classes: Sequence[str],
        images: Sequence[str],
        labels: npt.NDArray[Any],
        scores: npt.NDArray[np.float32],
    ) -> "Confusion":
        """Compare scores, float32 (N, classes), with the classes of images, int (N,)."""
        predicted = scores.argmax(axis=1)
        counts = np.zeros((len(classes), len(classes)), np.intp)
        np.add.at(counts, (labels, predicted), 1)
        mistakes = [
            Mistake(
                images[int(row)],
                classes[labels[row]],
                classes[predicted[row]],
                float(scores[row, predicted[row]]),
            )
            for row in np.flatnonzero(predicted != labels)
        ]
        mistakes.sort(key=lambda mistake: -mistake.score)
        return cls(tuple(classes), counts, tuple(mistakes))

    @property
    def correct(self) -> int:
        """Return the number of images that are classified correctly."""
        return int(self.counts.trace())

    @property
    def images(self) -> int:
        """Return the number of images."""
        return int(self.counts.sum())

    def most_confused(self) -> list[tuple[str, str, int]]:
        """Return pairs of a class and a wrong class with their counts, most frequent first."""
        wrong = self.counts - np.diag(self.counts.diagonal())
        pairs = [
            (self.classes[row], self.classes[column], int(wrong[row, column]))
            for row, column in zip(*np.nonzero(wrong), strict=True)
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def to_csv(self) -> str:
        """Return the mistakes as a CSV file with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Mistake.__dataclass_fields__)
        for each in self.mistakes:
            writer.writerow([each.image, each.label, each.predicted, f"{each.score:.4f}"])
        return text.getvalue()
