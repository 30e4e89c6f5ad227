"""What ends a job that leads nowhere before it costs a night."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from results.progress import Progress

_ENOUGH = 1000
"""Images after which a share of failures says something."""


class StalledError(RuntimeError):
    """Nothing has been finished for too long."""


class TooManyFailuresError(RuntimeError):
    """More images failed than the user accepts."""


@dataclass(frozen=True)
class Limits:
    """When a job is to be ended early.

    Attributes:
        failure_rate: share of failed images that is accepted, 0 to 1.
        stall_seconds: without a finished shard, or without an end of the listing.
    """

    failure_rate: float
    stall_seconds: float


class Guard:
    """Looks at the progress and raises when it is hopeless."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._seen: tuple[bool, int] | None = None
        self._since = clock()

    def check(self, now: Progress) -> None:
        """See that images get done, and that enough of them are labelled.

        Raises:
            StalledError: neither was the listing finished nor an image done for
                `stall_seconds`.
            TooManyFailuresError: too many of the first images failed; from 1,000 on, at any time.
        """
        # Listing a large archive takes its time too: the first shard is waited for from its end.
        seen = (now.plan is not None, now.done)
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        waited = self._clock() - self._since
        if waited > self._limits.stall_seconds:
            raise StalledError(f"no shard was finished for {waited:,.0f} s (--stall-seconds)")
        failed = now.done - now.labelled
        if now.done >= _ENOUGH and exceeds(failed, now.done, self._limits.failure_rate):
            raise TooManyFailuresError(f"{failed:,} of the first {now.done:,} images failed")


def exceeds(failed: int, images: int, rate: float) -> bool:
    """Whether so many failures are too many; all images are too many at any rate."""
    return failed > rate * images or 0 < failed == images
