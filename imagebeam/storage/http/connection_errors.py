"""Errors of HTTP connections as errors of a store."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead

from urllib3.exceptions import EmptyPoolError, HTTPError

from imagebeam.storage.errors import ConnectionFailed, StoreError, TimedOut, WrongLength


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise an error of a connection in the block as the `StoreError` that it stands for.

    Raises:
        StoreError: `lasting` where another attempt soon would fail alike.
    """
    try:
        yield
    except EmptyPoolError:
        raise TimedOut("other requests to the same host left no time") from None
    except (OSError, HTTPException, HTTPError, ValueError, OverflowError) as error:
        raise _translated(_origin(error)) from None


def _origin(error: BaseException) -> BaseException:
    """Return the error that urllib3 wrapped, as a cause or as a context."""
    while isinstance(error, HTTPError) and (inner := error.__cause__ or error.__context__):
        error = inner
    return error


def _translated(error: BaseException) -> StoreError:
    match error:
        case ssl.SSLCertVerificationError():
            text = f"the server cannot prove its name: {error.verify_message}"
            return ConnectionFailed(text).lasting()
        case UnicodeError() | socket.gaierror(errno=socket.EAI_NONAME | socket.EAI_NODATA):
            return ConnectionFailed("there is no host of that name").lasting()
        case socket.gaierror():
            return ConnectionFailed("the host's name cannot be resolved")
        case TimeoutError():
            return TimedOut("the server did not answer in time")
        case ConnectionError() | ssl.SSLError() | OSError():
            return ConnectionFailed(error.strerror or "the server hung up")
        case IncompleteRead():
            return WrongLength("fewer bytes arrived than were announced")
        case _:
            return ConnectionFailed(f"the server does not speak HTTP ({type(error).__name__})")


def translate_error(error: BaseException) -> StoreError:
    """Return the `StoreError` for an error of a bucket's client library, which wraps others."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    match error:
        case TimeoutError():
            return TimedOut("no answer in time")
        case IncompleteRead():
            return WrongLength("fewer bytes arrived than were announced")
        case socket.gaierror():
            return ConnectionFailed("the server's name cannot be resolved")
        case ssl.SSLCertVerificationError():
            return ConnectionFailed(f"the server cannot prove its name: {error.verify_message}")
        case _:
            return ConnectionFailed("the server cannot be reached, or hangs up")
