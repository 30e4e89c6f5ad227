"""The accuracy of labels whose true labels are known, as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagebeam.evaluation.accuracy import CorrectCounts
from imagebeam.report.grouping import Row


@dataclass(frozen=True)
class ConfusedPair:
    """Images of the class `truth` that are labelled `label`.

    Attributes:
        pictures: rows of the images of which the module is most confident.
    """

    truth: str
    label: str
    images: int
    pictures: Sequence[Row]


@dataclass(frozen=True)
class ScoreBin:
    """Images whose score is in one bin, with their mean score and their share of correct labels."""

    images: int
    score: float
    share: float


@dataclass(frozen=True)
class Accuracy:
    """The result of a comparison.

    Attributes:
        name: the name of the file or folder with the true labels.
        all: the counts of all images.
        classes: the true labels with their counts, those with most wrong labels first.
        confusions: pairs of classes, the most frequent first.
        bins: the bins of equal width from score 0 to 1; None where there is no image.
        failed: images with a true label that are in errors.
        missing: images with a true label that are not in the output.
        unknown: true labels that no image of the output has among its best classes.
    """

    name: str
    all: CorrectCounts
    classes: Sequence[tuple[str, CorrectCounts]]
    confusions: Sequence[ConfusedPair]
    bins: Sequence[ScoreBin | None]
    failed: int
    missing: int
    unknown: Sequence[str]

    @property
    def pictures(self) -> Sequence[Row]:
        """Return the rows of all pictures of confusions."""
        return [row for confusion in self.confusions for row in confusion.pictures]

    @property
    def gap(self) -> float:
        """Return the expected calibration error: the mean distance of score and correctness."""
        some = [each for each in self.bins if each]
        return sum(each.images * abs(each.score - each.share) for each in some) / self.all.images
