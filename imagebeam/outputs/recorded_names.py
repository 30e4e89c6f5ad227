"""The names that have a row in an output already: a job that resumes skips them."""

import time
from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from imagebeam.outputs import parts
from imagebeam.outputs.digests import is_in, uri_digests
from imagebeam.outputs.layout import Layout


class RecordedNames:
    """The names in the rows of an output, of which only 16 bytes each are in memory."""

    def __init__(
        self, layout: Layout, retried: Sequence[str] | None = None, seconds: float = float("inf")
    ) -> None:
        """Read the names.

        Args:
            retried: codes of failures whose images are labelled again; without any, all that are
                retryable; None are none.
            seconds: time limit. Names that are not read by then are missing here.

        Raises:
            DamagedPartError: a file cannot be read to its end.
        """
        until = time.monotonic() + seconds
        names = takewhile(lambda _: time.monotonic() < until, _names(layout, retried))
        self._digests = np.unique(uri_digests(names))

    def __contains__(self, name: object) -> bool:
        """Return whether a name has a row."""
        return bool(is_in(uri_digests([str(name)]), self._digests).all())


def _names(layout: Layout, retried: Sequence[str] | None) -> Iterator[str]:
    for part in layout.prediction_parts():
        yield from parts.uris(part)
    for part in layout.error_parts():
        yield from parts.uris(part) if retried is None else parts.uris_not_retried(part, retried)
