"""Measure what it costs to decompress in another process instead of in this one.

python -m benchmarks.decompression FILE... [--rounds 3]
"""

import argparse
import resource
import statistics
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from imagebeam.images.containers.decompression_process import DECOMPRESSION_PROCESSES, PIECE
from imagebeam.images.containers.decompressors import decompressor
from imagebeam.images.containers.kinds import Compression
from imagebeam.images.containers.streams import Decompressed
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.listing.manifests.formats import HEAD_BYTES, compression_of

_LIMITS = ContainerLimits()


def main() -> None:
    """Decompress files in both ways, and print the CPU time of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decompression", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    args = parser.parse_args()
    table = Table("", "MB", "CPU ms per MB, this process", "another process", "more")
    for path in args.files:
        with path.open("rb") as file:
            compression = compression_of(file.read(HEAD_BYTES))
        if compression is None:
            parser.error(f"{path}: not compressed in a way that is read as a stream")
        size, here = _measure(_here, path, compression, args.rounds)
        _, there = _measure(_there, path, compression, args.rounds)
        more = there - here
        table.add_row(path.name, *(f"{each:,.2f}" for each in (size / 1e6, here, there, more)))
    table.caption = f"user and system time of both processes, median of {args.rounds} rounds"
    Console().print(table)


def _measure(
    read: Callable[[Path, Compression], int], path: Path, compression: Compression, rounds: int
) -> tuple[int, float]:
    """Return the decompressed bytes, and CPU milliseconds for a million of them."""
    costs = []
    for _ in range(rounds):
        before = _cpu_seconds()
        size = read(path, compression)
        costs.append((_cpu_seconds() - before) * 1e9 / max(size, 1))
    return size, statistics.median(costs)


def _here(path: Path, compression: Compression) -> int:
    size = 0
    with path.open("rb") as file:
        read = decompressor(file, compression, _LIMITS)
        while piece := read(PIECE):
            size += len(piece)
    return size


def _there(path: Path, compression: Compression) -> int:
    size = 0
    with path.open("rb") as file:
        stream = Decompressed(file, compression, _LIMITS)
        while piece := stream.read(PIECE):
            size += len(piece)
        stream.close()
    # The time of a process counts when it has ended.
    DECOMPRESSION_PROCESSES.end()
    return size


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
