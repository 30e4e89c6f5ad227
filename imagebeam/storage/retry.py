"""Repeat what may succeed at the next attempt, within one limit of time."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from imagebeam.storage.errors import StoreError, UnexpectedError, describe_unexpected
from imagebeam.storage.http.connections import seconds_left, time_limit
from imagebeam.storage.types import Settings

_LONGEST_PAUSE = 16.0

_SLOWEST_UPLOAD = 1 << 20
"""Bytes per second."""

T = TypeVar("T")


def retry(settings: Settings, action: Callable[[], T], upload_bytes: int = 0) -> T:
    """Call `action` until it succeeds, with random pauses that grow.

    This is the border of all remote stores: every exception of an attempt, also of a type that is
    not known here, becomes a `StoreError`.

    Args:
        settings: number of attempts, time and pauses.
        action: makes one attempt; waits no longer than `imagebeam.storage.http.connections` allows.
        upload_bytes: bytes that it sends, which extend the time.

    Raises:
        StoreError: the failure of the last attempt, or one that another attempt would meet again.
    """
    seconds = settings.seconds + upload_bytes / _SLOWEST_UPLOAD
    # A server that stalls must leave time for another attempt.
    with time_limit(seconds, idle_timeout=seconds / settings.attempts):
        for attempt in range(1, settings.attempts):
            try:
                return _once(action)
            except StoreError as error:
                if not error.transient:
                    raise
                longest = min(_LONGEST_PAUSE, settings.first_pause * 2**attempt)
                _pause(max(random.uniform(0, longest), error.pause), error)
        return _once(action)


def _once(action: Callable[[], T]) -> T:
    try:
        return action()
    except StoreError:
        raise
    except Exception as error:
        raise UnexpectedError(describe_unexpected(error)) from error


def _pause(seconds: float, error: StoreError) -> None:
    try:
        left = seconds_left()
    except TimeoutError:
        raise error from None
    if left is not None and left < seconds:
        raise error
    time.sleep(seconds)
