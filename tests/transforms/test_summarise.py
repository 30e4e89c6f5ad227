import json
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from results.account import Plan, Tally
from results.layout import Layout
from transforms.records import ShardReport
from transforms.summarise import Summarise

_PLAN = Plan(
    requested=9, duplicates=1, already_labelled=2, already_failed=1, to_do=5, rows=8, rows_digest=3
)


def _summarise(layout: Layout, reports: list[ShardReport]) -> None:
    with beam.Pipeline(FnApiRunner()) as pipeline:
        plan = pipeline | "Plan" >> beam.Create([_PLAN])
        _ = pipeline | beam.Create(reports) | Summarise(plan, layout, {"module": "m"})


def test_the_account_adds_up_over_all_reports(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    _summarise(
        layout,
        [
            ShardReport("1", Tally(1, 2, {"corrupt": 1}, {"decode": (0.5, 0.25)})),
            ShardReport(
                "2", Tally(1, 1, {"corrupt": 1}, {"decode": (0.25, 0.25), "infer": (2.0, 1.5)})
            ),
        ],
    )
    assert json.loads(layout.summary.read_text()) == {
        "requested": 9,
        "labelled": 3,
        "failed": 2,
        "already_done": 3,
        "duplicates": 1,
        "failed_by_code": {"corrupt": 2},
        "already_labelled": 2,
        "already_failed": 1,
        "shards": 2,
        "rows": 8,
        "rows_digest": f"{3:032x}",
        "stages": {
            "decode": {"wall_seconds": 0.75, "cpu_seconds": 0.5},
            "infer": {"wall_seconds": 2.0, "cpu_seconds": 1.5},
        },
        "module": "m",
    }


def test_a_missing_image_fails_the_job_and_leaves_no_summary(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(Exception, match="9 images were requested but 8 are accounted for"):
        _summarise(layout, [ShardReport("1", Tally(1, 4))])
    assert not layout.summary.exists()
