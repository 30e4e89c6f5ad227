"""The root of all errors that are meant for users."""


class ImagebeamError(Exception):
    """An error that a user can act on.

    Its text states the value, the reason and the fix. The command line prints the text alone;
    every other exception is a defect of this package and shows its stack trace.
    """


class ArgumentError(ImagebeamError, ValueError):
    """An argument of a function has a value that has no meaning."""


RAISE_UNEXPECTED = "IMAGEBEAM_RAISE"
"""Environment variable that `--debug` sets: exceptions that would become error rows are raised."""
