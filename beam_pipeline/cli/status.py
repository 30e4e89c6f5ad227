"""show the progress of a job, read from its output.

  imagebeam status labels/
  imagebeam status labels/ --watch

Works for a job that runs here or on a cluster, for an interrupted one and for a complete one. With
--watch it follows the job until it is complete or has stopped; Ctrl-C ends only the watching.

exit codes:
  0    complete
  1    not complete
  2    no output there, or a damaged one
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options.declaration import check_range
from imagebeam.storage import location

if TYPE_CHECKING:
    from rich.table import Table

    from imagebeam.outputs.status import Status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object; with --watch, one per line"
    )
    parser.add_argument(
        "--watch", action="store_true", help="show the progress until the job is complete or stops"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds between two updates with --watch (default: 2)",
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.outputs.status import status

    check_range("interval", args.interval, 0.1)
    root = location(args.output).absolute()
    found = status(root)
    if args.watch:
        show = _print_json_line if args.json else _print_line
        found = watch(lambda: status(root), show, lambda: time.sleep(args.interval))
    if not args.json:
        _print(found)
    elif not args.watch:
        print(json.dumps(found.as_json(), indent=2))
    return DONE if found.state == "complete" else FAILED


def watch(
    look: "Callable[[], Status]", show: "Callable[[Status], None]", wait: Callable[[], None]
) -> "Status":
    """Show each new state of a job until it is complete or has stopped; return the last one."""
    before: object = None
    while True:
        found = look()
        # The time since the last activity changes with each look.
        now = {name: value for name, value in found.as_json().items() if name != "silent_seconds"}
        if now != before:
            show(found)
            before = now
        if found.state in ("complete", "stopped"):
            return found
        wait()


def _print_json_line(found: "Status") -> None:
    print(json.dumps(found.as_json()), flush=True)


def _print_line(found: "Status") -> None:
    """Print one line for a state of a job that is not complete."""
    from imagebeam.beam_pipeline.reporting.progress import duration, failure_counts, rate
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    if found.state in ("complete", "stopped"):
        return
    parts = [_state(found)]
    if found.plan is not None:
        parts.append(f"{found.done:,}/{found.plan.to_do:,} images")
    if found.images_per_second is not None:
        parts.append(rate(found.images_per_second, 1.0))
    if found.seconds_left is not None:
        parts.append(f"{duration(found.seconds_left)} left")
    parts.append(failure_counts(found.progress.failed))
    SafeConsole().print(", ".join(filter(None, parts)), soft_wrap=True)


def _print(found: "Status") -> None:
    """Print the progress of the job, and what to do next."""
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    out = SafeConsole()
    if found.summary is not None:
        out.print("complete\n")
        console.show_output(found.layout, found.summary)
    else:
        out.print(_standing(found))
    for sentence in _advice(found):
        out.print(f"\n{sentence}", soft_wrap=True)


def _standing(found: "Status") -> "Table":
    from imagebeam.beam_pipeline.reporting.progress import duration, rate
    from imagebeam.beam_pipeline.reporting.summary_tables import fix_of
    from imagebeam.beam_pipeline.reporting.terminal import SafeTable

    table = SafeTable(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column()
    table.add_row("state", _state(found))
    if found.plan is not None:
        share = found.done / max(found.plan.to_do, 1)
        table.add_row("done", f"{found.done:,} of {found.plan.to_do:,} ({int(100 * share)} %)")
    if found.images_per_second is not None:
        left = found.seconds_left
        eta = "" if left is None else f", {duration(left)} left"
        table.add_row("rate", f"{rate(found.images_per_second, 1.0)}{eta}")
    table.add_row("labelled", f"{found.progress.labelled:,}", "by all runs")
    table.add_row("failed", f"{sum(found.progress.failed.values()):,}", "by all runs")
    for code, count in sorted(found.progress.failed.items()):
        table.add_row(f"  {code}", f"{count:,}", fix_of(code))
    table.add_row("last activity", f"{duration(found.silent_seconds)} ago")
    return table


def _state(found: "Status") -> str:
    phase = "labelling"
    if found.plan is None:
        listed = found.progress.listed
        phase = f"listing images ({listed:,} so far)" if listed else "listing images"
    match found.state:
        case "running":
            return phase if found.compacting is None else "being compacted"
        case "detached":
            return f"{phase}, detached to {', '.join(found.remote_handle.values())}"
        case _:
            return f"stopped while {phase}"


def _advice(found: "Status") -> Iterator[str]:
    from imagebeam.beam_pipeline.reporting.progress import duration
    from imagebeam.outputs.status import SILENT_SECONDS

    root = found.layout.root
    if found.compacting is False:
        yield f"A compaction was interrupted. Run `imagebeam compact {root}` to finish it."
    silent = found.silent_seconds > SILENT_SECONDS
    match found.state:
        case "stopped":
            yield (
                "No running process found on this machine. If none runs elsewhere, run the same "
                "command again to resume."
            )
        case "detached" if silent:
            yield (
                f"Nothing was finished for {duration(found.silent_seconds)}. Check on the cluster "
                "if the job has ended; if so, run the same command again to resume."
            )
        case "running" if silent:
            yield (
                f"Nothing was finished for {duration(found.silent_seconds)}. "
                f"See {found.layout.log} for the reason."
            )
