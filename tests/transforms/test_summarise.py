import json
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagebeam.images.stage_times import StageTime
from imagebeam.outputs.account import Plan, Tally
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.run_token import RunToken
from imagebeam.transforms.elements import ShardReport
from imagebeam.transforms.summarise import Summarise
from tests.outputs.outputs import failed, labelled

_PLAN = Plan(
    requested=9,
    seen=9,
    duplicates=1,
    already_labelled=2,
    already_failed=1,
    to_do=5,
    rows=8,
    rows_digest=3,
)

_BEFORE = {"start": StageTime(1.0, 0.5)}


def _summarise(
    run: RunToken, reports: list[ShardReport], found: tuple[tuple[str, str], ...] = ()
) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        plan = pipeline | "Plan" >> beam.Create([_PLAN])
        parts = pipeline | "Found" >> beam.Create(found)
        created = pipeline | beam.Create(reports)
        _ = (created, plan, parts) | Summarise(run, {"module": "m"}, _BEFORE)


@pytest.fixture
def run(tmp_path: Path) -> RunToken:
    layout = Layout(tmp_path)
    for folder in (layout.job, layout.predictions, layout.errors):
        folder.mkdir()
    run = RunToken(layout)
    run.claim()
    return run


def test_the_account_adds_up_over_all_reports(run: RunToken) -> None:
    # Rows of an earlier run, and of this one.
    write_part(run.layout, "0", labelled(), failed("a", code="not_found"))
    write_part(run.layout, "1", labelled(), failed("b", code="corrupt"))
    write_part(run.layout, "2", labelled(), failed("c", code="corrupt"))
    _summarise(
        run,
        [
            ShardReport("1", Tally(1, 2, {"corrupt": 1}, {"decode": (0.5, 0.25)})),
            ShardReport(
                "2", Tally(1, 1, {"corrupt": 1}, {"decode": (0.25, 0.25), "infer": (2.0, 1.5)})
            ),
        ],
        ((str(run.layout.error_part("0")), "failed"),),
    )
    assert json.loads(run.layout.summary.read_text()) == {
        "output": {
            "rows": 8,
            "labelled": 5,
            "failed": 3,
            "failed_by_code": {"corrupt": 2, "not_found": 1},
        },
        "run": {
            "requested": 9,
            "duplicates": 1,
            "already_done": 3,
            "labelled": 3,
            "failed": 2,
            "failed_by_code": {"corrupt": 2},
        },
        "requested": 9,
        "labelled": 3,
        "failed": 2,
        "already_done": 3,
        "duplicates": 1,
        "failed_by_code": {"corrupt": 2},
        "already_labelled": 2,
        "already_failed": 1,
        "left_out": {},
        "shards": 2,
        "rows": 8,
        "rows_digest": f"{3:032x}",
        "stages": {
            "start": {"wall_seconds": 1.0, "cpu_seconds": 0.5},
            "decode": {"wall_seconds": 0.75, "cpu_seconds": 0.5},
            "infer": {"wall_seconds": 2.0, "cpu_seconds": 1.5},
        },
        "module": "m",
        "run_id": run.id,
    }


def test_a_missing_image_fails_the_job_and_leaves_no_summary(run: RunToken) -> None:
    with pytest.raises(Exception, match="9 images were requested but 8 are accounted for"):
        _summarise(run, [ShardReport("1", Tally(1, 4))])
    assert not run.layout.summary.exists()


def test_files_of_a_worker_considered_lost_are_removed(run: RunToken) -> None:
    layout = run.layout
    kept = [layout.prediction_part("found"), layout.error_part("1"), layout.prediction_part("2")]
    strays = [layout.prediction_part("stray"), layout.error_part("found")]
    for part in (*kept, *strays):
        part.write_bytes(b"")
    write_part(layout, "1", labelled(), failed("a", "b", code="corrupt"))
    reports = [ShardReport("1", Tally(1, 0, {"corrupt": 2})), ShardReport("2", Tally(1, 3))]
    _summarise(run, reports, ((str(kept[0]), "labelled"),))
    assert sorted((*layout.prediction_parts(), *layout.error_parts())) == sorted(kept)
    assert layout.summary.exists()


def test_unfinished_files_of_a_killed_worker_are_removed(run: RunToken) -> None:
    leftovers = [
        folder / f".part-1.parquet.{'0' * 32}.tmp"
        for folder in (run.layout.predictions, run.layout.errors)
    ]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    _summarise(run, [ShardReport("1", Tally(1, 5))])
    assert [leftover.exists() for leftover in leftovers] == [False, False]


def test_a_run_that_a_later_one_has_replaced_removes_nothing_and_closes_nothing(
    run: RunToken,
) -> None:
    part = run.layout.prediction_part("of the later run")
    part.write_bytes(b"")
    RunToken(run.layout).claim()
    with pytest.raises(Exception, match="a later run has taken it over"):
        _summarise(run, [ShardReport("1", Tally(1, 5))])
    assert part.exists()
    assert not run.layout.summary.exists()
