"""join the finished files of a job into a few large ones.

  imagebeam compact labels/

Predictions and errors become files of about --part-bytes. Rows, summary, resume and --retry-failed
work as before. The job need not be complete, but must not be running.

Safe to interrupt; run it again to continue. Until it has finished, readers other than imagebeam may
see rows in two files.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.exit_codes import DONE
from imagebeam.beam_pipeline.options.declaration import byte_count, check_range
from imagebeam.outputs.errors import DamagedPartError, OutputError
from imagebeam.storage import location

if TYPE_CHECKING:
    from imagebeam.outputs.compaction.compact import Compacted
    from imagebeam.outputs.layout import Layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "--part-bytes",
        type=byte_count,
        default=128_000_000,
        metavar="SIZE",
        help="target file size; files at least half this size are not rewritten (default: 128MB)",
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.reporting.progress import Step, progress
    from imagebeam.outputs.compaction.compact import compact
    from imagebeam.outputs.identity import read

    check_range("part_bytes", args.part_bytes)
    layout, _ = read(location(args.output).absolute())
    try:
        with progress(sys.stderr, "files") as show:
            compacted = compact(
                layout, args.part_bytes, lambda done, total: show(Step("joining", done, total))
            )
    except DamagedPartError as error:
        raise OutputError(f"{error}; then compact.") from error
    _print_result(layout, compacted)
    return DONE


def _print_result(layout: "Layout", compacted: Mapping[str, "Compacted"]) -> None:
    """Print the numbers of files, bytes and rows before and after."""
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable

    table = SafeTable(padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for name in ("files before", "after", "MB before", "after", "rows joined"):
        table.add_column(name, justify="right")
    for name, result in compacted.items():
        table.add_row(
            name,
            *(f"{count:,}" for count in result.parts),
            *(f"{count / 1e6:,.1f}" for count in result.bytes),
            f"{result.rows:,}",
        )
    out = SafeConsole()
    out.print(table)
    if not layout.summary.exists():
        out.print(
            "\nThe job is not complete; its finished files are joined. Run its command again for "
            "the rest.",
            soft_wrap=True,
        )
