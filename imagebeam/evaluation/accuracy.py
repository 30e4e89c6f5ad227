"""Measure how often a module is correct on labelled images, decoded as in the job."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.evaluation.labelled_images import LabelledImage
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from imagebeam.modules import training_pictures
from imagebeam.modules.engines import Engine
from imagebeam.modules.types import Module
from imagebeam.storage import Settings, StoreError, store_for

TOP = 5
_CHUNK = 256
# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class CorrectCounts:
    """Counts of correct classifications.

    Attributes:
        top_1: images whose class has the highest score.
        top_5: images whose class is among the five highest scores.
    """

    images: int
    top_1: int
    top_5: int

    @classmethod
    def of(cls, ranks: Sequence[int]) -> "CorrectCounts":
        """Count images by rank, the number of classes with a higher score than the correct one."""
        return cls(len(ranks), sum(r == 0 for r in ranks), sum(r < TOP for r in ranks))

    @property
    def share(self) -> float:
        """Return the share of images whose class has the highest score."""
        return self.top_1 / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % confidence interval of that share."""
        return wilson_interval(self.top_1, self.images)


@dataclass(frozen=True)
class Evaluation:
    """The results of a module for labelled images.

    Attributes:
        ranks: by label, for each image the number of classes with a higher score.
        failed: the number of images that could not be decoded, by error code.
    """

    ranks: Mapping[str, Sequence[int]]
    failed: Mapping[str, int]

    @property
    def counts(self) -> CorrectCounts:
        """Return the counts of all images."""
        return CorrectCounts.of([rank for ranks in self.ranks.values() for rank in ranks])

    @property
    def counts_by_label(self) -> dict[str, CorrectCounts]:
        """Return the counts by label, sorted."""
        return {label: CorrectCounts.of(ranks) for label, ranks in sorted(self.ranks.items())}


def evaluate(
    images: Sequence[LabelledImage],
    indices: Mapping[str, int],
    reader: ImageReader,
    engine: Engine,
    advance: Callable[[int], object],
) -> Evaluation:
    """Run a classifier on every image that can be decoded.

    Args:
        images: the labelled images.
        indices: the class of the module for each label.
        reader: fetches and decodes images.
        engine: an engine with the head "scores".
        advance: called from time to time with the number of further completed images.
    """
    ranks: dict[str, list[int]] = defaultdict(list)
    failed: Counter[str] = Counter()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        reading = reader.read([ImageLocation(each.uri) for each in chunk])
        rows = []
        for row, outcome in enumerate(reading.outcomes):
            if isinstance(outcome, ImageError):
                failed[outcome.code] += 1
            else:
                rows.append(row)
        classes = [chunk[row].label for row in rows]
        found = _ranks(reading.pixels[rows], classes, indices, engine)
        for label, rank in zip(classes, found, strict=True):
            ranks[label].append(rank)
        advance(len(chunk))
    return Evaluation(dict(ranks), dict(failed))


def _ranks(
    pixels: npt.NDArray[np.uint8], labels: Sequence[str], indices: Mapping[str, int], engine: Engine
) -> list[int]:
    if not labels:
        return []
    scores = engine.run(pixels).scores
    if scores is None:
        raise ValueError("the engine classifies nothing")
    # For equal scores, the job names the class with the lower number first.
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.array([indices[label] for label in labels])
    return [int(rank) for rank in (order == right[:, np.newaxis]).argmax(axis=1)]


def count_training_pictures(images: Sequence[LabelledImage], module: Module) -> int:
    """Count the images that the module remembers from its training.

    They are read once more for this, but only if the module remembers any.
    """
    remembered = training_pictures.read(module.source)
    if not remembered:
        return 0
    count = 0
    for image in images:
        # An image that cannot be read has been reported as a failure.
        with suppress(StoreError):
            store = store_for(image.uri, Settings())
            data = store.read(image.uri, Preprocessing.max_bytes)
            count += training_pictures.digest(data) in remembered
    return count


def wilson_interval(right: int, images: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of the share `right` / `images`, both ends in [0, 1].

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927): unlike the normal approximation it is
    valid for few images and for shares near 0 and 1.
    """
    share = right / images
    weight = 1 + _Z**2 / images
    centre = (share + _Z**2 / (2 * images)) / weight
    half = _Z * math.sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2)) / weight
    return max(0.0, centre - half), min(1.0, centre + half)
