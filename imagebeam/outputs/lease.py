"""A lock in a store: an object that counts only as long as its holder renews it."""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from imagebeam.storage import StoreError, store_for
from imagebeam.storage.errors import Changed, Missing, ServerFailed, Unsupported

_MOST_BYTES = 1 << 16
_MOST_LOOKS = 20
"""Other processes change a lease every few seconds, so a second look finds what the first saw."""

_LOG = logging.getLogger(__name__)
# A user must see it whatever level hides the warnings of libraries.
_LOG.setLevel(logging.WARNING)


@dataclass(frozen=True)
class LeaseTiming:
    """When a lease is renewed and when it expires, in seconds.

    Attributes:
        renewed: its holder renews it this often.
        expires: without renewal it counts for nothing after this time; renewals may be late.
        look: time between two looks at a lease of another process.
        clock: seconds that never go back.
        sleep: waits for some seconds.
    """

    renewed: float = 5.0
    expires: float = 30.0
    look: float = 1.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


TIMING = LeaseTiming()


class LeaseTakenError(RuntimeError):
    """Another process holds the lease; the text names the process."""


class _Seen(NamedTuple):
    version: str
    holder: Mapping[str, Any]


class Lease:
    """A lock in a store, held by one process at a time."""

    def __init__(self, uri: str, timing: LeaseTiming = TIMING) -> None:
        self._uri = uri
        self._timing = timing
        self._store = store_for(uri)
        self._id = uuid.uuid4().hex
        self._renewals = 0
        self._is_conditional = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> None:
        """Hold the lease until `release`.

        Some stores that call themselves compatible with S3 have no conditional writes. There, two
        runs that start in the same moment do not notice each other; one that starts later does.

        Raises:
            LeaseTakenError: another process holds it.
            StoreError: the store cannot be written.
        """
        if not self._write(if_version=""):
            seen, is_live = self.watch()
            # An attempt whose answer was lost may have written it: then this process holds it.
            if not self._is_ours(seen) and (
                is_live or not self._write(if_version="" if seen is None else seen.version)
            ):
                raise LeaseTakenError(_holder(seen))
        self._thread.start()

    def watch(self) -> tuple[_Seen | None, bool]:
        """Return what is stored, and whether its holder lives, which may take a while to see."""
        timing = self._timing
        start = timing.clock()
        first = seen = self._look()
        has_expired = False
        while seen is not None and seen == first:
            if has_expired or _has_ended(seen.holder):
                return seen, False
            timing.sleep(timing.look)
            # One look more follows: this process, too, may have been stopped for a while.
            has_expired = timing.clock() - start > timing.expires
            seen = self._look()
        return seen, seen is not None

    def release(self) -> None:
        """Give the lease back."""
        self._ended.set()
        self._thread.join()
        # If the store fails now, the lease expires.
        with suppress(StoreError):
            if self._is_ours(self._look()):
                self._store.remove(self._uri)

    def _renew(self) -> None:
        while not self._ended.wait(self._timing.renewed):
            # A store that fails is tried again at the next renewal. A lease that another process
            # has taken over is not touched.
            with suppress(StoreError):
                seen = self._look()
                if seen is None or not self._is_ours(seen) or not self._write(seen.version):
                    return

    def _look(self) -> _Seen | None:
        """Return what is stored now; None for nothing."""
        for _ in range(_MOST_LOOKS):
            with suppress(Changed):
                try:
                    version = self._store.info(self._uri).version
                    data = self._store.read(self._uri, _MOST_BYTES, version=version)
                except Missing:
                    return None
                return _Seen(version, _parsed(data))
        raise ServerFailed("the server states another version at each request")

    def _is_ours(self, seen: _Seen | None) -> bool:
        return seen is not None and seen.holder.get("id") == self._id

    def _write(self, if_version: str) -> bool:
        """Write the lease if the stored version is still this one; return whether it was."""
        self._renewals += 1
        values = {
            "id": self._id,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "machine": _machine(),
            "renewals": self._renewals,
        }
        data = json.dumps(values).encode()
        try:
            if self._is_conditional:
                self._store.write(self._uri, data, if_version=if_version)
                return True
        except Changed:
            return False
        except Unsupported:
            self._is_conditional = False
            _LOG.warning(
                "imagebeam: %s: this store has no conditional writes, so two runs that start at "
                "once are not kept apart. Make sure that only one writes to this output.",
                self._uri,
            )
        seen = self._look()
        if seen is not None and seen.version != if_version:
            return False
        self._store.write(self._uri, data)
        return True


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError):
        return {}


def _holder(seen: _Seen | None) -> str:
    if seen is None:
        return "another process"
    return f"process {seen.holder.get('process')} on {seen.holder.get('host')}"


def _has_ended(holder: Mapping[str, Any]) -> bool:
    """Return whether the holder is known to have ended; of other machines nothing is known."""
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    return not Path(f"/proc/{holder.get('process')}").exists()


def _machine() -> str:
    """Return what processes share that see each other's ids; empty where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
