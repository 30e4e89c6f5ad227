"""A store that may reach the server on this machine."""

from typing import Any

import pytest

from imagebeam.storage.errors import StoreError
from imagebeam.storage.http.store import HttpStore
from imagebeam.storage.types import Settings

DATA = bytes(range(256))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def store(seconds: float = 5, attempts: int = 1, **settings: Any) -> HttpStore:
    """Return a store that may reach the server on this machine."""
    return HttpStore(
        Settings(
            seconds=seconds,
            attempts=attempts,
            allow_private_hosts=True,
            first_pause=0.01,
            **settings,
        )
    )


def failure(url: str, store: HttpStore, max_bytes: int = 1000) -> tuple[type[StoreError], str]:
    """Return the error of reading."""
    with pytest.raises(StoreError) as caught:
        store.read(url, max_bytes)
    return type(caught.value), str(caught.value)
