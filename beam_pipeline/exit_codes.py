"""Exit codes, and the errors that end the command line with one."""

import difflib
from collections.abc import Iterable

from imagebeam.errors import ImagebeamError

DONE = 0
"""The job is complete."""
FAILED = 1
"""Too many images failed, or the summary does not add up."""
USAGE = 2
"""Wrong usage: nothing was started."""
BROKEN = 3
"""The job broke. The same command resumes it."""
INTERRUPTED = 130
"""Ctrl-C."""


class UsageError(ImagebeamError, ValueError):
    """Options are wrong, alone or together; the text states value, reason and fix."""


class BrokenJobError(ImagebeamError, RuntimeError):
    """The runner gave up."""


def was_interrupted(error: BaseException | None) -> bool:
    """Tell if Ctrl-C led to an error.

    A library that is interrupted while it is imported raises `ImportError` because of it.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word most similar to `word`; "" if none is similar."""
    close = difflib.get_close_matches(word, list(known), 1, 0.75)
    return f" Did you mean `{close[0]}`?" if close else ""
