"""Download one file by URL, with progress; an interrupted download continues where it stopped."""

import errno
import glob
import hashlib
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from imagebeam.modules.errors import ModuleError
from imagebeam.storage import Settings, StoreError, store_for
from imagebeam.storage.regular_files import NotRegularError, open_regular

Progress = Callable[[int, int | None], object]
"""A function (bytes that have arrived, bytes in total or None) that shows the progress."""

# The user has named the server or chosen the mirror, so it may be one of the user's own network,
# and what owners of images state in headers does not concern modules.
_LOOK = Settings(
    seconds=20.0, attempts=3, allow_private_hosts=True, honour_opt_outs=False, use_proxies=True
)
# One read brings up to 8 MiB, which takes minutes on a slow line.
_READ_SECONDS = 600.0
_BLOCK = 1 << 20
_MOST_BYTES = 16 << 30
_PARTIAL = ".partial"


def download(
    url: str, path: Path, progress: Progress | None = None, settings: Settings = _LOOK
) -> None:
    """Download `url` to the file `path`, which appears only when it is complete.

    Bytes that have arrived stay beside `path` when the download fails. The next call continues
    there if the server still has the same version. One process at a time may do this.

    Args:
        url: any name that `imagebeam.storage` can read.
        path: the file to write.
        progress: called after each block.
        settings: patience of the first look at the server.

    Raises:
        StoreError: the file cannot be read.
        ModuleError: it is larger than any module, or the disk is full.
    """
    info = store_for(url, settings).info(url)
    if (info.size or 0) > _MOST_BYTES:
        raise ModuleError(f"{path.name}: more than {_MOST_BYTES >> 30} GiB. Give a module.")
    store = store_for(url, replace(settings, seconds=_READ_SECONDS))
    key = hashlib.sha256(f"{url}\n{info.version}\n{info.size}".encode()).hexdigest()[:16]
    partial, begun = _begun(path, key, resume=bool(info.version))
    done = 0
    try:
        with begun as file, store.open(url, info.version) as source:
            done = file.seek(0, os.SEEK_END)
            source.seek(done)
            while block := source.read(_BLOCK):
                file.write(block)
                done += len(block)
                if done > _MOST_BYTES:
                    raise ModuleError(f"{path.name}: too large. Give a module.")
                if progress is not None:
                    progress(done, info.size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            partial.unlink(missing_ok=True)
            size = "" if info.size is None else f" for {info.size:,} bytes"
            raise ModuleError(
                f"{str(path.parent)!r}: {error.strerror}{size}. Free disk space, or set "
                "XDG_CACHE_HOME to a directory on another disk."
            ) from error
        raise
    if info.size not in (None, done):
        partial.unlink()
        raise ModuleError(f"{path.name}: {done:,} of {info.size:,} bytes arrived. Try again.")
    partial.replace(path)


def _begun(path: Path, key: str, resume: bool) -> tuple[Path, IO[bytes]]:
    """Open the file of bytes that have arrived, or a new one; delete those of other versions.

    The names are random, and only a regular file of this user with a single name is continued:
    nothing is written through a planted link.

    Args:
        path: the file that is complete at the end.
        resume: False if nothing can tell whether earlier bytes belong to the same version.
    """
    found: tuple[Path, IO[bytes]] | None = None
    for other in path.parent.glob(f".{glob.escape(path.name)}.*{_PARTIAL}"):
        same_version = resume and other.name.startswith(f".{path.name}.{key}.")
        if found is None and same_version and (file := _own_file(other)) is not None:
            found = other, file
        else:
            other.unlink()
    if found is not None:
        return found
    partial = path.with_name(f".{path.name}.{key}.{uuid.uuid4().hex}{_PARTIAL}")
    return partial, partial.open("xb")


def _own_file(path: Path) -> IO[bytes] | None:
    """Open a file to append to it; None if it is a link or not a regular file of this user."""
    try:
        number = open_regular(str(path), os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    except (OSError, NotRegularError):
        return None
    file = os.fdopen(number, "ab")
    status = os.fstat(number)
    if status.st_uid == os.geteuid() and status.st_nlink == 1:
        return file
    file.close()
    return None


def describe(error: StoreError | OSError) -> str:
    """Return the reason of a failed download."""
    return str(getattr(error, "strerror", None) or error)
