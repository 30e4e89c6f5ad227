"""A lock in a store: nothing there ends with a process, so it counts only while it is renewed."""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from imagebeam.storage import StoreError, store_for
from imagebeam.storage.errors import Changed, Missing, Unsupported

RENEWED_SECONDS = 5.0
"""After which its holder renews it."""

EXPIRES_SECONDS = 30.0
"""Without renewal, after which it counts for nothing; renewals may be late."""

_LOOK_SECONDS = 1.0
_MOST_BYTES = 1 << 16


class TakenError(RuntimeError):
    """Another process holds it; says which."""


@contextmanager
def leased(uri: str) -> Iterator[None]:
    """Hold an object for this process, as long as it lives and no longer.

    Where the store knows no conditional writes, as some that call themselves compatible, nothing
    is held: there the user keeps runs apart.

    Raises:
        TakenError: another process holds it.
        StoreError: the store cannot be written.
    """
    lease = _Lease(uri)
    try:
        lease.take()
    except Unsupported:
        yield
        return
    try:
        yield
    finally:
        lease.leave()


def is_leased(uri: str) -> bool:
    """Whether a process holds it, which takes half a minute to see of one that was killed.

    Raises:
        StoreError: the store cannot be read.
    """
    return _Lease(uri).watch()[1]


class _Seen(NamedTuple):
    version: str
    holder: Mapping[str, Any]


class _Lease:
    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._store = store_for(uri)
        self._id = uuid.uuid4().hex
        self._renewals = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> None:
        if not self._write(if_version=""):
            seen, lives = self.watch()
            # Written by a try whose answer was lost, it is ours.
            if not self._is_ours(seen) and (
                lives or not self._write(if_version="" if seen is None else seen.version)
            ):
                raise TakenError(_told(seen))
        self._thread.start()

    def watch(self) -> tuple[_Seen | None, bool]:
        """What is there, and whether its holder lives, which may take a while to see."""
        start = time.monotonic()
        first = seen = self._look()
        while seen is not None and seen == first:
            if _has_ended(seen.holder) or time.monotonic() - start > EXPIRES_SECONDS:
                return seen, False
            time.sleep(_LOOK_SECONDS)
            seen = self._look()
        return seen, seen is not None

    def leave(self) -> None:
        self._ended.set()
        self._thread.join()
        # What is left of it expires.
        with suppress(StoreError):
            if self._is_ours(self._look()):
                self._store.remove(self._uri)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_SECONDS):
            # A store that fails now is asked again; what somebody took over is left to him.
            with suppress(StoreError):
                seen = self._look()
                if seen is None or not self._is_ours(seen) or not self._write(seen.version):
                    return

    def _look(self) -> _Seen | None:
        """What is there now; None for nothing."""
        while True:
            with suppress(Changed):
                try:
                    version = self._store.info(self._uri).version
                    data = self._store.read(self._uri, _MOST_BYTES, version=version)
                except Missing:
                    return None
                return _Seen(version, _parsed(data))

    def _is_ours(self, seen: _Seen | None) -> bool:
        return seen is not None and seen.holder.get("id") == self._id

    def _write(self, if_version: str) -> bool:
        """Write it, if it is the version that it was; whether it was."""
        self._renewals += 1
        values = {
            "id": self._id,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "machine": _machine(),
            "renewals": self._renewals,
        }
        try:
            self._store.write(self._uri, json.dumps(values).encode(), if_version=if_version)
        except Changed:
            return False
        return True


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError):
        return {}


def _told(seen: _Seen | None) -> str:
    if seen is None:
        return "another process"
    return f"process {seen.holder.get('process')} on {seen.holder.get('host')}"


def _has_ended(holder: Mapping[str, Any]) -> bool:
    """Whether it is known to be no more; of processes elsewhere nothing is known."""
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    return not Path(f"/proc/{holder.get('process')}").exists()


def _machine() -> str:
    """What processes share that know each other by number; empty where nobody can tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
