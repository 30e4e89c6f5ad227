"""Failures of stores. No text holds a URI, because URIs may hold secrets."""

import os
import traceback
from typing import ClassVar, TypeVar

from imagebeam.errors import RAISE_UNEXPECTED, ImagebeamError
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage.clean_text import clean_text

Self = TypeVar("Self", bound="StoreError")


class StoreError(ImagebeamError):
    """A read, listing or write that failed. Its text states why.

    Attributes:
        code: name of the failure as error rows carry it.
        transient: whether another attempt within seconds may succeed.
        pause: seconds that the server asks to wait before it.
    """

    code: ClassVar[str]
    transient: bool
    pause = 0.0

    def __init_subclass__(cls, code: str, transient: bool = False) -> None:
        super().__init_subclass__()
        cls.code, cls.transient = code, transient

    def lasting(self: Self) -> Self:
        """Return this error, marked as one that another attempt would meet again."""
        self.transient = False
        return self


class Missing(StoreError, code="not_found"):
    """Nothing has that name."""


class Denied(StoreError, code="permission_denied"):
    """It may not be read, or not be written."""


class NoCredentials(StoreError, code="no_credentials"):
    """No credentials were found; the text states where they were looked for."""


class TooLarge(StoreError, code="file_too_large"):
    """It has more bytes than were allowed."""


class TimedOut(StoreError, code="fetch_timeout", transient=True):
    """It did not finish in time."""


class Throttled(StoreError, code="throttled", transient=True):
    """The server asks for fewer requests."""


class ConnectionFailed(StoreError, code="connection_failed", transient=True):
    """The server cannot be reached, or closes the connection."""


class ServerFailed(StoreError, code="read_failed", transient=True):
    """The server, or the disk, reports an error of its own."""


class WrongLength(StoreError, code="wrong_bytes", transient=True):
    """More or fewer bytes arrived than were announced."""


class WrongChecksum(StoreError, code="wrong_bytes", transient=True):
    """The bytes are not those that were stored."""


class Changed(StoreError, code="changed"):
    """It no longer has the version that was requested."""


class BlockedAddress(StoreError, code="blocked_address"):
    """The host is not public."""


class TooManyRedirects(StoreError, code="too_many_redirects"):
    """The server redirected too often."""


class OptedOut(StoreError, code="opted_out"):
    """Its headers forbid its use."""


class NotAnObject(StoreError, code="not_a_file"):
    """It is a folder, pipe, socket or device."""


class Unsupported(StoreError, code="unsupported_scheme"):
    """This store cannot do that, or there is no such store."""


class UnexpectedError(StoreError, code="fetch_defect"):
    """A client library raised an exception that is not known here; the text names its type."""


class UnwritableName(ImagebeamError, ValueError):
    """A name that nothing can be written under; states value, reason and fix."""


def describe_unexpected(error: Exception) -> str:
    """Describe an exception of a type that no code expects: a defect of this package.

    The text names type, message and place, without secrets and control characters.

    Raises:
        Exception: the exception itself, where `RAISE_UNEXPECTED` is set.
    """
    if os.environ.get(RAISE_UNEXPECTED):
        raise error
    if isinstance(error, MemoryError):
        return "no memory was left"
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    frames = traceback.extract_tb(error.__traceback__)
    place = f", at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    text = escape_control_chars(clean_text(str(error)))
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}…"
    return f"a defect of imagebeam, not of the input: {name}: {text}{place}"


_LONGEST_TEXT = 300
