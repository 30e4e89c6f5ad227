"""Beam's own options, as the command line passes them through."""

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from imagebeam.beam_pipeline.exit_codes import UsageError, did_you_mean
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.runners.beam_internals import option_parser

_SECRET = re.compile("secret|password|passwd|token|access_key")

View = TypeVar("View", bound=PipelineOptions)


class JobOptions(PipelineOptions):
    """Beam's options, which makes a view of them once.

    A view parses all options, and Beam asks for several views of every transform: 670 for a job of
    ten images, a tenth of its CPU time. All views share the values, so one is as good as the next.
    """

    def view_as(self, cls: type[View]) -> View:
        """Return these options as an instance of another class of options."""
        views = _views.setdefault(self, {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return cast("View", views[cls])


# Not in the object, which Beam pickles.
_views: WeakKeyDictionary[JobOptions, dict[type[PipelineOptions], PipelineOptions]] = (
    WeakKeyDictionary()
)


def pipeline_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Parse Beam's options; by default this process is the only worker.

    Its decoding processes and threads use every core, and no message has to pass between workers.
    With more workers and no running mode, each worker is a thread.

    Raises:
        UsageError: an option is unknown, has a wrong value, or contains a secret.
    """
    parser = option_parser()
    try:
        _, unknown = parser.parse_known_args(list(beam_args))
    except SystemExit:
        raise UsageError("Beam's options: see the line above.") from None
    for argument in beam_args:
        if _SECRET.search(name := argument.partition("=")[0]):
            raise UsageError(
                f"{name}: the secret would be visible in the process list and in the submitted "
                "job. Put it into the environment or a credentials file."
            )
    if unknown:
        known = [
            *(f"--{option.name.replace('_', '-')}" for option in fields(LabelOptions)),
            *re.findall(r"(?<![\w-])--[a-z]\w+", parser.format_help()),
        ]
        similar = did_you_mean(unknown[0].partition("=")[0], known)
        raise UsageError(
            f"{unknown[0]}: no such option, here or in Beam.{similar} Run `imagebeam label --help` "
            "for our options."
        )
    options = JobOptions(list(beam_args))
    _check_runner_name(options)
    direct = options.view_as(DirectOptions)
    if direct.direct_num_workers != 1 and direct.direct_running_mode == "in_memory":
        direct.direct_running_mode = "multi_threading"
    return options


def _check_runner_name(options: PipelineOptions) -> None:
    """Refuse a runner that Beam does not know; a name with dots is that of a class.

    Raises:
        UsageError: it is misspelt.
    """
    name = options.view_as(StandardOptions).runner
    known = [runner for runner in StandardOptions.KNOWN_RUNNER_NAMES if "Test" not in runner]
    spellings = {
        spelling.lower()
        for runner in StandardOptions.KNOWN_RUNNER_NAMES
        for spelling in (runner, runner.removesuffix("Runner"))
    }
    if name is None or "." in name or name.lower() in spellings:
        return
    raise UsageError(
        f"--runner={name}: no such runner.{did_you_mean(name, known)} Beam has {', '.join(known)}."
    )
