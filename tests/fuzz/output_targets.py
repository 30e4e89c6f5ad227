"""The files of an output as targets: whatever is in them, its readers end with a message."""

import io
import json
import random
import shutil
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imagebeam.outputs import identity, parts, tfrecord_parts
from imagebeam.outputs.compaction.compact import compact
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.outputs.exports.table import export_table
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.reading import Output, Selection
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.status import status
from imagebeam.outputs.verify import verify
from imagebeam.report.page import write_report
from imagebeam.storage import tfrecord
from tests.fuzz import mutations
from tests.fuzz.target import Target
from tests.outputs.outputs import IDENTITY

_ODD_COLUMNS = [
    pa.array([1, 2, 3]),
    pa.array([None, None, None], pa.string()),
    pa.array([b"\xff", b"", b"a"], pa.binary()),
    pa.array([["a"], [], None]),
    pa.array(["a", "a", "\0"]),
    pa.array(["a", "b", "c"]).dictionary_encode(),
    pa.array([float("nan"), -1e308, 0.0]),
    pa.array([1 << 63, (1 << 64) - 1, 0], pa.uint64()),
]


def _rows() -> tuple[pa.Table, pa.Table]:
    """Return the rows of three labelled and two failed images."""
    made = {"module": "m", "preprocessing": {"resize": "crop"}, "versions": {"imagebeam": "1"}}
    made |= {"job": identity.job_digest(IDENTITY)}
    schema = PredictionSchema(("labels",), 2, None, made)
    sides, scores = (
        np.full(3, 8, np.int32),
        np.tile(np.array([0.25, 0.5, 0.125], np.float32), (3, 1)),
    )
    failed = [(name, "fetch", "not_found", "message", True, ()) for name in ("d", "e")]
    return schema.table("abc", sides, sides, scores, None, None), schema.errors(failed)


@cache
def _output(kind: Format, is_complete: bool) -> Path:
    """Return a sound output, which checks copy."""
    root = Path(tempfile.mkdtemp(prefix="imagebeam-fuzz-"))
    layout = Layout(root, kind)
    identity.claim(layout, IDENTITY | {"format": kind}, overwrite=False)
    parts.write_part(layout, "1", *_rows())
    layout.run.write_bytes(_RUN)
    if is_complete:
        layout.summary.write_bytes(_SUMMARY)
    return root


def _planted(
    name: str, kind: Format = "parquet", is_complete: bool = True
) -> Callable[[bytes], object]:
    """Return a check that puts a file into an output and runs one of its readers."""

    def check(data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="imagebeam-fuzz-") as folder:
            root = shutil.copytree(_output(kind, is_complete), Path(folder) / "out")
            (root / name).write_bytes(data)
            layout = Layout(root, kind)
            readers: list[Callable[[], object]] = [
                lambda: verify(root),
                lambda: status(root).as_json(),
                lambda: write_report(root, Path(folder) / "page.html", 0),
                lambda: export_table(
                    Output.open(root), Path(folder) / "t.csv", Selection(), (), True
                ),
                lambda: compact(layout, 1_000_000),
                lambda: parts.forget_errors(layout, []),
                lambda: identity.claim(layout, IDENTITY | {"format": kind}, overwrite=False),
                lambda: [*map(list, map(parts.uris, layout.prediction_parts()))],
            ]
            with suppress(OutputError, DamagedPartError):
                readers[zlib.crc32(data) % len(readers)]()
            outside = {path.name for path in Path(folder).iterdir()}
            assert outside <= {"out", "page.html", "t.csv"}, "a file outside the output was written"

    return check


