"""commit an output to tables of Delta Lake or Apache Iceberg, exactly once.

  imagebeam commit labels/ --delta s3://lake/labels
  imagebeam commit labels/ --iceberg prod.photos.labels

Makes a table hold exactly the predictions of an output, and a second one, whose name ends in
`_errors`, its errors. Each is changed in one snapshot, and only the rows that differ are written.
Run again, it commits nothing. Safe to interrupt; run it again to continue.

exit codes:
  0    done
  2    not a complete output, or a table that cannot be used: nothing was committed
  3    another commit changed a table at the same time: run the same command again
"""

import argparse
import sys
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import DONE, BrokenJobError, UsageError
from imagebeam.storage import location

if TYPE_CHECKING:
    from imagebeam.tables.commit import Committed
    from imagebeam.tables.table import Table


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    tables = parser.add_group("table", exclusive=True)
    tables.add_argument(
        "--delta", metavar="URI", help="a table of Delta Lake: a folder, gs://… or s3://…"
    )
    tables.add_argument(
        "--iceberg",
        metavar="CATALOG.NAMESPACE.TABLE",
        help="a table of Iceberg in a catalogue that is configured for pyiceberg",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="commit the finished rows of a job that is not complete",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace all rows of a table that others have written or changed",
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.reporting.progress import Step, progress

    if not args.delta and not args.iceberg:
        raise UsageError("no table given. Add --delta URI or --iceberg CATALOG.NAMESPACE.TABLE.")
    root = location(args.output).absolute()
    tables = _delta(args.delta, args.output) if args.delta else _iceberg(args.iceberg)

    from imagebeam.tables.commit import commit
    from imagebeam.tables.table import ConflictError

    try:
        with progress(sys.stderr, "files") as show:
            committed = commit(
                root,
                *tables,
                partial=args.partial,
                overwrite=args.overwrite,
                show=lambda what, done, total: show(Step(what, done, total)),
            )
    except ConflictError as error:
        raise BrokenJobError(str(error)) from error
    _print_result(committed)
    return DONE


def _delta(name: str, output: str) -> "tuple[Table, Table]":
    from imagebeam.tables.credentials import delta_options
    from imagebeam.tables.delta import Delta

    place = location(name.rstrip("/")).absolute()
    if f"{place}/".startswith(f"{location(output).absolute()}/"):
        raise UsageError(f"--delta {name}: is inside the output. Choose another place.")
    options = delta_options(place)
    return Delta(place, options), Delta(place.with_name(f"{place.name}_errors"), options)


def _iceberg(name: str) -> "tuple[Table, Table]":
    from imagebeam.tables.iceberg import Iceberg, catalogue

    first, *identifier = name.split(".")
    if len(identifier) < 2 or not all((first, *identifier)):
        raise UsageError(
            f"--iceberg {name}: must have three parts, CATALOG.NAMESPACE.TABLE, such as "
            "prod.photos.labels."
        )
    opened = catalogue(first)
    *namespace, table = identifier
    return (Iceberg(opened, (*namespace, table)), Iceberg(opened, (*namespace, f"{table}_errors")))


def _print_result(committed: "tuple[Committed, ...]") -> None:
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    for each in committed:
        what = (
            "unchanged"
            if each.snapshot is None
            else f"{each.added:,} added, {each.removed:,} removed, in snapshot {each.snapshot}"
        )
        SafeConsole().print(f"{each.table}: {each.rows:,} rows; {what}", soft_wrap=True)
