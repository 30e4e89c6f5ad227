from pathlib import Path

import pytest

from imagebeam.outputs.account import Plan, Tally
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import write_part
from imagebeam.outputs.summary import summarise, write_summary
from imagebeam.report import contents, summary_counts
from imagebeam.report.summary_counts import Segment, SummaryEntry
from tests.outputs.outputs import claimed, failed, labelled


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return an output with three labelled images and one failed image."""
    layout = claimed(tmp_path)
    write_part(layout, "1", labelled("a", "b", "c"), failed("d"))
    return layout


def test_the_counts_of_a_complete_job_add_up(layout: Layout) -> None:
    plan = Plan(requested=5, seen=5, duplicates=1, to_do=4, rows=4)
    write_summary(layout, summarise(plan, Tally(1, 3, {"not_found": 1}), {}))
    shown = summary_counts.shown_summary(contents.read(layout.root))
    assert shown.entries == [
        SummaryEntry("requested", 5, "whole"),
        SummaryEntry("labelled", 3, "labelled"),
        SummaryEntry("failed", 1, "failed"),
        SummaryEntry("already done", 0, "earlier"),
        SummaryEntry("duplicates", 1, "twice"),
    ]
    assert shown.sentence == "5 requested = 3 labelled + 1 failed + 0 already done + 1 duplicates."
    assert [(each.kind, each.share) for each in shown.segments] == [
        ("labelled", 0.6),
        ("failed", 0.2),
        ("earlier", 0.0),
        ("twice", 0.2),
    ]


def test_a_resumed_job_states_what_was_done_before(layout: Layout) -> None:
    plan = Plan(requested=4, seen=4, already_labelled=2, already_failed=1, to_do=1, rows=4)
    write_summary(layout, summarise(plan, Tally(1, 1), {}))
    assert summary_counts.shown_summary(contents.read(layout.root)).sentence == (
        "4 requested = 1 labelled + 0 failed + 3 already done + 0 duplicates. Of the images "
        "that earlier runs had done, 2 are labelled and 1 failed. In total the output holds 3 "
        "labelled and 1 failed images, which this page shows."
    )


def test_an_unfinished_job_states_what_is_left(layout: Layout) -> None:
    Plan(requested=12, seen=12, duplicates=2, to_do=10, rows=10).write(layout)
    shown = summary_counts.shown_summary(contents.read(layout.root))
    assert shown.entries == [
        SummaryEntry("rows at the end", 10, "whole"),
        SummaryEntry("labelled so far", 3, "labelled"),
        SummaryEntry("failed so far", 1, "failed"),
        SummaryEntry("to do", 6, "open"),
    ]
    assert shown.segments[:2] == [Segment("labelled", 0.0, 0.3), Segment("failed", 0.3, 0.1)]
    assert shown.sentence == (
        "The latest run requested 12 images, 2 of them duplicates. 6 have no row yet."
    )


def test_a_listing_job_has_no_total(layout: Layout) -> None:
    shown = summary_counts.shown_summary(contents.read(layout.root))
    assert [entry.images for entry in shown.entries] == [3, 1]
    assert shown.segments == []
    assert shown.sentence.startswith("The number of images is not known yet")
