"""Beam's own options, as the command line passes them through."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from imagebeam.beam_pipeline.exit_codes import UsageError, did_you_mean
from imagebeam.beam_pipeline.options import LabelOptions

_SECRET = re.compile("secret|password|passwd|token|access_key")

V = TypeVar("V")


class BeamOptions(PipelineOptions):
    """Looks at the command line once for each kind of options.

    Beam asks for them with every step and every type that it compares, and each time makes a
    parser: a third of what it takes to build a pipeline.
    """

    def view_as(self, cls: type[V]) -> V:
        """The options of one kind; all views and this share their values."""
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        # A copy may have values of its own, which the views of this one do not share.
        return {name: value for name, value in super().__getstate__().items() if name != "_views"}


def pipeline_options(beam_args: Sequence[str]) -> BeamOptions:
    """Beam's own options, with this process as the one worker unless they say otherwise.

    Its decoding processes and its threads keep every core at work, and no message has to pass
    between it and another. With more workers and nothing else said, each is a thread.

    Raises:
        UsageError: an option that neither we nor Beam know.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(beam_args))
    except SystemExit:
        raise UsageError("Beam's options: see the line above.") from None
    for argument in beam_args:
        if _SECRET.search(name := argument.partition("=")[0]):
            raise UsageError(
                f"{name}: a secret would stand in the list of processes and in the job that is "
                "submitted. Leave it to the environment or to a credentials file."
            )
    if unknown:
        known = [
            *(f"--{each.name.replace('_', '-')}" for each in fields(LabelOptions)),
            *re.findall(r"(?<![\w-])--[a-z]\w+", parser.format_help()),
        ]
        similar = did_you_mean(unknown[0].partition("=")[0], known)
        raise UsageError(
            f"{unknown[0]}: no such option, here or in Beam.{similar} Run `imagebeam label --help` "
            "for our options."
        )
    options = BeamOptions(list(beam_args))
    direct = options.view_as(DirectOptions)
    if direct.direct_num_workers != 1 and direct.direct_running_mode == "in_memory":
        direct.direct_running_mode = "multi_threading"
    return options
