"""Tables of what a job did: counts with fixes, frequent labels, time by stage."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from imagebeam.beam_pipeline.reporting.terminal import SafeTable
from imagebeam.images.errors import CODES
from imagebeam.images.listing.left_out import REASONS
from imagebeam.outputs.label_counts import label_counts
from imagebeam.outputs.layout import Layout

_LABELS_SHOWN = 10


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Return a table of requested, labelled, failed and left out images, with reasons and fixes.

    If the output holds rows of earlier runs, what it holds comes first and this run second.
    """
    table = SafeTable(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold")

    def add(name: str, count: int, note: str | Text = "") -> None:
        table.add_row(name, f"{count:,}", note)

    def add_results(counts: Mapping[str, Any]) -> None:
        add("  labelled", counts["labelled"])
        if counts["failed"]:
            add("  failed", counts["failed"])
        for code, count in counts["failed_by_code"].items():
            add(f"    {code}", count, fix_of(code))

    if summary["rows"] == summary["labelled"] + summary["failed"]:
        add("requested", summary["requested"] - summary["duplicates"])
    else:
        add("in the output", summary["rows"], Text("rows of all runs", "dim"))
        # Summaries of earlier versions count no more than that.
        if "output" in summary:
            add_results(summary["output"])
        add("in this run", summary["requested"] - summary["duplicates"], Text("requested", "dim"))
        add("  done before", summary["already_done"])
    add_results(summary)
    if summary["duplicates"]:
        add("duplicates", summary["duplicates"], Text("labelled once", "dim"))
    if same_content := summary.get("same_content"):
        note = f"images with equal bytes (groups: {same_content['groups']:,}); each has its row"
        add("same content", same_content["images"], Text(note, "dim"))
    left_out = summary.get("left_out", {})
    if left_out:
        add("left out", sum(entry["count"] for entry in left_out.values()))
    for reason, entry in left_out.items():
        add(f"  {reason}", entry["count"], Text(REASONS.get(reason, ""), "dim"))
    return table


def labels_table(layout: Layout) -> Table | None:
    """Return the most frequent labels; None if an output has none, or too many files to count."""
    try:
        counts = label_counts(layout)
    # The job is complete: a table that cannot be made must not change its result.
    except (OSError, pa.ArrowException):
        return None
    if not counts:
        return None
    table = SafeTable()
    table.add_column("most frequent labels", overflow="fold")
    table.add_column("images", justify="right")
    table.add_column("mean confidence", justify="right")
    for count in counts[:_LABELS_SHOWN]:
        table.add_row(f"  {count.label}", f"{count.images:,}", f"{count.mean_score:.2f}")
    if (more := len(counts) - _LABELS_SHOWN) > 0:
        rest = sum(count.images for count in counts[_LABELS_SHOWN:])
        table.add_row(f"  {more:,} other labels", f"{rest:,}", "")
    return table


def costs_table(
    stages: Mapping[str, Mapping[str, float]], images: int, core_seconds: float | None
) -> Table:
    """Time per image and stage: it shows if storage, decoding or the module limits the speed."""
    table = SafeTable("average per image", header_style="none")
    table.add_column("ms", justify="right")
    table.add_column("CPU ms", justify="right")

    def add(name: str, wall: float | None, core: float) -> None:
        shown = ("" if value is None else f"{1000 * value / images:,.2f}" for value in (wall, core))
        table.add_row(f"  {name}", *shown)

    for name, cost in stages.items():
        add(name, cost["wall_seconds"], cost["cpu_seconds"])
    if core_seconds is not None:
        counted = sum(cost["cpu_seconds"] for cost in stages.values())
        add("other (Beam overhead)", None, max(core_seconds - counted, 0.0))
    return table


def fix_of(code: str) -> Text:
    """Return the fix for an error code."""
    return Text(CODES[code].fix if code in CODES else "", "dim")
