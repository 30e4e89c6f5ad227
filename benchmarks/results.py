"""From runs to rates that can be compared."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contenders import BARE_LOOP
from benchmarks.runs import Run


@dataclass(frozen=True)
class Result:
    """The speed of one contender.

    Attributes:
        name: of the contender.
        absent: why there are no figures; None if there are.
        rate: median images a second, start-up included.
        slowest: of the rounds, images a second.
        fastest: the rate of the fastest run, in the same unit.
        share: `rate` as a share of the bare loop's; None if that was not run.
        largest_mb: the most that one of its processes held in any round, in 10⁶ bytes.
        family_mb: the most that all of them held.
    """

    name: str
    absent: str | None
    rate: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0
    share: float | None = None
    largest_mb: float = 0.0
    family_mb: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The figures for JSON, rounded."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def summarise(
    runs: Mapping[str, Sequence[Run]], absent: Mapping[str, str | None], images: int
) -> list[Result]:
    """The result of each contender, in the order given."""
    rates = {
        name: [images / each.seconds for each in runs[name]]
        for name in runs
        if absent[name] is None and runs[name]
    }
    bare = statistics.median(rates[BARE_LOOP]) if BARE_LOOP in rates else None
    results = []
    for name, each in runs.items():
        if name not in rates:
            results.append(Result(name, absent[name] or "was not run"))
            continue
        rate = statistics.median(rates[name])
        results.append(
            Result(
                name=name,
                absent=None,
                rate=rate,
                slowest=min(rates[name]),
                fastest=max(rates[name]),
                share=None if bare is None else rate / bare,
                largest_mb=max(run.largest_mb for run in each),
                family_mb=max(run.family_mb for run in each),
            )
        )
    return results
