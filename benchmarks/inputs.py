"""Measure the job on the same photos as loose files, in containers and behind a slow server.

python -m benchmarks.inputs [--photos 2000] [--rounds 3] [--wait 0.05]
"""

import argparse
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks import slow_server
from benchmarks.contenders import Contender, label_command
from benchmarks.photos import make_photos
from benchmarks.results import measure, table_of
from imagebeam.storage import tfrecord

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
        with slow_server.served_photos(photos, args.wait) as served:
            packages = _pack(photos, packed) | {
                f"http, {args.wait * 1000:.0f} ms per object": served
            }
            inputs = [Contender("loose files", label_command(str(photos)))] + [
                Contender(name, label_command(*arguments))
                for name, arguments in packages.items()
                if args.only is None or name in args.only
            ]
            results = measure(inputs, Path(folder), args.photos, args.rounds)
    Console().print(table_of(results))


def _pack(photos: Path, to: Path) -> dict[str, tuple[str, ...]]:
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
    return {
        "tar": (str(to / "a.tar"),),
        "tar.gz": (str(to / "a.tar.gz"),),
        "zip": (str(to / "a.zip"),),
        "TFRecord": (str(to / "a.tfrecord"),),
        "Parquet": (str(to / "a.parquet"),),
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
