"""Find the store for a URI."""

import functools
import threading
from importlib import import_module

from imagebeam.storage import uris
from imagebeam.storage.errors import Unsupported
from imagebeam.storage.types import Settings, Store

# Imported at first use, because each imports a client library of its own.
STORES = {
    "file": ("imagebeam.storage.local", "LocalStore"),
    "gs": ("imagebeam.storage.gcs", "GcsStore"),
    "s3": ("imagebeam.storage.s3", "S3Store"),
    "http": ("imagebeam.storage.http.store", "HttpStore"),
    "https": ("imagebeam.storage.http.store", "HttpStore"),
}
"""Module and class of the store of each scheme."""

SCHEMES = tuple(STORES)
"""Schemes that can be read; a plain path has scheme `file`."""


def store_for(uri: str, settings: Settings = Settings()) -> Store:  # noqa: B008 - it is frozen
    """Return the store that holds an object; there is one per process, kind and settings.

    Raises:
        Unsupported: there is no store for its scheme, or its client library is missing.
    """
    scheme = uris.scheme(uri)
    if scheme not in STORES:
        raise Unsupported(f"{scheme}:// cannot be read (can: {', '.join(SCHEMES)})")
    with _making:
        return _make(*STORES[scheme], settings)


def forget_stores() -> None:
    """Make stores anew when they are next needed.

    A store looks for credentials and servers once. Call this after they changed in the environment.
    """
    with _making:
        _make.cache_clear()


_making = threading.Lock()


@functools.cache
def _make(module: str, name: str, settings: Settings) -> Store:
    store: Store = getattr(import_module(module), name)(settings)
    return store
