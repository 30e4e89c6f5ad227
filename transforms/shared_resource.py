"""One object per worker process for all copies of a DoFn, closed with the last of them."""

import threading
import uuid
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class _Closeable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closeable)


class SharedResource(Generic[T]):
    """A handle that a DoFn is pickled with: its copies in one process get one object.

    Call `acquire` in `setup` and `release` in `teardown`. Beam's `Shared` keeps the object that
    was acquired last until another one is acquired, and decoding processes would outlive their
    pipeline.
    """

    def __init__(self) -> None:
        self._key = uuid.uuid4().hex

    def acquire(self, make: Callable[[], T]) -> T:
        """Return this process's object; make it if there is none."""
        with _lock:
            resource, users = _in_use.get(self._key, (None, 0))
            resource = make() if resource is None else resource
            _in_use[self._key] = (resource, users + 1)
        return resource  # type: ignore[return-value] # made by a `make` of this handle

    def release(self) -> None:
        """Give the object back; close it if no copy of the DoFn uses it any more."""
        with _lock:
            resource, users = _in_use.pop(self._key)
            if users > 1:
                _in_use[self._key] = (resource, users - 1)
                return
        resource.close()


_lock = threading.Lock()
_in_use: dict[str, tuple[_Closeable, int]] = {}
