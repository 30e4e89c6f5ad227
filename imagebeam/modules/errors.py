"""The one error that users of this package see."""

from imagebeam.errors import ImagebeamError


class ModuleError(ImagebeamError, ValueError):
    """A module cannot be used as asked: says which value, for what reason, and what to do."""


def reason_of(error: Exception) -> str:
    """The message of a foreign error, on one line and of bearable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
