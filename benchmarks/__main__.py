"""Measure the job against the bare loop and its peers, in one interleaved run on the same photos.

python -m benchmarks [--photos 2000] [--rounds 3] [--from FOLDER] [--module HANDLE] [--output DIR]
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import BARE_LOOP, ROOT, Contender, contenders
from benchmarks.machine import machine
from benchmarks.photos import make_photos
from benchmarks.picture import draw
from benchmarks.results import Result, summarise
from benchmarks.runs import FailedRunError, Run, run
from imagebeam.modules.open_module import open_module


def main() -> None:
    """Make photos, run the contenders, print a table; write JSON and a picture on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--photos", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--from", dest="originals", type=Path, metavar="FOLDER")
    parser.add_argument("--module", default="demo", metavar="HANDLE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the contenders")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for speed.json, speed.svg")
    args = parser.parse_args()
    handle = os.path.abspath(args.module) if os.path.exists(args.module) else args.module
    every = contenders(open_module(handle), handle)
    chosen = [each for each in every if args.only is None or each.name in args.only]
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        make_photos(photos, args.photos, args.originals)
        results = _measure(chosen, photos, Path(folder), args.rounds)
    _show(results, args.photos)
    report = {
        "photos": args.photos,
        "rounds": args.rounds,
        "results": [result.as_dict() for result in results],
        **machine(),
    }
    print(json.dumps(report))
    if args.output is not None:
        (args.output / "speed.json").write_text(json.dumps(report, indent=2) + "\n")
        draw(results, args.photos, args.output / "speed.svg")


def _measure(chosen: Sequence[Contender], photos: Path, folder: Path, rounds: int) -> list[Result]:
    runs: dict[str, list[Run]] = {each.name: [] for each in chosen}
    absent = {each.name: each.absent for each in chosen}
    for index in range(rounds):
        for each in chosen:
            if absent[each.name] is not None:
                continue
            output = folder / f"{each.name}-{index}".replace(" ", "-")
            # The job takes its output as an option; the others take it as their last argument.
            arguments = ("--output", str(output)) if "label" in each.command else (str(output),)
            try:
                runs[each.name].append(run((*each.command, str(photos), *arguments), ROOT))
            except FailedRunError as error:
                absent[each.name] = "failed"
                print(error)
    images = sum(1 for _ in photos.rglob("*.jpg"))
    return summarise(runs, absent, images)


def _show(results: Sequence[Result], photos: int) -> None:
    table = Table("", "images/s", "spread", f"× {BARE_LOOP}", "largest process", "all processes")
    for each in results:
        if each.absent is not None:
            table.add_row(each.name, each.absent)
            continue
        table.add_row(
            each.name,
            f"{each.rate:,.0f}",
            f"{each.slowest:,.0f}–{each.fastest:,.0f}",
            "" if each.share is None else f"{each.share:.2f}",
            f"{each.largest_mb:,.0f} MB",
            f"{each.family_mb:,.0f} MB",
        )
    table.caption = f"{photos:,} photos"
    Console().print(table)


if __name__ == "__main__":
    main()
