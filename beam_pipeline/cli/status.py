"""tell how far a job is, from its output alone.

  imagebeam status labels/

Works for a job at work here or on a cluster, for one that was stopped and for one that is complete.
`watch imagebeam status DIR` follows it.

exit codes:
  0    complete
  1    not complete
  2    no output there, or a damaged one
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Show the state of a job; the exit code."""
    from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
    from imagebeam.outputs.status import status
    from imagebeam.storage import location

    found = status(location(args.output).absolute())
    if args.json:
        import json

        print(json.dumps(found.as_json(), indent=2))
    else:
        from imagebeam.beam_pipeline.reporting import status_display

        status_display.show(found)
    return DONE if found.state == "complete" else FAILED
