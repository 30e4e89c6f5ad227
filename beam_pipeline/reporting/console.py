"""Reports to a person: progress on standard error, results on standard output."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagebeam.beam_pipeline.reporting import progress as progress_display
from imagebeam.beam_pipeline.reporting.progress import Step, failure_counts
from imagebeam.images.errors import CODES
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.outputs.progress import Progress
from imagebeam.report.escape_control_chars import escape_control_chars
from imagebeam.storage import AnyPath

if TYPE_CHECKING:
    from imagebeam.report.contents import Contents

# Names of files and folders are shown unchanged: rich would interpret their brackets.
_errors = Console(stderr=True, highlight=False, markup=False, emoji=False)
_out = Console(highlight=False, markup=False, emoji=False)


@contextmanager
def progress(
    stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a job until the end of the block."""
    with progress_display.progress(stream, "images", clock) as show:
        show(Step("listing"))
        yield lambda now: show(_step(now))


def _step(now: Progress) -> Step:
    if now.plan is None:
        return Step("listing")
    return Step("labelling", now.done, now.plan.to_do, problems=failure_counts(now.failed))


def show_summary(
    layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
) -> None:
    """The closing table: counts, failures and their fixes, where the files are, times."""
    _out.print(summary_table(summary))
    done = summary["labelled"] + summary["failed"]
    _out.print(f"\ntime         {seconds:,.1f} s, {done / seconds:,.0f} images/s")
    show_places(layout, summary)
    if done:
        _out.print("")
        _out.print(_costs_table(summary["stages"], done, core_seconds))


def _costs_table(
    stages: Mapping[str, Mapping[str, float]], images: int, core_seconds: float | None
) -> Table:
    """Time per image and stage: it shows if storage, decoding or the module limits the speed."""
    table = Table("average per image", box=None, pad_edge=False, header_style="none")
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


def summary_table(summary: Mapping[str, Any]) -> Table:
    """The numbers of requested, labelled and failed images, with the fix for each error code."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_row("requested", f"{summary['requested']:,}", "")
    for name in ("labelled", "failed", "already_done", "duplicates"):
        if summary[name] or name == "labelled":
            table.add_row(f"  {name.replace('_', ' ')}", f"{summary[name]:,}", "")
        if name == "failed":
            for code, count in summary["failed_by_code"].items():
                table.add_row(f"    {code}", f"{count:,}", fix_of(code))
    return table


def fix_of(code: str) -> Text:
    """The fix for an error code."""
    return Text(CODES[code].fix if code in CODES else "", "dim")


def show_places(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Print where the predictions, errors and summary are."""
    _out.print(f"predictions  {layout.predictions}", soft_wrap=True)
    if summary["failed"] or summary["already_failed"]:
        _out.print(f"errors       {layout.errors}", soft_wrap=True)
    _out.print(f"summary      {layout.summary}", soft_wrap=True)


def show_report(contents: "Contents", page: AnyPath) -> None:
    """Print where the report is, and the problems of the output that it shows."""
    for finding in contents.findings:
        _errors.print(f"imagebeam: {escape_control_chars(finding)}", soft_wrap=True)
    _out.print(
        f"{contents.labelled:,} labelled, {contents.failed:,} failed\npage     {page}",
        soft_wrap=True,
    )


def show_rows(layout: Layout, count: int) -> None:
    """Print a few rows, spread evenly over the predictions."""
    columns = ["uri", "label", "score"]
    tables = []
    for part in sorted(layout.prediction_parts()):
        with opened(part) as file:
            tables.append(file.read(columns=columns))
    rows = pa.concat_tables(tables)
    chosen = rows.take([index * rows.num_rows // count for index in range(count)])
    table = Table("uri", "label", "score", box=None, pad_edge=False)
    for row in chosen.to_pylist():
        shown = Path(row["uri"])
        table.add_row(f"…/{shown.parent.name}/{shown.name}", row["label"], f"{row['score']:.2f}")
    _out.print("")
    _out.print(table)


def show_next_steps(output: AnyPath) -> None:
    """Print commands to try after the demo."""
    command = "imagebeam" if shutil.which("imagebeam") else sys.argv[0]
    _out.print(
        "\nThe sample archive contains six broken files on purpose."
        f"\n\nnext     {command} report {output}"
        f"\n         {command} verify {output}"
        f"\n         {command} label YOUR-PHOTOS/ --output labels/ --module HANDLE",
        soft_wrap=True,
    )


def report_too_many_failures(failed: int, images: int, most: str) -> None:
    """Say why the exit code is 1 although all rows are written."""
    limit = f"more than --max-failure-rate {most}" if failed < images else "all of them"
    _errors.print(
        f"imagebeam: {failed:,} of {images:,} images failed, {limit}. All rows are kept. Fix "
        "the causes listed above, then run the same command again with --retry-failed.",
        soft_wrap=True,
    )


def report_no_profile(reason: str) -> None:
    """Say why there is no profile; the job itself was run."""
    _errors.print(
        f"imagebeam: no profile was written: {reason}. py-spy must be allowed to trace this "
        "process: as root, or with CAP_SYS_PTRACE in a container.",
        soft_wrap=True,
    )


def report_cancelled(job: str) -> None:
    """Say that a job that an earlier run left on a cluster was cancelled."""
    _errors.print(
        f"imagebeam: cancelled the job {job}, which an earlier run had left running. Its "
        "finished results are kept.",
        soft_wrap=True,
    )


def report_detached(layout: Layout) -> None:
    """Say how to follow a job that runs on a cluster without this process."""
    _out.print(f"submitted\n\nfollow   imagebeam status {layout.root}", soft_wrap=True)


def report_stopped(reason: str, layout: Layout) -> None:
    """Say why the job stopped early, and how to resume it."""
    _errors.print(
        f"\nimagebeam: {reason}. Finished results are kept in {layout.root}; run the same "
        "command again to resume.",
        soft_wrap=True,
    )