def _damage_parquet(data: bytes, rng: random.Random) -> bytes:
    """Damage a Parquet file: its bytes, its columns or its metadata."""
    if rng.random() < 0.5:
        return mutations.damage(data, rng)
    table = pq.read_table(io.BytesIO(data))
    match rng.randrange(4):
        case 0:
            table = table.drop_columns([rng.choice(table.column_names)])
        case 1:
            metadata = {
                key: mutations.damage_json(value, rng)
                for key, value in (table.schema.metadata).items()
            }
            table = table.replace_schema_metadata(metadata)
        case _:
            at = rng.randrange(table.num_columns)
            odd = rng.choice(_ODD_COLUMNS).slice(0, table.num_rows)
            table = table.set_column(at, table.column_names[at], odd)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _damage_examples(data: bytes, rng: random.Random) -> bytes:
    """Damage the Examples of a TFRecord file; their checksums are put right."""
    if rng.random() < 0.3:
        return mutations.damage_records(data, rng)
    file, damaged = io.BytesIO(data), io.BytesIO()
    for start, length in tfrecord.places(file):
        record = tfrecord.read(file, start, length)
        example = tfrecord.Example.FromString(record)
        feature = example.features.feature
        mutations.damage_message(
            rng.choice([example, *(feature[name] for name in sorted(feature))]), rng
        )
        record = example.SerializeToString(deterministic=True)
        tfrecord.write(damaged, mutations.damage(record, rng) if rng.random() < 0.2 else record)
    return damaged.getvalue()


def _json(values: Any) -> bytes:
    return json.dumps(values).encode()


def _bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **parts.parquet_options(1, table.schema))
    return buffer.getvalue()


_COUNTS = {"requested": 5, "labelled": 3, "failed": 2, "already_done": 0, "duplicates": 0}
_RUN = _json({"id": "0" * 32, "remote_handle": {"runner": "FlinkRunner", "job": "1"}})
_SUMMARY = _json(
    {
        **_COUNTS,
        "output": {"rows": 5, "labelled": 3, "failed": 2, "failed_by_code": {"not_found": 2}},
        "run": _COUNTS | {"failed_by_code": {"not_found": 2}},
        "failed_by_code": {"not_found": 2},
        "already_labelled": 0,
        "already_failed": 0,
        "left_out": {"hidden": {"count": 1, "examples": [".x"]}},
        "shards": 1,
        "rows": 5,
        "rows_digest": "0" * 32,
        "stages": {"decode": {"wall_seconds": 1.5, "cpu_seconds": 1.25}},
        "module": "m",
        "module_digest": "sha256:1",
        "engine": "litert",
        "preprocessing": {"image_size": [8, 8], "input_range": [[0, 1]], "resize": "crop"},
        "vector_lengths": {"logits": 3, "features": None},
        "versions": {"imagebeam": "1", "python": "3.11"},
    }
)
_PLAN = _json(
    {
        **dict.fromkeys(("requested", "to_do", "rows", "seen"), 5),
        **dict.fromkeys(("duplicates", "already_labelled", "already_failed"), 0),
        "rows_digest": "0" * 32,
        "costs": {"list": [0.5, 0.25]},
        "left_out": {"hidden": [1, [".x"]]},
    }
)
_COMPACTION = _json({"target": "predictions/part-1.parquet", "sources": ["errors/part-1.parquet"]})
_LABELLED, _FAILED = _rows()

_EACH: dict[str, Any] = {"fast": 20, "slow": 200}

OUTPUT_FILES = {
    **{
        name.rpartition("/")[2]: Target(
            [seed], mutations.damage_json, _planted(name, is_complete=is_complete), **_EACH
        )
        for name, seed, is_complete in (
            ("summary.json", _SUMMARY, True),
            ("job/identity.json", _json(IDENTITY | {"format": "parquet"}), True),
            ("job/compaction.json", _COMPACTION, True),
            ("job/run.json", _RUN, False),
            ("job/plan.json", _PLAN, False),
        )
    },
    "predictions.parquet": Target(
        [_bytes(_LABELLED)], _damage_parquet, _planted("predictions/part-0.parquet"), **_EACH
    ),
    "errors.parquet": Target(
        [_bytes(_FAILED)], _damage_parquet, _planted("errors/part-0.parquet"), **_EACH
    ),
    "predictions.tfrecord": Target(
        [tfrecord_parts.encode(_LABELLED)],
        _damage_examples,
        _planted("predictions/part-0.tfrecord", "tfrecord"),
        **_EACH,
    ),
}
"""The kinds of file in an output, by name."""
