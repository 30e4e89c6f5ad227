"""Errors of an output that users can act on; their texts state value, reason and fix."""

from imagebeam.errors import ImagebeamError


class OutputError(ImagebeamError, ValueError):
    """An output folder that cannot be used; the text states value, reason and fix."""


class DamagedPartError(ImagebeamError, RuntimeError):
    """A part that cannot be read back; the text states value, reason and fix."""


class AccountError(ImagebeamError, RuntimeError):
    """The counts of a finished job do not add up: a defect, or the output was changed."""
