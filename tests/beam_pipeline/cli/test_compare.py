import json
from pathlib import Path

import pytest

from tests.beam_pipeline.jobs import imagebeam
from tests.outputs.outputs import named


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[Path, Path]:
    named(tmp_path / "old", {"/a\n.jpg": 0, "/b.jpg": 0, "/c.jpg": 1, "/d.jpg": 1})
    named(tmp_path / "new", {"/a\n.jpg": 1, "/b.jpg": 0, "/c.jpg": 1, "/d.jpg": 1})
    return tmp_path / "old", tmp_path / "new"


def test_the_comparison_is_printed(
    outputs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("compare", *outputs) == 0
    captured = capsys.readouterr().out
    assert "3 of 4 images keep their label (75.00%)." in captured
    assert "/a\u240a.jpg" in captured


@pytest.mark.parametrize(("limit", "code"), [("25%", 0), ("0.25", 0), ("24.9%", 1), ("0", 1)])
def test_the_limit_decides_the_exit_code(
    outputs: tuple[Path, Path], limit: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("compare", *outputs, "--max-drift", limit, "--json") == code
    captured = capsys.readouterr()
    assert json.loads(captured.out)["drift"] == 0.25
    assert ("25.00% of the labels changed" in captured.err) == bool(code)


@pytest.mark.parametrize("limit", ["-1", "101%", "x", "2", ""])
def test_an_invalid_limit_is_refused(
    outputs: tuple[Path, Path], limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("compare", *outputs, f"--max-drift={limit}") == 2
    assert f"--max-drift: {limit!r} is not a share, such as 2% or 0.02" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare --report", "report --output"])
def test_a_page_needs_the_name_of_a_file_in_a_folder(
    outputs: tuple[Path, Path], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, option = command.split()
    roots = outputs if name == "compare" else outputs[:1]
    folder = outputs[0].parent
    for target, reason in (
        (folder, f"is a folder. Give the name of a file, as {folder}/page.html."),
        (folder / "none" / "a.html", "there is no such folder. Create it."),
    ):
        assert imagebeam(name, *roots, option, target) == 2
        assert f"{option} {target}: {reason}" in capsys.readouterr().err


def test_a_folder_that_is_not_an_output_is_refused(
    outputs: tuple[Path, Path], tmp_path: Path
) -> None:
    assert imagebeam("compare", outputs[0], tmp_path) == 2
