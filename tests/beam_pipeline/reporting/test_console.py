"""Test the closing table of a job."""

from pathlib import Path
from typing import Any

import pytest

from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.beam_pipeline.reporting import console
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from tests.outputs.outputs import claimed, failed, labelled


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Set up a wide terminal on which `imagebeam` is installed."""
    monkeypatch.setenv("COLUMNS", "200")
    program = tmp_path_factory.mktemp("bin") / "imagebeam"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


_SUMMARY: dict[str, Any] = {
    "requested": 4,
    "labelled": 3,
    "failed": 1,
    "already_done": 0,
    "duplicates": 0,
    "already_labelled": 0,
    "already_failed": 0,
    "rows": 4,
    "failed_by_code": {"corrupt": 1},
    "left_out": {},
    "stages": {
        "decode": {"wall_seconds": 8.0, "cpu_seconds": 0.016},
        "infer": {"wall_seconds": 0.02, "cpu_seconds": 0.01},
    },
}


_NEXT = [
    f"imagebeam {line}"
    for line in ("report DIR", "export DIR --to labels.csv", "search DIR TEXT")
    if line.partition(" ")[0] in command_parser.COMMANDS
]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_names_are_shown_as_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    output = Path("/data/[red]photos[/b] :warning:")
    console.report_stopped("stopped", Layout(output))
    console.show_next(f"verify {output}")
    printed = capfd.readouterr()
    assert f"Finished results are kept in {output}; run" in printed.err
    assert f" verify {output}\n" in printed.out


def test_escape_sequences_in_names_are_made_visible(capfd: pytest.CaptureFixture[str]) -> None:
    layout = Layout(Path("/data/\x1b[31mred\x07"))
    console.report_stopped("stopped", layout)
    console.show_summary(layout, _SUMMARY, 2.0, None)
    printed = capfd.readouterr()
    assert "/data/␛[31mred␇; run" in printed.err
    assert "predictions  /data/␛[31mred␇/predictions\n" in printed.out
    assert "\x1b" not in printed.out + printed.err


def test_the_table_begins_with_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a", "b", "c"), failed("d", code="corrupt"))
    left_out = {"hidden": {"count": 2, "examples": [".x"]}, "video": {"count": 1, "examples": []}}
    console.show_summary(layout, _SUMMARY | {"left_out": left_out}, 2.0, 0.126)
    lines = _lines(capsys)
    assert lines[-1 - len(_NEXT) : -len(_NEXT)] == [""]
    assert lines[-len(_NEXT) :] == [
        f"{'' if index else 'next '}{line.replace('DIR', str(tmp_path))}"
        for index, line in enumerate(_NEXT)
    ]
    assert lines[: -1 - len(_NEXT)] == [
        "requested 4",
        "labelled 3",
        "failed 1",
        "corrupt 1 Restore the file from its source.",
        "left out 3",
        "hidden 2 its name, or the name of a folder above it, starts with a dot; beside tables, "
        "also with an underscore",
        "video 1 a video: take frames from it first",
        "",
        "most frequent labels images mean confidence",
        "1 3 0.50",
        "",
        f"predictions {tmp_path}/predictions",
        f"errors {tmp_path}/errors",
        f"summary {tmp_path}/summary.json",
        "time 2 s, 2 images/s",
    ]


def test_two_runs_in_one_output_are_distinguished(capsys: pytest.CaptureFixture[str]) -> None:
    second = _SUMMARY | {
        "requested": 9,
        "duplicates": 1,
        "already_done": 4,
        "already_labelled": 2,
        "already_failed": 2,
        "rows": 20,
        "output": {
            "rows": 20,
            "labelled": 14,
            "failed": 6,
            "failed_by_code": {"corrupt": 4, "not_found": 2},
        },
    }
    run = [
        "in this run 8 requested",
        "done before 4",
        "labelled 3",
        "failed 1",
        "corrupt 1 Restore the file from its source.",
        "duplicates 1 labelled once",
        "",
    ]
    console.show_output(Layout(Path("out")), second)
    lines = _lines(capsys)
    assert lines[:12] == [
        "in the output 20 rows of all runs",
        "labelled 14",
        "failed 6",
        "corrupt 4 Restore the file from its source.",
        "not_found 2 Restore the file or correct the manifest; then run again with --retry-failed.",
        *run,
    ]
    del second["output"]  # as earlier versions wrote it
    console.show_output(Layout(Path("out")), second)
    assert _lines(capsys)[:8] == ["in the output 20 rows of all runs", *run]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.1, "40 images/s"),
        (2.0, "2 images/s"),
        (10.0, "0.4 images/s"),
        (100.0, "0.04 images/s"),
        (10_000.0, "less than 0.01 images/s"),
        (0.0, "4,000 images/s"),
    ],
)
def test_a_slow_job_has_a_rate_too(
    capsys: pytest.CaptureFixture[str], seconds: float, shown: str
) -> None:
    console.show_summary(Layout(Path("out")), _SUMMARY, seconds, None)
    [line] = [line for line in _lines(capsys) if line.startswith("time ")]
    assert line.partition(", ")[2] == shown


def test_a_damaged_part_hides_only_the_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = claimed(tmp_path)
    layout.predictions.mkdir(exist_ok=True)
    (tmp_path / "predictions" / "part-1.parquet").write_bytes(b"PAR1")
    console.show_output(layout, _SUMMARY)
    lines = _lines(capsys)
    assert lines[0] == "requested 4"
    assert "most frequent labels" not in " ".join(lines)


def _times(core_seconds: float | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    console.show_summary(Layout(Path("out")), _SUMMARY, 2.0, core_seconds, verbose=True)
    lines = _lines(capsys)
    start = lines.index("average per image ms CPU ms")
    return lines[start : lines.index("", start)]


def test_the_time_per_image_shows_what_limits_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    stages = ["average per image ms CPU ms", "decode 2,000.00 4.00", "infer 5.00 2.50"]
    assert _times(0.126, capsys) == [*stages, "other (Beam overhead) 25.00"]
    assert _times(None, capsys) == stages


def test_a_job_with_nothing_to_do_has_no_times(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = _SUMMARY | {"labelled": 0, "failed": 0, "failed_by_code": {}, "stages": {}}
    console.show_summary(Layout(Path("out")), nothing, 2.0, 1.0, verbose=True)
    assert "average per image" not in capsys.readouterr().out
