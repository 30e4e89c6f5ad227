"""Small files that claim or become something huge, and what reading them costs.

`python -m tests.faults.bombs` prints a table: for each bomb its size, the outcome, the time and the
largest memory of any process.
"""

import bz2
import gzip
import io
import lzma
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from PIL import Image
from pyarrow import feather

from imagebeam import child_process
from imagebeam.errors import ImagebeamError
from imagebeam.images.errors import ImageError
from tests.images.containers.archives import tar

_ZEROS = 64_000_000
_READ = "tests.faults.bombs:read"

_KEPT = "kept"
"""The column that is copied from files whose names begin like it."""


class Cost(NamedTuple):
    """The cost of one bomb.

    Attributes:
        outcome: codes of the error rows, or the first words of a message.
        seconds: wall time, the start of Python included.
        memory: bytes that the largest of all processes held.
    """

    outcome: str
    seconds: float
    memory: int


def measure(path: Path) -> Cost:
    """List an input and read its images in a new process, as a worker does."""
    began = time.monotonic()
    done = subprocess.run(
        child_process.command(_READ, path),
        stdout=subprocess.PIPE,
        env=child_process.environment(),
        text=True,
        check=True,
    )
    outcome, memory = done.stdout.splitlines()
    return Cost(outcome, time.monotonic() - began, int(memory))


def read(path: str) -> None:
    """List an input, read its images, and print the outcomes and the memory."""
    from imagebeam.images.containers.decompression_process import DECOMPRESSION_PROCESSES
    from imagebeam.images.containers.table_process import TABLE_PROCESSES
    from imagebeam.images.listing.inputs import sources
    from imagebeam.images.reading.reader import ImageReader
    from imagebeam.images.settings import DecodeLimits, Preprocessing

    keep = [_KEPT] if Path(path).name.startswith(_KEPT) else []
    reader = ImageReader(Preprocessing((8, 8)), 1, DecodeLimits(memory=500_000_000))
    codes: dict[str, None] = {}
    try:
        for source in sources([path], keep=keep):
            for image in source:
                outcome: object = image.location
                if not isinstance(image.location, ImageError):
                    [outcome] = reader.read([image.location]).outcomes
                codes[outcome.code if isinstance(outcome, ImageError) else "read"] = None
    except ImagebeamError as error:
        codes[f"refused: {' '.join(str(error).split()[1:])[:60]}"] = None
    finally:
        reader.close()
        TABLE_PROCESSES.end()
        DECOMPRESSION_PROCESSES.end()
    print(", ".join(codes))
    # The peak of this process since its start, and that of the processes that it has waited for.
    # The latter counts what this process held when it started them.
    [own] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)


def _zeros_in_tar(pack: Callable[[bytes], bytes]) -> bytes:
    return pack(tar({"a.jpg": b"\0" * _ZEROS}))


def _repeated(pack: Callable[[bytes], bytes], pieces: int) -> bytes:
    """Return many compressed streams of zeros, which decompress as one file."""
    head, zeros = tar({"a.jpg": b""})[:512], pack(b"\0" * _ZEROS)
    return pack(head) + zeros * pieces


def _long_header(kind: bytes, size: int) -> bytes:
    import tarfile

    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return tar({"a.jpg": b"a"})[:1024] + info.tobuf(tarfile.GNU_FORMAT)


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in "abcd":
            archive.writestr(f"{name}.jpg", b"\0" * _ZEROS)
    return buffer.getvalue()


def _zip_that_lies(size: int) -> bytes:
    data = bytearray(_zip(zipfile.ZIP_DEFLATED))
    at = data.index(b"PK\1\2")
    while at >= 0:
        struct.pack_into("<I", data, at + 24, size)
        at = data.find(b"PK\1\2", at + 4)
    return bytes(data)


