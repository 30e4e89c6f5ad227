"""Digests of names or rows in arrays, 16 bytes each: sets that Python objects would not hold."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from imagebeam.outputs.account import uri_digest

DIGEST = "S16"
"""The dtype of a digest."""

Digests = npt.NDArray[np.bytes_]
"""(N,) digests of the dtype `DIGEST`."""


def uri_digests(uris: Iterable[str]) -> Digests:
    """Return the `uri_digest` of each name."""
    return np.frombuffer(b"".join(uri_digest(uri).to_bytes(16, "big") for uri in uris), DIGEST)


def is_in(found: Digests, known: Digests) -> npt.NDArray[np.bool_]:
    """Return which digests are among known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(found), np.bool_)
    at = np.minimum(np.searchsorted(known, found), len(known) - 1)
    return np.asarray(known[at] == found, np.bool_)
