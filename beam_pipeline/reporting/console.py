"""Reports to a person: progress on standard error, results on standard output."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from imagebeam.beam_pipeline.cli.main import COMMANDS
from imagebeam.beam_pipeline.reporting import progress as progress_display
from imagebeam.beam_pipeline.reporting.progress import Step, duration, failure_counts, rate
from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.images.errors import CODES
from imagebeam.images.listing.left_out import REASONS
from imagebeam.outputs.label_counts import label_counts
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress
from imagebeam.storage import AnyPath

if TYPE_CHECKING:
    from imagebeam.report.contents import Contents

_LABELS_SHOWN = 10
_NEXT = (("report", ""), ("export", " --to labels.csv"), ("search", " TEXT"))
"""Commands for a complete output, with the words that follow its folder."""

_MEGABYTE = 1_000_000

_errors = SafeConsole(stderr=True)
_out = SafeConsole()


@contextmanager
def progress(
    stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a job until the end of the block."""
    with progress_display.progress(stream, "images", clock) as show:
        show(Step("listing"))
        yield lambda now: show(_step(now))


@contextmanager
def fetching(
    stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int | None], None]]:
    """Show the download of a module, if there is one, until the end of the block."""
    with ExitStack() as stack:
        display: list[Callable[[Step], None]] = []

        def show(done: int, total: int | None) -> None:
            if not display:
                shown = progress_display.progress(stream, "MB", clock)
                display.append(stack.enter_context(shown))
            size = None if total is None else -(-total // _MEGABYTE)
            arrived = size if size is not None and done == total else done // _MEGABYTE
            display[0](Step("fetching the module", arrived, size))

        yield show


def _step(now: Progress) -> Step:
    if now.plan is None:
        return Step("listing", now.listed)
    return Step("labelling", now.done, now.plan.to_do, problems=failure_counts(now.failed))


def show_summary(
    layout: Layout,
    summary: dict[str, Any],
    seconds: float,
    core_seconds: float | None,
    verbose: bool = False,
) -> None:
    """The closing table: counts, labels, where the files are and what to do next.

    Args:
        layout: of the output.
        summary: the content of summary.json.
        seconds: wall time of this run.
        core_seconds: CPU time of this run on this machine; None if others took part.
        verbose: show the time per image and stage too.
    """
    show_output(layout, summary)
    done = summary["labelled"] + summary["failed"]
    speed = f", {rate(done, seconds)}" if done else ""
    _out.print(f"time         {duration(seconds)}{speed}")
    if done and verbose:
        _out.print("")
        _out.print(_costs_table(summary["stages"], done, core_seconds))
    show_next(*(f"{name} {layout.root}{rest}" for name, rest in _NEXT if name in COMMANDS))


def show_output(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Print what a complete output holds and where its files are."""
    _out.print(summary_table(summary))
    if (labels := _labels_table(layout)) is not None:
        _out.print("")
        _out.print(labels)
    _out.print("")
    _out.print(f"predictions  {layout.predictions}", soft_wrap=True)
    if summary.get("output", summary)["failed"] or summary["already_failed"]:
        _out.print(f"errors       {layout.errors}", soft_wrap=True)
    _out.print(f"summary      {layout.summary}", soft_wrap=True)


def summary_table(summary: Mapping[str, Any]) -> Table:
    """The numbers of requested, labelled, failed and left out images, with reasons and fixes.

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


def _labels_table(layout: Layout) -> Table | None:
    """The most frequent labels of an output; None if it has none, or too many files to count."""
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


def show_next(*commands: str) -> None:
    """Print commands to try next."""
    program = "imagebeam" if shutil.which("imagebeam") else "python -m imagebeam"
    heads = ("\nnext", *("" for _ in commands[1:]))
    for head, command in zip(heads, commands, strict=True):
        _out.print(f"{head:<{13 + head.count(chr(10))}}{program} {command}", soft_wrap=True)


def _costs_table(
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
    """The fix for an error code."""
    return Text(CODES[code].fix if code in CODES else "", "dim")


def show_report(contents: "Contents", page: AnyPath | str) -> None:
    """Print where the report is, and the problems of the output that it shows."""
    for finding in contents.findings:
        _errors.print(f"imagebeam: {escape_control_chars(finding)}", soft_wrap=True)
    _out.print(
        f"{contents.labelled:,} labelled, {contents.failed:,} failed\npage     {page}",
        soft_wrap=True,
    )


def report_warning(text: str) -> None:
    """Say what the user should know before trusting the labels."""
    _errors.print(f"imagebeam: warning: {text}", soft_wrap=True)


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
