"""Doing again what may well succeed the next time, within one limit of time."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from imagebeam.storage.errors import (
    ConnectionFailed,
    ServerFailed,
    StoreError,
    Throttled,
    TimedOut,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.http.deadline import seconds_left, time_limit
from imagebeam.storage.types import Settings

_PASSING = (ConnectionFailed, ServerFailed, Throttled, TimedOut, WrongChecksum, WrongLength)

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 16.0

_SLOWEST_UPLOAD = 1 << 20
"""Bytes a second."""

T = TypeVar("T")


def persist(settings: Settings, action: Callable[[], T], uploads: int = 0) -> T:
    """Do something until it succeeds, with pauses that grow and are drawn by chance.

    Args:
        settings: how often and how long.
        action: does it once; waits no longer than `imagebeam.storage.http.deadline` says.
        uploads: bytes that it sends, for which there is more time.

    Raises:
        StoreError: what the last try failed with.
    """
    seconds = settings.seconds + uploads / _SLOWEST_UPLOAD
    # A server that stalls must leave time for another try.
    with time_limit(seconds, seconds / settings.attempts):
        for tried in range(1, settings.attempts):
            try:
                return action()
            except _PASSING as error:
                _pause(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tried)), error)
        return action()


def _pause(seconds: float, error: StoreError) -> None:
    try:
        left = seconds_left()
    except TimeoutError:
        raise error from None
    if left is not None and left < seconds:
        raise error
    time.sleep(seconds)
