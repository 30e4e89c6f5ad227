"""label the sample archive with the embedded module; needs no network.

  imagebeam demo

The archive holds drawn pictures in several formats, and a few broken files on purpose: they end
as error rows, with the reason.
"""

import argparse

TAKES_BEAM_OPTIONS = True

_ROWS_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--output",
        default="demo-output",
        metavar="DIR",
        help="replaced if it is there (default: demo-output)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; the exit code."""
    from beam_pipeline.quick_imports import quick_imports
    from images.costs import Stopwatch

    watch = Stopwatch()
    with quick_imports(args.beam_args):
        from beam_pipeline import display
        from beam_pipeline.label import label
        from beam_pipeline.options import LabelOptions
        from results.layout import Layout
        from samples import ARCHIVE
        from stores import location

    options = LabelOptions(
        inputs=(str(ARCHIVE),),
        output=location(args.output).absolute(),
        overwrite=True,
        beam_args=tuple(args.beam_args),
        debug=args.debug,
    )
    code = label(options, watch=watch)
    display.show_rows(Layout(options.output), _ROWS_SHOWN)
    display.say_next(options.output)
    return code
