"""Error rows for exceptions that no code expects.

Listing a source, reading a container and fetching an image each have one border. An exception
that crosses it costs one row, which names it as a defect of this package, and never the job.
"""

import os
import traceback
from typing import TypeVar

from imagebeam.errors import RAISE_UNEXPECTED
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.images.errors import ImageError
from imagebeam.storage.secrets import clean_text

_LONGEST_TEXT = 300

E = TypeVar("E", bound=ImageError)


def unexpected(error: Exception, row: type[E]) -> E:
    """Return the error of a row for an exception that nobody expected.

    Args:
        error: the exception.
        row: class of the row's error.

    Raises:
        Exception: the exception itself, where `RAISE_UNEXPECTED` is set.
    """
    if os.environ.get(RAISE_UNEXPECTED):
        raise error
    if isinstance(error, MemoryError):
        return row("no memory was left")
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    frames = traceback.extract_tb(error.__traceback__)
    place = f", at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return row(f"a defect of imagebeam, not of the input: {name}: {_cleaned(str(error))}{place}")


def _cleaned(text: str) -> str:
    shown = escape_control_chars(clean_text(text))
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]}…"
