"""Requests to a decoding process, and its answer when it is ready."""

from collections.abc import Sequence
from typing import NamedTuple

from imagebeam.images.reading.fetch import FetchRequest


class Batch(NamedTuple):
    """Images to read.

    Attributes:
        requests: at most `SLOTS`.
        with_task: whether the loaded task runs on those that were decoded.
    """

    requests: Sequence[FetchRequest]
    with_task: bool


READY = b""
"""The answer of a process that is ready, or that has loaded a task. Any other text is the reason
why the task cannot be loaded."""
