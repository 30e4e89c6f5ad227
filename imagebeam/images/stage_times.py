"""What the stages of the work take, in wall time and in time of a core."""

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
    """Tells what this process has taken since the watch was made, all its threads together."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def cost(self) -> StageTime:
        """What it took so far."""
        return StageTime(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class Meter:
    """Adds up the costs of the stages that one thread goes through.

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
        """Count what was measured elsewhere."""
        for name, cost in costs.items():
            before = self.costs.get(name, StageTime())
            self.costs[name] = StageTime(before.wall + cost.wall, before.cpu + cost.cpu)


def total(parts: Iterable[StageTimes]) -> dict[str, StageTime]:
    """The costs of all parts together."""
    meter = Meter()
    for costs in parts:
        meter.add(costs)
    return meter.costs
