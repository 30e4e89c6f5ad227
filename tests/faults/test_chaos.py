"""A part of the fault campaign, in a bounded time: `make chaos` runs more of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import chaos
from tests.faults.chaos_places import possible_kinds


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_disturbed_jobs_lose_no_row(tmp_path: Path) -> None:
    # Tests of their own kill parts of Flink, where a job takes half a minute.
    kinds = [kind for kind in possible_kinds() if kind.place != "Flink"]
    counts = chaos.run(200, 20, 270.0, tmp_path, kinds)
    print(chaos.table(counts))
    assert sum(each["hit"] for each in counts.values()) > 0
    assert {kind: each for kind, each in counts.items() if chaos.failures(each)} == {}


def test_rows_that_are_lost_doubled_or_changed_are_counted() -> None:
    clean = chaos.rows_of([{"uri": "a", "label": "x"}, {"uri": "b", "label": "y"}])
    for found, expected in (
        ([{"uri": "a", "label": "x"}], (1, 0, 0)),
        ([{"uri": "a", "label": "x"}, *2 * [{"uri": "b", "label": "y"}]], (0, 1, 0)),
        ([{"uri": "a", "label": "x"}, {"uri": "b", "label": "z"}], (0, 0, 1)),
        ([{"uri": "a", "label": "x"}, *({"uri": "b", "label": each} for each in "yz")], (0, 1, 0)),
        ([{"uri": "a", "label": "x"}, {"uri": "c", "label": "y"}], (1, 0, 1)),
        ([{"uri": "b", "label": "y"}, {"uri": "a", "label": "x"}], (0, 0, 0)),
    ):
        assert chaos.differences(clean, chaos.rows_of(found)) == expected


@pytest.mark.parametrize(
    ("python_imports", "runs", "began"),
    [
        ("raise KeyboardInterrupt", "pass", False),
        ("pass", "raise KeyboardInterrupt", False),
        (
            "pass",
            "import sys; print('runpy: KeyboardInterrupt', file=sys.stderr); sys.exit(1)",
            False,
        ),
        ("raise RuntimeError", "pass", True),
        ("pass", "def main(): raise KeyboardInterrupt\nmain()", True),
        (
            "pass",
            "import sys; sys.stderr.write('imagebeam: stopped'); raise KeyboardInterrupt",
            True,
        ),
        ("pass", "raise SystemExit(1)", True),
    ],
)
def test_ctrl_c_while_python_starts_is_told_from_one_in_this_package(
    tmp_path: Path, python_imports: str, runs: str, began: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(python_imports)
    (tmp_path / "__main__.py").write_text(runs)
    ended = subprocess.run(
        [sys.executable, tmp_path / "__main__.py"],
        env={"PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert chaos.never_began(ended.returncode, ended.stderr) is not began
