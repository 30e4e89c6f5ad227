"""join the finished files of a job into a few large ones.

  imagebeam compact labels/

Predictions and errors become files of about --part-bytes. Rows, summary, resume and --retry-failed
work as before. The job need not be complete, but must not be running.

Safe to interrupt; run it again to continue. Until it has finished, readers other than imagebeam may
see rows in two files.
"""

import argparse

from imagebeam.beam_pipeline.option_declaration import byte_count, check_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "--part-bytes",
        type=byte_count,
        default=128_000_000,
        metavar="SIZE",
        help="target file size; files at least half this size are not rewritten (default: 128MB)",
    )


def run(args: argparse.Namespace) -> int:
    """Compact an output; the exit code."""
    from imagebeam.beam_pipeline.exit_codes import DONE, BrokenJobError
    from imagebeam.beam_pipeline.reporting import compaction_display
    from imagebeam.outputs.compact import compact
    from imagebeam.outputs.identity import read
    from imagebeam.outputs.layout import DamagedPartError
    from imagebeam.storage import location

    check_least("part_bytes", args.part_bytes)
    layout, _ = read(location(args.output).absolute())
    try:
        with compaction_display.progress() as show:
            compacted = compact(layout, args.part_bytes, show)
    except DamagedPartError as error:
        raise BrokenJobError(f"{error}; then compact.") from error
    compaction_display.show(layout, compacted)
    return DONE
