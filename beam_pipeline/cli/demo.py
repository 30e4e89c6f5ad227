"""label the sample archive with the embedded module; needs no network.

  imagebeam demo

The archive contains drawn pictures in several formats, and a few broken files on purpose: each of
them becomes an error row with the reason.
"""

import argparse

from imagebeam.storage import location

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        default="demo-output",
        metavar="DIR",
        help="output folder; replaced if it exists (default: demo-output)",
    )


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.fast_imports import fast_imports
    from imagebeam.images.stage_times import Stopwatch

    watch = Stopwatch()
    with fast_imports(args.beam_args):
        from imagebeam.beam_pipeline.job import label
        from imagebeam.beam_pipeline.options.label_options import LabelOptions
        from imagebeam.modules.handles.catalogue import DEMO
        from imagebeam.samples import ARCHIVE

    options = LabelOptions(
        inputs=(str(ARCHIVE),),
        module=DEMO,
        output=location(args.output).absolute(),
        overwrite=True,
        beam_args=tuple(args.beam_args),
        debug=args.debug,
    )
    code = label(options, watch=watch)
    print("\nThe sample archive contains six broken files on purpose.")
    print("Label your own photos: imagebeam label YOUR-PHOTOS/ --output labels/")
    return code
