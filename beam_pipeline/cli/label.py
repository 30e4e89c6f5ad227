"""label images with a module and record a result or an error for every image.

  imagebeam label photos/ --output labels/ --module module/
  imagebeam label '2024/**/*.jpg' --output features/ --emit features --max-failure-rate 0.05
  imagebeam label archive.txt --output labels/ --runner=FlinkRunner --flink_master=flink:8081

INPUT is a folder (including all folders below it), a glob in quotes, an image, a container (.tar,
.tar.gz, .tar.zst, .zip, .tfrecord, .parquet with images …), a manifest (.txt: one name per line;
.csv or .parquet with a column `uri`; .jsonl of strings or objects with `uri`) or - for names on
standard input; on this machine, gs://, s3:// or http(s)://. Globs are not expanded inside
manifests; relative names start at the manifest's folder. Options of Beam, such as --runner=…, pass
through; write them with `=`.

Run the same command again after any interruption: it resumes. A job that an earlier run left
running on a cluster is cancelled first, as Ctrl-C does.
"""

import argparse
from pathlib import Path

from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.options.declaration import add_options

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="folder, glob in quotes, image, container, manifest or -",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="a new or empty folder, or the output of the same job; local, gs://… or s3://…",
    )
    add_job_arguments(parser)
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.svg",
        help="draw with py-spy where threads and decoding processes spend their time",
    )
    output = parser.add_group("output options", exclusive=True)
    output.add_argument("-q", "--quiet", action="store_true", help="only print errors")
    output.add_argument(
        "-v", "--verbose", action="store_true", help="show the time per image of every stage too"
    )
    output.add_argument(
        "--json",
        dest="events",
        action="store_true",
        help="write events for other programs to standard error, one JSON object per line",
    )


def add_job_arguments(parser: CommandParser) -> None:
    """Declare the options of a job, all but its inputs and its output."""
    from imagebeam.beam_pipeline.options.label_options import LabelOptions

    add_options(parser, LabelOptions)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.fast_imports import fast_imports
    from imagebeam.images.stage_times import Stopwatch

    watch = Stopwatch()
    with fast_imports():
        from imagebeam.beam_pipeline.options.label_options import LabelOptions

    # A wrong option is reported before Beam is imported, which takes longest.
    options = LabelOptions.parse(args)
    with fast_imports(args.beam_args):
        from imagebeam.beam_pipeline.job import label
        from imagebeam.beam_pipeline.reporting.profiler import profiled
        from imagebeam.beam_pipeline.reporting.reporter import job_reporter

    with profiled(args.profile):
        return label(options, job_reporter(args.quiet, args.verbose, args.events), watch)
