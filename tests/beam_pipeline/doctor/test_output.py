import os
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.doctor.finding import Finding
from imagebeam.beam_pipeline.doctor.output import check_output
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.outputs import lock
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Layout
from imagebeam.storage import Location, location
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import imagebeam


def _found(output: Path, **others: object) -> Finding:
    before = _everything(output.parent)
    options = LabelOptions(inputs=(), output=output, **others)  # type: ignore[arg-type]
    try:
        [found] = check_output(options)
    finally:
        assert _everything(output.parent) == before
    return found


def _everything(folder: Path) -> dict[str, int]:
    """Return the names and times of everything below a folder, itself included."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_new_output_passes(tmp_path: Path) -> None:
    found = _found(tmp_path / "a" / "b")
    assert found.facts["held"] == "new"
    assert found.message.startswith(f"{tmp_path}/a/b can be written, ")
    assert os.listdir(tmp_path) == []


def test_an_empty_output_passes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert _found(out).facts["held"] == "empty"
    assert os.listdir(out) == []


def test_an_output_with_added_columns_passes(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    out = tmp_path / "out"
    job = ("label", tmp_path / "in", "--output", out, "--check-changed", "--run-columns", "run_id")
    assert imagebeam(*job) == 0
    assert _found(out, check_changed=True, run_columns=("run_id",)).facts["held"] == "resumed"
    with pytest.raises(OutputError, match="added columns version,run_id, now version"):
        _found(out, check_changed=True)


@pytest.mark.slow
def test_an_output_of_this_job_passes_and_of_another_job_fails(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    out = tmp_path / "out"
    assert imagebeam("label", tmp_path / "in", "--output", out) == 0
    assert _found(out).facts["held"] == "resumed"
    assert _found(out).message.endswith(
        "images replaced under their names keep their labels (--check-changed)"
    )
    with pytest.raises(OutputError, match="belongs to another job: --top-k 5, now 2"):
        _found(out, top_k=2)
    replaced = _found(out, top_k=2, overwrite=True)
    assert (replaced.state.value, replaced.facts["held"]) == ("warning", "replaced")


def test_an_output_in_use_is_a_problem(tmp_path: Path) -> None:
    with lock.held(Layout(tmp_path)), pytest.raises(OutputError, match="another run is writing"):
        _found(tmp_path)


@pytest.mark.slow
def test_an_output_in_a_bucket_passes(tmp_path: Path, s3_bucket: str) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    out = location(f"{s3_bucket}/{tmp_path.name}")
    assert isinstance(out, Location)
    assert _in_bucket(out).facts == {"output": str(out), "free_bytes": None, "held": "empty"}
    assert list(out.below()) == []
    assert imagebeam("label", tmp_path / "in", "--output", out) == 0
    before = sorted(out.below())
    assert _in_bucket(out).facts["held"] == "resumed"
    assert sorted(out.below()) == before


def _in_bucket(output: Location) -> Finding:
    [found] = check_output(LabelOptions(inputs=(), output=output))
    return found


def test_a_missing_bucket_is_a_problem(s3_bucket: str) -> None:
    with pytest.raises(OutputError, match=r"Choose an --output that can be written\."):
        _in_bucket(Location("s3://no-such-bucket-of-ours/out"))


def test_a_folder_with_foreign_files_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds 'photo\.jpg'\) and was not created by"):
            _found(tmp_path, overwrite=overwrite)


def test_an_output_below_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Not a directory\. Choose an --output that can be"):
        _found(tmp_path / "file" / "out")
