"""Failures of stores. No text holds a URI, because URIs may hold secrets."""

from typing import ClassVar, TypeVar

from imagebeam.errors import ImagebeamError
from imagebeam.storage.secrets import clean_text

Self = TypeVar("Self", bound="StoreError")


class StoreError(ImagebeamError):
    """A read, listing or write that failed. Its text states why.

    Attributes:
        code: name of the failure as error rows carry it.
        transient: whether another attempt within seconds may succeed.
    """

    code: ClassVar[str]
    transient: bool

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


def unexpected(error: Exception) -> str:
    """Describe an exception of an unknown type: types, place and text, without secrets."""
    names = [type(error).__name__]
    inner = error.__cause__ or error.__context__
    while inner is not None and len(names) < _MOST_NAMES:
        names.append(type(inner).__name__)
        inner = inner.__cause__ or inner.__context__
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" in {where.tb_frame.f_code.co_name}" if where is not None else ""
    text = clean_text(str(error))[:_LONGEST_TEXT]
    return f"unexpected {' from '.join(names)}{place}{f': {text}' if text else ''}"


_MOST_NAMES = 4
_LONGEST_TEXT = 200
