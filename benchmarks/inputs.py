"""Measure the job on the same photos as loose files, in containers and behind a slow server.

python -m benchmarks.inputs [--photos 2000] [--rounds 3] [--wait 0.05]
"""

import argparse
import statistics
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import slow_server
from benchmarks.contenders import ROOT
from benchmarks.photos import make_photos
from benchmarks.runs import Run, run
from imagebeam.storage import tfrecord

_LOOSE = "loose files"
_ROWS_PER_GROUP = 100


def main() -> None:
    """Make photos, pack them in every way, label each package, and print a table of rates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inputs", description=__doc__)
    parser.add_argument("--photos", type=int, default=2000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--wait", type=float, default=0.05, metavar="S", help="of the server")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="besides the loose files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        make_photos(photos, args.photos, None)
        packed = Path(folder) / "packed"
        packed.mkdir()
        with slow_server.running(photos, args.wait) as address:
            inputs = {_LOOSE: (str(photos),)} | {
                name: each
                for name, each in _pack(photos, packed, address, args.wait).items()
                if args.only is None or name in args.only
            }
            runs = _measure(inputs, Path(folder), args.rounds)
    _show(runs, args.photos)


def _measure(inputs: dict[str, tuple[str, ...]], folder: Path, rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in inputs}
    for index in range(rounds):
        for number, (name, arguments) in enumerate(inputs.items()):
            output = str(folder / f"out-{index}-{number}")
            command = (sys.executable, "-m", "beam_pipeline", "label", *arguments)
            runs[name].append(run((*command, "--output", output), ROOT))
    return runs


def _show(runs: dict[str, list[Run]], photos: int) -> None:
    seconds = {
        name: statistics.median(each.seconds for each in found) for name, found in runs.items()
    }
    table = Table("", "images/s", f"× {_LOOSE}", "largest process")
    for name, found in runs.items():
        table.add_row(
            name,
            f"{photos / seconds[name]:,.0f}",
            f"{seconds[_LOOSE] / seconds[name]:.2f}",
            f"{max(each.largest_mb for each in found):,.0f} MB",
        )
    table.caption = f"{photos:,} photos, median of {len(next(iter(runs.values())))} rounds"
    Console().print(table)


def _pack(photos: Path, to: Path, address: str, wait: float) -> dict[str, tuple[str, ...]]:
    """Return the inputs by name: the arguments of the command."""
    paths = sorted(photos.rglob("*.jpg"))
    names = [path.relative_to(photos).as_posix() for path in paths]
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
        with tarfile.open(to / f"a{suffix}", mode) as archive:  # type: ignore[call-overload]
            for path, name in zip(paths, names, strict=True):
                archive.add(path, name)
    with zipfile.ZipFile(to / "a.zip", "w") as zipped:
        for path, name in zip(paths, names, strict=True):
            zipped.write(path, name)
    with (to / "a.tfrecord").open("wb") as file:
        for path in paths:
            tfrecord.write(file, _example(path.read_bytes()))
    _write_table(to / "a.parquet", paths, names)
    (to / "list.txt").write_text("\n".join(f"{address}/{name}" for name in names))
    here = ("--allow-private-hosts", "--connections-per-host", "64")
    return {
        "tar": (str(to / "a.tar"),),
        "tar.gz": (str(to / "a.tar.gz"),),
        "zip": (str(to / "a.zip"),),
        "TFRecord": (str(to / "a.tfrecord"),),
        "Parquet": (str(to / "a.parquet"),),
        f"http, {wait * 1000:.0f} ms an object": (str(to / "list.txt"), *here),
    }


def _example(data: bytes) -> bytes:
    made = tfrecord.Example()
    made.features.feature["image/encoded"].bytes_list.value.append(data)
    encoded: bytes = made.SerializeToString()
    return encoded


def _write_table(path: Path, paths: Sequence[Path], names: Sequence[str]) -> None:
    """Write a Parquet file in the form of Hugging Face's datasets."""
    schema = pa.schema({"image": pa.struct({"bytes": pa.binary(), "path": pa.string()})})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(paths), _ROWS_PER_GROUP):
            part = slice(start, start + _ROWS_PER_GROUP)
            rows = [
                {"image": {"bytes": each.read_bytes(), "path": name}}
                for each, name in zip(paths[part], names[part], strict=True)
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))


if __name__ == "__main__":
    main()
