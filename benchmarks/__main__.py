"""Measure the job against the bare loop, in one interleaved run on the same photos.

python -m benchmarks [--photos 2000] [--rounds 3] [--from FOLDER] [--module HANDLE]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.photos import make_photos
from samples import MODULE

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Round:
    """One run of one contender.

    Attributes:
        seconds: from the start of its process to the end.
        peak_mb: the most memory that its largest process held, resident, in 10⁶ bytes.
    """

    seconds: float
    peak_mb: float


def main() -> None:
    """Make photos, run the contenders in turn, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--photos", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--from", dest="originals", type=Path, metavar="FOLDER")
    parser.add_argument("--module", default=str(MODULE), metavar="HANDLE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        make_photos(photos, args.photos, args.originals)
        measured = _measure(photos, args.module, Path(folder), args.rounds)
    _show(measured, args.photos)


def _measure(photos: Path, module: str, folder: Path, rounds: int) -> dict[str, list[Round]]:
    measured: dict[str, list[Round]] = {"bare loop": [], "imagebeam label": []}
    for index in range(rounds):
        bare, ours = folder / f"bare-{index}", folder / f"ours-{index}"
        commands = {
            "bare loop": ["-m", "benchmarks.bare_loop", photos, module, bare],
            "imagebeam label": [
                *("-m", "beam_pipeline", "label", photos, "--module", module, "--output", ours)
            ],
        }
        for name, command in commands.items():
            measured[name].append(_run([sys.executable, *map(str, command)]))
    return measured


def _run(command: list[str]) -> Round:
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, _largest(process.pid))
            time.sleep(_LOOK_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.monotonic() - start
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)}: exit code {code}")
    return Round(seconds, peak / 1e6)


def _largest(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return max(member.memory_info().rss for member in family)
    except psutil.NoSuchProcess:
        return 0


def _show(measured: dict[str, list[Round]], photos: int) -> None:
    table = Table("", "images/s", "spread", "of the bare loop", "peak MB a process")
    rates = {name: [photos / each.seconds for each in rounds] for name, rounds in measured.items()}
    middle = {name: statistics.median(each) for name, each in rates.items()}
    for name, rounds in measured.items():
        table.add_row(
            name,
            f"{middle[name]:,.0f}",
            f"{min(rates[name]):,.0f}–{max(rates[name]):,.0f}",
            f"{middle[name] / middle['bare loop']:.2f}",
            f"{max(each.peak_mb for each in rounds):,.0f}",
        )
    Console().print(table)
    print(
        json.dumps(
            {
                "photos": photos,
                "images_per_second": {name: round(rate, 1) for name, rate in middle.items()},
                "python": platform.python_version(),
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
