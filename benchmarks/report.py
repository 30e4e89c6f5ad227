"""Measure a report of many rows: simulate an output, run the command on it, and ask the server.

python -m benchmarks.report [--rows 10000000]
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from time import process_time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.runs import run
from imagebeam.outputs import identity, parts
from imagebeam.outputs.account import Plan, Tally, uri_digest
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.summary import summarise, write_summary
from imagebeam.report import contents
from imagebeam.report.row_index import Question, RowIndex
from imagebeam.storage import AnyPath

_CLASSES = 1001
_ROWS_A_PART = 2000
_FAILED_A_PART = 20
_IDENTITY = {
    "module": "simulated",
    "module_digest": "sha256:0",
    "engine": "litert",
    "image_size": [160, 160],
    "resize": "crop",
    "emit": ["labels"],
    "top_k": 5,
    "labels": None,
    "format": "parquet",
}


def main() -> None:
    """Simulate an output, report on it and print what that cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N")
    args = parser.parse_args()
    table = Table("rows", "parts", "seconds", "peak MB", "page MB", box=None, pad_edge=False)
    with tempfile.TemporaryDirectory() as folder:
        layout = simulated_output(Path(folder) / "out", args.rows)
        command = (sys.executable, "-m", "imagebeam", "report", str(layout.root))
        cost = run((*command, "--no-thumbnails"), Path(folder))
        table.add_row(
            f"{args.rows:,}",
            f"{sum(1 for _ in layout.prediction_parts()):,}",
            f"{cost.seconds:,.1f}",
            f"{cost.largest_mb:,.0f}",
            f"{layout.report.stat().st_size / 1e6:,.1f}",
        )
        Console(highlight=False).print(table)
        Console(highlight=False).print(_answers(layout.root))


def _answers(root: AnyPath) -> Table:
    """Measure the CPU time of the answers of the server, without the browser and the network."""
    start = process_time()
    index = RowIndex()
    contents.read(root, [index])
    index.finish()
    table = Table("question", "rows", "first ms", "further ms", box=None, pad_edge=False)
    table.add_row("", f"{index.total:,}", f"{1000 * (process_time() - start):,.0f}", "to start")
    for question in (
        Question(),
        Question(sort="high"),
        Question(label="class 7"),
        Question(label="class 7", sort="high"),
        Question(least=900, sort="low"),
        Question(folder="/archive/000700"),
        Question(name="0012345"),
        Question(name="img_"),
        Question(sort="name"),
        Question(least=500, sort="name"),
    ):
        times = []
        for _ in range(2):
            start = process_time()
            places = index.find(question)
            # A page in the middle.
            index.rows(places[len(places) // 2 :][:60])
            times.append(f"{1000 * (process_time() - start):,.0f}")
        given = {name: value for name, value in asdict(question).items() if value}
        table.add_row(str(given or "all"), f"{len(places):,}", *times)
    index.close()
    return table


def simulated_output(root: Path, rows: int) -> Layout:
    """A complete output whose classes are as uneven as those of real archives."""
    layout = Layout(root)
    identity.claim(layout, _IDENTITY, overwrite=False)
    schema = PredictionSchema(("labels",), 5, tuple(f"class {i}" for i in range(_CLASSES)), {})
    lots = np.random.default_rng(0)
    popular = lots.zipf(1.3, size=rows) % _CLASSES
    others = lots.random((_ROWS_A_PART, _CLASSES), np.float32) / np.float32(_CLASSES)
    labelled = digest = 0
    for start in range(0, rows, _ROWS_A_PART):
        places = range(start, min(start + _ROWS_A_PART, rows))
        uris = [f"/archive/{place // 1000:06}/IMG_{place:09}.jpg" for place in places]
        digest += sum(map(uri_digest, uris))
        failed, uris = uris[:_FAILED_A_PART], uris[_FAILED_A_PART:]
        scores = others[: len(uris)].copy()
        best = popular[start : start + len(uris)]
        scores[np.arange(len(uris)), best] = lots.beta(2, 1, len(uris))
        sides = np.full(len(uris), 500, np.int32)
        table = schema.table(uris, sides, sides, scores, None, None)
        errors = [(uri, "decode", "truncated", "ends early", False, ()) for uri in failed]
        parts.write_part(layout, f"{start:032x}", table, schema.errors(errors))
        labelled += len(uris)
    codes = {"truncated": rows - labelled}
    digest %= 1 << 128
    plan = Plan(requested=rows, seen=rows, to_do=rows, rows=rows, rows_digest=digest)
    write_summary(layout, summarise(plan, Tally(1, labelled, codes), {}))
    return layout


if __name__ == "__main__":
    main()
