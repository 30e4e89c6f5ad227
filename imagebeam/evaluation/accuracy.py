"""How often a module is right on labelled images, decoded as the job does it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagebeam.evaluation.labelled_images import Labelled
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.reading.reader import ImageReader
from imagebeam.modules import Engine

TOP = 5
_CHUNK = 256
# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Tally:
    """Right answers among a number of images.

    Attributes:
        top_1: images whose class has the highest score.
        top_5: images whose class is among the five highest.
    """

    images: int
    top_1: int
    top_5: int

    @classmethod
    def of(cls, ranks: Sequence[int]) -> Tally:
        """Count images by rank: how many classes score higher than the right one."""
        return cls(len(ranks), sum(r == 0 for r in ranks), sum(r < TOP for r in ranks))


@dataclass(frozen=True)
class Evaluation:
    """A module's answers to labelled images.

    Attributes:
        ranks: by label, for each image how many classes the module scores higher.
        failed: how many images could not be decoded, by error code.
    """

    ranks: Mapping[str, Sequence[int]]
    failed: Mapping[str, int]

    @property
    def tally(self) -> Tally:
        """Over all images."""
        return Tally.of([rank for ranks in self.ranks.values() for rank in ranks])

    @property
    def tallies(self) -> dict[str, Tally]:
        """By label, sorted."""
        return {label: Tally.of(ranks) for label, ranks in sorted(self.ranks.items())}


def evaluate(
    images: Sequence[Labelled],
    indices: Mapping[str, int],
    reader: ImageReader,
    engine: Engine,
    advance: Callable[[int], object],
) -> Evaluation:
    """Run a classifier on every image that can be decoded.

    Args:
        images: what to run it on.
        indices: the module's class for each label.
        reader: fetches and decodes.
        engine: has the head "scores".
        advance: told now and then how many more images are done.
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
    pixels: npt.NDArray[np.uint8],
    labels: Sequence[str],
    indices: Mapping[str, int],
    engine: Engine,
) -> list[int]:
    if not labels:
        return []
    scores = engine.run(pixels).scores
    if scores is None:
        raise ValueError("the engine classifies nothing")
    # Of equal scores the job names the class with the lower number first.
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.array([indices[label] for label in labels])
    return [int(rank) for rank in (order == right[:, np.newaxis]).argmax(axis=1)]


def wilson_interval(right: int, images: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, `right` of `images`, both ends in [0, 1].

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927): unlike the normal approximation it holds
    for few images and for shares near 0 and 1.
    """
    share = right / images
    weight = 1 + _Z**2 / images
    centre = (share + _Z**2 / (2 * images)) / weight
    half = _Z * math.sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2)) / weight
    return max(0.0, centre - half), min(1.0, centre + half)
