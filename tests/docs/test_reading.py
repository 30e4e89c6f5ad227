"""Test the snippets of `docs/reading.md` on an output whose answers are known."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import sqlglot

from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.schema import ERRORS, PredictionSchema
from tests.docs.pages import DOCS, blocks
from tests.engines.tools import tool

_NAMES = ("apple", "boat", "cat", "dog", "egg", "fox", "gate", "hat", "ink", "jar", "key", "lamp")

# (label, images, score of each): `apple` is frequent but has a low score; `fox` and `gate` tie.
_IMAGES = [
    ("apple", 30, 0.25),
    *((name, count, 0.75) for count, name in zip(range(12, 1, -1), _NAMES[1:], strict=True)),
    ("gate", 1, 1.0),
]
_TOP = [
    ("boat", 12, 0.75),
    ("cat", 11, 0.75),
    ("dog", 10, 0.75),
    ("egg", 9, 0.75),
    ("fox", 8, 0.75),
    ("gate", 8, (7 * 0.75 + 1.0) / 8),
    ("hat", 6, 0.75),
    ("ink", 5, 0.75),
    ("jar", 4, 0.75),
    ("key", 3, 0.75),
]
_CODES = {"truncated": 3, "not_found": 2, "empty_file": 1}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an output `labels` of two shards."""
    layout = Layout(tmp_path / "labels")
    for folder in (layout.predictions, layout.errors):
        folder.mkdir(parents=True)
    schema = PredictionSchema(("labels",), 5, _NAMES, {"module": "a module"})
    rows = [(name, score) for name, count, score in _IMAGES for _ in range(count)]
    failed = [code for code, count in _CODES.items() for _ in range(count)]
    for shard in (0, 1):
        part = rows[shard::2]
        scores = np.zeros((len(part), len(_NAMES)), np.float32)
        scores[range(len(part)), [_NAMES.index(name) for name, _ in part]] = [
            score for _, score in part
        ]
        sizes = np.full(len(part), 8, np.int32)
        uris = [f"{shard}-{index}.jpg" for index in range(len(part))]
        errors = [(f"{shard}-{code}", "fetch", code, "", False, ()) for code in failed[shard::2]]
        table = schema.table(uris, sizes, sizes, scores, None, None)
        write_part(layout, f"shard{shard}", table, schema.errors(errors))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ran(heading: str, index: int = 0) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(blocks("reading.md", "python")[heading][index], names)
    return names


def test_only_a_complete_output_is_read(here: Path) -> None:
    with pytest.raises(SystemExit, match="not complete"):
        _ran("Before you read")
    (here / "labels/summary.json").write_text('{"rows": 114}')
    (here / "labels/job").mkdir(exist_ok=True)
    (here / "labels/job/compaction.json").touch()
    with pytest.raises(SystemExit, match="has not finished"):
        _ran("Before you read")
    (here / "labels/job/compaction.json").unlink()
    rows = _ran("Before you read")["rows"]
    assert len(rows) == sum(count for _, count, _ in _IMAGES)
    (here / "labels/summary.json").write_text('{"rows": 115}')
    with pytest.raises(AssertionError):
        _ran("Before you read")


def test_the_pandas_snippet_runs(here: Path) -> None:
    ran = _ran("pandas")
    assert list(ran["top"].itertuples(index=False, name=None)) == _TOP
    assert list(ran["codes"].itertuples(index=False, name=None)) == list(_CODES.items())


def test_the_polars_snippet_runs(here: Path) -> None:
    ran = _ran("Polars")
    assert ran["top"].rows() == _TOP
    assert ran["codes"].rows() == list(_CODES.items())


def test_the_duckdb_snippet_runs(here: Path) -> None:
    ran = _ran("DuckDB")
    assert ran["top"].fetchall() == _TOP
    assert ran["codes"].fetchall() == list(_CODES.items())


_FOR_A_FEW_ROWS = "--conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=1"


@pytest.mark.slow
def test_the_spark_snippet_runs(here: Path) -> None:
    spark = tool("pyspark")
    [snippet] = blocks("reading.md", "python")["Spark SQL"]
    printing = (
        "import json\n"
        "print(json.dumps([[list(row) for row in answer.collect()] for answer in (top, codes)]))\n"
        "spark.stop()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", f"{snippet}\n{printing}"],
        # Spark uses only this machine, whatever its host name resolves to.
        env=os.environ
        | {
            "PYTHONPATH": str(spark),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_SUBMIT_ARGS": f"{_FOR_A_FEW_ROWS} pyspark-shell",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    top, codes = json.loads(process.stdout)
    assert [tuple(row) for row in top] == _TOP
    assert [tuple(row) for row in codes] == list(_CODES.items())


def test_the_bigquery_sql_is_valid(here: Path) -> None:
    """Translate the SQL and run it in DuckDB, because BigQuery runs only at Google."""
    [text] = blocks("reading.md", "sql")["BigQuery"]
    top, codes = sqlglot.transpile(text, read="bigquery", write="duckdb")
    with duckdb.connect() as database:
        database.execute("CREATE SCHEMA labels")
        for name in ("predictions", "errors"):
            database.execute(
                f"CREATE VIEW labels.{name} AS SELECT * FROM 'labels/{name}/*.parquet'"
            )
        assert database.execute(top).fetchall() == _TOP
        assert database.execute(codes).fetchall() == list(_CODES.items())


_ALL = PredictionSchema(("labels", "logits", "features"), 5, None, {}).arrow()


@pytest.mark.parametrize(("name", "schema"), [("predictions", _ALL), ("errors", ERRORS)])
def test_bigquery_schemas_are_those_of_the_files(name: str, schema: pa.Schema) -> None:
    stated = json.loads((DOCS / "bigquery" / f"{name}.json").read_text(encoding="utf-8"))
    assert stated == [_bigquery(field) for field in schema]


_BIGQUERY = {
    pa.string(): "STRING",
    pa.int32(): "INTEGER",
    pa.float32(): "FLOAT",
    pa.bool_(): "BOOLEAN",
}


def _bigquery(field: pa.Field) -> dict[str, Any]:
    """Return a column as BigQuery describes it when it infers lists from Parquet."""
    if pa.types.is_list(field.type):
        return _bigquery(field.type.value_field.with_name(field.name)) | {"mode": "REPEATED"}
    stated = {"name": field.name, "mode": "NULLABLE" if field.nullable else "REQUIRED"}
    if pa.types.is_struct(field.type):
        return stated | {"type": "RECORD", "fields": [_bigquery(below) for below in field.type]}
    return stated | {"type": _BIGQUERY[field.type]}


def test_other_columns_are_read(here: Path) -> None:
    apples = _ran("Other columns")["seen"].fetchall()
    assert [score for _, score in apples][:31] == [0.25] * 30 + [0.0]
    assert _ran("Other columns", 1)["made_by"] == {"module": "a module"}


def test_polars_reads_the_same_types(here: Path) -> None:
    schema = pl.scan_parquet("labels/predictions/*.parquet").collect_schema()
    assert schema["top_k"] == pl.List(
        pl.Struct({"class": pl.Int32, "label": pl.String, "score": pl.Float32})
    )
