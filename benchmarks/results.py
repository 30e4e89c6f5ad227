"""Run contenders in turns, and turn their times into rates that can be compared."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.contenders import ROOT, Contender
from benchmarks.runs import FailedRunError, Run, run


@dataclass(frozen=True)
class Result:
    """The speed of one contender.

    Attributes:
        name: of the contender.
        cores: that it could use.
        images: that it labelled.
        absent: why there are no figures; None if there are.
        rate: median images per second, start-up included.
        slowest: images per second of the slowest round.
        fastest: images per second of the fastest round.
        share: `rate` as a share of the first contender's; None if that did not run.
        cpu_ms: CPU milliseconds per image of all its processes, start-up included.
        switches: context switches per image.
        largest_mb: the most that one of its processes held in any round, in 10⁶ bytes.
        family_mb: the most that all of them held.
    """

    name: str
    cores: int
    images: int
    absent: str | None = None
    rate: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0
    share: float | None = None
    cpu_ms: float = 0.0
    switches: float = 0.0
    largest_mb: float = 0.0
    family_mb: float = 0.0


def measure(
    contenders: Sequence[Contender],
    folder: Path,
    images: int,
    rounds: int,
    cores: Sequence[int] = (),
) -> list[Result]:
    """Run contenders in turns and return the result of each.

    Args:
        contenders: the first is the one that the shares refer to.
        folder: for their outputs.
        images: that each of them labels.
        rounds: number of runs of each.
        cores: to pin them to; none leaves them as this process is.
    """
    runs: dict[str, list[Run]] = {each.name: [] for each in contenders}
    absent = {each.name: each.absent for each in contenders}
    for number in range(rounds):
        for each in contenders:
            if absent[each.name] is None:
                output = folder / f"{each.name}-{len(cores)}-{number}".replace(" ", "-")
                try:
                    runs[each.name].append(run((*each.command, str(output)), ROOT, cores))
                except FailedRunError as error:
                    absent[each.name] = "failed"
                    print(error)
    used = len(cores) or len(os.sched_getaffinity(0))
    results: list[Result] = []
    for name, done in runs.items():
        if absent[name] is not None:
            results.append(Result(name, used, images, absent[name]))
            continue
        rates = [images / each.seconds for each in done]
        rate = statistics.median(rates)
        first = results[0].rate if results else rate
        results.append(
            Result(
                name=name,
                cores=used,
                images=images,
                rate=round(rate, 1),
                slowest=round(min(rates), 1),
                fastest=round(max(rates), 1),
                share=round(rate / first, 3) if first else None,
                cpu_ms=round(1000 * statistics.median(each.cpu for each in done) / images, 3),
                switches=round(statistics.median(each.switches for each in done) / images, 2),
                largest_mb=round(max(each.largest_mb for each in done)),
                family_mb=round(max(each.family_mb for each in done)),
            )
        )
    return results


def table_of(results: Sequence[Result]) -> Table:
    """Return the results for a person."""
    table = Table(
        *("cores", "images", "", "images/s", "spread", "share", "CPU ms", "switches", "MB", "all"),
        caption=f"Share of {results[0].name}. CPU time and context switches per image. MB of the "
        "largest process, and of all.",
        box=None,
        pad_edge=False,
    )
    for each in results:
        what = (f"{each.cores}", f"{each.images:,}", each.name)
        if each.absent is not None:
            table.add_row(*what, each.absent)
            continue
        table.add_row(
            *what,
            f"{each.rate:,.0f}",
            f"{each.slowest:,.0f}–{each.fastest:,.0f}",
            "" if each.share is None else f"{each.share:.2f}",
            f"{each.cpu_ms:.2f}",
            f"{each.switches:.2f}",
            f"{each.largest_mb:,.0f}",
            f"{each.family_mb:,.0f}",
        )
    return table
