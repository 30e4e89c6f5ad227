"""Test the reports of a job to another program, and `--quiet`."""

import io
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagebeam.beam_pipeline.reporting import json_lines
from imagebeam.outputs.account import Plan
from imagebeam.outputs.progress import Progress
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive

_PLAN = Plan(requested=5000, to_do=5000)


def _run(*arguments: object) -> tuple[int, str, list[dict[str, Any]]]:
    """Run `imagebeam label --json`; return exit code, standard output and the events."""
    done = subprocess.run(
        [*COMMAND, "label", *map(str, arguments), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, [json.loads(line) for line in done.stderr.splitlines()]


def test_a_whole_job_writes_these_events(tmp_path: Path) -> None:
    archive(tmp_path / "in", 6, rubbish=2)
    out = tmp_path / "out"
    code, stdout, events = _run(tmp_path / "in", "--output", out, "--max-failure-rate", 0.1)
    assert (code, stdout) == (1, "")
    assert events[0] == {"event": "listing"}
    progress = [each for each in events if each["event"] == "progress"]
    assert {each["to_do"] for each in progress} == {8}
    assert [each["event"] for each in events[1 + len(progress) :]] == ["summary", "too_many_failed"]
    assert events[-2].pop("seconds") > 0
    assert events[-2].pop("core_seconds") > 0
    summary = json.loads((out / "summary.json").read_text())
    assert events[-2] == {"event": "summary", "output": str(out), "summary": summary}
    assert events[-1] == {"event": "too_many_failed", "failed": 2, "images": 8, "limit": "0.1"}


def test_wrong_usage_is_one_error_event(tmp_path: Path) -> None:
    code, stdout, events = _run(tmp_path / "in", "--output", tmp_path / "out")
    assert (code, stdout) == (2, "")
    [error] = events
    assert (error["event"], error["exit_code"]) == ("error", 2)
    assert "no such file or folder" in error["message"]


def test_the_rate_is_unknown_where_all_is_done_at_the_first_look() -> None:
    stream = io.StringIO()
    with json_lines.progress(stream) as show:
        show(Progress(_PLAN, 5000, {}))
    event = json.loads(stream.getvalue().splitlines()[-1])
    assert (event["done"], event["images_per_second"], event["seconds_left"]) == (5000, None, None)


def test_progress_is_reported_once_per_second_on_change() -> None:
    now, stream = [10.0], io.StringIO()
    with json_lines.progress(stream, lambda: now[0]) as show:
        for seconds, progress in (
            (10.0, Progress(None, 0, {})),
            (11.0, Progress(_PLAN, 0, {})),
            (11.5, Progress(_PLAN, 50, {})),
            (13.0, Progress(_PLAN, 90, {"corrupt": 10})),
            (14.5, Progress(_PLAN, 90, {"corrupt": 10})),
            (15.0, Progress(_PLAN, 190, {"corrupt": 10})),
        ):
            now[0] = seconds
            show(progress)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    event = {"event": "progress", "to_do": 5000}
    nothing = {"images_per_second": None, "seconds_left": None}
    assert events == [
        {"event": "listing"},
        event | {"done": 0, "failed_by_code": {}} | nothing,
        event
        | {"done": 100, "failed_by_code": {"corrupt": 10}}
        | {"images_per_second": 50.0, "seconds_left": 98.0},
        event
        | {"done": 200, "failed_by_code": {"corrupt": 10}}
        | {"images_per_second": 50.0, "seconds_left": 96.0},
    ]


def test_names_that_are_not_utf8_are_written(capfd: pytest.CaptureFixture[str]) -> None:
    json_lines.report_error(os.fsdecode(b"/\xff: \n"), 2)
    assert json.loads(capfd.readouterr().err) == {
        "event": "error",
        "message": "/\udcff: \n",
        "exit_code": 2,
    }


def test_quiet_prints_only_errors(tmp_path: Path) -> None:
    archive(tmp_path / "in", 6, rubbish=2)
    command = [*COMMAND, "label", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    completed = [
        subprocess.run(
            [*command, "--quiet", *more], cwd=ROOT, capture_output=True, text=True, check=False
        )
        for more in ([], ["--max-failure-rate", "0.1"])
    ]
    assert [(each.returncode, each.stdout) for each in completed] == [(0, ""), (1, "")]
    assert completed[0].stderr == ""
    assert completed[1].stderr.startswith("imagebeam: 2 of 8 images failed, more than")


def test_every_event_is_documented() -> None:
    page = (ROOT / "docs" / "following.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| `(\w+)` \|", page.partition("| `event` |")[2], re.MULTILINE)
    source = Path(json_lines.__file__).read_text(encoding="utf-8")
    assert sorted(stated) == sorted({*re.findall(r'_write\(\s*"(\w+)"', source)})


def test_a_long_listing_is_reported_when_it_moves() -> None:
    stream = io.StringIO()
    with json_lines.progress(stream) as show:
        for listed in (0, 1000, 1000, 3000):
            show(Progress(None, 0, {}, listed))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "listing"},
        {"event": "listing", "images": 1000},
        {"event": "listing", "images": 3000},
    ]
