"""Measure listing, skipping and planning: a whole job whose images are named and never read.

python -m benchmarks.planning [--images 1000000]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from imagebeam.outputs.layout import Layout

_DONE_SHARE = 10
"""One in this number of images has a row from an earlier run."""

_ROWS_A_PART = 1000


def main() -> None:
    """Plan jobs of three sizes in separate processes, and print their costs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder is not None:
        print(json.dumps(_plan(args.images, args.folder)))
        return
    table = Table("images", "shards", "seconds", "CPU seconds", "peak MB", box=None, pad_edge=False)
    for images in (args.images // 100, args.images // 10, args.images):
        with tempfile.TemporaryDirectory() as folder:
            command = (sys.executable, "-m", "benchmarks.planning", "--images", str(images))
            stdout = subprocess.run(
                (*command, "--in", folder), check=True, stdout=subprocess.PIPE, text=True
            ).stdout
        cost = json.loads(stdout.splitlines()[-1])
        table.add_row(*(f"{cost[name]:,}" for name in cost))
    Console(highlight=False).print(table)


def _plan(images: int, folder: Path) -> dict[str, float]:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from imagebeam.images.listing.inputs import sources
    from imagebeam.outputs.account import Tally
    from imagebeam.outputs.run_token import RunToken
    from imagebeam.outputs.summary import read_summary
    from imagebeam.transforms import ListImages, PlanShards, SkipDone, Summarise
    from imagebeam.transforms.elements import Shard, ShardReport

    def pretend(shard: Shard) -> ShardReport:
        return ShardReport(shard.id, Tally(shards=1, labelled=len(shard.images)))

    manifest = folder / "manifest.txt"
    names = [f"/archive/{index // 1000:06d}/IMG_{index:09d}.jpg" for index in range(images)]
    manifest.write_text("\n".join(names))
    layout = _output(folder / "out", names[::_DONE_SHARE])
    del names
    run = RunToken(layout)
    run.claim()
    start, spent = time.monotonic(), time.process_time()
    with beam.Pipeline(FnApiRunner()) as pipeline:
        refs = pipeline | ListImages(sources([str(manifest)]))
        to_do, plan, found = refs | SkipDone(layout)
        reports = to_do | PlanShards(plan, run, 160 * 160 * 3) | beam.Map(pretend)
        _ = reports | Summarise(plan, found, run, {})
    seconds, cpu = time.monotonic() - start, time.process_time() - spent
    summary = read_summary(layout)
    if (summary["requested"], summary["already_done"]) != (images, -(-images // _DONE_SHARE)):
        raise RuntimeError(f"the account is wrong: {summary}")
    return {
        "images": images,
        "shards": summary["shards"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    }


def _output(root: Path, done: list[str]) -> Layout:
    """An output in which some images have rows."""
    layout = Layout(root)
    for part in (layout.job, layout.predictions, layout.errors):
        part.mkdir(parents=True)
    for start in range(0, len(done), _ROWS_A_PART):
        rows = pa.table({"uri": done[start : start + _ROWS_A_PART]})
        pq.write_table(rows, layout.prediction_part(f"{start:032x}"))
    return layout


if __name__ == "__main__":
    main()
