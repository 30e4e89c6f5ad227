"""export labels to CSV, JSON Lines, XMP sidecars or folders.

  imagebeam export labels/ --to labels.csv
  imagebeam export labels/ --to cats.jsonl --label 'tabby, tabby cat' --min-score 0.5
  imagebeam export labels/ --xmp --min-score 0.5
  imagebeam export labels/ --undo
  imagebeam export labels/ --folders sorted/

--to writes one row per image. In CSV files, text that a spreadsheet would run as a formula gets a
leading apostrophe; JSON Lines files hold all text unchanged.

--xmp writes a file NAME.xmp beside each image, with the label as a keyword (dc:subject) and as the
hierarchical keyword PREFIX|LABEL (lr:hierarchicalSubject). Images are never touched. Existing
sidecars are left alone, or get the keywords with --merge. --undo removes exactly what was written.

--folders makes a folder per label with links to the images.

exit codes:
  0    done
  1    some images were left alone; standard error lists them
  2    nothing was written
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options.declaration import check_range
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage import location

if TYPE_CHECKING:
    from imagebeam.outputs.exports.sidecars import Result
    from imagebeam.outputs.reading import Output, Selection

_MOST_PROBLEMS = 20


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    targets = parser.add_group("target", exclusive=True, required=True)
    targets.add_argument("--to", metavar="FILE", help="write a table: FILE.csv or FILE.jsonl")
    targets.add_argument("--xmp", action="store_true", help="write XMP sidecar files")
    targets.add_argument("--undo", action="store_true", help="remove what --xmp has written")
    targets.add_argument("--folders", metavar="FOLDER", help="make a folder per label")
    rows = parser.add_group("images")
    rows.add_argument(
        "--label", action="append", default=[], metavar="LABEL", help="only this label; repeatable"
    )
    rows.add_argument(
        "--min-score", type=float, default=0.0, metavar="S", help="only scores of at least S"
    )
    rows.add_argument(
        "--top", type=int, default=1, metavar="N", help="use the N best classes (default: 1)"
    )
    table = parser.add_group("tables")
    table.add_argument(
        "--columns", metavar="NAMES", help="comma-separated columns (default: all but vectors)"
    )
    table.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    sidecars = parser.add_group("sidecars and folders")
    sidecars.add_argument(
        "--prefix",
        default="imagebeam",
        metavar="TEXT",
        help="first step of hierarchical keywords (default: imagebeam)",
    )
    sidecars.add_argument(
        "--xmp-folder", metavar="FOLDER", help="write sidecars below FOLDER, not beside images"
    )
    sidecars.add_argument(
        "--merge", action="store_true", help="add keywords to sidecars that exist already"
    )
    sidecars.add_argument("--copy", action="store_true", help="copy images into --folders")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.values import least_score
    from imagebeam.outputs.reading import Output, Selection

    check_range("top", args.top)
    least = least_score(args.min_score)
    root = location(args.output).absolute()
    if args.undo:
        return _undo(args)
    output = Output.open(root)
    if not output.is_complete:
        print(
            f"imagebeam: {escape_control_chars(str(output.layout.root))}: the job is not "
            "complete. Only the images that have a row so far are exported.",
            file=sys.stderr,
        )
    selection = Selection(tuple(args.label), least, args.top)
    if args.to is not None:
        from imagebeam.beam_pipeline.reporting.progress import plural
        from imagebeam.outputs.exports.table import export_table

        columns = tuple(args.columns.split(",")) if args.columns else ()
        target = location(args.to).absolute()
        count = export_table(output, target, selection, columns, args.overwrite)
        print(f"{count:,} {plural('rows', count)}\ntable    {escape_control_chars(str(target))}")
        return DONE
    return _with_images(args, output, selection)


def _with_images(args: argparse.Namespace, output: "Output", selection: "Selection") -> int:
    from imagebeam.outputs.exports.label_folders import export_folders
    from imagebeam.outputs.exports.sidecars import SidecarOptions, write_sidecars

    if args.folders is not None:
        folder = Path(args.folders).absolute()
        return _report(export_folders(output, folder, selection, args.copy), "files", "made")
    mirror = None if args.xmp_folder is None else Path(args.xmp_folder).absolute()
    options = SidecarOptions(args.prefix, mirror, args.merge)
    return _report(write_sidecars(output, selection, options), "sidecars", "written")


def _undo(args: argparse.Namespace) -> int:
    from imagebeam.outputs.exports.sidecars import undo_sidecars
    from imagebeam.outputs.identity import read

    layout, _ = read(location(args.output).absolute())
    return _report(undo_sidecars(layout), "sidecars", "removed or restored")


def _report(result: "Result", what: str, done: str) -> int:
    from imagebeam.beam_pipeline.reporting.progress import plural

    print(f"{result.done:,} {plural(what, result.done)} {done}")
    if result.unchanged:
        print(f"{result.unchanged:,} up to date")
    for problem in result.problems[:_MOST_PROBLEMS]:
        print(f"imagebeam: {escape_control_chars(problem)}", file=sys.stderr)
    if (more := len(result.problems) - _MOST_PROBLEMS) > 0:
        print(f"imagebeam: and {more:,} more", file=sys.stderr)
    return FAILED if result.problems else DONE
