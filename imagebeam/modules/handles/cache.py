"""A private cache directory for fetched, unpacked and compiled modules.

An entry appears under its final name only when it is complete. It has the hashes of its files and
is made again when they no longer match. One lock per entry prevents two processes from making it
at the same time; the kernel releases the lock when its holder dies, so no lock is ever stale.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.digest import file_hashes, listing, parse_listing
from imagebeam.storage.atomic_files import atomic_folder, remove_leftovers

_LISTING = "files.sha256"
_FILES = "files"
_LOCK_SECONDS = 900.0
_POLL_SECONDS = 0.1


class Cache:
    """A directory of entries, `$XDG_CACHE_HOME/imagebeam` (else `~/.cache/imagebeam`) by default.

    It is created at first use, for its owner alone. A directory that other users can write to is
    refused, because a module planted there would run in the next job.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or _default_directory()

    def directory(self, kind: str) -> Path:
        """Return the directory for entries of one kind; create it if necessary.

        Raises:
            ModuleError: it cannot be created, belongs to another user, or other users can write to
                it.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._directory.stat()
            if status.st_uid != os.geteuid():
                raise _unusable(self._directory, "it belongs to another user")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise _unusable(self._directory, "other users may write to it")
            directory = self._directory / kind
            directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _unusable(self._directory, error.strerror or str(error)) from error
        return directory

    def has(self, kind: str, key: str) -> bool:
        """Return whether the entry `kind`/`key` exists and its files are unchanged."""
        return _is_intact(self._directory / kind / key)

    def entry(
        self,
        kind: str,
        key: str,
        make: Callable[[Path], object],
        lock_seconds: float = _LOCK_SECONDS,
    ) -> Path:
        """Return the directory of the entry `kind`/`key`; `make(directory)` fills a missing one.

        Raises:
            ModuleError: `make` raised it; or the cache is unusable or full; or another process has
                held the lock for `lock_seconds`.
        """
        final = self.directory(kind) / key
        if not _is_intact(final):
            try:
                with _locked(final.with_name(f"{key}.lock"), lock_seconds):
                    if not _is_intact(final):
                        _make(final, make)
            except OSError as error:
                raise _unusable(self._directory, error.strerror or str(error)) from error
        return final / _FILES


def _default_directory() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG base directory specification says to ignore relative paths.
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "imagebeam"


def _unusable(directory: Path, reason: str) -> ModuleError:
    return ModuleError(
        f"cache directory {str(directory)!r}: {reason}. "
        "Set XDG_CACHE_HOME to a directory of your own with free space."
    )


def _is_intact(entry: Path) -> bool:
    try:
        expected = parse_listing((entry / _LISTING).read_bytes())
        return file_hashes(entry / _FILES) == expected
    except (OSError, ValueError):
        return False


def _make(final: Path, make: Callable[[Path], object]) -> None:
    # Temporary directories are made under the lock, so these are from killed processes.
    remove_leftovers(final)
    with atomic_folder(final, replace=True) as temporary:
        files = temporary / _FILES
        files.mkdir()
        make(files)
        (temporary / _LISTING).write_bytes(listing(file_hashes(files)))


@contextlib.contextmanager
def _locked(path: Path, seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    with path.open("a") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() >= deadline:
                raise ModuleError(
                    f"{str(path)!r}: another process has been preparing this module for "
                    f"more than {seconds:g} s. Wait for it or stop it, then start again."
                )
            time.sleep(_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
