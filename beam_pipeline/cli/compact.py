"""join the finished files of a job into few large ones.

  imagebeam compact labels/

Predictions and errors become files of about --part-bytes; rows, account, resume and --retry-failed
stay as they are. A job that is not complete may be compacted too, but not while it is at work.

It may be killed in any moment and be run again. Until it has ended, readers other than imagebeam
may see rows in two files.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "--part-bytes",
        type=int,
        default=128_000_000,
        metavar="N",
        help="size at which a file is full; one of half that stays as it is (default: 128000000)",
    )


def run(args: argparse.Namespace) -> int:
    """Compact an output; the exit code."""
    from imagebeam.beam_pipeline.exit_codes import DONE, BrokenJobError, UsageError
    from imagebeam.beam_pipeline.reporting import compaction_display
    from imagebeam.outputs.compact import compact
    from imagebeam.outputs.identity import read
    from imagebeam.outputs.layout import DamagedPartError
    from imagebeam.storage import location

    if args.part_bytes < 1:
        raise UsageError(f"--part-bytes {args.part_bytes}: must be at least 1.")
    layout, _ = read(location(args.output).absolute())
    try:
        with compaction_display.progress() as show:
            compacted = compact(layout, args.part_bytes, show)
    except DamagedPartError as error:
        raise BrokenJobError(f"{error}; then compact.") from error
    compaction_display.show(layout, compacted)
    return DONE
