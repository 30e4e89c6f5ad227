"""Compute the speed of a job over time from when its parts were finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

_MOST_BINS = 100
_FEWEST_BINS = 3
"""A curve needs at least this many."""

_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Bin widths in seconds that are round for people."""


@dataclass(frozen=True)
class PartTime:
    """When a part was finished, in seconds since the epoch, and the number of its rows."""

    seconds: float
    rows: int


@dataclass(frozen=True)
class Bin:
    """A time span, the images that were finished in it, and the rate per second."""

    start: datetime
    images: int
    rate: float


@dataclass(frozen=True)
class Timeline:
    """Images over time.

    Attributes:
        start: the start of the first bin, in seconds since the epoch.
        seconds: width of a bin.
        images: done in each bin.
        first: when the first part was finished, in seconds since the epoch.
        last: when the last one was.
    """

    start: float
    seconds: float
    images: Sequence[int]
    first: float
    last: float

    @staticmethod
    def of(parts: Sequence[PartTime]) -> "Timeline | None":
        """Return the timeline of parts in any order; None where there are none."""
        if not parts:
            return None
        times = np.array([part.seconds for part in parts])
        first, last = float(times.min()), float(times.max())
        span = last - first
        seconds = next((width for width in _WIDTHS if span < width * _MOST_BINS), _WIDTHS[-1])
        start = first // seconds * seconds
        bins = ((times - start) // seconds).astype(np.int64)
        images = np.bincount(bins, [part.rows for part in parts])
        return Timeline(start, seconds, images.astype(np.int64).tolist(), first, last)

    @property
    def is_drawn(self) -> bool:
        """Return whether there are enough bins for a curve."""
        return len(self.images) >= _FEWEST_BINS

    @property
    def sentence(self) -> str:
        """Describe the timeline in one sentence."""
        count, span = sum(self.images), self.last - self.first
        images = f"{count:,} image{'' if count == 1 else 's'}"
        begin, end = (f"{_utc(time):%Y-%m-%d %H:%M}" for time in (self.first, self.last))
        if not self.is_drawn:
            return f"Finished: {images}, within {span:,.1f} s, by {end} UTC."
        rate = count / span
        return f"{images} from {begin} to {end} UTC: {rate:,.1f} per second, including pauses."

    @property
    def bins(self) -> list[Bin]:
        """Return the bins in which images were finished."""
        return [
            Bin(_utc(self.start + place * self.seconds), images, images / self.seconds)
            for place, images in enumerate(self.images)
            if images
        ]


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
