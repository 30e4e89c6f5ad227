"""Measure the job, the bare loop and peers, pinned to some of the cores of this machine.

python -m benchmarks.scaling 1 2 4 [--photos-per-core 10000] [--from FOLDER] [--module HANDLE]

Different photos are made once, and linked under as many names as are needed. `--output DIR` writes
scaling.json and scaling.svg there; `--redraw DIR` draws the picture from that file.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import BARE_LOOP, OURS, ROOT, Contender, contenders
from benchmarks.machine import machine
from benchmarks.photos import make_photos
from benchmarks.picture import draw_shares
from benchmarks.runs import FailedRunError, Run, run
from imagebeam.modules.open_module import open_module

_DIFFERENT = 4000
_LINKS_PER_FOLDER = 1000


@dataclass(frozen=True)
class Point:
    """One contender on some cores.

    Attributes:
        name: of the contender.
        cores: that it could use.
        photos: that it labelled.
        rate: median images per second, start included.
        share: of the rate of the bare loop on as many cores; None if that did not run.
        cpu_ms: CPU milliseconds per image of all its processes, start included.
        switches: context switches per image.
        largest_mb: the most memory that its largest process held, in 10⁶ bytes.
        family_mb: the most that all its processes held.
    """

    name: str
    cores: int
    photos: int
    rate: float
    share: float | None
    cpu_ms: float
    switches: float
    largest_mb: float
    family_mb: float


def main() -> None:
    """Run the contenders on each number of cores; print a table and JSON."""
    usable = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("cores", type=int, nargs="*", help="numbers of cores")
    parser.add_argument("--photos-per-core", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--from", dest="originals", type=Path, metavar="FOLDER")
    parser.add_argument("--module", default="demo", metavar="HANDLE")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[BARE_LOOP, OURS])
    parser.add_argument("--output", type=Path, metavar="DIR")
    parser.add_argument("--redraw", type=Path, metavar="DIR")
    args = parser.parse_args()
    if args.redraw is not None:
        report = json.loads((args.redraw / "scaling.json").read_text())
        draw_shares([Point(**each) for each in report["points"]], args.redraw / "scaling.svg")
        return
    for count in args.cores:
        if count > len(usable):
            parser.error(f"{count} cores: this process may use {len(usable)}")
    handle = os.path.abspath(args.module) if os.path.exists(args.module) else args.module
    chosen = [each for each in contenders(open_module(handle), handle) if each.name in args.only]
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        different = Path(folder) / "different"
        largest = max(args.cores, default=0) * args.photos_per_core
        make_photos(different, min(_DIFFERENT, largest), args.originals)
        for count in args.cores:
            photos = Path(folder) / f"photos-{count}"
            _link(different, photos, count * args.photos_per_core)
            points += _measure(chosen, photos, usable[:count], args.rounds)
            for point in points[-len(chosen) :]:
                print(json.dumps(asdict(point)), flush=True)
    _show(points)
    text = json.dumps({"points": [asdict(each) for each in points], **machine()}, indent=2)
    print(text)
    if args.output is not None:
        (args.output / "scaling.json").write_text(text + "\n")
        draw_shares(points, args.output / "scaling.svg")


def _link(different: Path, folder: Path, count: int) -> None:
    """Give the photos as many names as are wanted."""
    originals = sorted(map(str, different.rglob("*.jpg")))
    for index in range(count):
        place = folder / f"{index // _LINKS_PER_FOLDER:04d}"
        if index % _LINKS_PER_FOLDER == 0:
            place.mkdir(parents=True)
        os.link(originals[index % len(originals)], f"{place}/{index:07d}.jpg")


def _measure(
    chosen: Sequence[Contender], photos: Path, cores: Sequence[int], rounds: int
) -> list[Point]:
    runs: dict[str, list[Run]] = {}
    for number in range(rounds):
        for each in chosen:
            if each.absent is not None:
                print(f"{each.name}: {each.absent}")
                continue
            output = photos.parent / f"{each.name}-{len(cores)}-{number}".replace(" ", "-")
            # The job takes its output as an option; the others take it as their last argument.
            arguments = ("--output", str(output)) if "label" in each.command else (str(output),)
            try:
                done = run((*each.command, str(photos), *arguments), ROOT, cores)
            except FailedRunError as error:
                print(error)
            else:
                runs.setdefault(each.name, []).append(done)
    images = sum(1 for _ in photos.rglob("*.jpg"))
    rates = {
        name: images / statistics.median(each.seconds for each in done)
        for name, done in runs.items()
    }
    bare = rates.get(BARE_LOOP)
    return [
        Point(
            name=name,
            cores=len(cores),
            photos=images,
            rate=round(rates[name], 1),
            share=None if bare is None else round(rates[name] / bare, 3),
            cpu_ms=round(1000 * statistics.median(each.cpu for each in done) / images, 3),
            switches=round(statistics.median(each.switches for each in done) / images, 2),
            largest_mb=round(max(each.largest_mb for each in done)),
            family_mb=round(max(each.family_mb for each in done)),
        )
        for name, done in runs.items()
    ]


def _show(points: Sequence[Point]) -> None:
    table = Table(
        *("cores", "", "images/s", f"× {BARE_LOOP}", "CPU ms/image", "switches/image"),
        *("largest process", "all processes"),
    )
    for each in points:
        table.add_row(
            str(each.cores),
            each.name,
            f"{each.rate:,.0f}",
            "" if each.share is None else f"{each.share:.2f}",
            f"{each.cpu_ms:.2f}",
            f"{each.switches:.2f}",
            f"{each.largest_mb:,.0f} MB",
            f"{each.family_mb:,.0f} MB",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
