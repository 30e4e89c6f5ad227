"""Test the columns that say which run wrote a row."""

import json
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imagebeam.outputs.identity import read
from imagebeam.samples import MODULE
from tests.beam_pipeline.jobs import archive, errors, imagebeam, predictions

_ALL = "module,run_id,labelled_at"


def test_each_row_names_its_run_its_time_and_its_module(tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = ("label", tmp_path / "in", "-o", output, "--run-columns", _ALL, "--quiet")
    runs, before = [], datetime.now(timezone.utc)
    for count in (3, 5):
        archive(tmp_path / "in", count, rubbish=count)
        assert imagebeam(*job) == 0
        runs.append(json.loads((output / "summary.json").read_text())["run_id"])
    rows = [*predictions(output), *errors(output)]
    assert len(rows) == 10
    # Pictures and rubbish have their number in the name; the second run did numbers 3 and 4.
    assert all(row["run_id"] == runs[int(row["uri"][-8:-4]) >= 3] for row in rows)
    digest = read(output)[1]["module_digest"]
    assert {row["module"] for row in rows} == {f"{MODULE}@{digest}"}
    assert all(before <= row["labelled_at"] <= datetime.now(timezone.utc) for row in rows)
    for command in ("verify", "compact", "verify"):
        assert imagebeam(command, output) == 0
    assert [*predictions(output), *errors(output)] == rows
    for folder in ("predictions", "errors"):
        [part] = (output / folder).iterdir()
        assert pq.read_schema(part).field("module").type == pa.dictionary(pa.int32(), pa.string())
    assert imagebeam("export", output, "--to", tmp_path / "rows.jsonl") == 0
    exported = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["run_id"] for row in exported} == {*runs}
    assert imagebeam("commit", output, "--delta", tmp_path / "table") == 0
    # The columns belong to the job.
    assert imagebeam(*job[:-3], "--quiet") == 2


def test_they_stand_behind_columns_of_a_manifest(tmp_path: Path) -> None:
    names = archive(tmp_path / "in", 2)
    (tmp_path / "names.csv").write_text(f"uri,camera\n{names[0]},north\ngone.jpg,south\n")
    inputs = (tmp_path / "names.csv", names[1])
    options = ("--keep", "camera", "--run-columns", "run_id", "--quiet", "-o", tmp_path / "out")
    assert imagebeam("label", *inputs, *options) == 0
    run = json.loads((tmp_path / "out" / "summary.json").read_text())["run_id"]
    rows = [*predictions(tmp_path / "out"), *errors(tmp_path / "out")]
    assert [(row["camera"], row["run_id"]) for row in rows] == [
        ("north", run),
        (None, run),
        ("south", run),
    ]


def test_tfrecords_have_them_too_but_for_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 2)
    job = ("label", tmp_path / "in", "-o", tmp_path / "out", "--format", "tfrecord", "--quiet")
    assert imagebeam(*job, "--run-columns", _ALL) == 2
    assert "TFRecord files have no times" in capsys.readouterr().err
    assert imagebeam(*job, "--run-columns", "run_id,module") == 0
    assert imagebeam("commit", tmp_path / "out", "--delta", tmp_path / "table") == 0
    assert imagebeam("export", tmp_path / "out", "--to", tmp_path / "rows.jsonl") == 0
    run = json.loads((tmp_path / "out" / "summary.json").read_text())["run_id"]
    exported = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["run_id"] for row in exported] == [run, run]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--run-columns", "when"),
            "--run-columns when: 'when' must be one of run_id, ",
        ),
        (("--run-columns", "module", "--keep", "module"), "--run-columns: adds a column 'module'"),
    ],
)
def test_wrong_names_are_refused(
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert imagebeam("label", tmp_path, "-o", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
