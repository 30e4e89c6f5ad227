from pathlib import Path

import pyarrow as pa
import pytest

from imagebeam.outputs.account import Plan
from imagebeam.outputs.errors import DamagedPartError
from imagebeam.outputs.layout import Format
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.progress import Progress, ProgressWatcher
from imagebeam.storage import AnyPath
from tests.outputs.outputs import claimed, failed, labelled


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_new_parts_are_counted(root: AnyPath, kind: Format) -> None:
    layout = claimed(root, kind)
    watch = ProgressWatcher(layout)
    assert watch.look() == Progress(None, 0, {})
    plan = Plan(requested=6, to_do=6)
    plan.write(layout)
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    found = watch.look()
    assert found == Progress(plan, 2, {"not_found": 1})
    assert found.done == 3
    assert watch.look() == found
    more = pa.concat_tables([failed("e"), failed("f", code="corrupt")])
    write_part(layout, "2", labelled("d"), more)
    found = watch.look()
    assert found == Progress(plan, 3, {"not_found": 2, "corrupt": 1})
    assert found.done == 6


def test_parts_of_earlier_runs_are_not_counted(root: AnyPath) -> None:
    layout = claimed(root)
    write_part(layout, "1", labelled("a"), failed("b"))
    watch = ProgressWatcher(layout)
    write_part(layout, "2", labelled("c"), failed())
    assert watch.look() == Progress(None, 1, {})


def test_missing_folders_count_as_empty(tmp_path: Path) -> None:
    watch = ProgressWatcher(claimed(tmp_path / "a"))
    assert watch.look().done == 0
    (tmp_path / "a" / "predictions").rmdir()
    (tmp_path / "a" / "errors").rmdir()
    assert watch.look().done == 0


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_part_that_is_replaced_during_a_scan_is_counted_later(
    tmp_path: Path, kind: Format
) -> None:
    layout = claimed(tmp_path, kind)
    watch = ProgressWatcher(layout)
    # A dangling link is like a part that is deleted after it was listed.
    (tmp_path / "predictions" / f"part-1.{kind}").symlink_to("gone")
    (tmp_path / "errors" / "part-1.parquet").symlink_to("gone")
    write_part(layout, "2", labelled("c"), failed("d"))
    assert watch.look() == Progress(None, 1, {"not_found": 1})
    write_part(layout, "1", labelled("a"), failed("b"))
    assert watch.look() == Progress(None, 2, {"not_found": 2})


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_damaged_part_that_appears_meanwhile_is_left_out(tmp_path: Path, kind: Format) -> None:
    layout = claimed(tmp_path, kind)
    watcher = ProgressWatcher(layout)
    for folder, suffix in (("predictions", kind), ("errors", "parquet")):
        (tmp_path / folder / f"part-0.{suffix}").write_bytes(b"PAR1 no table PAR1")
    write_part(layout, "1", labelled("a"), failed("b"))
    progress = watcher.look()
    assert (progress.labelled, progress.failed) == (1, {"not_found": 1})
    with pytest.raises(DamagedPartError, match=r"part-0\.\w+: damaged"):
        ProgressWatcher(layout, and_earlier=True).look()
