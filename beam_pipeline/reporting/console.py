"""Reports to a person: progress on standard error, results on standard output."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TextIO

from imagebeam.beam_pipeline.cli.command_parser import COMMANDS
from imagebeam.beam_pipeline.reporting import progress as progress_display
from imagebeam.beam_pipeline.reporting.progress import Step, duration, failure_counts, rate
from imagebeam.beam_pipeline.reporting.summary_tables import (
    costs_table,
    labels_table,
    summary_table,
)
from imagebeam.beam_pipeline.reporting.terminal import SafeConsole
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.progress import Progress
from imagebeam.storage import AnyPath

if TYPE_CHECKING:
    from imagebeam.report.contents import Contents

_NEXT = (("report", ""), ("export", " --to labels.csv"), ("search", " TEXT"))
"""Commands for a complete output, with the words that follow its folder."""

_MEGABYTE = 1_000_000

_errors = SafeConsole(stderr=True, soft_wrap=True)
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
def fetching(stream: TextIO) -> Iterator[Callable[[int, int | None], None]]:
    """Show the download of a module, if there is one, until the end of the block."""
    with ExitStack() as stack:
        display: list[Callable[[Step], None]] = []

        def show(done: int, total: int | None) -> None:
            if not display:
                shown = progress_display.progress(stream, "MB")
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
    """Print the closing table: counts, labels, where the files are and what to do next.

    With `verbose`, also print the time per image and stage; see `JobReporter.show_summary`.
    """
    show_output(layout, summary)
    done = summary["labelled"] + summary["failed"]
    speed = f", {rate(done, seconds)}" if done else ""
    _out.print(f"time         {duration(seconds)}{speed}")
    if done and verbose:
        _out.print("")
        _out.print(costs_table(summary["stages"], done, core_seconds))
    show_next(*(f"{name} {layout.root}{rest}" for name, rest in _NEXT if name in COMMANDS))


def show_output(layout: Layout, summary: Mapping[str, Any]) -> None:
    """Print what a complete output holds and where its files are."""
    _out.print(summary_table(summary))
    if (labels := labels_table(layout)) is not None:
        _out.print("")
        _out.print(labels)
    _out.print("")
    _out.print(f"predictions  {layout.predictions}", soft_wrap=True)
    if summary.get("output", summary)["failed"] or summary["already_failed"]:
        _out.print(f"errors       {layout.errors}", soft_wrap=True)
    _out.print(f"summary      {layout.summary}", soft_wrap=True)


def show_next(*commands: str) -> None:
    """Print commands to try next."""
    program = "imagebeam" if shutil.which("imagebeam") else "python -m imagebeam"
    _out.print("")
    for head, command in zip_longest(("next",), commands, fillvalue=""):
        _out.print(f"{head:<13}{program} {command}", soft_wrap=True)


def show_report(contents: "Contents", page: AnyPath | str) -> None:
    """Print where the report is, and the problems of the output that it shows."""
    for finding in contents.findings:
        _errors.print(f"imagebeam: {escape_control_chars(finding)}")
    _out.print(
        f"{contents.labelled:,} labelled, {contents.failed:,} failed\npage     {page}",
        soft_wrap=True,
    )


def report_warning(text: str) -> None:
    """Say what the user should know before trusting the labels."""
    _errors.print(f"imagebeam: warning: {text}")


def report_too_many_failures(failed: int, images: int, most: str) -> None:
    """Say why the exit code is 1 although all rows are written."""
    limit = f"more than --max-failure-rate {most}" if failed < images else "all of them"
    _errors.print(
        f"imagebeam: {failed:,} of {images:,} images failed, {limit}. All rows are kept. Fix "
        "the causes listed above, then run the same command again with --retry-failed."
    )


def report_no_profile(reason: str) -> None:
    """Say why there is no profile; the job itself was run."""
    _errors.print(
        f"imagebeam: no profile was written: {reason}. py-spy must be allowed to trace this "
        "process: as root, or with CAP_SYS_PTRACE in a container."
    )


def report_cancelled(job: str) -> None:
    """Say that a job that an earlier run left on a cluster was cancelled."""
    _errors.print(
        f"imagebeam: cancelled the job {job}, which an earlier run had left running. Its "
        "finished results are kept."
    )


def report_detached(layout: Layout) -> None:
    """Say how to follow a job that runs on a cluster without this process."""
    _out.print(f"submitted\n\nfollow   imagebeam status {layout.root}", soft_wrap=True)


def report_stopped(reason: str, layout: Layout) -> None:
    """Say why the job stopped early, and how to resume it."""
    _errors.print(
        f"\nimagebeam: {reason}. Finished results are kept in {layout.root}; run the same "
        "command again to resume."
    )
