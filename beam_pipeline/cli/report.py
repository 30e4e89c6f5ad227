"""write an HTML page that shows an output: classes, scores, pictures, errors, speed.

  imagebeam report labels/

The page works from disk and uses no network. With more than about 60,000 images, some of the rows
are in files in the folder DIR/report.files. The job may be running: the page then shows the results
so far.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("labels", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page (default: DIR/report.html)"
    )
    thumbnails = parser.add_mutually_exclusive_group()
    thumbnails.add_argument(
        "--thumbnails",
        type=int,
        metavar="N",
        help="number of images to read and show (default: as many as 30 s and 8 MB allow)",
    )
    thumbnails.add_argument(
        "--no-thumbnails",
        dest="thumbnails",
        action="store_const",
        const=0,
        help="read no images: the page shows their names",
    )


def run(args: argparse.Namespace) -> int:
    """Write the page; the exit code."""
    from imagebeam.beam_pipeline.exit_codes import DONE, FAILED, UsageError
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.report.page import write_report
    from imagebeam.storage import location

    if args.thumbnails is not None and args.thumbnails < 0:
        raise UsageError(f"--thumbnails {args.thumbnails}: give 0 or more.")
    target = None if args.output is None else location(args.output)
    found, page = write_report(location(args.labels), target, args.thumbnails)
    console.show_report(found, page)
    return FAILED if found.findings else DONE
