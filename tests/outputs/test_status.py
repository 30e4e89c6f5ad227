import json
import os
from pathlib import Path

import pytest

from imagebeam.outputs import lock
from imagebeam.outputs.account import Plan
from imagebeam.outputs.compaction.compact import compact
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.status import status
from tests.outputs.outputs import claimed, failed, finish, labelled

BEGAN = 1_000_000.0


def half_done(root: Path, kind: Format = "parquet") -> Layout:
    """Write a run with two of six images to do; an earlier run labelled two and failed on one.

    The images of the latest run took 40 seconds: two are done, and one of them failed.
    """
    layout = claimed(root, kind)
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    RunToken(layout).claim()
    Plan(requested=8, duplicates=1, already_labelled=2, already_failed=1, to_do=4, rows=7).write(
        layout
    )
    write_part(layout, "2", labelled("d"), failed("e", code="corrupt"))
    written(layout, BEGAN)
    for part in (layout.prediction_part("2"), layout.error_part("2")):
        os.utime(str(part), (BEGAN + 40, BEGAN + 40))
    return layout


def written(layout: Layout, seconds: float) -> None:
    """Set the age of all files of an output."""
    for path in Path(str(layout.root)).rglob("*"):
        os.utime(path, (seconds, seconds))


def at(root: Path, seconds: float) -> dict[str, object]:
    return status(root, lambda: seconds).as_json()


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_stopped_job_shows_its_progress(tmp_path: Path, kind: Format) -> None:
    half_done(tmp_path, kind)
    assert at(tmp_path, BEGAN + 100) == {
        "output": str(tmp_path),
        "state": "stopped",
        "compacting": None,
        "remote_handle": {},
        "silent_seconds": 60.0,
        "last_part": "1970-01-12T13:47:20+00:00",
        "phase": "labelling",
        "listed": 8,
        "requested": 8,
        "to_do": 4,
        "done": 2,
        "labelled": 3,
        "failed_by_code": {"corrupt": 1, "not_found": 1},
        "rows": {
            "all": 5,
            "labelled": 3,
            "failed": 2,
            "failed_by_code": {"corrupt": 1, "not_found": 1},
        },
        "run": {"requested": 8, "duplicates": 1, "already_done": 3, "to_do": 4, "done": 2},
        "images_per_second": 0.05,
        "seconds_left": None,
        "summary": None,
    }


def test_a_running_job_has_a_time_left(tmp_path: Path) -> None:
    layout = half_done(tmp_path)
    with lock.held(layout):
        found = at(tmp_path, BEGAN + 50)
    assert (found["state"], found["done"], found["seconds_left"]) == ("running", 2, 40.0)


def test_a_job_on_a_cluster_is_detached(tmp_path: Path) -> None:
    layout = half_done(tmp_path)
    RunToken(layout).at({"flink_master": "http://flink:8081", "job": "j"}).claim()
    written(layout, BEGAN)
    found = at(tmp_path, BEGAN + 7200)
    assert (found["state"], found["silent_seconds"]) == ("detached", 7200.0)
    assert found["remote_handle"] == {"flink_master": "http://flink:8081", "job": "j"}
    # The submitter is still running.
    with lock.held(layout):
        assert at(tmp_path, BEGAN + 7200)["state"] == "running"


def test_a_listing_job_shows_the_images_so_far(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    RunToken(layout).claim()
    written(layout, BEGAN)
    with lock.held(layout):
        found = at(tmp_path, BEGAN + 9)
    assert (found["state"], found["phase"], found["to_do"]) == ("running", "listing", None)
    assert (found["done"], found["last_part"], found["silent_seconds"]) == (0, None, 9.0)
    assert found["images_per_second"] is None


def test_the_status_of_a_complete_job_opens_no_part(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    layout.prediction_part("1").write_bytes(b"nothing that could be read")
    finish(layout, ["a"], ["b"], 1)
    found = status(tmp_path)
    assert found.state == "complete"
    assert found.as_json()["summary"] == json.loads(layout.summary.read_text())
    assert (found.as_json()["done"], found.as_json()["labelled"]) == (2, 1)
    assert None not in found.as_json().values()


def test_compaction_does_not_change_the_status(tmp_path: Path) -> None:
    layout = half_done(tmp_path)
    before = at(tmp_path, BEGAN + 100)
    compact(layout, 1_000_000)
    assert sum(1 for _ in layout.prediction_parts()) == 1
    os.utime(str(layout.run), (BEGAN, BEGAN))
    assert at(tmp_path, BEGAN + 100) == before


def test_running_and_stopped_compactions_are_distinguished(tmp_path: Path) -> None:
    layout = half_done(tmp_path)
    seen = []
    compact(layout, 1_000_000, lambda _done, _of: seen.append(status(tmp_path).compacting))
    assert set(seen) == {True}
    assert status(tmp_path).compacting is None
    layout.compaction.write_bytes(b'{"target": null, "sources": []}')
    assert status(tmp_path).compacting is False


@pytest.mark.parametrize("name", ["summary", "plan"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"rows": 1}'])
def test_a_damaged_output_is_refused(tmp_path: Path, name: str, content: str) -> None:
    layout = half_done(tmp_path)
    getattr(layout, name).write_text(content)
    with pytest.raises(OutputError) as caught:
        status(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: something in it is damaged (")
    assert str(caught.value).endswith(f"). Run `imagebeam verify {tmp_path}` to see what.")


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_damaged_part_is_reported(tmp_path: Path, kind: Format) -> None:
    layout = half_done(tmp_path, kind)
    layout.prediction_part("1").write_bytes(b"rubbish")
    with pytest.raises(OutputError, match="something in it is damaged"):
        status(tmp_path)


@pytest.mark.parametrize("content", [None, "", "{}", '{"format": "orc", "emit": []}'])
def test_a_folder_that_is_not_an_output_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "job").mkdir()
        (tmp_path / "job" / "identity.json").write_text(content)
    with pytest.raises(OutputError, match="not an output of imagebeam"):
        status(tmp_path)
