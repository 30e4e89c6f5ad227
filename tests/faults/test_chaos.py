"""Part of the fault campaign, in a bounded time: `make chaos` runs more of it."""

from pathlib import Path

import pytest

from tests.faults import chaos


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_disturbed_jobs_lose_no_row(tmp_path: Path) -> None:
    rows = chaos.run(36, 20, 60.0, tmp_path, chaos.possible_kinds())
    assert sum(row.hit for row in rows) > 0
    assert [row for row in rows if row.failures] == []


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
