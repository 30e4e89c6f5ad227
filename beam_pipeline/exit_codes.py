"""Exit codes, and the errors that end the command line with one."""

from imagebeam.errors import ImagebeamError

DONE = 0
"""The job is complete."""
FAILED = 1
"""Too many images failed, or the account does not add up."""
USAGE = 2
"""Wrong usage: nothing was started."""
BROKEN = 3
"""The job broke. Run again: it resumes."""
INTERRUPTED = 130
"""Ctrl-C."""


class UsageError(ImagebeamError, ValueError):
    """Options that make no sense, alone or together; says value, reason and cure."""


class BrokenJobError(ImagebeamError, RuntimeError):
    """The runner gave up."""
