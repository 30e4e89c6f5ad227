"""Measure listing, skipping and planning: a job whose images are named and never read.

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

from imagebeam.beam_pipeline.fast_imports import fast_imports
from imagebeam.outputs.layout import Layout

_DONE_SHARE = 10
"""One in this number of images has a row from an earlier run."""

_ROWS_A_PART = 1000

_HELD_BYTES = 4 * 1001
"""Of an image: its labels in a module with 1,001 classes."""


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
    with fast_imports():
        import apache_beam as beam

        from imagebeam.beam_pipeline.runners.beam_internals import local_runner
        from imagebeam.beam_pipeline.runners.beam_options import pipeline_options
        from imagebeam.images.listing.inputs import sources
        from imagebeam.outputs.run_token import RunToken
        from imagebeam.transforms import ListImages, PlanShards, SkipDone

    manifest, counts = folder / "manifest.txt", folder / "counts.json"
    names = [f"/archive/{index // 1000:06d}/IMG_{index:09d}.jpg" for index in range(images)]
    manifest.write_text("\n".join(names))
    layout = _output(folder / "out", names[::_DONE_SHARE])
    del names
    run = RunToken(layout)
    run.claim()
    start, spent = time.monotonic(), time.process_time()
    with beam.Pipeline(local_runner(), options=pipeline_options(())) as pipeline:
        pages, plan, _ = pipeline | ListImages(sources([str(manifest)])) | SkipDone(layout)
        sizes = (pages, plan) | PlanShards(run, _HELD_BYTES) | beam.Map(lambda s: len(s.images))
        _ = sizes | beam.combiners.ToList() | beam.Map(lambda n: counts.write_text(json.dumps(n)))
    seconds, cpu = time.monotonic() - start, time.process_time() - spent
    sizes_found = json.loads(counts.read_text())
    if sum(sizes_found) != images - -(-images // _DONE_SHARE):
        raise RuntimeError(f"{sum(sizes_found)} of {images} images were planned")
    return {
        "images": images,
        "shards": len(sizes_found),
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