def xz_with_dictionary() -> bytes:
    """Return an xz stream that asks for 3 GB of memory."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1_500_000_000, "mode": lzma.MODE_FAST}]
    data = bytearray(lzma.compress(tar(), filters=[{**filters[0], "dict_size": 1 << 20}]))
    # The properties of LZMA2 stand behind the number and size of the filter; 39 is 3 GB.
    data[16] = 39
    struct.pack_into("<I", data, 20, zlib.crc32(bytes(data[12:20])))
    return bytes(data)


def _zstd(log: int) -> bytes:
    window = zstandard.ZstdCompressionParameters(window_log=log, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    return packer.compress(tar()) + packer.flush()


def _rows(column: str, count: int, value: bytes | str | None, **options: Any) -> bytes:
    """Return a Parquet file that holds one value once and repeats it."""
    buffer = io.BytesIO()
    numbers = pa.array(np.zeros(count, np.int32))
    values = pa.array([value], pa.string() if isinstance(value, str) else pa.binary())
    if value is None:
        table = pa.table({column: values.take(numbers)})
    else:
        table = pa.table({column: pa.DictionaryArray.from_arrays(numbers, values)})
    pq.write_table(table, buffer, compression="zstd", store_schema=False, **options)
    return buffer.getvalue()


def _nulls(column: str, kind: pa.DataType, groups: int) -> bytes:
    """Return a Parquet file of groups of 10 M rows of null."""
    buffer = io.BytesIO()
    rows = pa.table({column: pa.nulls(10_000_000, kind)})
    with pq.ParquetWriter(buffer, rows.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(rows, row_group_size=rows.num_rows)
    return buffer.getvalue()


def _table(columns: Mapping[str, pa.Array], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer, compression="zstd", **options)
    return buffer.getvalue()


def _kept_lists(nulls: int, **first: pa.Array) -> bytes:
    """Return a table with a list of nulls in its only row."""
    values = pa.nulls(nulls, pa.int32())
    return _table({**first, _KEPT: pa.ListArray.from_arrays([0, nulls], values)})


def _kept_texts(**first: pa.Array) -> bytes:
    """Return a table of 100 rows in which one text of 9 MB is written once and repeated."""
    texts = pa.DictionaryArray.from_arrays([0] * 100, ["x" * 9_000_000])
    return _table({**first, _KEPT: texts}, store_schema=False, write_statistics=False)


def _arrow_names() -> bytes:
    names = pa.DictionaryArray.from_arrays([0] * 100, ["x" * 9_000_000])
    buffer = io.BytesIO()
    feather.write_feather(pa.table({"uri": names}), buffer, compression="zstd")
    return buffer.getvalue()


_PICTURE = pa.array([b"\xff\xd8\xff"] * 500)
_NAMES = pa.array([f"{number}.jpg" for number in range(500)])


def _png(width: int, height: int, compressed: bytes, kind: bytes = b"IDAT") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(kind, compressed) + chunk(b"IEND", b"")


def _gif(frames: int) -> bytes:
    buffer = io.BytesIO()
    first, *others = (
        Image.fromarray(np.full((16, 16), number % 200, np.uint8)) for number in range(frames)
    )
    first.save(buffer, "GIF", save_all=True, append_images=others, loop=0)
    return buffer.getvalue()


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip of zeros in a tar": ("a.tar.gz", lambda: _zeros_in_tar(gzip.compress)),
    "40 gzip streams of zeros": ("b.tar.gz", lambda: _repeated(gzip.compress, 40)),
    "bzip2 of zeros in a tar": ("a.tar.bz2", lambda: _zeros_in_tar(bz2.compress)),
    "xz of zeros in a tar": ("a.tar.xz", lambda: _zeros_in_tar(lzma.compress)),
    "40 xz streams of zeros": ("b.tar.xz", lambda: _repeated(lzma.compress, 40)),
    "xz that asks for a dictionary of 3 GB": ("c.tar.xz", xz_with_dictionary),
    "zstd of zeros in a tar": ("a.tar.zst", lambda: _zeros_in_tar(zstandard.compress)),
    "zstd with a window of 2 GB": ("c.tar.zst", lambda: _zstd(31)),
    "tar with a PAX header of 8 GB": ("p.tar", lambda: _long_header(b"x", (1 << 33) - 1)),
    "tar with a name of 8 GB": ("l.tar", lambda: _long_header(b"L", (1 << 33) - 1)),
    "zip of zeros, deflate": ("a.zip", lambda: _zip(zipfile.ZIP_DEFLATED)),
    "zip of zeros, bzip2": ("b.zip", lambda: _zip(zipfile.ZIP_BZIP2)),
    "zip of zeros, LZMA": ("c.zip", lambda: _zip(zipfile.ZIP_LZMA)),
    "zip that announces 100 bytes": ("d.zip", lambda: _zip_that_lies(100)),
    "Parquet of 10 M rows of null": (
        "a.parquet",
        lambda: _rows("image", 10_000_000, None),
    ),
    "Parquet of pictures of zeros": (
        "b.parquet",
        lambda: _rows("image", 500, b"\xff\xd8\xff" + b"\0" * 32_000_000),
    ),
    "Parquet manifest of long names": (
        "c.parquet",
        lambda: _rows("uri", 500, "x" * 32_000_000),
    ),
    "Parquet manifest of 10 M rows of null": (
        "d.parquet",
        lambda: _table({"uri": pa.nulls(10_000_000, pa.string())}),
    ),
    "Parquet manifest of 430 bytes that stands for 9 GB": (
        "g.parquet",
        lambda: _rows("uri", 100_000, "x" * 90_000, write_statistics=False),
    ),
    "Parquet of 200 M rows of null": ("i.parquet", lambda: _nulls("image", pa.binary(), 20)),
    "Parquet manifest of 200 M rows of null": (
        "j.parquet",
        lambda: _nulls("uri", pa.string(), 20),
    ),
    "Parquet manifest of 2,000 columns": (
        "e.parquet",
        lambda: _table({"uri": _NAMES[:1], **{str(n): _NAMES[:1] for n in range(2000)}}),
    ),
    "Parquet manifest of 500 row groups": (
        "f.parquet",
        lambda: _table({"uri": _NAMES}, row_group_size=1),
    ),
    "Parquet manifest with a list of 9 M nulls to keep": (
        "kept-a.parquet",
        lambda: _kept_lists(9_000_000, uri=_NAMES[:1]),
    ),
    "Parquet manifest with a list of 40 M nulls to keep": (
        "kept-b.parquet",
        lambda: _kept_lists(40_000_000, uri=_NAMES[:1]),
    ),
    "Parquet of a picture with a list of 40 M nulls to keep": (
        "kept-c.parquet",
        lambda: _kept_lists(40_000_000, image=_PICTURE[:1]),
    ),
    "Parquet manifest of long texts to keep": (
        "kept-d.parquet",
        lambda: _kept_texts(uri=_NAMES[:100]),
    ),
    "Parquet of pictures with long texts to keep": (
        "kept-e.parquet",
        lambda: _kept_texts(image=_PICTURE[:100]),
    ),
    "Arrow manifest of long names": ("a.feather", _arrow_names),
    "manifest of one line, gzip": (
        "a.txt.gz",
        lambda: gzip.compress(b"x" * _ZEROS) * 40,
    ),
    "JSON lines of one line, gzip": (
        "a.jsonl.gz",
        lambda: gzip.compress(b'{"uri": "') + gzip.compress(b"[" * _ZEROS) * 20,
    ),
    "PNG of 60,000 × 60,000 pixels": ("a.png", lambda: _png(60_000, 60_000, zlib.compress(b""))),
    "PNG of 10,000 × 10,000 pixels, empty": ("b.png", lambda: _png(10_000, 10_000, b"")),
    "PNG with a text of 64 MB": (
        "c.png",
        lambda: _png(8, 8, b"a\0\0" + zlib.compress(b"\0" * _ZEROS), b"zTXt"),
    ),
    "GIF of 3,000 frames": ("a.gif", lambda: _gif(3000)),
}
"""File name and content of each bomb, by what it is."""


def main() -> None:
    """Measure every bomb and print a table."""
    chosen = sys.argv[1:] or BOMBS
    print("| bomb | bytes | outcome | seconds | largest process, MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what in chosen:
            name, make = BOMBS[what]
            path = Path(folder) / name
            path.write_bytes(make())
            cost = measure(path)
            size, memory = path.stat().st_size, cost.memory / 1e6
            row = f"{what} | {size:,} | {cost.outcome} | {cost.seconds:.1f} | {memory:.0f}"
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
