import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.reporting.job_log import job_log
from imagebeam.outputs.layout import Layout
from imagebeam.storage import location
from tests.outputs.outputs import storage_that_goes_after


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up the folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_local_output_contains_its_log_from_the_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with job_log(layout) as log:
        assert (log.file, log.place) == (layout.log, layout.log)


def test_the_log_is_uploaded_to_a_bucket_after_logs_of_earlier_runs(
    gcs_bucket: str, temporary: Path
) -> None:
    layout = Layout(location(f"{gcs_bucket}/log"))
    for run, expected in (("one\n", "one\n"), ("two\n", "one\ntwo\n")):
        with suppress(KeyboardInterrupt), job_log(layout) as log:
            with log.file.open("a") as file:
                file.write(run)
            raise KeyboardInterrupt
        assert log.place == layout.log
        assert layout.log.read_text(encoding="utf-8") == expected
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("error", [None, RuntimeError("of a client library")])
def test_a_log_that_the_bucket_refuses_is_kept_locally(
    gcs_bucket: str, temporary: Path, error: Exception | None
) -> None:
    layout = Layout(location(f"{gcs_bucket}/refused"))
    with storage_that_goes_after(0, layout.root, error), job_log(layout) as log:
        log.file.write_text("why")
    assert log.place == log.file
    assert temporary in log.file.parents
    assert log.file.read_text() == "why"


@pytest.mark.parametrize("error", [None, RuntimeError("of a client library")])
def test_an_empty_log_that_the_bucket_refuses_leaves_no_folder(
    gcs_bucket: str, temporary: Path, error: Exception | None
) -> None:
    layout = Layout(location(f"{gcs_bucket}/refused-empty"))
    with storage_that_goes_after(0, layout.root, error), job_log(layout) as log:
        pass
    assert log.place == layout.log
    assert list(temporary.iterdir()) == []
