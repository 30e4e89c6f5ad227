"""recount an output: every image exactly once, nothing missing, nothing strange.

  imagebeam verify labels/

Reads the files alone. Exit code 0 if all is well, 1 with a line for each thing that is not.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("output", metavar="DIR", help="the --output of a job")


def run(args: argparse.Namespace) -> int:
    """Verify an output; the exit code."""
    from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
    from imagebeam.outputs.verify import verify
    from imagebeam.storage import location

    findings = verify(location(args.output))
    for finding in findings:
        print(finding)
    print(f"{args.output}: {'all is well' if not findings else f'{len(findings)} findings'}")
    return FAILED if findings else DONE
