"""Estimate the cost of a job on Dataflow from the CPU time per image of a job that was run.

python -m benchmarks.dataflow_costs SUMMARY.json --images 100000000 [--busy 1] [--disk-gb 30]
    [--vcpu-hour PRICE --gb-hour PRICE --disk-gb-hour PRICE]

Dataflow bills workers by the hour: their vCPUs, memory and disks. Prices differ by region and
change; give those of https://cloud.google.com/dataflow/pricing for yours. What is shuffled, names
and counts, is left out, and so is the start of workers.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_GB_PER_VCPU = {"n2d-highcpu": 1, "n2d-standard": 4, "n2d-highmem": 8}
"""Google's shapes of machines; Dataflow starts a worker for each vCPU of one."""
_VCPUS = 4


@dataclass(frozen=True)
class Bill:
    """The bill for a job on machines of one kind."""

    machine: str
    gb_per_worker: int
    vcpu_hours: float
    memory_gb_hours: float
    disk_gb_hours: float

    def total(self, vcpu: float, memory: float, disk: float) -> float:
        """Return the cost at prices per hour: of a vCPU, a GB of memory and a GB of disk."""
        return self.vcpu_hours * vcpu + self.memory_gb_hours * memory + self.disk_gb_hours * disk


def cpu_seconds_per_image(summary: Mapping[str, Any]) -> float:
    """Return the CPU time per image of a job that was run, over all stages of its workers."""
    stages = dict(summary["stages"])
    # The machine that submits pays these once.
    stages.pop("start", None)
    spent = sum(stage["cpu_seconds"] for stage in stages.values())
    return float(spent / (summary["labelled"] + summary["failed"]))


def bills(cpu_seconds: float, images: int, busy: float, disk_gb: int) -> list[Bill]:
    """Return one for each kind of machine, whose vCPUs are at work for the share `busy`."""
    vcpu_hours = cpu_seconds * images / 3600 / busy
    return [
        Bill(
            f"{series}-{_VCPUS}",
            gb,
            vcpu_hours,
            vcpu_hours * gb,
            vcpu_hours / _VCPUS * disk_gb,
        )
        for series, gb in _GB_PER_VCPU.items()
    ]


def main() -> None:
    """Print what is billed, and what it costs if prices are given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataflow_costs")
    parser.add_argument("summary", type=Path, help="summary.json of a job of such images")
    parser.add_argument("--images", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--busy", type=float, default=1.0, metavar="SHARE", help="of a vCPU's time")
    parser.add_argument("--disk-gb", type=int, default=30, metavar="GB")
    parser.add_argument("--vcpu-hour", type=float, metavar="PRICE")
    parser.add_argument("--gb-hour", type=float, metavar="PRICE")
    parser.add_argument("--disk-gb-hour", type=float, metavar="PRICE")
    args = parser.parse_args()
    given = (args.vcpu_hour, args.gb_hour, args.disk_gb_hour)
    if len({price is None for price in given}) > 1:
        parser.error("give all three prices, or none")
    cost = cpu_seconds_per_image(json.loads(args.summary.read_text(encoding="utf-8")))
    table = Table(
        "machine", "GB per worker", "vCPU hours", "GB hours", "disk GB hours", "cost", box=None
    )
    for bill in bills(cost, args.images, args.busy, args.disk_gb):
        table.add_row(
            bill.machine,
            str(bill.gb_per_worker),
            f"{bill.vcpu_hours:,.1f}",
            f"{bill.memory_gb_hours:,.1f}",
            f"{bill.disk_gb_hours:,.1f}",
            "" if args.vcpu_hour is None else f"{bill.total(*given):,.2f}",
        )
    console = Console(highlight=False)
    console.print(f"{args.images:,} images at {cost * 1000:.2f} ms of CPU each")
    console.print(table)


if __name__ == "__main__":
    main()
