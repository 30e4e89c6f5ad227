from pathlib import Path

import pytest

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.reporting.profiler import profiled


def spin() -> None:
    """Keep this thread busy long enough to be sampled."""
    sum(range(50_000_000))


def test_the_drawing_shows_where_time_was_spent(tmp_path: Path) -> None:
    drawing = tmp_path / "profile.svg"
    with profiled(drawing):
        spin()
    text = drawing.read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "spin (" in text


def test_without_the_option_there_is_no_profiler() -> None:
    with profiled(None):
        pass


def test_a_missing_folder_is_reported_before_the_job(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"--profile .*/none/p.svg: the folder does not exist"),
        profiled(tmp_path / "none" / "p.svg"),
    ):
        pytest.fail("the job has begun")


def test_a_missing_profiler_is_reported_before_the_job(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="py-spy is not installed"),
        profiled(tmp_path / "p.svg", str(tmp_path)),
    ):
        pytest.fail("the job has begun")


def test_a_profiler_without_permission_does_not_stop_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\necho Permission denied >&2\nexit 1\n")
    program.chmod(0o755)
    with profiled(tmp_path / "p.svg", str(tmp_path)):
        spin()
    assert "no profile was written: Permission denied." in capsys.readouterr().err
