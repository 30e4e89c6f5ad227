"""Measure commits of many rows: simulate an output and commit it to tables.

python -m benchmarks.tables [--rows 1000000]
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import simulated_output
from benchmarks.runs import run


def main() -> None:
    """Simulate an output, commit it twice to each format and print what that cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    args = parser.parse_args()
    table = Table("table", "commit", "seconds", "CPU seconds", "peak MB", box=None, pad_edge=False)
    with tempfile.TemporaryDirectory() as folder:
        layout = simulated_output(Path(folder) / "out", args.rows)
        os.environ["PYICEBERG_CATALOG__BENCH__URI"] = f"sqlite:///{folder}/catalogue.db"
        os.environ["PYICEBERG_CATALOG__BENCH__WAREHOUSE"] = f"file://{folder}/warehouse"
        for kind, name in (("--delta", f"{folder}/lake"), ("--iceberg", "bench.photos.labels")):
            for commit in ("first", "nothing new"):
                command = (sys.executable, "-m", "imagebeam", "commit", str(layout.root))
                cost = run((*command, kind, name), Path(folder))
                table.add_row(
                    kind.strip("-"),
                    commit,
                    f"{cost.seconds:,.1f}",
                    f"{cost.cpu:,.1f}",
                    f"{cost.largest_mb:,.0f}",
                )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
