from pathlib import Path

import pytest

from imagebeam.beam_pipeline.reporting import console
from imagebeam.outputs.layout import Layout


def test_names_are_shown_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    output = Path("/data/[red]photos[/b] :warning:")
    console.report_stopped("stopped", Layout(output))
    console.show_next_steps(output)
    said = capfd.readouterr()
    assert f"Finished results are kept in {output}; run" in said.err
    assert f" verify {output}\n" in said.out


_SUMMARY = {
    "requested": 4,
    "labelled": 3,
    "failed": 1,
    "already_done": 0,
    "duplicates": 0,
    "already_labelled": 0,
    "already_failed": 0,
    "failed_by_code": {"corrupt": 1},
    "stages": {
        "decode": {"wall_seconds": 8.0, "cpu_seconds": 0.016},
        "infer": {"wall_seconds": 0.02, "cpu_seconds": 0.01},
    },
}


def _costs(core_seconds: float | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    console.show_summary(Layout(Path("out")), _SUMMARY, 2.0, core_seconds)
    said = capsys.readouterr().out
    assert "time         2.0 s, 2 images/s\n" in said
    return [" ".join(line.split()) for line in said.partition("average per image")[2].splitlines()]


def test_what_an_image_took_shows_what_holds_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    stages = ["ms CPU ms", "decode 2,000.00 4.00", "infer 5.00 2.50"]
    assert _costs(0.126, capsys) == [*stages, "other (Beam overhead) 25.00"]
    assert _costs(None, capsys) == stages


def test_a_job_that_had_nothing_to_do_has_no_costs(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = _SUMMARY | {"labelled": 0, "failed": 0, "failed_by_code": {}, "stages": {}}
    console.show_summary(Layout(Path("out")), nothing, 2.0, 1.0)
    assert "average per image" not in capsys.readouterr().out
