"""How long a thread may still wait, known down to its sockets.

Client libraries count a timeout anew with every byte that arrives, so a server that trickles holds
them for hours. Here a thread's work has one deadline, and `connections` waits no longer.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CONNECT_SECONDS = 10.0
"""That setting up a connection may take."""


@dataclass(frozen=True)
class _Limit:
    end: float
    patience: float


class _Limits(threading.local):
    current: _Limit | None = None


_limits = _Limits()


@contextmanager
def time_limit(seconds: float, patience: float) -> Iterator[None]:
    """Limit what this thread does inside.

    Args:
        seconds: until the end of all of it.
        patience: seconds that may pass without a single byte.
    """
    before = _limits.current
    _limits.current = _Limit(time.monotonic() + seconds, patience)
    try:
        yield
    finally:
        _limits.current = before


def seconds_left() -> float | None:
    """Until the end; None where there is none.

    Raises:
        TimeoutError: it is over.
    """
    if _limits.current is None:
        return None
    left = _limits.current.end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left


def longest_wait() -> float | None:
    """Seconds that the next byte may take; None where there is no limit.

    Raises:
        TimeoutError: the time is over.
    """
    left = seconds_left()
    return left if left is None or _limits.current is None else min(left, _limits.current.patience)


def timeouts() -> tuple[float | None, float | None]:
    """Seconds for setting up a connection and for its next byte, as client libraries take them.

    Raises:
        TimeoutError: the time is over.
    """
    wait = longest_wait()
    return (CONNECT_SECONDS if wait is None else min(wait, CONNECT_SECONDS)), wait
