"""Exit codes, and the errors that end the command line with one."""

import difflib
from collections.abc import Iterable

from imagebeam.beam_pipeline import interrupts
from imagebeam.errors import ImagebeamError

DONE = 0
"""The job is complete."""
FAILED = 1
"""Too many images failed, or the summary does not add up."""
USAGE = 2
"""Wrong usage: nothing was started."""
BROKEN = 3
"""The job broke. The same command resumes it."""
INTERRUPTED = interrupts.EXIT_CODE
"""Ctrl-C."""


class UsageError(ImagebeamError, ValueError):
    """Options are wrong, alone or together; the text states value, reason and fix."""


class BrokenJobError(ImagebeamError, RuntimeError):
    """The runner gave up."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word most similar to `word`; "" if none is similar."""
    close = difflib.get_close_matches(word, list(known), 1, 0.75)
    return f" Did you mean `{close[0]}`?" if close else ""
