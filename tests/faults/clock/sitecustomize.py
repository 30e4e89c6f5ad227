"""Let the wall clock jump between any two looks: put this folder first on Python's path."""

import itertools
import time

_true_time = time.time
_HOURS = itertools.cycle((0, 2, -3, 24 * 400, -1, -24 * 400))


def _jumping_time() -> float:
    return _true_time() + 3600 * next(_HOURS)


time.time = _jumping_time
