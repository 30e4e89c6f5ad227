"""label images with a module and account for every one.

  imagebeam label photos/ --output labels/ --module module/
  imagebeam label '2024/**/*.jpg' --output features/ --emit features --max-failure-rate 0.05
  imagebeam label archive.txt --output labels/ --runner=FlinkRunner --flink_master=flink:8081

INPUT is a folder (searched in all folders below it), a glob in quotes, an image, a container (.tar,
.tar.gz, .tar.zst, .zip, .tfrecord, .parquet with images …), a manifest (.txt: one name a line; .csv
or .parquet with a column `uri`; .jsonl of strings or objects with `uri`) or - for names on standard
input; on this machine, gs://, s3:// or http(s)://. Manifest entries are taken literally; relative
ones start at the manifest's folder. Options of Beam, such as --runner=…, pass through.

Run the same command again after a stop of any kind: it does what is missing. What an earlier run
left at work on a cluster is cancelled then, as it is by Ctrl-C.
"""

import argparse
from pathlib import Path

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="folder, glob in quotes, image, container, manifest or -",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="a new or empty folder, or one that the same job began; local, gs://… or s3://…",
    )
    add_job_arguments(parser)
    telling = parser.add_argument_group("telling").add_mutually_exclusive_group()
    telling.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    telling.add_argument(
        "--json",
        dest="events",
        action="store_true",
        help="tell other programs on standard error what happens: one JSON object a line",
    )


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare all that a job is told besides its inputs and its output."""
    parser.add_argument(
        "--module",
        metavar="HANDLE",
        help="hub URL, folder, .tar.gz or .tflite, optionally with @sha256:… "
        "(default: the embedded module, which knows the sample archive's classes)",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "litert", "tensorflow"),
        default="auto",
        help="what runs the module (default: litert where it can)",
    )
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--emit",
        default="labels",
        metavar="WHAT,…",
        help="any of labels, logits, features (default: labels)",
    )
    rows.add_argument(
        "--top-k", type=int, default=5, metavar="N", help="classes in `top_k` (default: 5)"
    )
    rows.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="class names, one a line (default: the module's own)",
    )
    rows.add_argument(
        "--format",
        choices=("parquet", "tfrecord"),
        default="parquet",
        help="of the predictions (default: parquet)",
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--resize",
        choices=("crop", "stretch"),
        default="crop",
        help="crop: the centre, 87.5%% of the shorter side, averaged; stretch: all of it, "
        "bilinear, as hub's examples do (default: crop)",
    )
    pictures.add_argument(
        "--max-image-bytes",
        type=int,
        default=100_000_000,
        metavar="N",
        help="an encoded image with more is an error row (default: 100000000)",
    )
    pictures.add_argument(
        "--max-image-pixels",
        type=int,
        default=100_000_000,
        metavar="N",
        help="a picture with more is an error row (default: 100000000)",
    )
    reads = parser.add_argument_group("archives and remote storage")
    reads.add_argument(
        "--keep",
        nargs="+",
        metavar="COLUMN",
        help="columns of .csv, .jsonl and .parquet manifests that rows get too, unchanged; "
        "COLUMN=NAME renames one",
    )
    reads.add_argument(
        "--image-key",
        default="image/encoded",
        metavar="KEY",
        help="feature of a TFRecord's Example that holds the image (default: image/encoded)",
    )
    reads.add_argument(
        "--image-column",
        metavar="COLUMN",
        help="of a Parquet file, that holds the images (default: the only one that can)",
    )
    reads.add_argument(
        "--id-key",
        metavar="KEY",
        help="feature or column that names each image (default: by its number, record=1, row=1)",
    )
    reads.add_argument(
        "--concurrent-reads",
        type=int,
        default=64,
        metavar="N",
        help="objects that a worker reads at once, to hide what each waits (default: 64)",
    )
    reads.add_argument(
        "--read-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="an object that takes longer, tries included, is an error row (default: 60)",
    )
    reads.add_argument(
        "--read-attempts", type=int, default=5, metavar="N", help="tries to read (default: 5)"
    )
    reads.add_argument(
        "--connections-per-host",
        type=int,
        default=8,
        metavar="N",
        help="http(s) requests of a worker to one host at once (default: 8)",
    )
    reads.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="let http(s) URLs lead to hosts of your own network",
    )
    reads.add_argument(
        "--ignore-opt-outs",
        action="store_true",
        help="label images whose X-Robots-Tag says noai, noindex or the like",
    )
    job = parser.add_argument_group("job")
    job.add_argument("--limit", type=int, metavar="N", help="only the first N images")
    job.add_argument(
        "--max-failure-rate",
        default="1.0",
        metavar="LIMIT",
        help="end with exit code 1 if more of the images failed than this share, such as 0.05, or "
        "this count, such as 100; early where the first 1,000 show it (default: 1.0)",
    )
    job.add_argument(
        "--retry-failed",
        nargs="*",
        metavar="CODE",
        help="do failed images again: those with these codes, or all that are retryable",
    )
    job.add_argument(
        "--overwrite", action="store_true", help="delete the rows of earlier runs first"
    )
    job.add_argument(
        "--images-per-shard", type=int, metavar="N", help="(default: follows the number of images)"
    )
    job.add_argument(
        "--decode-processes",
        type=int,
        metavar="N",
        help="decoding processes of each worker (default: one for each core that it has)",
    )
    job.add_argument(
        "--decode-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="an image that takes longer to read and decode is an error row (default: 60)",
    )
    job.add_argument(
        "--decode-memory",
        type=int,
        default=2_000_000_000,
        metavar="BYTES",
        help="an image that needs more to decode is an error row (default: 2000000000)",
    )
    job.add_argument(
        "--stall-seconds",
        type=float,
        default=1800.0,
        metavar="S",
        help="end with exit code 3 if no shard is finished for so long (default: 1800)",
    )
    job.add_argument(
        "--detach",
        action="store_true",
        help="submit the job to a cluster and leave; `imagebeam status DIR` says how far it is",
    )
    job.add_argument(
        "--shared-disk",
        action="store_true",
        help="the workers of a cluster find local files under the same names as this machine",
    )
    job.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.svg",
        help="draw where this machine's threads and decoding processes spend their time, with "
        "py-spy",
    )


def run(args: argparse.Namespace) -> int:
    """Run the job; the exit code."""
    from imagebeam.beam_pipeline.runners.quick_imports import quick_imports
    from imagebeam.images.stage_times import Stopwatch

    watch = Stopwatch()
    with quick_imports(args.beam_args):
        from imagebeam.beam_pipeline.options import LabelOptions
        from imagebeam.beam_pipeline.runners.head_start import head_start

    options = LabelOptions.parse(args)
    with head_start(options):
        with quick_imports(args.beam_args):
            from imagebeam.beam_pipeline.job import label
            from imagebeam.beam_pipeline.reporting.profiler import profiled
            from imagebeam.beam_pipeline.reporting.reporter import voice

        with profiled(args.profile):
            return label(options, voice(args.quiet, args.events), watch)
