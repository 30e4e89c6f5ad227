from pathlib import Path

from imagebeam.outputs.account import Plan
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.progress import bytes_needed
from tests.outputs.outputs import claimed, failed, labelled


def test_the_size_of_missing_rows_is_estimated_from_existing_ones(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    assert bytes_needed(layout) is None
    Plan(requested=30, to_do=30, rows=30).write(layout)
    assert bytes_needed(layout) is None
    write_part(layout, "1", labelled("a", "b"), failed("c"))
    sizes = (tmp_path / folder / "part-1.parquet" for folder in ("predictions", "errors"))
    written = sum(path.stat().st_size for path in sizes)
    assert bytes_needed(layout) == 27 * written // 3


def test_a_complete_job_needs_no_space(tmp_path: Path) -> None:
    layout = claimed(tmp_path)
    Plan(requested=2, to_do=2, rows=2).write(layout)
    write_part(layout, "1", labelled("a", "b"), failed())
    assert bytes_needed(layout) == 0
