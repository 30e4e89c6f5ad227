"""compare the labels of two outputs of the same images.

  imagebeam compare labels/ new-labels/
  imagebeam compare labels/ new-labels/ --max-drift 2% --report changes.html

Shows how many images keep their label, which classes lose most images and to which, and the images
of which both outputs are confident although their labels differ.

exit codes:
  0    done
  1    more labels changed than --max-drift accepts
  2    not an output, no labels in it, or no image in common
"""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options.declaration import check_range
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage import location

if TYPE_CHECKING:
    from imagebeam.outputs.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="the --output of a job")
    parser.add_argument("new", metavar="NEW", help="the --output of another job")
    parser.add_argument(
        "--max-drift",
        type=_share,
        metavar="SHARE",
        help="exit with code 1 if more labels changed, such as 2%% or 0.02",
    )
    parser.add_argument(
        "--most", type=int, default=20, metavar="N", help="entries in each list (default: 20)"
    )
    parser.add_argument(
        "--report", metavar="FILE", help="write a page with pictures that change, and where to"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _share(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, such as 2% or 0.02")
    return value


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.values import page
    from imagebeam.outputs.compare import compare
    from imagebeam.outputs.reading import Output
    from imagebeam.report.comparison_page import write_comparison

    check_range("most", args.most)
    target = None if args.report is None else page("--report", args.report)
    old, new = (Output.open(location(name).absolute()) for name in (args.old, args.new))
    for output in (old, new):
        if not output.is_complete:
            print(f"imagebeam: {output.layout.root}: the job is not complete.", file=sys.stderr)
    comparison = compare(old, new, args.most)
    if target is not None:
        write_comparison(old, new, comparison, target, args.max_drift)
    if args.json:
        print(json.dumps(asdict(comparison) | {"drift": comparison.drift}, indent=2))
    else:
        _print(comparison)
        if args.report is not None:
            print(f"\npage  {escape_control_chars(args.report)}")
    is_over = args.max_drift is not None and comparison.drift > args.max_drift
    if is_over:
        print(
            f"imagebeam: {comparison.drift:.2%} of the labels changed, more than --max-drift "
            f"{args.max_drift:.2%}.",
            file=sys.stderr,
        )
    return FAILED if is_over else DONE


def _print(comparison: "Comparison") -> None:
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable

    out = SafeConsole()
    out.print(
        f"{comparison.agree:,} of {comparison.common:,} images keep their label "
        f"({1 - comparison.drift:.2%}).\nOnly in OLD: {comparison.only_old:,}. "
        f"Only in NEW: {comparison.only_new:,}.",
        soft_wrap=True,
    )
    for title, headers, rows in (
        (
            "Classes that lose most images",
            ("class", "images", "kept"),
            [(each.label, f"{each.images:,}", f"{each.agree:,}") for each in comparison.classes],
        ),
        (
            "Most frequent changes",
            ("from", "to", "images"),
            [(move.old, move.new, f"{move.images:,}") for move in comparison.moves],
        ),
        (
            "Confident in both, and different",
            ("image", "old", "score", "new", "score"),
            [
                (flip.uri, flip.old, f"{flip.old_score:.2f}", flip.new, f"{flip.new_score:.2f}")
                for flip in comparison.flips
            ],
        ),
    ):
        if rows:
            table = SafeTable(header_style="bold")
            for header in headers:
                table.add_column(header, overflow="fold")
            for row in rows:
                table.add_row(*row)
            out.print(f"\n{title}")
            out.print(table)
