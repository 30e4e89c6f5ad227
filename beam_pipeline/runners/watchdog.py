"""What ends a job that leads nowhere before it costs a night."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.outputs.progress import Progress

_ENOUGH = 1000
"""Images after which a share of failures says something."""


class StalledError(RuntimeError):
    """Nothing has been finished for too long."""


class TooManyFailuresError(RuntimeError):
    """More images failed than the user accepts."""


@dataclass(frozen=True)
class FailureLimit:
    """How many failed images a job may have: a share of them or a count.

    Attributes:
        share: 0 to 1; of a count, 1.
        count: None of a share.
    """

    share: float = 1.0
    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> "FailureLimit":
        """A count such as `100`, or a share such as `0.05`; `1.0` accepts any but all.

        Raises:
            UsageError: it is neither.
        """
        if text.isascii() and text.isdigit():
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
        """Whether so many failures are too many; all of the images always are."""
        most = self.share * images if self.count is None else self.count
        return failed > most or 0 < failed == images

    def __str__(self) -> str:
        return f"{self.share:g}" if self.count is None else f"{self.count:,}"


ANY_BUT_ALL = FailureLimit()
"""The limit where the user sets none."""


@dataclass(frozen=True)
class AbortLimits:
    """When a job is to be ended early.

    Attributes:
        failures: that are accepted.
        stall_seconds: without a finished shard, or without an end of the listing.
    """

    failures: FailureLimit = ANY_BUT_ALL
    stall_seconds: float = 1800.0


class Watchdog:
    """Looks at the progress and raises when it is hopeless."""

    def __init__(self, limits: AbortLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._seen: tuple[bool, int] | None = None
        self._since = clock()

    def check(self, now: Progress) -> None:
        """See that images get done, and that enough of them are labelled.

        Raises:
            StalledError: neither was the listing finished nor an image done for
                `stall_seconds`.
            TooManyFailuresError: too many of the images failed; for a share, from the first
                1,000 on.
        """
        # Listing a large archive takes its time too: the first shard is waited for from its end.
        seen = (now.plan is not None, now.done)
        if seen != self._seen:
            self._seen, self._since = seen, self._clock()
        waited = self._clock() - self._since
        if waited > self._limits.stall_seconds:
            raise StalledError(f"no shard was finished for {waited:,.0f} s (--stall-seconds)")
        failed = now.done - now.labelled
        allowed = self._limits.failures
        enough = now.done >= _ENOUGH or (allowed.count is not None and failed > allowed.count)
        if enough and allowed.exceeded(failed, now.done):
            raise TooManyFailuresError(f"{failed:,} of the first {now.done:,} images failed")
