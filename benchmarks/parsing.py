"""Measure what it costs to parse in another process, or in Python, instead of in C in this one.

python -m benchmarks.parsing [--rows 1000000] [--rounds 3]
"""

import argparse
import gzip
import io
import random
import resource
import statistics
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from imagebeam.images.containers.examples import Features
from imagebeam.images.containers.table_files import parquet_batches
from imagebeam.images.containers.table_process import TABLE_PROCESSES, TableProcess
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.storage.http.content_codings import BODY_PROCESSES, decoded
from imagebeam.storage.tfrecord import Example

_KEY = "image/encoded"
_BODIES = 500


def main() -> None:
    """Parse in both ways, and print the CPU time of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parsing", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    args = parser.parse_args()
    file = _manifest(args.rows)
    table = Table("CPU microseconds", "in C, in one process", "now", "more")

    def add(what: str, count: int, before: Callable[[], object], now: Callable[[], object]) -> None:
        here, there = (_cost(each, count, args.rounds) for each in (before, now))
        table.add_row(what, *(f"{each:,.2f}" for each in (here, there, there - here)))

    for names in (["uri"], ["uri", "id", "label"]):
        add(
            f"Parquet row of {', '.join(names)}",
            args.rows,
            lambda: _batches(file, names),  # noqa: B023
            lambda: _rows(file, names),  # noqa: B023
        )
    body = gzip.compress(random.Random(1).randbytes(100_000))
    add(
        "body of 100 kB, gzip", _BODIES, lambda: _bodies(gzip.decompress, body), lambda: _sent(body)
    )
    for features in (2, 15):
        record = _example(features)
        add(
            f"Example of {features} features",
            _BODIES,
            lambda: _bodies(_parsed, record),  # noqa: B023
            lambda: _bodies(lambda data: Features(data).values(_KEY), record),  # noqa: B023
        )
    table.caption = f"user and system time of both processes, median of {args.rounds} rounds"
    Console().print(table)


def _manifest(rows: int) -> io.BytesIO:
    names = [f"https://img.example.org/{at * 7919 % rows:07}/{at}.jpg" for at in range(rows)]
    labels = [f"class {at % 100}" for at in range(rows)]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"uri": names, "id": list(range(rows)), "label": labels}), buffer)
    return buffer


def _batches(file: io.BytesIO, names: list[str]) -> None:
    """Read columns as values of Python, without the messages of `tables`."""
    for batch in parquet_batches(file, names, ContainerLimits()):
        for column in batch.columns:
            column.to_pylist()


def _rows(file: io.BytesIO, names: list[str]) -> None:
    table = TableProcess(file)
    for _ in table.rows(names):
        pass
    table.close()


def _bodies(read: Callable[[bytes], object], data: bytes) -> None:
    for _ in range(_BODIES):
        read(data)


def _sent(body: bytes) -> None:
    _bodies(lambda data: decoded(data, "gzip", 1_000_000), body)


def _parsed(record: bytes) -> bytes:
    return bytes(Example.FromString(record).features.feature[_KEY].bytes_list.value[0])


def _example(features: int) -> bytes:
    made = Example()
    made.features.feature[_KEY].bytes_list.value.append(random.Random(1).randbytes(100_000))
    for number in range(features - 1):
        made.features.feature[f"image/object/{number}"].int64_list.value.extend(range(5))
    data: bytes = made.SerializeToString()
    return data


def _cost(work: Callable[[], object], count: int, rounds: int) -> float:
    costs = []
    for _ in range(rounds):
        before = _cpu_seconds()
        work()
        # The time of a process counts when it has ended.
        TABLE_PROCESSES.end()
        BODY_PROCESSES.end()
        costs.append((_cpu_seconds() - before) * 1e6 / count)
    return statistics.median(costs)


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
