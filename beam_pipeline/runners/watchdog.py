"""Abort jobs that stall or fail too often."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.outputs.progress import Progress

_MIN_IMAGES_FOR_RATE = 1000
"""A failure rate over fewer images is not significant."""


class StalledError(RuntimeError):
    """No shard was finished for too long."""


class TooManyFailuresError(RuntimeError):
    """More images failed than the user accepts."""


@dataclass(frozen=True)
class FailureLimit:
    """The number of failed images that a job may have: a share or a count.

    Attributes:
        share: 0 to 1; 1 if there is a count.
        count: None if there is a share.
    """

    share: float = 1.0
    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> "FailureLimit":
        """Parse a count such as `100`, or a share such as `0.05`; raise UsageError for others."""
        if text.isascii() and text.isdigit() and len(text) < 20:
            return cls(count=int(text))
        try:
            share = float(text)
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            raise UsageError(
                f"--max-failure-rate {text}: give a share such as 0.05, or a count such as 100."
            )
        return cls(share)

    def exceeded(self, failed: int, images: int) -> bool:
        """Return whether the failures exceed the limit; if all images fail, they always do."""
        return self.exceeded_early(failed, images) or 0 < failed == images

    def exceeded_early(self, failed: int, images: int) -> bool:
        """Return whether the failures exceed the limit while a job still runs.

        An archive may begin with a bad folder: that all images so far failed is no reason to stop.
        """
        return failed > (self.share * images if self.count is None else self.count)

    def __str__(self) -> str:
        return f"{self.share:g}" if self.count is None else f"{self.count:,}"


ANY_BUT_ALL = FailureLimit()
"""The default limit: the job fails only if all images fail."""


@dataclass(frozen=True)
class AbortLimits:
    """The limits beyond which a job is aborted.

    Attributes:
        failures: the failures that are accepted.
        stall_seconds: without a finished shard, or without an end of the listing.
    """

    failures: FailureLimit = ANY_BUT_ALL
    stall_seconds: float = 1800.0


class Watchdog:
    """Raises when the progress of a job exceeds the limits."""

    def __init__(self, limits: AbortLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._seen: tuple[bool, int] | None = None
        self._since = clock()

    def check(self, now: Progress) -> None:
        """Check that images are finished, and that enough of them are labelled.

        Raises:
            StalledError: neither the listing nor an image was finished for `stall_seconds`.
            TooManyFailuresError: too many images failed; a share is checked from 1,000 images on.
        """
        # Listing a large archive takes time; the wait for the first shard starts at its end.
        seen = (now.plan is not None, now.done)
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        waited = self._clock() - self._since
        if waited > self._limits.stall_seconds:
            raise StalledError(f"no shard was finished for {waited:,.0f} s (--stall-seconds)")
        failed = now.done - now.labelled
        allowed = self._limits.failures
        enough = now.done >= _MIN_IMAGES_FOR_RATE or (
            allowed.count is not None and failed > allowed.count
        )
        if enough and allowed.exceeded_early(failed, now.done):
            raise TooManyFailuresError(f"{failed:,} of the first {now.done:,} images failed")
