"""What a person sees: progress on standard error, the closing table on standard output."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa
from rich.console import Console, ConsoleDimensions
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from imagebeam.images.errors import CODES
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.parts import opened
from imagebeam.outputs.progress import Progress
from imagebeam.report.escape_control_chars import visible
from imagebeam.storage import AnyPath

if TYPE_CHECKING:
    from imagebeam.report.contents import Contents

_LINE_SECONDS = 30.0

# Names of files and folders are shown as they are, whatever rich would make of their brackets.
_errors = Console(stderr=True, highlight=False, markup=False, emoji=False)
_out = Console(highlight=False, markup=False, emoji=False)


@contextmanager
def progress(
    stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None]]:
    """Somewhere to show progress: a live bar for a person, a line now and then for a log."""
    # CI asks for colours by FORCE_COLOR, and its log is no terminal all the same.
    live = stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    console = _Console(file=stream, highlight=False, force_terminal=live, force_jupyter=False)
    if not live:
        yield _Lines(console, clock).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("listing", total=None, rate="", failed="")
        rate = _Rate(clock)

        def show(now: Progress) -> None:
            if now.plan is not None:
                bar.update(
                    task,
                    description="labelling",
                    total=now.plan.to_do,
                    completed=now.done,
                    rate=f"{rate.of(now.done):,.0f} images/s",
                    failed=_failed(now),
                )

        yield show


class _Console(Console):
    """Measures the terminal that it writes to at each look: standard output may be another."""

    @property  # type: ignore[misc] # nobody sets it
    def size(self) -> ConsoleDimensions:
        try:
            return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))
        except OSError:
            return super().size


class _Rate:
    """Images a second since the first look at a plan."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()

    def of(self, done: int) -> float:
        return done / max(self._clock() - self._start, 1e-9)


class _Lines:
    """Plain lines for a log: one when labelling starts, then one every 30 s."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._rate: _Rate | None = None
        self._next = 0.0

    def show(self, now: Progress) -> None:
        if now.plan is None:
            return
        if self._rate is None:
            self._rate = _Rate(self._clock)
            self._next = self._clock() + _LINE_SECONDS
            self._console.print(f"imagebeam: {now.plan.to_do:,} images to do", soft_wrap=True)
        elif self._clock() >= self._next:
            self._next += _LINE_SECONDS
            self._console.print(
                f"imagebeam: {self._line(now, self._rate.of(now.done))}", soft_wrap=True
            )

    def _line(self, now: Progress, rate: float) -> str:
        assert now.plan is not None
        left = (now.plan.to_do - now.done) / rate if rate else float("inf")
        eta = f"{left:,.0f} s left" if left != float("inf") else "time left unknown"
        parts = [
            f"{now.done:,}/{now.plan.to_do:,} images",
            f"{rate:,.0f} images/s",
            eta,
            _failed(now),
        ]
        return ", ".join(part for part in parts if part)


def _failed(now: Progress) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in sorted(now.failed.items()))


def show_summary(
    layout: Layout, summary: dict[str, Any], seconds: float, core_seconds: float | None
) -> None:
    """The closing table: the account, what failed and what to do, where the rows are, the costs."""
    _out.print(summary_table(summary))
    done = summary["labelled"] + summary["failed"]
    _out.print(f"\ntime     {seconds:,.1f} s, {done / seconds:,.0f} images/s")
    show_places(layout, summary)
    if done:
        _out.print("")
        _out.print(_costs_table(summary["stages"], done, core_seconds))


def _costs_table(
    stages: Mapping[str, Mapping[str, float]], images: int, core_seconds: float | None
) -> Table:
    """What an image took, so that one sees whether storage, decoding or the module holds a job."""
    table = Table("each image", box=None, pad_edge=False, header_style="none")
    table.add_column("ms", justify="right")
    table.add_column("ms of a core", justify="right")

    def add(name: str, wall: float | None, core: float) -> None:
        shown = ("" if value is None else f"{1000 * value / images:,.2f}" for value in (wall, core))
        table.add_row(f"  {name}", *shown)

    for name, cost in stages.items():
        add(name, cost["wall_seconds"], cost["cpu_seconds"])
    if core_seconds is not None:
        counted = sum(cost["cpu_seconds"] for cost in stages.values())
        add("Beam and all else", None, max(core_seconds - counted, 0.0))
    return table


def summary_table(summary: Mapping[str, Any]) -> Table:
    """What became of the images that were asked for; what failed and what to do."""
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
                table.add_row(f"    {code}", f"{count:,}", cure(code))
    return table


def cure(code: str) -> Text:
    """What a user can do about a failure."""
    return Text(CODES[code].fix if code in CODES else "", "dim")


def show_places(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Where the rows and the account are."""
    _out.print(f"rows     {layout.predictions}", soft_wrap=True)
    if summary["failed"] or summary["already_failed"]:
        _out.print(f"errors   {layout.errors}", soft_wrap=True)
    _out.print(f"account  {layout.summary}", soft_wrap=True)


def show_report(contents: "Contents", page: AnyPath) -> None:
    """Where the page is, and what is wrong with the output that it shows."""
    for finding in contents.findings:
        _errors.print(f"imagebeam: {visible(finding)}", soft_wrap=True)
    _out.print(
        f"{contents.labelled:,} labelled, {contents.failed:,} failed\npage     {page}",
        soft_wrap=True,
    )


def show_rows(layout: Layout, count: int) -> None:
    """A few rows, spread over the predictions, as they stand in the files."""
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
    """What a newcomer may do after the demo, as it can be typed here."""
    command = "imagebeam" if shutil.which("imagebeam") else sys.argv[0]
    _out.print(
        "\nThe archive holds six broken files on purpose."
        f"\n\nnext     {command} report {output}"
        f"\n         {command} verify {output}"
        f"\n         {command} label YOUR-PHOTOS/ --output labels/ --module HANDLE",
        soft_wrap=True,
    )


def report_too_many_failures(failed: int, images: int, most: str) -> None:
    """Why the exit code is 1 although all rows are written."""
    limit = f"more than --max-failure-rate {most}" if failed < images else "all of them"
    _errors.print(
        f"imagebeam: {failed:,} of {images:,} images failed, {limit}. All rows are kept. See the "
        "codes above; after a repair, run again with --retry-failed.",
        soft_wrap=True,
    )


def report_no_profile(reason: str) -> None:
    """Why there is no profile of a job that was run all the same."""
    _errors.print(
        f"imagebeam: no profile was written: {reason}. py-spy must be allowed to trace this "
        "process: as root, or with CAP_SYS_PTRACE in a container.",
        soft_wrap=True,
    )


def report_cancelled(job: str) -> None:
    """That an earlier run's work on a cluster has been ended."""
    _errors.print(
        f"imagebeam: an earlier run had left the job {job} at work. It is cancelled; what it "
        "finished stays.",
        soft_wrap=True,
    )


def report_detached(layout: Layout) -> None:
    """How to follow a job that was left to its cluster."""
    _out.print(f"submitted\n\nfollow   imagebeam status {layout.root}", soft_wrap=True)


def report_stopped(reason: str, layout: Layout) -> None:
    """Why the job ends before its end, and what that leaves."""
    _errors.print(
        f"\nimagebeam: {reason}. What is finished stays in {layout.root}; run the same command "
        "again for the rest.",
        soft_wrap=True,
    )
