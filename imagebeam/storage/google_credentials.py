"""The credentials of Google Cloud, as Google's libraries find them, within a limit of time."""

import os
import time
from contextlib import closing
from typing import Any

import google.auth
from google.auth import compute_engine
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.auth.transport.requests import Request

from imagebeam.storage.errors import NoCredentials

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The environment variable that names a file with a key."""

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def find_credentials(seconds: float) -> Any | None:
    """Return credentials; None if there are none, or the metadata server takes longer.

    Raises:
        NoCredentials: the environment names a file that holds none.
    """
    request = _TimedRequest(seconds)
    with closing(request.session):
        return _found(request)


def _found(request: "_TimedRequest") -> Any | None:
    try:
        credentials, _ = google.auth.default([_SCOPE], request)
    except DefaultCredentialsError:
        if KEY_FILE in os.environ:
            raise NoCredentials(f"{KEY_FILE} names no file with credentials") from None
        return None
    if isinstance(credentials, compute_engine.Credentials):
        try:
            credentials.refresh(request)
        except (DefaultCredentialsError, RefreshError):
            # The machine only looks like Google's, or has no service account.
            return None
    return credentials


class _TimedRequest(Request):  # type: ignore[misc]
    """Requests credentials, and ends the library's own attempts after a few seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    def __call__(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        left = max(self._end - time.monotonic(), 0.1)
        limit = left if timeout is None else min(timeout, left)
        try:
            return super().__call__(*args, timeout=limit, **kwargs)
        except TransportError:
            if time.monotonic() < self._end:
                raise
            raise DefaultCredentialsError("the metadata server does not answer") from None
