"""Measure the job against the bare loop and its peers, in one interleaved run on the same photos.

python -m benchmarks.scaling [CORES ...] [--photos-per-core 2000] [--from FOLDER] [--module HANDLE]

Each contender is pinned to as many cores as are given, one number after the other. Without numbers
it may use all cores, and `--photos` is the number of all photos.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.contenders import contenders
from benchmarks.machine import machine
from benchmarks.photos import make_photos
from benchmarks.picture import draw
from benchmarks.results import Result, measure, table_of
from imagebeam.modules.open_module import open_module

_DIFFERENT = 10_000
"""Number of photos from which on they are links to others."""

_LINKS_PER_FOLDER = 1000


def main() -> None:
    """Make photos, run the contenders, print a table and JSON; write a picture on request."""
    usable = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cores", type=int, nargs="*", metavar="CORES")
    parser.add_argument("--photos", "--photos-per-core", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--from", dest="originals", type=Path, metavar="FOLDER")
    parser.add_argument("--module", default="demo", metavar="HANDLE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the contenders")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for speed.json, speed.svg")
    args = parser.parse_args()
    if max(args.cores, default=0) > len(usable):
        parser.error(f"{max(args.cores)} cores: this process may use {len(usable)}")
    handle = os.path.abspath(args.module) if os.path.exists(args.module) else args.module
    module = open_module(handle)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        different = Path(name) / "different"
        largest = args.photos * max(args.cores, default=1)
        make_photos(different, min(_DIFFERENT, largest), args.originals)
        for count in args.cores or [0]:
            folder = Path(name) / str(count)
            images = args.photos * (count or 1)
            _link(different, folder / "photos", images)
            every = contenders(module, handle, str(folder / "photos"))
            chosen = [each for each in every if args.only is None or each.name in args.only]
            results += measure(chosen, folder, images, args.rounds, usable[:count])
    Console().print(table_of(results))
    text = json.dumps({"results": list(map(asdict, results)), **machine()}, indent=2)
    print(text)
    if args.output is not None:
        (args.output / "speed.json").write_text(text + "\n")
        draw(results, args.output / "speed.svg")


def _link(different: Path, folder: Path, count: int) -> None:
    """Give the photos as many names as are wanted."""
    originals = sorted(map(str, different.rglob("*.jpg")))
    for index in range(count):
        place = folder / f"{index // _LINKS_PER_FOLDER:04d}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(originals[index % len(originals)], f"{place}/{index:07d}.jpg")


if __name__ == "__main__":
    main()
