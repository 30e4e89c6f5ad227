"""Look up when the files of an output were modified, within a time limit."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from imagebeam.storage import uris

UNKNOWN, GONE = 0, -1
"""In place of a date: not a file of this machine or not looked up; a file that is not there."""

_SECONDS = 10.0
_THREADS = 16
"""Each waits for a file server most of the time."""

Dates = npt.NDArray[np.int64]
"""(N,) seconds since 1970, `UNKNOWN` or `GONE`."""


class FileDates:
    """Dates of local files. After the time limit all others are unknown.

    Attributes:
        skipped: local files that were not looked up for lack of time.
    """

    def __init__(
        self, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.skipped = 0
        self._seconds = seconds
        self._clock = clock

    def of(self, names: Sequence[str]) -> Dates:
        """Return the date of each URI."""
        if self._seconds <= 0:
            self.skipped += sum(map(_is_file, names))
            return np.full(len(names), UNKNOWN, np.int64)
        start = self._clock()
        until = start + self._seconds
        step = -(-len(names) // _THREADS) or 1
        slices = [names[first : first + step] for first in range(0, len(names), step)]
        with ThreadPoolExecutor(_THREADS, "file-dates") as threads:
            found = list(threads.map(lambda some: self._look_up(some, until), slices))
        self._seconds -= self._clock() - start
        self.skipped += sum(skipped for _, skipped in found)
        return np.concatenate([np.zeros(0, np.int64), *(dates for dates, _ in found)])

    def _look_up(self, names: Sequence[str], until: float) -> tuple[Dates, int]:
        """Return the dates, and the number of files that were not looked up."""
        dates = np.full(len(names), UNKNOWN, np.int64)
        for place, name in enumerate(names):
            if not place % 64 and self._clock() > until:
                return dates, sum(map(_is_file, names[place:]))
            if _is_file(name):
                dates[place] = _modified(uris.to_path(name))
        return dates, 0


def _is_file(name: str) -> bool:
    return uris.scheme(name) == "file" and uris.MEMBER not in name


def _modified(path: str) -> int:
    try:
        return max(int(os.stat(path).st_mtime), UNKNOWN)
    except (FileNotFoundError, NotADirectoryError):
        return GONE
    except (OSError, ValueError):
        return UNKNOWN
