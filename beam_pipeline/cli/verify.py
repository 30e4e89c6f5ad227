"""check that an output holds a result or an error for every image exactly once.

  imagebeam verify labels/

Reads only the files of the output. Exit code 0 if there is no problem, 1 with one line per problem.
"""

import argparse

from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.storage import location


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole
    from imagebeam.outputs.verify import verify

    findings = verify(location(args.output))
    out = SafeConsole(soft_wrap=True)
    for finding in findings:
        out.print(finding)
    out.print(f"{args.output}: {f'{len(findings)} problems' if findings else 'no problems found'}")
    return FAILED if findings else DONE
