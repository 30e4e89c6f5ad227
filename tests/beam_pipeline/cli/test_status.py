"""Test the command `status`."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.cli.status import _print_line, watch
from imagebeam.outputs import lock
from imagebeam.outputs.account import Plan
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.status import Status, status
from tests.beam_pipeline.jobs import ROOT, archive, imagebeam, parts, stop_when
from tests.faults.decoding import bmp
from tests.outputs.outputs import claimed, failed, finish, labelled


def _lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capfd.readouterr().out.splitlines() if line]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_the_state_before_and_after_the_end_of_a_job(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "in", 30, rubbish=1)
    out = tmp_path / "out"
    again = ("label", tmp_path / "in", "--output", out, "--images-per-shard", 1)
    endless = bmp(tmp_path / "endless.bmp", 7, "wait")
    stop_when(
        lambda: parts(out) >= 3,
        signal.SIGKILL,
        *("label", tmp_path / "in", endless, *again[2:], "--direct_num_workers=1"),
    )
    capfd.readouterr()
    assert imagebeam("status", out, "--json") == 1
    found = json.loads(capfd.readouterr().out)
    assert (found["state"], found["phase"], found["to_do"]) == ("stopped", "labelling", 32)
    assert 3 <= found["labelled"] <= 30
    assert found["labelled"] <= found["done"] <= 31
    assert found["images_per_second"] > 0
    assert imagebeam(*again) == 0
    capfd.readouterr()
    assert imagebeam("status", out, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["state"] == "complete"
    assert found["summary"] == json.loads((out / "summary.json").read_text())
    assert None not in found.values()
    assert (found["phase"], found["requested"], found["labelled"]) == ("complete", 31, 30)
    assert found["done"] == found["to_do"] == 31 - found["summary"]["already_done"]
    assert imagebeam("status", out) == 0
    lines = _lines(capfd)
    assert lines[:3] == ["complete", "in the output 31 rows of all runs", "labelled 30"]
    assert lines[-1] == f"summary {out}/summary.json"


def _half_done(root: Path) -> Layout:
    layout = claimed(root)
    RunToken(layout).claim()
    Plan(requested=3000, to_do=3000, rows=3000).write(layout)
    write_part(layout, "1", labelled("a", "b"), failed("c", code="corrupt"))
    now = time.time()
    for path in root.rglob("*"):
        age = 0 if "part" in path.name else 4000 if path == layout.plan else 4100
        os.utime(path, (now - 100 - age, now - 100 - age))
    return layout


def test_a_stopped_job_is_shown_as_a_table(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _half_done(tmp_path)
    assert imagebeam("status", tmp_path) == 1
    lines = _lines(capfd)
    assert lines[:3] == [
        "state stopped while labelling",
        "done 3 of 3,000 (0 %)",
        "rate less than 0.01 images/s",
    ]
    assert lines[3:6] == [
        "labelled 2 by all runs",
        "failed 1 by all runs",
        "corrupt 1 Restore the file from its source.",
    ]
    assert lines[6].startswith("last activity 1 min 4")
    assert lines[7].startswith("No running process found on this machine.")


def test_a_job_without_recent_activity_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = _half_done(tmp_path)
    RunToken(layout).at({"flink_master": "http://flink:8081", "job": "j"}).claim()
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 9000, time.time() - 9000))
    assert imagebeam("status", tmp_path) == 1
    lines = _lines(capfd)
    assert lines[0] == "state labelling, detached to http://flink:8081, j"
    assert lines[-1].startswith("Nothing was finished for 2 h 30 min. Check on the cluster if")
    with lock.held(layout):
        assert imagebeam("status", tmp_path) == 1
    lines = _lines(capfd)
    assert lines[0] == "state labelling"
    assert lines[-1].startswith("Nothing was finished for 2 h 30 min. ")
    assert lines[-1].endswith("job/log.txt for the reason.")


def test_a_stopped_compaction_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = _half_done(tmp_path)
    layout.compaction.write_bytes(b'{"target": null, "sources": []}')
    assert imagebeam("status", tmp_path) == 1
    assert f"Run `imagebeam compact {tmp_path}` to finish it." in capfd.readouterr().out


def test_a_missing_output_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert imagebeam("status", tmp_path) == 2
    assert f"{tmp_path}: not an output of imagebeam (" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_field_is_documented(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _half_done(tmp_path)
    imagebeam("status", tmp_path, "--json")
    found = json.loads(capfd.readouterr().out)
    page = (ROOT / "docs" / "following.md").read_text(encoding="utf-8")
    table = page.partition("| field |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?) \| ", table, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted({*found})


def test_two_runs_with_different_inputs_are_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = archive(tmp_path / "in", 4, rubbish=1)
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "in", "--output", out) == 0
    assert imagebeam("label", names[0], "--output", out) == 0
    capfd.readouterr()
    assert imagebeam("status", out, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["requested"], found["to_do"]) == (1, 0)
    assert (found["labelled"], found["failed_by_code"]) == (4, {"empty_file": 1})
    assert found["rows"] == {
        "all": 5,
        "labelled": 4,
        "failed": 1,
        "failed_by_code": {"empty_file": 1},
    }
    run = {
        "requested": 1,
        "duplicates": 0,
        "already_done": 1,
        "labelled": 0,
        "failed": 0,
        "failed_by_code": {},
    }
    assert found["run"] == found["summary"]["run"] == run
    assert found["summary"]["output"] == {
        "rows": 5,
        "labelled": 4,
        "failed": 1,
        "failed_by_code": {"empty_file": 1},
    }
    assert imagebeam("status", out) == 0
    lines = _lines(capfd)
    assert lines[:4] == ["complete", "in the output 5 rows of all runs", "labelled 4", "failed 1"]
    assert lines[4].startswith("empty_file 1 ")
    assert lines[5:8] == ["in this run 1 requested", "done before 1", "labelled 0"]


def test_a_job_is_followed_until_it_is_complete(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layout = _half_done(tmp_path)
    with lock.held(layout):
        states = [status(tmp_path)] * 2
    write_part(layout, "2", labelled("d"), failed())
    with lock.held(layout):
        states.append(status(tmp_path))
    finish(layout, ["a", "b", "d"], ["c"], 2)
    states.append(status(tmp_path))
    looks = iter(states)
    shown: list[Status] = []
    waits: list[int] = []
    last = watch(lambda: next(looks), shown.append, lambda: waits.append(1))
    assert shown == [states[0], states[2], states[3]]
    assert len(waits) == 3
    assert last is states[3]
    for state in shown:
        _print_line(state)
    lines = capfd.readouterr().out.splitlines()
    assert [line.partition(" images,")[0] for line in lines] == [
        "labelling, 3/3,000",
        "labelling, 4/3,000",
    ]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_watching_a_job_that_has_stopped_ends_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    _half_done(tmp_path)
    assert imagebeam("status", tmp_path, "--watch", *arguments) == 1
    lines = capfd.readouterr().out
    if arguments:
        assert json.loads(lines)["state"] == "stopped"
    else:
        assert " stopped while labelling" in lines


def test_an_invalid_interval_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert imagebeam("status", tmp_path, "--watch", "--interval", 0) == 2
    assert "--interval 0.0: must be at least 0.1." in capfd.readouterr().err
