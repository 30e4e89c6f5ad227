"""write an HTML page that shows an output: classes, scores, pictures, errors, speed.

  imagebeam report labels/
  imagebeam report labels/ --serve
  imagebeam report labels/ --truth labelled.csv

The page works from disk and uses no network. With more than about 60,000 images, some of the rows
are in files in the folder DIR/report.files. The job may be running: the page then shows the results
so far.

--serve shows the page from this process, until Ctrl-C, to browsers of this machine. It writes
nothing, reads pictures when they are shown, also those in archives and buckets, and has no limit
for the number of images.
"""

import argparse
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import DONE, FAILED, UsageError
from imagebeam.storage import location

if TYPE_CHECKING:
    from imagebeam.report.truth import TruthRows


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("labels", metavar="DIR", help="the --output of a job")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page (default: DIR/report.html)"
    )
    parser.add_argument(
        "--truth",
        metavar="PATH",
        help="show the accuracy: a table with the columns uri and label, or folders of classes",
    )
    thumbnails = parser.add_group("pictures", exclusive=True)
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

    serving = parser.add_group("serving")
    serving.add_argument(
        "--serve", action="store_true", help="show the page to browsers of this machine"
    )
    serving.add_argument(
        "--port", type=int, default=0, metavar="N", help="port for --serve (default: any free one)"
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.values import page
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.report.page import write_report

    if args.thumbnails is not None and args.thumbnails < 0:
        raise UsageError(f"--thumbnails {args.thumbnails}: give 0 or more.")
    if args.serve:
        return _serve(args)
    if args.port:
        raise UsageError(f"--port {args.port}: works only with --serve. Add --serve.")
    target = None if args.output is None else page("--output", args.output)
    found, written = write_report(
        location(args.labels), target, args.thumbnails, truth=_truth(args)
    )
    console.show_report(found, written)
    return FAILED if found.findings else DONE


def _truth(args: argparse.Namespace) -> "TruthRows | None":
    """Read the true labels."""
    from imagebeam.evaluation import labelled_images
    from imagebeam.report.truth import TruthRows

    if args.truth is None:
        return None
    return TruthRows(args.truth, labelled_images.read(Path(args.truth)))


def _serve(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, and return the exit code."""
    from imagebeam.beam_pipeline.reporting import console
    from imagebeam.report.server import HOST, PortError, ReportServer

    for option, value in (("--output", args.output), ("--thumbnails", args.thumbnails)):
        if value is not None:
            raise UsageError(f"{option} {value}: --serve writes no page. Leave one of them out.")
    if not 0 <= args.port <= 65535:
        raise UsageError(f"--port {args.port}: give 1 to 65535.")
    try:
        server = ReportServer(location(args.labels), args.port, _truth(args))
    except PortError as error:
        raise UsageError(
            f"--port {args.port}: cannot be used on {HOST}: {error}. Give another port, or none."
        ) from error
    with closing(server):
        console.show_report(server.contents, server.address)
        print("Press Ctrl-C to stop.", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve()
    return FAILED if server.contents.findings else DONE
