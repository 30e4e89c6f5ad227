"""Measure the stages of the work in wall time and CPU time."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple


class StageTime(NamedTuple):
    """Seconds that a stage took.

    Attributes:
        wall: from its start to its end, waiting included.
        cpu: in which its thread had a core.
    """

    wall: float = 0.0
    cpu: float = 0.0


StageTimes = Mapping[str, StageTime]
"""By stage."""


class Stopwatch:
    """Measures the time of all threads of this process since the watch was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def cost(self) -> StageTime:
        """Return the time so far."""
        return StageTime(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class Meter:
    """Adds up the costs of the stages of one thread.

    Attributes:
        costs: so far.
    """

    def __init__(self) -> None:
        self.costs: dict[str, StageTime] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block as part of a stage."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.add({name: StageTime(time.perf_counter() - wall, time.thread_time() - cpu)})

    def add(self, costs: StageTimes) -> None:
        """Add costs that were measured elsewhere."""
        for name, cost in costs.items():
            before = self.costs.get(name, StageTime())
            self.costs[name] = StageTime(before.wall + cost.wall, before.cpu + cost.cpu)


def total(parts: Iterable[StageTimes]) -> dict[str, StageTime]:
    """Return the sum of the costs of all parts."""
    meter = Meter()
    for costs in parts:
        meter.add(costs)
    return meter.costs
