"""check everything that a job needs before you start it.

  imagebeam doctor photos/ --output labels/ --module module/

Replace `label` with `doctor` in your command; anything you leave out is not checked. Doctor checks
module, class names, inputs, output, storage, runner and workers, each with a time limit. It runs
the job on a sample of the images here, into a temporary folder, to predict failures, time, cost and
disk space. It writes only a probe to the output, which it removes at once.

Exit code 0 if the job can run, with or without warnings; 1 if it cannot.
"""

import argparse
import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from imagebeam.beam_pipeline.cli import label
from imagebeam.beam_pipeline.cli.command_parser import CommandParser
from imagebeam.beam_pipeline.exit_codes import DONE, FAILED, UsageError
from imagebeam.beam_pipeline.options.declaration import check_range
from imagebeam.escape_control_chars import escape_control_chars

if TYPE_CHECKING:
    from imagebeam.beam_pipeline.doctor.finding import Check, Finding
    from imagebeam.beam_pipeline.options.label_options import LabelOptions

TAKES_BEAM_OPTIONS = True

_STATE_WIDTH = 8
_ABOUT_WIDTH = 9


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="folder, glob in quotes, image or manifest"
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="the output folder of the job")
    doctor = parser.add_group("doctor")
    doctor.add_argument(
        "--sample",
        type=int,
        default=100,
        metavar="N",
        help="least number of images to label; more if they take only moments (default: 100)",
    )
    doctor.add_argument(
        "--deadline",
        type=float,
        default=60.0,
        metavar="S",
        help="time limit of each check; a slower one fails (default: 60)",
    )
    doctor.add_argument(
        "--cores",
        type=int,
        metavar="N",
        help="total number of cores, for the estimate (default: those of this machine; unknown "
        "with --runner)",
    )
    doctor.add_argument(
        "--price-per-core-hour",
        type=float,
        metavar="X",
        help="price for the estimate, in any currency",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    label.add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.doctor.check_process import run_all

    checks = _checks(args)
    failed = False
    findings = []
    for finding in run_all(checks, args.deadline, args.debug):
        failed |= finding.state == "failure"
        if args.json:
            findings.append(finding.to_json())
        else:
            _print(finding)
    if args.json:
        print(json.dumps({"ready": not failed, "findings": findings}, indent=2))
    return FAILED if failed else DONE


def _checks(args: argparse.Namespace) -> "Iterator[Check]":
    """Yield the checks to run; a check is imported just before it runs.

    Raises:
        UsageError: options that make no sense.
    """
    from imagebeam.beam_pipeline.options.label_options import LabelOptions
    from imagebeam.images.listing.inputs import STDIN

    for name in ("sample", "deadline", "cores"):
        check_range(name, getattr(args, name))
    check_range("price_per_core_hour", args.price_per_core_hour, 0)
    if STDIN in args.inputs:
        raise UsageError("-: doctor does not read standard input. Name a file.")
    has_output = args.output is not None
    args.output = args.output or "."
    options = LabelOptions.parse(args)
    if args.beam_args:
        from imagebeam.beam_pipeline.runners.beam_options import pipeline_options

        pipeline_options(args.beam_args)
    return _chosen(options, has_output, args)


def _chosen(
    options: "LabelOptions", has_output: bool, args: argparse.Namespace
) -> "Iterator[Check]":
    from imagebeam import resources
    from imagebeam.beam_pipeline.doctor.estimate import Price
    from imagebeam.beam_pipeline.doctor.finding import Check
    from imagebeam.beam_pipeline.doctor.inputs import check_inputs
    from imagebeam.beam_pipeline.doctor.module import check_module
    from imagebeam.beam_pipeline.doctor.output import check_output
    from imagebeam.beam_pipeline.doctor.runner import check_runner
    from imagebeam.beam_pipeline.doctor.storage import check_storage, roots_of
    from imagebeam.beam_pipeline.doctor.versions import check_versions

    names = (*options.inputs, *((str(options.output),) if has_output else ()))
    yield Check("versions", check_versions)
    if roots := roots_of((*names, options.module or "")):
        yield Check("storage", partial(check_storage, roots, options.access.settings))
    yield Check("module", partial(check_module, options))
    if has_output:
        yield Check("output", partial(check_output, options))
    yield Check("runner", partial(check_runner, options, names))
    if options.inputs:
        elsewhere = any(argument.startswith("--runner") for argument in options.beam_args)
        cores = args.cores or (None if elsewhere else resources.cores())
        price = Price(cores, args.price_per_core_hour, elsewhere)
        output = options.output if has_output else None
        check = partial(check_inputs, options, args.sample, args.deadline, price, output)
        yield Check("inputs", check)


def _print(finding: "Finding") -> None:
    from rich.text import Text

    from imagebeam.beam_pipeline.reporting.terminal import SafeConsole

    # Lines are not wrapped: users copy the commands in them.
    SafeConsole(soft_wrap=True).print(
        Text.assemble(
            (f"{finding.state.value:<{_STATE_WIDTH}}", _STYLES[finding.state.value]),
            (f"{finding.about:<{_ABOUT_WIDTH}}", "bold"),
            escape_control_chars(finding.message),
        )
    )


_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}
